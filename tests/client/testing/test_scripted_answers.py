"""What a test scripts is what clients of either kind read, at each endpoint, whole or streamed."""

import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

import reka
from reka.testing import Connection, FakeReka, Fault, Script, Wait, answer, by_request, fails, reset, say_nothing, says
from reka.testing.bodies import chunk, events
from tests.support.clients import KEY, Connect
from tests.support.completions import HI, TOOL

CALL = reka.ToolCall("call-1", "weather", parameters={"city": "Oslo"})
CHUNKS: list[reka.RetrievedChunk] = [{"text": "It rains.", "source": "notes.txt"}]


def test_a_text_is_the_answer_at_each_endpoint(client: reka.Reka, fake: FakeReka) -> None:
    fake.otherwise = says("It ", "rains.")

    assert client.chat("Hi") == {
        "type": "model",
        "text": "It rains.",
        "finish_reason": "stop",
        "usage": {"input_tokens": 3, "output_tokens": 5},
    }
    assert client.complete(HI).text == "It rains."
    assert [event.text for event in client.stream("Hi")] == ["It ", "rains.", ""]
    assert fake.paths == ["POST /chat", *["POST /v1/chat/completions"] * 2]


def test_the_items_of_an_answer_are_what_a_stream_gives(client: reka.Reka, fake: FakeReka) -> None:
    source = reka.Citation("https://x.example", "A page", 0, 2)
    items = (reka.ReasoningDelta("Hm."), reka.TextDelta("It"), source, " rains.", reka.Usage(7, 9))
    fake.otherwise = says(*items, reka.Finish("length", retrieved_chunks=CHUNKS))

    *events, end = client.stream_messages(HI)
    whole = client.complete(HI)

    assert events == [*items[:3], reka.TextDelta(" rains."), reka.Usage(7, 9)]
    assert isinstance(end, reka.Finish)
    assert (end.reason, end.retrieved_chunks) == ("length", CHUNKS)
    assert (whole.text, whole.reasoning, whole.citations, whole.usage) == (
        "It rains.",
        "Hm.",
        [source],
        reka.Usage(7, 9),
    )
    assert (whole.finish_reason, whole.retrieved_chunks) == ("length", CHUNKS)


def test_tool_calls_end_an_answer(client: reka.Reka, fake: FakeReka) -> None:
    other = reka.ToolCall("call-2", "weather", parameters={"city": "Rome"})
    fake.otherwise = says(CALL, other)

    whole = client.complete(HI, tools=[TOOL])
    events = list(client.stream_messages(HI, tools=[TOOL]))

    assert (whole.tool_calls, whole.finish_reason) == ([CALL, other], "tool_calls")
    assert "".join(event.arguments for event in events if isinstance(event, reka.ToolCallDelta) and event.index) == (
        other.arguments
    )


def test_chunks_are_retrieved(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, {"features": []})  # what the server can do, which the client asks first
    fake.will_say(reka.Finish("length", retrieved_chunks=CHUNKS))

    assert client.retrieve("rain", dataset="notes") == CHUNKS


