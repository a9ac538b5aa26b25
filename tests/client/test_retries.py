"""What is sent again, how often, and when; waits are tested as numbers."""

import pytest

import reka
from reka import config
from reka._calls import endpoints
from reka._calls.call import Call
from reka._transport.retry import NotConnectedError, RetryPolicy
from tests.conftest import Connect
from tests.support.fake_reka import FakeReka, reset, say_nothing, stop_inside_the_body

TURN = {"type": "model", "text": "Hello"}
NOW = {"Retry-After": "0"}
CHAT = endpoints.get_models()
PREPARE = endpoints.prepare_retrieval("alice")


@pytest.mark.parametrize("status", sorted(config.RETRY_STATUSES))
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
def test_a_request_the_server_calls_wrong_is_sent_once(client: reka.Reka, fake: FakeReka, status: int) -> None:
    fake.will_answer(status, {"detail": "wrong"}, NOW)

    with pytest.raises(reka.RekaError, match="wrong"):
        client.list_datasets()

    assert len(fake.requests) == 1


def test_an_empty_account_is_not_asked_for_again(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(429, {"error": {"message": "P001: Insufficient Balance", "code": "P001"}}, NOW)

    with pytest.raises(reka.InsufficientBalanceError):
        client.chat("Hi")

    assert len(fake.requests) == 1


@pytest.mark.parametrize("misbehave", [reset, stop_inside_the_body], ids=["reset", "half-an-answer"])
def test_a_broken_connection_is_tried_again(connect: Connect, fake: FakeReka, misbehave: object) -> None:
    fake.will_misbehave(misbehave)  # type: ignore[arg-type]
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

    fake.will_misbehave(reset)
    with pytest.raises(reka.APIConnectionError):
        client.prepare_retrieval("alice")

    assert len(fake.requests) == 2


def test_retries_end_with_the_time_for_the_whole_call(connect: Connect, fake: FakeReka) -> None:
    fake.will_misbehave(say_nothing)
    fake.will_answer(200, TURN)
    timeout = reka.Timeout(connect=1, read=0.05, total=0.05)

    with connect("key", fake.url, timeout=timeout) as client, pytest.raises(reka.APITimeoutError):
        client.chat("Hi")

    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("error", "call", "may"),
    [
        pytest.param(reka.ServerError("x", 503), CHAT, True, id="busy"),
        pytest.param(reka.RateLimitError("x", 429, None, 60.0), CHAT, True, id="a-minute"),
        pytest.param(reka.RateLimitError("x", 429, None, 61.0), CHAT, False, id="too-long-a-wait"),
        pytest.param(reka.RetrievalError("x", 404), CHAT, False, id="wrong"),
        pytest.param(reka.UnexpectedResponseError("x", 200), CHAT, False, id="unreadable"),
        pytest.param(reka.APIConnectionError("x"), CHAT, True, id="broken"),
        pytest.param(reka.APIConnectionError("x"), PREPARE, False, id="broken-preparing"),
        pytest.param(NotConnectedError("x"), PREPARE, True, id="nothing-sent"),
        pytest.param(KeyError("x"), CHAT, False, id="a-bug"),
    ],
)
def test_what_may_be_sent_again(error: Exception, call: Call[object], may: bool) -> None:
    assert RetryPolicy().may_retry(error, call) is may


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 0.5), (2, 1.0), (3, 2.0), (5, 8.0), (50, 8.0)])
def test_waits_grow_to_a_ceiling_and_are_spread_out(attempt: int, ceiling: float) -> None:
    waits = [RetryPolicy().wait(attempt, None) for _ in range(200)]

    assert 0 <= min(waits) < ceiling * 0.25
    assert ceiling * 0.75 < max(waits) <= ceiling


def test_a_server_that_names_a_wait_is_obeyed() -> None:
    assert RetryPolicy().wait(1, reka.RateLimitError("x", 429, None, 7.5)) == 7.5


@pytest.mark.parametrize(
    ("attempt", "elapsed", "next_wait", "stops"),
    [(1, 0, 1, False), (2, 0, 1, False), (3, 0, 1, True), (1, 9.5, 1, True)],
)
def test_it_stops_after_the_last_try_or_when_the_next_would_come_too_late(
    attempt: int, elapsed: float, next_wait: float, stops: bool
) -> None:
    assert RetryPolicy(2).stop(attempt, elapsed, 10.0, next_wait) is stops
