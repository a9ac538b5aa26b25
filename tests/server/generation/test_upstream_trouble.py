"""An upstream in trouble, as clients of each API family see it: every distinct path once, over HTTP."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from reka.testing import FakeReka, reset, say_nothing, stop_inside_the_body
from tests.support.caller import Caller
from tests.support.protocols import deltas, event_data, post_completion, post_v1_chat, v1_chat_events
from tests.support.servers import open_caller, run_server
from tests.support.upstream_scripts import COMPLETION, DONE, END, EVERY_WAY, HELLO, STREAMED, WAYS, chunk, dies

KEY = "upstream-key-5c1d"


@pytest.fixture(scope="module")
def url(scripted_upstream: FakeReka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that asks its upstream once, and waits half a second for it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("THE_KEY", KEY)
        given = {"upstream": scripted_upstream.url, "upstream_model": "m", "upstream_key_env": "THE_KEY"}
        with run_server(tmp_path_factory.mktemp("t"), **given, upstream_retries=0, upstream_silence=0.5) as server:
            yield server.url


@pytest.fixture
def api(url: str, upstream: FakeReka) -> Iterator[Caller]:
    """A caller, whose test must have asked the upstream all that it scripted; and the server answers behind it."""
    with open_caller(url) as caller:
        yield caller
        assert upstream.all_answers_sent
        upstream.will_answer(200, COMPLETION)
        assert caller.chat("hi").json()["text"] == "fine"


def read_error(way: str, answer: requests.Response) -> tuple[str, str | None]:
    """An error's message and, where the API family has one, its type."""
    assert KEY not in answer.text
    body = answer.json()
    if way.startswith("v1_completions"):
        assert set(body["error"]) == {"message", "type", "code", "param"}
        return body["error"]["message"], body["error"]["type"]
    assert set(body) - {"code"} == {"detail"}
    return body["detail"], None


@EVERY_WAY
@pytest.mark.parametrize(
    ("status", "body", "ours", "said", "kind"),
    [
        (400, {"error": {"message": "too hot"}}, 400, "too hot", "invalid_request_error"),
        (401, {"error": {"message": f"Incorrect API key: {KEY}"}}, 502, "refuses this server's key", "server_error"),
    ],
    ids=["400", "401"],
)
def test_an_error_of_the_upstream_has_the_form_of_the_api_family(
    api: Caller, upstream: FakeReka, way: str, status: int, body: Any, ours: int, said: str, kind: str
) -> None:
    upstream.will_answer(status, body)

    answer = WAYS[way](api)

    message, error_type = read_error(way, answer)
    assert answer.status_code == ours
    assert said in message
    assert error_type in (kind, None)


