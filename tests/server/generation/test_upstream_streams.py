"""What servers write differently in streams: it reaches a caller in the one form that OpenAI's API has."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from reka.server.generation.types import Delta
from reka.server.generation.upstream.stream import StreamReader
from reka.server.generation.upstream.tool_calls import ToolCallReader
from reka.testing import FakeReka
from reka.testing.bodies import DONE, chunk, completion, events
from tests.support.caller import Caller
from tests.support.protocols import (
    completion_chunks,
    completion_text,
    deltas,
    event_data,
    merge_tool_calls,
    post_completion,
    post_v1_chat,
    v1_chat_events,
)

ADDED = {"name": "add", "arguments": '{"a": 1}'}


def stream_of(*chunks: object) -> bytes:
    return events(*chunks, chunk("stop")) + DONE


def read(*chunks: object) -> list[Delta]:
    """The deltas of a stream's chunks."""
    reader = StreamReader()
    sent = [reader.read(one, may_have_surrogates=True) for one in chunks]
    return [delta for delta in (*sent, reader.rest()) if delta is not None]


def texts(sent: list[Delta], name: str = "content") -> str:
    return "".join(delta.fields.get(name, "") for delta in sent)


@pytest.mark.parametrize("index", [1, 0], ids=["other first", "ours first"])
def test_of_several_choices_the_first_alone_is_read(proxy: Caller, upstream: FakeReka, index: int) -> None:
    ours = {"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}
    other = {"index": 1, "message": {"content": "Bye"}, "finish_reason": "length"}
    upstream.will_answer(200, {"choices": [other, ours] if index else [ours, other]})

    answer = post_completion(proxy, "Hi")

    assert completion_text(answer, stream=False) == ("Hi", "stop")


def test_choices_of_a_stream_are_not_mixed(proxy: Caller, upstream: FakeReka) -> None:
    other = [{"index": 1, "delta": {"content": "Bye"}, "finish_reason": "length"}]
    both = {"choices": [*other, *chunk(content="!")["choices"]]}
    upstream.will_stream(
        events(chunk(content="Hi"), {"choices": other}, both, chunk("stop"), {"choices": other}) + DONE
    )

    assert completion_text(post_completion(proxy, "Hi", stream=True), stream=True) == ("Hi!", "stop")


def test_reasoning_under_its_other_name_has_the_name_of_rekas_api_too(proxy: Caller, upstream: FakeReka) -> None:
    upstream.will_answer(200, completion(content="4", reasoning="2 + 2"))
    upstream.will_stream(stream_of(chunk(reasoning="2 + "), chunk(reasoning="2"), chunk(content="4")))

    whole = post_completion(proxy, "Hi").json()["choices"][0]["message"]
    streamed = deltas(completion_chunks(post_completion(proxy, "Hi", stream=True)))

    for name in ("reasoning", "reasoning_content"):
        assert whole[name] == "2 + 2"
        assert "".join(delta.get(name, "") for delta in streamed) == "2 + 2"


def test_reasoning_under_the_name_of_rekas_api_has_no_other(proxy: Caller, upstream: FakeReka) -> None:
    upstream.will_answer(200, completion(content="4", reasoning_content="2 + 2", reasoning=None))

    message = post_completion(proxy, "Hi").json()["choices"][0]["message"]

    assert message == {"role": "assistant", "content": "4", "reasoning_content": "2 + 2"}


@pytest.mark.parametrize("family", ["v1_chat", "v1_completions"])
def test_the_halves_of_a_character_in_two_chunks_are_joined(proxy: Caller, upstream: FakeReka, family: str) -> None:
    pieces = [chunk(content=content) for content in ("a\ud83d", "\ude00b", "\ud83d\ude00")]
    upstream.will_stream(b"".join(f"data: {json.dumps(one)}\n\n".encode() for one in (*pieces, chunk("stop"))) + DONE)

    if family == "v1_chat":
        streamed = v1_chat_events(post_v1_chat(proxy, "Hi", stream=True))
        contents = [event["responses"][0]["chunk"]["content"] for event in streamed]
        assert contents == ["a", "a\U0001f600b", "a\U0001f600b\U0001f600", "a\U0001f600b\U0001f600"]
    else:
        streamed = completion_chunks(post_completion(proxy, "Hi", stream=True))
        assert [delta.get("content") for delta in deltas(streamed)] == ["a", "\U0001f600b", "\U0001f600", None]


def test_halves_are_joined_in_every_text_of_a_delta() -> None:
    def call(arguments: str) -> dict[str, Any]:
        return {"index": 0, "id": "c-1", "function": {"name": "add", "arguments": arguments}}

    sent = read(
        chunk(reasoning_content="\ud83d", tool_calls=[call('{"a": "\ud83d')]),
        chunk(content="between"),
        chunk(reasoning_content="\ude00", tool_calls=[call('\ude00"}')]),
    )

    arguments = [call["function"]["arguments"] for delta in sent for call in delta.fields.get("tool_calls", ())]
    assert texts(sent, "reasoning_content") == "\U0001f600"
    assert "".join(arguments) == '{"a": "\U0001f600"}'


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        (["a\ud83d"], "a\ufffd"),
        (["a\ud83d", "b"], "a\ufffdb"),
        (["\ude00a"], "\ufffda"),
        (["\ud83d", "\ud83d", "\ude00"], "\ufffd\U0001f600"),
        (["a\ud83db"], "a\ufffdb"),
    ],
    ids=ascii,
)
def test_a_half_without_its_other_half_is_replaced(contents: list[str], text: str) -> None:
    assert texts(read(*(chunk(content=content) for content in contents))) == text