def test_scripts_are_given_in_their_order_and_then_what_comes_otherwise(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_say("one")
    fake.will_say("two")
    fake.otherwise = says("else")

    assert [client.chat("Hi")["text"] for _ in range(4)] == ["one", "two", "else", "else"]
    assert fake.all_answers_sent


def test_an_answer_may_depend_on_the_question(client: reka.Reka, fake: FakeReka) -> None:
    fake.otherwise = by_request(lambda request: says("Oslo") if "Norway" in request.question else fails(400, "what?"))

    assert client.chat("The capital of Norway?")["text"] == "Oslo"
    assert client.complete([{"role": "user", "content": "And of Norway?"}]).text == "Oslo"
    with pytest.raises(reka.InvalidRequestError, match=r"what\?"):
        client.chat("Hi")


def test_a_request_that_nothing_is_scripted_for_says_so_at_once(client: reka.Reka, fake: FakeReka) -> None:
    with pytest.raises(reka.ServerError, match=r"nothing is scripted for this request: POST /chat"):
        client.chat("Hi")

    assert len(fake.requests) == 1


NO_SCRIPTS: dict[str, tuple[Callable[[Any, Any], object], str]] = {
    "a dict to say": (
        lambda fake, _: fake.will_say({"text": "a"}),
        r"items\[0\]: got dict, want one of str, TextDelta",
    ),
    "a number to say": (lambda fake, _: fake.will_say("a", 3), r"items\[1\]: got int, want one of"),
    "a list to say": (lambda fake, _: fake.will_say(["a"]), r"items\[0\]: got list, want one of"),
    "bytes to say": (lambda fake, _: fake.will_say(b"a"), r"items\[0\]: got bytes, want one of"),
    "a text to wait": (lambda fake, wrong: fake.will_say(Wait(wrong)), "seconds: got str, want a number"),
    "a text to give": (lambda fake, wrong: fake.will_give(wrong), "script: got str, want a script"),
    "a status as a text": (lambda fake, _: fake.will_fail("503"), "status: got str, want an HTTP status"),
    "an answer's status": (lambda fake, _: fake.will_answer("200"), "status: got str, want an HTTP status"),
    "seconds as a text": (lambda fake, wrong: fake.will_fail(503, retry_after=wrong), "retry_after: got str"),
    "a body that is no JSON": (lambda fake, _: fake.will_answer(200, {1, 2}), "set is not JSON serializable"),
    "a text to stream": (lambda fake, wrong: fake.will_stream(b"a", wrong), r"pieces\[1\]: got str, want bytes or"),
    "a text otherwise": (lambda fake, wrong: setattr(fake, "otherwise", wrong), "otherwise: got str, want a script"),
    "a list as listing": (lambda fake, _: setattr(fake, "listing", ["m"]), "listing: got list, want a script"),
    "a text to choose": (lambda _, wrong: by_request(wrong), "choose: got str, want a function"),
}


@pytest.mark.parametrize("name", NO_SCRIPTS)
def test_what_is_no_script_is_refused_where_it_is_scripted(name: str, fake: FakeReka) -> None:
    script, message = NO_SCRIPTS[name]

    with pytest.raises(TypeError, match=message):
        script(fake, "hello")

    assert fake.all_answers_sent


FAILING: dict[str, tuple[Callable[[FakeReka], object], str]] = {
    "given": (lambda fake: fake.will_give(lambda _: 1 / 0), "ZeroDivisionError: division by zero"),
    "otherwise": (lambda fake: setattr(fake, "otherwise", lambda _: 1 / 0), "ZeroDivisionError: division by zero"),
    "by request": (lambda fake: fake.will_give(by_request(lambda request: says(str(request.form["a"])))), "KeyError: "),
    "no script chosen": (
        lambda fake: fake.will_give(by_request(lambda _: "Hi")),  # type: ignore[arg-type, return-value]  # which it is
        "TypeError: what by_request chose: got str, want a script",
    ),
    "pytest's own": (
        lambda fake: fake.will_give(lambda _: pytest.fail("no such question")),
        "Failed: no such question",
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_script_that_fails_is_named_by_the_error_of_the_request(
    name: str, client: reka.Reka, fake: FakeReka, capfd: pytest.CaptureFixture[str]
) -> None:
    script, reason = FAILING[name]
    script(fake)

    with pytest.raises(reka.ServerError) as caught:
        client.chat("Hi")

    assert f"the script of this answer failed: {reason}" in caught.value.message
    assert "py, line " in caught.value.message
    assert len(fake.requests) == 1
    assert "Traceback" in capfd.readouterr().err


def test_a_script_that_fails_inside_its_answer_shows_its_traceback(
    client: reka.Reka, fake: FakeReka, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(connection: Connection) -> None:
        connection.begin("text/event-stream")
        connection.chunk(events(chunk(content="It ")))
        raise LookupError("no more")

    fake.will_give(fail)

    with pytest.raises(reka.StreamInterruptedError):
        list(client.stream("Hi"))
    assert "LookupError: no more" in capfd.readouterr().err


def test_a_script_that_fails_to_list_models_is_named(client: reka.Reka, fake: FakeReka) -> None:
    fake.listing = lambda _: 1 / 0

    with pytest.raises(reka.ServerError, match="the script of this answer failed: ZeroDivisionError"):
        client.get_models()


def test_a_model_answers_no_other_endpoint(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_say("Hi")

    with pytest.raises(reka.ServerError, match="one of a model, and this is a request to /datasets"):
        client.list_datasets()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, reka.AuthError), (404, reka.NotFoundError), (429, reka.RateLimitError), (500, reka.ServerError)],
)
def test_an_error_is_one_at_each_endpoint(
    connect: Connect, fake: FakeReka, status: int, kind: type[reka.RekaError]
) -> None:
    fake.otherwise = fails(status, "no more today")

    with connect(KEY, fake.url, max_retries=0, api="v0") as client, pytest.raises(kind, match="no more today"):
        client.chat("Hi")
    with connect(KEY, fake.url, max_retries=0, api="v1") as client, pytest.raises(kind, match="no more today"):
        client.complete(HI)


def test_an_error_that_passes_is_tried_again(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_fail(503)
    fake.will_fail(429)
    fake.will_say("Hello")

    assert client.chat("Hi")["text"] == "Hello"
    assert [request.path for request in fake.requests] == ["/chat"] * 3


def test_an_error_may_have_a_code_and_a_time_to_wait(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_fail(429, code="P001", retry_after=30)

    with pytest.raises(reka.InsufficientBalanceError) as caught:
        client.chat("Hi")

    assert caught.value.retry_after == 30


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.CUT, reka.StreamInterruptedError),
        (Fault.SILENCE, reka.APITimeoutError),
        (Fault.NONSENSE, reka.UnexpectedResponseError),
        (Fault.ERROR, reka.ServerError),
    ],
)
def test_a_stream_breaks_off_after_what_came_before(
    connect: Connect, fake: FakeReka, fault: Fault, kind: type[reka.RekaError]
) -> None:
    fake.will_say("It ", fault, "rains.")
    texts: list[str] = []

    with connect(KEY, fake.url, timeout=reka.Timeout(read=0.3), max_retries=0) as client, pytest.raises(kind):
        texts += (event.text for event in client.stream("Hi"))

    assert texts == ["It "]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.CUT, reka.APIConnectionError),
        (Fault.SILENCE, reka.APITimeoutError),
        (Fault.NONSENSE, reka.UnexpectedResponseError),
        (Fault.ERROR, reka.ServerError),
    ],
)
def test_an_answer_that_is_not_streamed_breaks_off_in_its_body(
    connect: Connect, fake: FakeReka, fault: Fault, kind: type[reka.RekaError]
) -> None:
    fake.will_say("It rains.", fault)

    with connect(KEY, fake.url, timeout=reka.Timeout(read=0.3), max_retries=0) as client, pytest.raises(kind):
        client.chat("Hi")


