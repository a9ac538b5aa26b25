"""`stream` and `stream_messages`: new text as it comes, one end, and no connection left behind."""

import gc
from threading import Event
from typing import Any

import pytest

import reka
from reka.testing import FakeReka
from reka.testing.bodies import DONE, chunk, completion, events, texts
from tests.support.clients import KEY, Connect
from tests.support.completions import HI, TOOL

TURN = {"type": "model", "text": "Hello"}

STREAM = {"stream": True, "stream_options": {"include_usage": True}}


def test_stream_gives_new_text_and_then_how_it_ended(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_stream(
        events(chunk(role="assistant", content=""), chunk(content="Hel"), chunk(content="lo"), chunk("stop")),
        events({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}),
        DONE,
    )

    assert list(client.stream("Hi")) == [
        reka.ChatEvent("Hel"),
        reka.ChatEvent("lo"),
        reka.ChatEvent("", "stop", reka.Usage(3, 5)),
    ]
    assert fake.paths == ["POST /v1/chat/completions"]
    assert fake.requests[0].json == {"messages": HI, "model": "reka-flash", **STREAM}


def test_stream_sends_chats_parameters_under_their_names_at_this_endpoint(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_stream(texts("Hello"))

    list(
        client.stream(
            None,
            None,
            None,
            [{"type": "human", "text": "Hi", "media_url": "https://x.example/a.mp4"}],
            None,
            "reka-edge",
            20,
            0.5,
            7,
            5,
            0.9,
            0.1,
            0.2,
            None,
            ["END"],
            {"new": 1},
        )
    )

    assert fake.requests[0].json == {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "video_url", "video_url": {"url": "https://x.example/a.mp4"}},
                    {"type": "text", "text": "Hi"},
                ],
            }
        ],
        "model": "reka-edge",
        "stop": ["END"],
        **STREAM,
        "max_tokens": 20,
        "temperature": 0.5,
        "seed": 7,
        "top_k": 5,
        "top_p": 0.9,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "new": 1,
    }


def test_stream_messages_gives_every_kind_of_event(client: reka.Reka, fake: FakeReka) -> None:
    citation = {"type": "url_citation", "url_citation": {"url": "https://x", "title": "X"}}
    fake.will_stream(
        events(
            chunk(reasoning_content="Hm."),
            chunk(content="Cold"),
            chunk(content=".", annotations=[citation]),
            chunk(tool_calls=[{"index": 0, "id": "t-1", "function": {"name": "weather", "arguments": ""}}]),
            chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"a":'}}]),
            chunk(tool_calls=[{"index": 0, "function": {"arguments": "1}"}}]),
            chunk("tool_calls"),
            {"choices": [], "usage": {"input_tokens": 3, "output_tokens": 5}},
        ),
        DONE,
    )

    assert list(client.stream_messages(HI)) == [
        reka.ReasoningDelta("Hm."),
        reka.TextDelta("Cold"),
        reka.TextDelta("."),
        reka.Citation("https://x", "X"),
        reka.ToolCallDelta(0, "t-1", "weather", ""),
        reka.ToolCallDelta(0, "", "", '{"a":'),
        reka.ToolCallDelta(0, "", "", "1}"),
        reka.Usage(3, 5),
        reka.Finish("tool_calls", "reka-flash", "c-1"),
    ]


def test_an_item_is_given_before_the_next_one_is_sent(client: reka.Reka, fake: FakeReka) -> None:
    go_on = Event()
    fake.will_stream(events(chunk(content="Hel")), go_on, texts("lo"))

    stream = client.stream("Hi")

    assert next(stream) == reka.ChatEvent("Hel")
    go_on.set()
    assert [event.text for event in stream] == ["lo", ""]


def test_a_stream_that_has_not_begun_has_sent_nothing(client: reka.Reka, fake: FakeReka) -> None:
    client.stream("Hi").close()

    assert fake.requests == []


def test_the_arguments_are_checked_before_the_iteration(client: reka.Reka) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="temperature"):
        client.stream("Hi", temperature=-1)
    with pytest.raises(reka.InvalidConversationError, match="there are none"):
        client.stream_messages([])


@pytest.mark.parametrize("method", ["stream", "stream_messages"])
def test_closing_early_closes_the_connection_at_once(client: reka.Reka, fake: FakeReka, method: str) -> None:
    gone = fake.will_stream(events(chunk(content="Hel"), chunk(content="lo")), ends=False)

    stream = client.stream("Hi") if method == "stream" else client.stream_messages(HI)
    next(stream)
    stream.close()

    assert gone.wait(5)


def test_a_stream_left_in_the_middle_and_forgotten_closes_its_connection(client: reka.Reka, fake: FakeReka) -> None:
    gone = fake.will_stream(events(chunk(content="Hel")), ends=False)

    for _ in client.stream("Hi"):
        break
    gc.collect()

    assert gone.wait(5)


def test_a_stream_that_is_whole_gives_its_connection_back(client: reka.Reka, fake: FakeReka) -> None:
    for _ in range(3):
        fake.will_stream(texts("Hello"))

    for _ in range(3):
        list(client.stream("Hi"))

    assert fake.connections == 1


def test_a_stream_is_whole_at_its_last_event_even_if_the_connection_stays_open(
    client: reka.Reka, fake: FakeReka
) -> None:
    gone = fake.will_stream(texts("Hello"), ends=False)

    assert [event.text for event in client.stream("Hi")] == ["Hello", ""]
    assert gone.wait(5)