def test_a_half_does_not_wait_in_fields_that_are_no_text_of_the_answer() -> None:
    part = chunk(content="\ud83d")
    part["choices"][0]["logprobs"] = {"content": [{"token": "\ud83d", "logprob": -1}]}
    part["provider"] = "\ud83d"

    (delta, rest) = read(part)

    assert delta.choice_fields == {"logprobs": {"content": [{"token": "\ufffd", "logprob": -1}]}}
    assert delta.response_fields == {"provider": "\ufffd"}
    assert rest.fields == {"content": "\ufffd"}


FIRST = {"index": 0, "id": "c-1", "type": "function", "function": {"name": "add", "arguments": ""}}
MORE = {"index": 0, "function": {"arguments": '{"a": 1}'}}
CALL_DELTAS: dict[str, list[Mapping[str, Any]]] = {
    "as in OpenAI's API": [FIRST, MORE],
    "no index": [{"id": "c-1", "function": {"name": "add"}}, {"function": {"arguments": '{"a": 1}'}}],
    "no index, the id in each": [
        {"id": "c-1", "function": {"name": "add"}},
        {"id": "c-1", "function": MORE["function"]},
    ],
    "id and name in each": [FIRST, {**FIRST, "function": {"name": "add", "arguments": '{"a": 1}'}}],
    "another id in each": [FIRST, {"index": 0, "id": "c-9", "type": "function", "function": MORE["function"]}],
    "in one piece": [{"id": "c-1", "function": ADDED}],
    "arguments as an object": [{"index": 0, "id": "c-1", "function": {"name": "add", "arguments": {"a": 1}}}],
    "an index as text": [{**FIRST, "index": "0"}, {**MORE, "index": "0"}],
    "an index that begins at 1": [{**FIRST, "index": 1}, {**MORE, "index": 1}],
    "the name behind the id": [{"index": 0, "id": "c-1"}, {"index": 0, "function": {"name": "add"}}, MORE],
}


@pytest.mark.parametrize("sent", CALL_DELTAS.values(), ids=CALL_DELTAS)
def test_a_call_has_one_index_and_its_id_and_name_once(sent: list[Mapping[str, Any]]) -> None:
    reader = ToolCallReader()

    first, *others = [reader.read(call) for call in sent]

    assert (first["index"], first["id"], first["type"]) == (0, "c-1", "function")
    assert all(set(other) == {"index", "function"} and other["index"] == 0 for other in others)
    assert "".join(call["function"].get("name", "") for call in (first, *others)) == "add"
    assert "".join(call["function"].get("arguments", "") for call in (first, *others)) == '{"a": 1}'


