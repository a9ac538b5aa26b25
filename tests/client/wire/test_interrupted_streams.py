"""Streams that break, fall silent or hold an error: what was given stays, and the error says what happened."""

import pickle
from threading import Event, Timer
from typing import Any

import pytest

import reka
from reka.testing import FakeReka, reset, say_nothing
from reka.testing.bodies import chunk, events, texts
from tests.support.clients import KEY, Connect
from tests.support.completions import HI

NOW = {"retry-after-ms": "1"}


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param([], id="ends-early"),
        pytest.param([b"data: {"], id="ends-inside-an-event"),
        pytest.param([events(chunk("stop", content="!"))[:-3]], id="ends-before-the-last-brace"),
        pytest.param([b"data: [DO"], id="ends-inside-the-last-event"),
        pytest.param([b"data"], id="ends-inside-a-field"),
    ],
)
def test_a_stream_that_ends_before_the_answer_says_so_and_keeps_the_text(
    client: reka.Reka, fake: FakeReka, ending: list[bytes]
) -> None:
    fake.will_stream(events(chunk(content="Hel"), chunk(content="lo")), *ending)
    got: list[str] = []

    with pytest.raises(reka.StreamInterruptedError, match="ended before the answer did") as caught:
        got.extend(event.text for event in client.stream("Hi"))

    assert got == ["Hel", "lo"]
    assert caught.value.partial_text == "Hello"
    assert len(fake.requests) == 1


def test_the_text_of_an_interrupted_stream_has_the_event_without_an_empty_line(
    client: reka.Reka, fake: FakeReka
) -> None:
    fake.will_stream(events(chunk(content="Hel"), chunk(content="lo"))[:-2])

    with pytest.raises(reka.StreamInterruptedError) as caught:
        list(client.stream("Hi"))

    assert caught.value.partial_text == "Hello"


def test_a_stream_that_breaks_says_so_and_keeps_the_text(client: reka.Reka, fake: FakeReka) -> None:
    go_on = Event()

    def break_off(handler: Any) -> None:
        handler.begin("text/event-stream", {"x-request-id": "r-9"})
        handler.chunk(events(chunk(content="Hel"), chunk(content="lo")))
        go_on.wait(5)
        reset(handler)

    fake.will_give(break_off)
    stream = client.stream("Hi")

    assert [next(stream).text, next(stream).text] == ["Hel", "lo"]
    go_on.set()
    with pytest.raises(reka.StreamInterruptedError, match="the connection broke") as caught:
        next(stream)

    assert (caught.value.partial_text, caught.value.request_id) == ("Hello", "r-9")
    assert isinstance(caught.value.__cause__, reka.APIConnectionError)
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"error": {"message": "too much", "type": "rate_limit_error"}}, reka.RateLimitError),
        ({"error": {"message": "no", "type": "authentication_error"}}, reka.AuthError),
        ({"error": {"message": "P001: Insufficient Balance"}}, reka.InsufficientBalanceError),
        ({"error": {"message": "no", "code": "P001"}}, reka.InsufficientBalanceError),
        ({"error": {"message": "no", "code": 403}}, reka.PermissionDeniedError),
        ({"error": {"message": "no", "type": "validation_error"}}, reka.InvalidRequestError),
        ({"error": "out of memory"}, reka.ServerError),
        ({"detail": "out of memory"}, reka.ServerError),
    ],
)
def test_an_error_inside_a_stream_is_raised_where_it_comes_and_not_tried_again(
    client: reka.Reka, fake: FakeReka, document: object, kind: type[Exception]
) -> None:
    fake.will_stream(events(chunk(content="Hel"), document, chunk(content="lo")))
    got: list[str] = []

    with pytest.raises(reka.RekaError) as caught:
        got.extend(event.text for event in client.stream("Hi"))

    assert type(caught.value) is kind
    assert caught.value.partial_text == "Hel"
    assert pickle.loads(pickle.dumps(caught.value)).partial_text == "Hel"
    assert got == ["Hel"]
    assert len(fake.requests) == 1


def test_an_event_of_the_type_error_is_an_error(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_stream(events(chunk(content="Hel")), b'event: error\ndata: {"message": "overloaded"}\n\n')

    with pytest.raises(reka.ServerError, match="overloaded"):
        list(client.stream("Hi"))


@pytest.mark.parametrize("data", ["{", "[1]", "7", "nonsense", '{"choices": ['])
def test_an_event_that_is_no_json_object_is_unexpected(client: reka.Reka, fake: FakeReka, data: str) -> None:
    fake.will_stream(events(chunk(content="Hel")), f"data: {data}\n\n".encode(), texts("lo"))

    with pytest.raises(reka.UnexpectedResponseError, match="cannot read the event") as caught:
        list(client.stream("Hi"))

    assert caught.value.partial_text == "Hel"


def test_a_busy_server_is_asked_again_before_the_first_item(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(503, {"detail": "busy"}, NOW)
    fake.will_give(reset)
    fake.will_stream(texts("Hello"))

    assert "".join(event.text for event in client.stream("Hi")) == "Hello"
    assert len(fake.requests) == 3


def test_a_stream_that_falls_silent_is_a_timeout(connect: Connect, fake: FakeReka) -> None:
    gone = fake.will_stream(events(chunk(content="Hel")), ends=False)
    timeout = reka.Timeout(connect=1, read=0.05, total=2)

    with connect(KEY, fake.url, timeout=timeout) as client:
        stream = client.stream("Hi")
        assert next(stream).text == "Hel"
        with pytest.raises(reka.APITimeoutError, match=r"no answer within 0\.05 s") as caught:
            next(stream)

        assert caught.value.partial_text == "Hel"
        assert gone.wait(5)
    assert len(fake.requests) == 1


def test_a_stream_that_flows_is_not_cut_when_the_time_for_the_call_is_over(connect: Connect, fake: FakeReka) -> None:
    is_over = Event()
    fake.will_stream(events(chunk(content="Hel")), is_over, texts("lo"))
    timeout = reka.Timeout(connect=1, read=5, total=0.2)

    with connect(KEY, fake.url, timeout=timeout) as client:
        stream = client.stream("Hi")
        assert next(stream).text == "Hel"
        Timer(0.4, is_over.set).start()
        assert "".join(event.text for event in stream) == "lo"


def test_the_time_for_the_call_is_that_until_a_stream_begins(connect: Connect, fake: FakeReka) -> None:
    fake.will_give(lambda handler: drip_comments(handler, 0.05))
    timeout = reka.Timeout(connect=1, read=5, total=0.2)

    with connect(KEY, fake.url, timeout=timeout) as client, pytest.raises(reka.APITimeoutError):
        next(client.stream("Hi"))

    assert fake.all_connections_closed()


def drip_comments(handler: Any, seconds: float) -> None:
    """Send comments that keep a connection alive, and no event."""
    handler.begin("text/event-stream")
    handler.drip(b"3\r\n:\n\n\r\n" * 100, seconds)


@pytest.mark.parametrize("method", ["complete", "stream", "stream_messages"])
def test_a_call_may_have_a_timeout_of_its_own(client: reka.Reka, fake: FakeReka, method: str) -> None:
    fake.otherwise = say_nothing
    calls: dict[str, Any] = {
        "complete": lambda: client.complete(HI, timeout=0.05),
        "stream": lambda: list(client.stream("Hi", timeout=0.05)),
        "stream_messages": lambda: list(client.stream_messages(HI, timeout=0.05)),
    }

    with pytest.raises(reka.APITimeoutError):
        calls[method]()