@pytest.mark.parametrize(
    "arguments",
    [{"retrieval_dataset": "alice"}, {"length_penalty": 1.5}],
    ids=["retrieval_dataset", "length_penalty"],
)
def test_the_documented_endpoint_has_no_streaming_so_its_answer_is_one_event(
    client: reka.Reka, fake: FakeReka, arguments: dict[str, Any]
) -> None:
    fake.will_answer(404)  # GET /
    fake.will_answer(200, TURN | {"retrieved_chunks": [{"text": "t"}], "finish_reason": "stop"})

    assert list(client.stream("Hi", **arguments)) == [reka.ChatEvent("Hello", "stop", retrieved_chunks=[{"text": "t"}])]
    assert fake.paths == ["GET /", "POST /chat"]
    assert "stream" not in fake.requests[1].json


def test_stream_messages_of_the_documented_endpoint_gives_its_events(connect: Connect, fake: FakeReka) -> None:
    fake.will_answer(200, TURN)

    with connect(KEY, fake.url, api="v0") as client:
        assert list(client.stream_messages(HI)) == [reka.TextDelta("Hello"), reka.Finish(None)]


def test_in_the_form_of_2025_tools_are_asked_for_without_streaming(connect: Connect, fake: FakeReka) -> None:
    call = {"id": "t-1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    fake.will_answer(200, completion("tool_calls", content="Let me see.", tool_calls=[call]))

    with connect(KEY, fake.url, form="reka") as client:
        streamed = list(client.stream_messages(HI, tools=[TOOL]))

    assert streamed == [
        reka.TextDelta("Let me see."),
        reka.ToolCallDelta(0, "t-1", "weather", "{}"),
        reka.Usage(3, 5),
        reka.Finish("tool_calls", "reka-flash", "c-1"),
    ]
    assert "stream" not in fake.requests[0].json


@pytest.mark.parametrize("method", ["stream", "stream_messages"])
def test_a_server_that_answers_in_whole_all_the_same_is_read(client: reka.Reka, fake: FakeReka, method: str) -> None:
    fake.will_answer(200, completion(content="Hello"))

    stream: Any = client.stream("Hi") if method == "stream" else client.stream_messages(HI)

    assert "".join(getattr(event, "text", "") for event in stream) == "Hello"


@pytest.mark.parametrize(
    ("documents", "parts"),
    [
        pytest.param(
            [
                {"responses": [{"chunk": {"content": "Hel"}}]},
                {"responses": [{"chunk": {"content": "Hello"}, "finish_reason": "stop"}]},
            ],
            ["Hel", "lo"],
            id="generation-before",
        ),
        pytest.param(
            [
                chunk(content="Hel"),
                chunk(content="lo"),
                {"choices": [{"message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}]},
            ],
            ["Hel", "lo", "!"],
            id="the-whole-message-at-the-end",
        ),
        pytest.param(
            [chunk(content="Hello\n"), {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}],
            ["Hello\n"],
            id="a-whole-message-without-the-last-line-end",
        ),
        pytest.param(
            [{"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}], ["Hello"], id="only-a-message"
        ),
    ],
)
def test_text_that_comes_again_is_given_once(
    client: reka.Reka, fake: FakeReka, documents: list[object], parts: list[str]
) -> None:
    fake.will_stream(events(*documents))

    stream = list(client.stream_messages(HI))

    assert [event.text for event in stream if isinstance(event, reka.TextDelta)] == parts


@pytest.mark.parametrize(
    "parts",
    [
        ["1", "12", "123", " done"],
        ["\n", "\n\n", "\n\n\n", "x"],
        ["-", "--", "---", ">"],
        [" ", "  ", "    return"],
        ["ha", "haha"],
    ],
)
def test_a_delta_is_new_text_even_if_it_begins_with_the_one_before(
    sync_client: reka.Reka, fake: FakeReka, parts: list[str]
) -> None:
    fake.will_stream(texts(*parts))

    assert [event.text for event in sync_client.stream("Hi")] == [*parts, ""]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"choices": None},
        {"choices": "x"},
        {"choices": [None]},
        {"choices": ["x"]},
        {"choices": [{"delta": "x"}]},
        {"choices": [{"delta": {"content": 7, "tool_calls": 7, "annotations": 7, "reasoning_content": 7}}]},
        {"choices": [{"delta": {"tool_calls": ["x", None], "annotations": ["x"]}}]},
        {"choices": [{"delta": {}}, {"delta": {"content": "another answer"}}]},
        {"usage": "x", "choices": []},
        {"responses": [{"chunk": "x"}]},
    ],
)
def test_an_event_that_brings_nothing_we_know_is_passed_over(client: reka.Reka, fake: FakeReka, document: Any) -> None:
    fake.will_stream(events(chunk(content="Hel"), document, chunk(content="lo"), chunk("stop")), DONE)

    stream = list(client.stream_messages(HI))

    assert [event.text for event in stream if isinstance(event, reka.TextDelta)] == ["Hel", "lo"]


def test_comments_ids_and_bare_fields_are_no_answer(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_stream(b": ping\n\n", b"id: 1\n\n", b"id: 2\nretry: 5\nevent: message\n", texts("Hel", "lo"), b":\n\n")

    assert "".join(event.text for event in client.stream("Hi")) == "Hello"