@EVERY_WAY
def test_the_limits_of_the_upstream_are_passed_on(api: Caller, upstream: FakeReka, way: str) -> None:
    limits = {
        "x-ratelimit-limit": "60",
        "X-RateLimit-Remaining": "0",
        "x-ratelimit-reset": "1795000000",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    upstream.will_answer(429, {"error": {"message": "slow", "code": "rpm"}}, {**limits, "Retry-After": "7", "x-o": "1"})

    answer = WAYS[way](api)

    assert {name: answer.headers[name] for name in limits} == limits
    assert answer.headers["Retry-After"] == "7"
    assert "x-o" not in answer.headers
    body = answer.json()
    assert (body["error"] if way.startswith("v1_completions") else body)["code"] == "rpm"


def test_a_wait_in_milliseconds_is_passed_on_in_seconds(api: Caller, upstream: FakeReka) -> None:
    upstream.will_answer(503, b"", {"Retry-After-Ms": "1500", "Retry-After": "9"})

    assert api.chat("hi").headers["Retry-After"] == "1.5"


@EVERY_WAY
def test_garbage_of_the_upstream_is_a_bad_gateway(api: Caller, upstream: FakeReka, way: str) -> None:
    upstream.will_answer(200, b'{"choices": 5}', {"Content-Type": "application/json"})

    answer = WAYS[way](api)

    assert answer.status_code == 502
    assert "cannot be read" in read_error(way, answer)[0]


@STREAMED
def test_a_stream_of_garbage_is_a_bad_gateway(api: Caller, upstream: FakeReka, way: str) -> None:
    upstream.will_stream(chunk({"content": 5}))

    answer = WAYS[way](api)

    assert answer.status_code == 502
    assert "cannot be read" in read_error(way, answer)[0]


@pytest.mark.parametrize(
    ("way", "misbehave", "status", "said"),
    [
        *((way, say_nothing, 504, "did not answer in time") for way in WAYS),
        ("v0", reset, 502, "no answer from the upstream"),
        ("v1_completions", stop_inside_the_body, 502, "no answer from the upstream"),
    ],
)
def test_a_connection_without_an_answer_is_told(
    api: Caller, upstream: FakeReka, way: str, misbehave: Any, status: int, said: str
) -> None:
    upstream.will_give(misbehave)

    answer = WAYS[way](api)

    assert answer.status_code == status
    assert said in read_error(way, answer)[0]


def test_an_upstream_that_refuses_connections_is_a_bad_gateway(refusing: Caller) -> None:
    answer = refusing.chat("hi")

    assert answer.status_code == 502
    assert "cannot connect" in read_error("v0", answer)[0]
    assert refusing.ask("GET", "/healthz").ok


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A caller of a server whose upstream is bound and does not listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        given = {"upstream": address, "upstream_model": "m", "upstream_retries": 0}
        with run_server(tmp_path_factory.mktemp("x"), **given) as server, open_caller(server.url) as caller:
            yield caller


@STREAMED
def test_a_stream_that_begins_with_an_error_has_its_status(api: Caller, upstream: FakeReka, way: str) -> None:
    error = {"message": "bad", "type": "rate_limit_error"}
    upstream.will_stream(f"data: {json.dumps({'error': error})}\n\n".encode())

    answer = WAYS[way](api)

    assert answer.status_code == 429
    assert "bad" in read_error(way, answer)[0]


@EVERY_WAY
def test_an_error_in_a_body_of_status_200_has_the_status_that_it_names(
    api: Caller, upstream: FakeReka, way: str
) -> None:
    upstream.will_answer(200, {"id": "gen-1", "error": {"message": "slow down", "code": 429}})

    answer = WAYS[way](api)

    assert answer.status_code == 429
    assert "slow down" in read_error(way, answer)[0]


@pytest.mark.parametrize("data", ['{"error": {"message": "burnt"}}', '{"message": "burnt"}', "burnt"])
def test_an_event_of_the_type_error_is_one_in_json_or_in_words(api: Caller, upstream: FakeReka, data: str) -> None:
    upstream.will_stream(HELLO, f"event: error\ndata: {data}\n\n".encode())

    *_, last = event_data(post_completion(api, "hi", stream=True))

    assert "burnt" in json.loads(last)["error"]["message"]


def _falls_silent(handler: Any) -> None:
    handler.begin("text/event-stream")
    handler.chunk(HELLO)
    handler.connection.recv(1)


BREAKS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "dies": (dies(HELLO), "no answer from the upstream"),
    "dies inside an event": (dies(HELLO, b'data: {"choi'), "no answer from the upstream"),
    "falls silent": (_falls_silent, "did not answer in time"),
    "reports an error": (
        lambda h: h.stream(HELLO, b'data: {"error": {"message": "burnt"}}\n\n'),
        "burnt",
    ),
    "reports an error in its choice": (
        lambda h: h.stream(
            HELLO, b'data: {"choices": [{"delta": {"content": ""}, "error": {"message": "burnt"}}]}\n\n'
        ),
        "burnt",
    ),
    "finishes with an error": (
        lambda h: h.stream(HELLO, chunk({}, "error"), DONE),
        "ended the answer with an error",
    ),
    "ends too early": (lambda h: h.stream(HELLO), "before it was complete"),
    "becomes garbage": (lambda h: h.stream(HELLO, b"data: {]\n\n"), "cannot be read"),
}


