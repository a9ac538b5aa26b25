import json
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    CitationBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.llms import ChatResponse

import reka
from llamaindex_reka.answers import Answer, answer_from_completion, chat_item, completion_item, tool_selections
from llamaindex_reka.messages import messages_for

COMPLETION = reka.ChatCompletion(
    text="Paris is the capital.",
    tool_calls=[reka.ToolCall("c-1", "add", '{"a": 1}'), reka.ToolCall("c-2", "add", '{"a": 2}')],
    finish_reason="tool_calls",
    usage=reka.Usage(5, 7),
    model="reka-flash",
    id="id-1",
    request_id="r-1",
    reasoning="Let me think.",
    citations=[reka.Citation("https://e.com", "France", 0, 5)],
    retrieved_chunks=[{"text": "chunk"}],
)
EVENTS: list[reka.StreamEvent] = [
    reka.ReasoningDelta("Let me "),
    reka.ReasoningDelta("think."),
    reka.TextDelta("Paris is "),
    reka.TextDelta("the capital."),
    reka.ToolCallDelta(0, "c-1", "add", '{"a"'),
    reka.ToolCallDelta(0, "", "", ": 1}"),
    reka.ToolCallDelta(1, "c-2", "add", '{"a": 2}'),
    reka.Citation("https://e.com", "France", 0, 5),
    reka.Usage(5, 7),
    reka.Finish("tool_calls", "reka-flash", "id-1", "r-1", [{"text": "chunk"}]),
]


def items(events: list[reka.StreamEvent], **options: Any) -> list[ChatResponse]:
    answer = Answer(**options)
    return [item for event in events if (item := chat_item(answer, event)) is not None]


def test_an_answer_becomes_blocks_counts_and_what_the_server_said() -> None:
    response = answer_from_completion(COMPLETION).chat()

    assert response.message.blocks == [
        ThinkingBlock(content="Let me think."),
        TextBlock(text="Paris is the capital."),
        ToolCallBlock(tool_call_id="c-1", tool_name="add", tool_kwargs={"a": 1}),
        ToolCallBlock(tool_call_id="c-2", tool_name="add", tool_kwargs={"a": 2}),
        CitationBlock(
            cited_content=TextBlock(text="Paris"),
            source="https://e.com",
            title="France",
            additional_location_info={"start_index": 0, "end_index": 5},
        ),
    ]
    assert response.message.content == "Paris is the capital."
    counts = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    assert response.raw == {
        "id": "id-1",
        "model": "reka-flash",
        "finish_reason": "tool_calls",
        "request_id": "r-1",
        "usage": counts,
    }
    assert response.additional_kwargs == {
        **counts,
        "finish_reason": "tool_calls",
        "retrieved_chunks": [{"text": "chunk"}],
    }


def test_the_last_item_of_a_stream_is_the_whole_answer() -> None:
    last = items(EVENTS)[-1]

    whole = answer_from_completion(COMPLETION).chat()
    assert last.message == whole.message
    assert (last.raw, last.additional_kwargs, last.delta) == (whole.raw, whole.additional_kwargs, "")


def test_the_deltas_of_a_stream_are_new_text_and_add_up() -> None:
    streamed = items(EVENTS)

    assert [item.delta for item in streamed if item.delta] == ["Paris is ", "the capital."]
    assert [item.message.content for item in streamed[2:4]] == ["Paris is ", "Paris is the capital."]
    assert [item.additional_kwargs.get("thinking_delta") for item in streamed[:3]] == ["Let me ", "think.", None]


@pytest.mark.parametrize("streamed", [False, True])
def test_token_counts_have_what_the_server_tells_of_cache_reasoning_and_price(streamed: bool) -> None:
    sent = {
        "prompt_tokens": 5,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1},
    }
    usage = reka.Usage(5, 7, 4, 3, 0.25, {**sent, "reasoning_tokens": 3})
    whole = answer_from_completion(reka.ChatCompletion("A.", finish_reason="stop", usage=usage))

    response = items([reka.TextDelta("A."), usage, reka.Finish("stop")])[-1] if streamed else whole.chat()

    counts = {
        "prompt_tokens": 5,
        "completion_tokens": 7,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 3},
        "cost": 0.25,
    }
    assert response.raw is not None
    assert response.raw["usage"] == counts
    assert response.additional_kwargs == {**counts, "finish_reason": "stop"}


def test_a_tool_call_that_is_being_written_shows_its_arguments_so_far() -> None:
    half = items([reka.ToolCallDelta(0, "c-1", "add", '{"a": 1, "b'), reka.ToolCallDelta(0, "", "", '": "wor')])

    assert [tool_selections(item)[0].tool_kwargs for item in half] == [{"a": 1}, {"a": 1, "b": "wor"}]


@pytest.mark.parametrize(
    "written",
    ["", "[", "[1]", "no", '{"a": NaN', '{"a": NaN}', '{"a":' * 900, '{"a":' * 9_000],
    ids=lambda text: text[:9],
)
def test_arguments_of_which_nothing_can_be_read_yet_are_shown_as_none(written: str) -> None:
    half = items([reka.ToolCallDelta(0, "c-1", "add", written)])

    assert tool_selections(half[-1])[0].tool_kwargs == {}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "written",
    [
        '{"a": 1',
        "[1]",
        "no",
        '{"a": NaN}',
        '{"a": [-Infinity]}',
        '{"a": 1e999}',
        '{"a":' * 900 + "1" + "}" * 900,
        "[" * 9_000,
    ],
    ids=lambda text: text[:9],
)
def test_a_whole_tool_call_whose_arguments_are_no_object_is_an_error_that_shows_them(
    written: str, streamed: bool
) -> None:
    called: list[reka.StreamEvent] = [reka.ToolCallDelta(0, "c-1", "add", written), reka.Finish("tool_calls")]
    whole = answer_from_completion(reka.ChatCompletion("", [reka.ToolCall("c-1", "add", written)], "tool_calls"))

    response = items(called)[-1] if streamed else whole.chat()

    assert response.message.blocks == [ToolCallBlock(tool_call_id="c-1", tool_name="add", tool_kwargs=written)]
    with pytest.raises(reka.UnexpectedResponseError, match=r"'add'.*want a complete JSON object") as caught:
        tool_selections(response)
    assert repr(written[:200]) in str(caught.value)
    assert response.model_dump_json()


