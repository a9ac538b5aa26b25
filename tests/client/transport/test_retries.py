"""What is sent again, how often, and when; waits are tested as numbers."""

import pytest

import reka
from reka._calls import endpoints
from reka._calls.call import Call
from reka._protocol.retries import RETRY_STATUSES, RetryPolicy, backoff
from reka._transport.retry import NotConnectedError, may_retry
from reka.testing import FakeReka, Script, reset, say_nothing, stop_inside_the_body
from tests.support.clients import KEY, Connect

TURN = {"type": "model", "text": "Hello"}
NOW = {"retry-after-ms": "1"}
CHAT = endpoints.get_models()
PREPARE = endpoints.prepare_retrieval("alice")


@pytest.mark.parametrize("status", sorted(RETRY_STATUSES))
def test_a_busy_server_is_asked_again_and_its_second_answer_is_given(
    client: reka.Reka, fake: FakeReka, status: int
) -> None:
    fake.will_answer(status, {"detail": "busy"}, NOW)
    fake.will_answer(200, TURN)

    assert client.chat("Hi") == TURN
    assert fake.paths == ["POST /chat", "POST /chat"]
    assert fake.requests[0].body == fake.requests[1].body


def test_a_server_that_stays_busy_is_asked_three_times(client: reka.Reka, fake: FakeReka) -> None:
    for _ in range(4):
        fake.will_answer(503, {"detail": "busy"}, NOW)

    with pytest.raises(reka.ServerError, match="503: busy"):
        client.chat("Hi")

    assert len(fake.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 501])
def test_a_request_the_server_calls_wrong_is_sent_once(connect: Connect, fake: FakeReka, status: int) -> None:
    fake.will_answer(status, {"detail": "wrong"}, NOW)

    with connect(KEY, fake.url, api="v0") as client, pytest.raises(reka.RekaError, match="wrong"):
        client.chat("Hi")

    assert len(fake.requests) == 1


def test_an_empty_account_is_not_asked_for_again(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(429, {"error": {"message": "P001: Insufficient Balance", "code": "P001"}}, NOW)

    with pytest.raises(reka.InsufficientBalanceError):
        client.chat("Hi")

    assert len(fake.requests) == 1


@pytest.mark.parametrize("misbehave", [reset, stop_inside_the_body], ids=["reset", "half-an-answer"])
def test_a_broken_connection_is_tried_again(connect: Connect, fake: FakeReka, misbehave: Script) -> None:
    fake.will_give(misbehave)
    fake.will_answer(200, TURN)

    with connect("key", fake.url, max_retries=1) as client:
        assert client.chat("Hi") == TURN


def test_without_retries_everything_is_sent_once(connect: Connect, fake: FakeReka) -> None:
    fake.will_answer(503, {"detail": "busy"}, NOW)

    with connect("key", fake.url, max_retries=0) as client, pytest.raises(reka.ServerError):
        client.chat("Hi")

    assert len(fake.requests) == 1


def test_preparing_is_sent_once_whatever_comes_back(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(503, {"detail": "busy"}, NOW)
    with pytest.raises(reka.ServerError):
        client.prepare_retrieval("alice")

    fake.will_give(reset)
    with pytest.raises(reka.APIConnectionError):
        client.prepare_retrieval("alice")

    assert len(fake.requests) == 2


def test_retries_end_with_the_time_for_the_whole_call(connect: Connect, fake: FakeReka) -> None:
    fake.will_give(say_nothing)
    fake.will_answer(200, TURN)
    timeout = reka.Timeout(connect=1, read=0.3, total=0.3)

    with connect("key", fake.url, timeout=timeout) as client, pytest.raises(reka.APITimeoutError):
        client.chat("Hi")

    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("error", "call", "may"),
    [
        pytest.param(reka.ServerError("x", 503), CHAT, True, id="busy"),
        pytest.param(reka.RateLimitError("x", 429), CHAT, True, id="too-many-requests"),
        pytest.param(reka.InsufficientBalanceError("x", 429), CHAT, False, id="no-balance"),
        pytest.param(reka.RetrievalError("x", 404), CHAT, False, id="wrong"),
        pytest.param(reka.UnexpectedResponseError("x", 200), CHAT, False, id="unreadable"),
        pytest.param(reka.APIConnectionError("x"), CHAT, True, id="broken"),
        pytest.param(reka.APIConnectionError("x"), PREPARE, False, id="broken-preparing"),
        pytest.param(NotConnectedError("x"), PREPARE, True, id="nothing-sent"),
    ],
)
def test_what_may_be_sent_again(error: reka.RekaError, call: Call[object], may: bool) -> None:
    assert may_retry(error, call) is may


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 0.5), (2, 1.0), (3, 2.0), (5, 8.0), (50, 8.0)])
def test_waits_grow_to_a_ceiling_and_are_spread_out(attempt: int, ceiling: float) -> None:
    waits = [backoff(attempt) for _ in range(200)]

    assert 0 <= min(waits) < ceiling * 0.25
    assert ceiling * 0.75 < max(waits) <= ceiling


@pytest.mark.parametrize(("asked", "wait"), [(0.001, 0.001), (7.5, 7.5), (60.0, 60.0), (61.0, None)])
def test_a_server_that_names_a_wait_is_obeyed_if_it_is_no_more_than_a_minute(asked: float, wait: float | None) -> None:
    assert RetryPolicy(2).next_wait(1, asked) == wait


def test_a_server_that_names_no_time_to_wait_is_given_the_back_offs() -> None:
    waits = [RetryPolicy(5).next_wait(5, 0.0) or 0.0 for _ in range(200)]

    assert max(waits) > 6


@pytest.mark.parametrize(
    ("attempt", "time_left", "goes_on"), [(1, 10, True), (2, 10, True), (3, 10, False), (1, 1, False), (1, 0, False)]
)
def test_it_stops_after_the_last_try_or_when_the_next_would_come_too_late(
    attempt: int, time_left: float, goes_on: bool
) -> None:
    assert (RetryPolicy(2).next_wait(attempt, 1.0, time_left) is not None) is goes_on