TWO_CALLS: dict[str, list[dict[str, Any]]] = {
    "by index": [{**FIRST}, {"index": 1, "id": "c-2", "function": ADDED}],
    "by id": [{"id": "c-1", "function": ADDED}, {"id": "c-2", "function": ADDED}],
    "both of index 0": [{"index": 0, "id": "c-1", "function": ADDED}, {"index": 0, "id": "c-2", "function": ADDED}],
    "by name": [{"function": ADDED}, {"function": ADDED}],
}


@pytest.mark.parametrize("sent", TWO_CALLS.values(), ids=TWO_CALLS)
def test_two_calls_are_kept_apart(sent: list[dict[str, Any]]) -> None:
    reader = ToolCallReader()

    first, second = [reader.read(call) for call in sent]

    assert (first["index"], second["index"]) == (0, 1)
    assert first["id"]
    assert second["id"] not in ("", first["id"])


def test_pieces_of_two_calls_may_alternate() -> None:
    reader = ToolCallReader()

    sent = [reader.read(call) for call in (FIRST, {**FIRST, "index": 1, "id": "c-2"}, MORE, {**MORE, "index": 1})]

    assert [call["index"] for call in sent] == [0, 1, 0, 1]


def test_calls_without_an_index_reach_a_caller_with_one(proxy: Caller, upstream: FakeReka) -> None:
    calls = [{"id": f"c-{number}", "function": {"name": "add", "arguments": {"a": number}}} for number in (1, 2)]
    upstream.will_stream(stream_of(*(chunk(tool_calls=[call]) for call in calls)))

    streamed = completion_chunks(post_completion(proxy, "Hi", stream=True))

    assert merge_tool_calls(streamed) == [
        {"id": f"c-{number}", "name": "add", "arguments": f'{{"a": {number}}}'} for number in (1, 2)
    ]


def test_further_fields_of_a_call_come_back_whole_and_streamed(proxy: Caller, upstream: FakeReka) -> None:
    call = {"index": 0, "id": "c-1", "type": "function", "function": ADDED, "extra_content": {"signature": "s"}}
    upstream.will_answer(200, completion("tool_calls", tool_calls=[call]))
    upstream.will_stream(stream_of(chunk(tool_calls=[call])))

    (whole,) = post_completion(proxy, "Hi").json()["choices"][0]["message"]["tool_calls"]
    streamed, _ = deltas(completion_chunks(post_completion(proxy, "Hi", stream=True)))

    assert whole == {name: value for name, value in call.items() if name != "index"}
    assert streamed == {"tool_calls": [call]}


ENDINGS: dict[str, bytes] = {
    "no [DONE]": events(chunk(content="Hi"), chunk("stop")),
    "no last empty line": events(chunk(content="Hi"), chunk("stop")).removesuffix(b"\n"),
    "no last line end": events(chunk(content="Hi"), chunk("stop")).removesuffix(b"\n\n"),
    "no empty line behind [DONE]": events(chunk(content="Hi")) + b"data: [DONE]\n",
    "half a [DONE]": events(chunk(content="Hi"), chunk("stop")) + b"data: [DO",
}


@pytest.mark.parametrize("body", ENDINGS.values(), ids=ENDINGS)
def test_a_stream_that_has_its_finish_has_ended(proxy: Caller, upstream: FakeReka, body: bytes) -> None:
    upstream.will_stream(body)

    assert completion_text(post_completion(proxy, "Hi", stream=True), stream=True) == ("Hi", "stop")


@pytest.mark.parametrize("rest", [b"", b'data: {"choi', b'data: {"choices": [{"delta": {"content": "!"}}]}'])
def test_a_stream_without_its_finish_has_not(proxy: Caller, upstream: FakeReka, rest: bytes) -> None:
    upstream.will_stream(events(chunk(content="Hi")) + rest)

    *_, last = event_data(post_completion(proxy, "Hi", stream=True))

    assert "before it was complete" in json.loads(last)["error"]["message"]