@pytest.mark.parametrize(("misbehave", "said"), BREAKS.values(), ids=BREAKS)
def test_a_stream_that_breaks_off_ends_with_an_error_and_is_not_said_to_be_whole(
    api: Caller, upstream: FakeReka, misbehave: Any, said: str
) -> None:
    upstream.will_give(misbehave)

    first, *_, last = event_data(post_completion(api, "hi", stream=True))

    assert json.loads(first)["choices"][0]["delta"] == {"content": "hello "}
    error = json.loads(last)["error"]
    assert said in error["message"]
    assert set(error) == {"message", "type", "code", "param"}


@pytest.mark.parametrize(("misbehave", "said"), BREAKS.values(), ids=BREAKS)
def test_in_the_generation_that_has_no_such_event_the_connection_is_cut(
    api: Caller, upstream: FakeReka, misbehave: Any, said: str
) -> None:
    upstream.will_give(misbehave)

    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    with api.ask("POST", "/v1/chat", json=body, stream=True) as answer:
        blocks = answer.iter_content(None)
        assert b"hello " in next(blocks)
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            list(blocks)


def test_what_other_servers_do_differently_in_streams_is_read(api: Caller, upstream: FakeReka) -> None:
    upstream.will_stream(
        b"\xef\xbb\xbf: comment\r\n\r\n",
        chunk({"role": "assistant", "content": None}),
        chunk({"content": [{"type": "text", "text": "a"}, {"type": "thinking"}]}),
        chunk({"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"x": 1}}}]}),
        chunk(None),
        DONE,  # and no finish_reason
    )

    *before, last = v1_chat_events(post_v1_chat(api, "hi", stream=True))

    response = last["responses"][0]
    assert [event["responses"][0]["chunk"]["content"] for event in before] == ["a"]
    assert response["chunk"]["tool_calls"] == [{"id": "c", "name": "f", "parameters": {"x": 1}}]
    assert response["finish_reason"] == "stop"
    assert last["usage"]["output_tokens"] > 0  # counted, as it was not told


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(HELLO + END + DONE.rstrip(), id="after-done"),
        pytest.param((HELLO + END).rstrip(), id="after-the-finish-reason"),
    ],
)
def test_a_stream_may_lack_its_last_empty_line(api: Caller, upstream: FakeReka, stream: bytes) -> None:
    upstream.will_stream(stream)

    events = event_data(post_completion(api, "hi", stream=True))

    assert "".join(delta.get("content", "") for delta in deltas([json.loads(data) for data in events[:-1]])) == "hello "
    assert events[-1] == "[DONE]"


def test_a_stream_that_is_cut_inside_its_last_event_is_not_complete(api: Caller, upstream: FakeReka) -> None:
    upstream.will_stream(HELLO + END.rstrip()[:-2])

    events = event_data(post_completion(api, "hi", stream=True))

    assert "ended its response before it was complete" in events[-1]


def test_an_upstream_that_does_not_stream_is_told_in_events(api: Caller, upstream: FakeReka) -> None:
    upstream.will_answer(200, COMPLETION)

    events = event_data(post_completion(api, "hi", stream=True))

    assert "".join(delta.get("content", "") for delta in deltas([json.loads(data) for data in events[:-1]])) == "fine"
    assert events[-1] == "[DONE]"


@EVERY_WAY
def test_text_that_is_no_unicode_is_mended(api: Caller, upstream: FakeReka, way: str) -> None:
    broken = "a\ud800b \ud83d\ude00"
    if way.endswith("streamed"):
        upstream.will_stream(chunk({"content": broken}), END, DONE)
    else:
        upstream.will_answer(200, {"choices": [{"message": {"content": broken}, "logprobs": {"x": float("-inf")}}]})

    answer = WAYS[way](api)

    assert answer.status_code == 200
    assert json.dumps("a\ufffdb \U0001f600")[1:-1] in json.dumps(answer.text, ensure_ascii=True).replace("\\\\", "\\")


def test_one_connection_serves_streams_one_after_the_other(api: Caller, upstream: FakeReka) -> None:
    upstream.will_answer(200, COMPLETION)
    assert api.chat("hi").ok
    before = upstream.connections
    for _ in range(3):
        upstream.will_stream(HELLO, END, DONE)
        assert event_data(post_completion(api, "hi", stream=True))[-1] == "[DONE]"

    assert upstream.connections <= before + 1