@pytest.mark.parametrize(("script", "kind"), [(reset, reka.APIConnectionError), (say_nothing, reka.APITimeoutError)])
def test_a_connection_may_end_or_wait_without_an_answer(
    connect: Connect, fake: FakeReka, script: Script, kind: type[reka.RekaError]
) -> None:
    fake.will_give(script)

    with connect(KEY, fake.url, timeout=reka.Timeout(read=0.3), max_retries=0) as client, pytest.raises(kind):
        client.chat("Hi")


def test_an_answer_waits_as_long_as_it_is_told_to(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_say(Wait(0.2), "late")
    began = time.monotonic()

    assert client.chat("Hi")["text"] == "late"
    assert time.monotonic() - began > 0.15


def test_a_client_that_gives_up_ends_a_delay(connect: Connect, fake: FakeReka) -> None:
    fake.will_say(Wait(30), "too late")

    with connect(KEY, fake.url, timeout=0.2, max_retries=0) as client, pytest.raises(reka.APITimeoutError):
        client.chat("Hi")

    assert fake.all_connections_closed()


def test_a_test_looks_at_a_stream_before_its_end(client: reka.Reka, fake: FakeReka) -> None:
    go_on = threading.Event()
    fake.will_say("first", go_on, "second")

    stream = client.stream("Hi")
    assert next(stream).text == "first"
    go_on.set()
    assert [event.text for event in stream] == ["second", ""]


@pytest.mark.parametrize("unread", [b"data: {}\n\n", b"x" * 10_000_000])
def test_a_stream_without_an_end_tells_that_the_client_is_gone_also_if_it_has_not_read_all(
    fake: FakeReka, unread: bytes
) -> None:
    gone = fake.will_stream(unread, ends=False)

    with socket.create_connection(("127.0.0.1", urlsplit(fake.url).port or 0)) as client:
        client.sendall(b"GET /models HTTP/1.1\r\n\r\n")
        client.recv(1)

    assert gone.wait(5)


def test_requests_are_recorded_as_they_arrive(client: reka.Reka, fake: FakeReka) -> None:
    fake.otherwise = says("ok")

    hi, hello = reka.HumanTurn(type="human", text="Hi"), reka.ModelTurn(type="model", text="Hello")
    client.chat(conversation_history=[hi, hello, reka.HumanTurn(type="human", text="Why?")])
    client.complete([{"role": "user", "content": [{"type": "text", "text": "Look"}]}], temperature=0.5)

    first, second = fake.requests
    assert (first.question, second.question) == ("Why?", "Look")
    assert (first.method, first.path, first.headers["x-api-key"]) == ("POST", "/chat", KEY)
    assert second.json["temperature"] == 0.5


def test_models_are_listed_beside_the_scripted_answers(client: reka.Reka, fake: FakeReka) -> None:
    fake.listing = answer(200, ["reka-flash"])
    fake.will_say("Hello")

    assert client.get_models() == ["reka-flash"]
    assert client.chat("Hi")["text"] == "Hello"
    assert fake.paths == ["POST /chat"]
    assert [request.path for request in fake.listing_requests] == ["/models"]
