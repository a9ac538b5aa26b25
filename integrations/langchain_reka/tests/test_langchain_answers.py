"""Answers become messages, whole or in chunks that add up to the same."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk

import reka
from langchain_reka.answers import Chunks, to_ai_message
from langchain_reka.messages import reka_messages
from langchain_reka.tool_history import INVALID_PREFIX
from reka.adapters.tool_calls import INVALID

CITATION = reka.Citation("https://example.com", "Example", 0, 4)
CITED = {"type": "citation", "url": "https://example.com", "title": "Example", "start_index": 0, "end_index": 4}
CALL = reka.ToolCall("c1", "add", '{"a": 1}')


def streamed(completion: reka.ChatCompletion) -> AIMessageChunk:
    """The sum of the chunks of an answer that comes in small pieces."""
    events: list[reka.StreamEvent] = [reka.ReasoningDelta(character) for character in completion.reasoning]
    events += [reka.TextDelta(character) for character in completion.text]
    for index, call in enumerate(completion.tool_calls):
        events.append(reka.ToolCallDelta(index, call.id, call.name, ""))
        events += [reka.ToolCallDelta(index, "", "", character) for character in call.arguments]
    events += completion.citations
    events += [] if completion.usage is None else [completion.usage]
    finish = (completion.finish_reason, completion.model, completion.id, completion.request_id)
    chunks = Chunks("asked", with_usage=True)
    end = reka.Finish(*finish, completion.retrieved_chunks)
    first, *others = [chunk for event in [*events, end] for chunk in chunks.of(event)]
    return first + others


def fields(message: AIMessage) -> dict[str, Any]:
    """All that a message tells; the arguments of invalid calls as the model wrote them."""
    told = message.model_dump(exclude={"type", "tool_call_chunks", "chunk_position"})
    blocks = [dict(block) for block in message.content_blocks]
    for call in [*told["invalid_tool_calls"], *(block for block in blocks if block["type"] == "invalid_tool_call")]:
        call["args"] = call["args"].removeprefix(INVALID_PREFIX)
    return {**told, "content_blocks": blocks}


ANSWERS = [
    pytest.param(reka.ChatCompletion("Hello!"), id="text"),
    pytest.param(reka.ChatCompletion(""), id="nothing"),
    pytest.param(
        reka.ChatCompletion(
            "Hi", finish_reason="stop", usage=reka.Usage(3, 4), model="reka-core", id="1", request_id="r-7"
        ),
        id="metadata",
    ),
    pytest.param(reka.ChatCompletion("", [CALL, reka.ToolCall("c2", "now", "")]), id="two calls"),
    pytest.param(reka.ChatCompletion("Let me add.", [CALL]), id="text and a call"),
    pytest.param(reka.ChatCompletion("", [reka.ToolCall("c1", "add", "nonsense")]), id="a call with no JSON"),
    pytest.param(reka.ChatCompletion("", [reka.ToolCall("c1", "add", "[1]"), CALL]), id="a call with no object"),
    pytest.param(reka.ChatCompletion("It is 4.", reasoning="2 + 2"), id="reasoning"),
    pytest.param(reka.ChatCompletion("Cats purr.", reasoning="Hm", citations=[CITATION, CITATION]), id="citations"),
    pytest.param(reka.ChatCompletion("A", retrieved_chunks=[{"text": "c", "score": 0.5}]), id="retrieved chunks"),
    pytest.param(reka.ChatCompletion("A", retrieved_chunks=[]), id="no chunk found"),
]


@pytest.mark.parametrize("completion", ANSWERS)
def test_chunks_add_up_to_the_message_that_is_invoked(completion: reka.ChatCompletion) -> None:
    assert fields(streamed(completion)) == fields(to_ai_message(completion, "asked"))


@given(
    text=st.text(max_size=20),
    reasoning=st.text(max_size=10),
    calls=st.lists(
        st.builds(
            reka.ToolCall,
            st.uuids().map(str),
            st.sampled_from(["add", "now"]),
            st.sampled_from(['{"a": 1}', "{}", "x", "", "[]", '{"a": NaN}', '{"a": 1e999}', '{"a": "', "{" * 99]),
        ),
        max_size=3,
    ),
    citations=st.lists(st.just(CITATION), max_size=2),
    usage=st.none() | st.builds(reka.Usage, st.integers(0, 99), st.integers(0, 99)),
    reason=st.sampled_from([None, "stop", "length", "tool_calls"]),
)
def test_any_answers_chunks_add_up_to_the_message_that_is_invoked(
    text: str,
    reasoning: str,
    calls: list[reka.ToolCall],
    citations: list[reka.Citation],
    usage: reka.Usage | None,
    reason: str | None,
) -> None:
    completion = reka.ChatCompletion(text, calls, reason, usage, reasoning=reasoning, citations=citations)

    assert fields(streamed(completion)) == fields(to_ai_message(completion, "asked"))


def test_a_message_tells_all_that_the_answer_told() -> None:
    chunks: list[reka.RetrievedChunk] = [{"text": "c", "score": 0.5}]

    message = to_ai_message(
        reka.ChatCompletion("Hi", [CALL], "stop", reka.Usage(3, 4), "reka-core", "1", "r-7", retrieved_chunks=chunks),
        "asked",
    )

    assert message.text == "Hi"
    assert message.tool_calls == [{"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}]
    assert message.usage_metadata == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    assert message.response_metadata == {
        "model_name": "reka-core",
        "model_provider": "reka",
        "finish_reason": "stop",
        "request_id": "r-7",
        "retrieved_chunks": chunks,
    }


def test_a_bare_answer_becomes_a_message_without_invented_fields() -> None:
    message = to_ai_message(reka.ChatCompletion("A."), "asked")

    assert message.usage_metadata is None
    assert message.additional_kwargs == {}
    assert message.response_metadata == {"model_name": "asked", "model_provider": "reka"}


def test_reasoning_and_citations_are_standard_blocks() -> None:
    message = to_ai_message(reka.ChatCompletion("Cats purr.", [CALL], reasoning="Hm", citations=[CITATION]), "asked")

    assert message.content_blocks == [
        {"type": "reasoning", "reasoning": "Hm"},
        {"type": "text", "text": "Cats purr.", "annotations": [CITED]},
        {"type": "tool_call", "name": "add", "args": {"a": 1}, "id": "c1"},
    ]


@pytest.mark.parametrize(
    "arguments", ['{"a": NaN}', '{"a": 1e999}', '{"a": [Infinity', "[1]", "1", '{"a":' * 100_000, "{}" * 2, '{"a": 1}]']
)
def test_a_call_whose_arguments_are_no_json_object_is_invalid_and_can_be_sent_back(arguments: str) -> None:
    completion = reka.ChatCompletion("", [CALL, reka.ToolCall("c2", "add", arguments)], "tool_calls")

    for message in (to_ai_message(completion, "asked"), streamed(completion)):
        assert [call["id"] for call in message.tool_calls] == ["c1"]
        assert [call["id"] for call in message.invalid_tool_calls] == ["c2"]
        sent, result = reka_messages([message])
        assert [json.loads(call["arguments"]) for call in sent["tool_calls"]] == [{"a": 1}, {INVALID: arguments}]
        assert (result["role"], result["tool_call_id"]) == ("tool", "c2")


def test_tokens_read_from_a_cache_and_tokens_of_reasoning_are_counted_where_the_server_tells() -> None:
    usage = reka.Usage(10, 5, cached_input_tokens=4, reasoning_tokens=0)
    completion = reka.ChatCompletion("Hi", usage=usage)

    for message in (to_ai_message(completion, "asked"), streamed(completion)):
        assert message.usage_metadata == {
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            "input_token_details": {"cache_read": 4},
            "output_token_details": {"reasoning": 0},
        }


def test_a_call_whose_arguments_are_cut_off_is_never_run_with_what_is_left_of_them() -> None:
    complete = '{"a": [1, "b\\\\c \\"d\\" {"], "e": true}'

    for end in range(1, len(complete) + 1):
        arguments = complete[:end]
        completion = reka.ChatCompletion("", [reka.ToolCall("c1", "delete", arguments)], "length")
        whole, pieces = to_ai_message(completion, "asked"), streamed(completion)
        assert (whole.tool_calls, pieces.tool_calls) == ([], [])
        assert [call["args"] for call in whole.invalid_tool_calls] == [arguments]
        assert [call["name"] for call in pieces.invalid_tool_calls] == ["delete"]


def test_a_call_that_is_cut_off_before_its_arguments_is_invalid_and_one_without_arguments_is_not() -> None:
    for reason, is_valid in (("length", False), ("tool_calls", True)):
        completion = reka.ChatCompletion("", [reka.ToolCall("c1", "delete_all", "")], reason)
        for message in (to_ai_message(completion, "asked"), streamed(completion)):
            assert [call["name"] for call in message.tool_calls] == (["delete_all"] if is_valid else [])
            assert [call["name"] for call in message.invalid_tool_calls] == ([] if is_valid else ["delete_all"])


def test_a_call_that_the_server_gave_no_id_gets_one_of_its_own() -> None:
    calls = [reka.ToolCall("", "now", "{}")] * 2

    ids = {call["id"] for call in to_ai_message(reka.ChatCompletion("", calls), "asked").tool_calls}

    assert len(ids) == 2
    assert None not in ids


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_pieces_of_several_calls_may_come_in_any_order(order: tuple[int, int]) -> None:
    chunks = Chunks("asked", with_usage=True)
    events: list[reka.StreamEvent] = [reka.ToolCallDelta(index, f"c{index}", "f", '{"i":') for index in order]
    events += [reka.ToolCallDelta(index, "", "", f"{index}}}") for index in (0, 1)]

    (made, _last) = [chunk for event in [*events, reka.Finish("tool_calls")] for chunk in chunks.of(event)]

    assert {call["id"]: call["args"] for call in made.tool_calls} == {"c0": {"i": 0}, "c1": {"i": 1}}


def test_without_parallel_calls_the_first_is_kept() -> None:
    completion = reka.ChatCompletion("", [CALL, reka.ToolCall("c2", "add", '{"a": 2')], "length")
    chunks = Chunks("asked", with_usage=True, parallel=False)
    events: list[reka.StreamEvent] = [
        *(
            reka.ToolCallDelta(index, call.id, call.name, call.arguments)
            for index, call in enumerate(completion.tool_calls)
        ),
        reka.Finish("length"),
    ]
    (called, _last) = [chunk for event in events for chunk in chunks.of(event)]

    for message in (to_ai_message(completion, "asked", parallel=False), called):
        assert ([call["id"] for call in message.tool_calls], message.invalid_tool_calls) == (["c1"], [])


def test_token_counts_can_be_left_out_of_a_stream() -> None:
    chunks = Chunks("asked", with_usage=False)

    made = [chunk for event in (reka.Usage(1, 2), reka.Finish("stop")) for chunk in chunks.of(event)]

    assert [message.usage_metadata for message in made] == [None]