@pytest.mark.parametrize("reason", ["length", "context"])
def test_the_last_call_of_an_answer_that_a_limit_cut_off_is_an_error_even_if_it_looks_whole(reason: str) -> None:
    first, last = (reka.ToolCall(f"c-{number}", "add", f'{{"a": {number}}}') for number in (1, 2))

    response = answer_from_completion(reka.ChatCompletion("", [first, last], reason)).chat()

    assert [block.tool_kwargs for block in response.message.blocks if isinstance(block, ToolCallBlock)] == [
        {"a": 1},
        '{"a": 2}',
    ]
    with pytest.raises(reka.UnexpectedResponseError, match=f"'add': got arguments .*finish reason: {reason}"):
        tool_selections(response)


def test_a_tool_call_that_is_cut_off_before_its_arguments_is_an_error_in_a_stream_too() -> None:
    called: list[reka.StreamEvent] = [reka.ToolCallDelta(0, "c-1", "delete_all", "")]
    whole = answer_from_completion(reka.ChatCompletion("", [reka.ToolCall("c-1", "delete_all", "")], "length")).chat()

    for response in (whole, items([*called, reka.Finish("length")])[-1]):
        with pytest.raises(reka.UnexpectedResponseError, match="'delete_all': got arguments ''"):
            tool_selections(response)
    assert tool_selections(items([*called, reka.Finish("tool_calls")])[-1])[0].tool_kwargs == {}


def test_arguments_that_another_llm_kept_as_json_are_read() -> None:
    block = ToolCallBlock(tool_call_id="c-1", tool_name="add", tool_kwargs='{"a": 1}')

    (selection,) = tool_selections(ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, blocks=[block])))

    assert selection.tool_kwargs == {"a": 1}


def test_calls_without_ids_can_be_told_apart() -> None:
    completion = reka.ChatCompletion("", [reka.ToolCall("", "add", "{}"), reka.ToolCall("", "add", "")])

    assert [call.tool_id for call in tool_selections(answer_from_completion(completion).chat())] == ["call-0", "call-1"]


@pytest.mark.parametrize("streamed", [False, True])
def test_where_calls_must_not_be_parallel_the_first_is_kept(streamed: bool) -> None:
    response = (
        items(EVENTS, parallel=False)[-1] if streamed else answer_from_completion(COMPLETION, parallel=False).chat()
    )

    assert [call.tool_id for call in tool_selections(response)] == ["c-1"]
    assert [call["id"] for call in response.message.additional_kwargs["tool_calls"]] == ["c-1"]


def test_what_the_server_does_not_say_is_not_made_up() -> None:
    response = answer_from_completion(reka.ChatCompletion("A.")).chat()

    assert response.message.blocks == [TextBlock(text="A.")]
    assert (response.additional_kwargs, response.message.additional_kwargs) == ({}, {})


def test_a_citation_without_a_place_cites_no_text() -> None:
    response = answer_from_completion(reka.ChatCompletion("A.", citations=[reka.Citation("https://e.com")])).chat()

    citation = response.message.blocks[-1]
    assert isinstance(citation, CitationBlock)
    assert (citation.cited_content, citation.additional_location_info) == (TextBlock(text=""), {})


def test_fields_that_a_server_adds_are_in_raw() -> None:
    response = answer_from_completion(reka.ChatCompletion("A.", extra={"reasoning_steps": []})).chat()

    assert response.raw is not None
    assert response.raw["reasoning_steps"] == []


def test_a_completion_has_the_text_and_the_counts() -> None:
    answer = Answer()
    streamed = [item for event in EVENTS if (item := completion_item(answer, event)) is not None]

    whole = answer_from_completion(COMPLETION).completion()
    assert whole.text == "Paris is the capital."
    assert [(item.delta, item.text) for item in streamed] == [
        ("Paris is ", "Paris is "),
        ("the capital.", "Paris is the capital."),
        ("", "Paris is the capital."),
    ]
    assert (streamed[-1].raw, streamed[-1].additional_kwargs) == (whole.raw, whole.additional_kwargs)
    assert whole.additional_kwargs["total_tokens"] == 12


def test_an_answer_goes_back_into_a_conversation_as_it_is_also_through_json() -> None:
    message = answer_from_completion(COMPLETION).chat().message
    results = [
        ChatMessage(role=MessageRole.TOOL, content=str(number), additional_kwargs={"tool_call_id": f"c-{number}"})
        for number in (1, 2)
    ]

    sent = messages_for([ChatMessage(content="Hi"), message, *results])

    assert [call["id"] for call in sent[1]["tool_calls"]] == ["c-1", "c-2"]
    assert sent[1]["content"] == [{"type": "text", "text": "Paris is the capital.\n[Source: France <https://e.com>]"}]
    again = ChatMessage.model_validate(json.loads(message.model_dump_json()))
    assert messages_for([again]) == sent[1:2]
