"""All requests of a call share its `total`; waits for a job and uploads take their own time."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import reka
from reka._calls import endpoints
from reka._calls.call import Call
from reka._calls.flow import Sleep
from reka._inputs.chat_request import messages_request
from reka._inputs.uploads import dataset_source
from reka._protocol.retries import RetryPolicy
from reka._transport.aio import AsyncTransport
from reka._transport.retry import Limits
from reka._transport.settings import TransportSettings
from reka._transport.steps import AsyncPerformer, Performer
from reka._transport.sync import SyncTransport
from reka.endpoint import Server
from reka.testing import Connection, FakeReka, answer, say_nothing
from tests.support.clients import KEY, Connect
from tests.support.completions import HI

AGE = 100.0
"""Seconds that the earlier calls of a flow took."""

CALL = endpoints.list_datasets()
STREAM = endpoints.stream_completion(messages_request(HI, {}), "openai")
Perform = Callable[[float, Call[Any]], object]


def later(performer: Performer) -> Performer:
    """Make it a flow whose first call began a while ago."""
    performer.started = time.monotonic() - AGE
    return performer


def limits(total: float, retries: int = 2) -> Limits:
    return Limits(reka.Timeout(connect=5, read=60, total=total), RetryPolicy(retries))


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest, fake: FakeReka) -> Iterator[Perform]:
    """Performs a later call of a flow of a `total`, to its end."""
    server = Server(fake.url, KEY)

    async def read(answer: Any) -> object:
        return [event async for event in answer] if hasattr(answer, "__aiter__") else answer

    async def send_async(total: float, call: Call[Any]) -> object:
        transport = AsyncTransport(TransportSettings())
        try:
            return await read(await later(AsyncPerformer(transport, server, limits(total)))(call))
        finally:
            await transport.close()

    transport = SyncTransport(TransportSettings())

    def send_sync(total: float, call: Call[Any]) -> object:
        answer = later(Performer(transport, server, limits(total)))(call)
        return list(answer) if isinstance(answer, Iterator) else answer

    yield send_sync if request.param == "sync" else lambda *given: asyncio.run(send_async(*given))
    transport.close()


@pytest.mark.parametrize("call", [CALL, STREAM], ids=["whole", "stream"])
def test_a_later_call_has_the_time_that_the_earlier_ones_left(send: Perform, fake: FakeReka, call: Call[Any]) -> None:
    fake.will_give(say_nothing)
    began = time.monotonic()

    with pytest.raises(reka.APITimeoutError):
        send(AGE + 0.2, call)

    assert time.monotonic() - began < AGE / 2
    assert len(fake.requests) == 1


def test_a_stream_has_to_begin_in_the_time_that_the_earlier_calls_left(send: Perform, fake: FakeReka) -> None:
    fake.will_stream(b": no event yet\n\n", ends=False)
    began = time.monotonic()

    with pytest.raises(reka.APITimeoutError):
        send(AGE + 0.5, STREAM)

    assert time.monotonic() - began < AGE / 2


def test_a_retry_waits_no_longer_than_the_earlier_calls_left(send: Perform, fake: FakeReka) -> None:
    fake.will_answer(503, {"detail": "busy"}, {"Retry-After": "30"})

    with pytest.raises(reka.ServerError, match="busy"):
        send(AGE + 20, CALL)

    assert len(fake.requests) == 1


@pytest.mark.parametrize("call", [CALL, STREAM], ids=["whole", "stream"])
def test_a_call_for_which_no_time_is_left_is_not_sent(send: Perform, fake: FakeReka, call: Call[Any]) -> None:
    with pytest.raises(
        reka.APITimeoutError, match=f"{call.path} was not sent: the {AGE:g} s of the whole call are over"
    ):
        send(AGE, call)

    assert fake.requests == []


def test_after_a_sleep_the_time_begins_anew(fake: FakeReka) -> None:
    fake.will_answer(200, ["reka-flash"])
    transport, server = SyncTransport(TransportSettings()), Server(fake.url, KEY)
    step = later(Performer(transport, server, limits(AGE / 2, retries=0)))

    step(Sleep(0))

    assert step(CALL) == ["reka-flash"]
    transport.close()


async def test_after_a_sleep_the_time_of_an_asynchronous_flow_begins_anew(fake: FakeReka) -> None:
    fake.will_answer(200, ["reka-flash"])
    transport, server = AsyncTransport(TransportSettings()), Server(fake.url, KEY)
    step = later(AsyncPerformer(transport, server, limits(AGE / 2, retries=0)))

    await step(Sleep(0))

    assert await step(CALL) == ["reka-flash"]
    await transport.close()


def test_an_upload_has_its_own_time_and_so_has_what_follows_it(fake: FakeReka) -> None:
    upload = endpoints.add_dataset(dataset_source(None, ["a text"]), "alice", None, None)
    fake.will_answer(200, {"name": "alice", "ok": True, "info": ""})
    fake.will_answer(200, ["reka-flash"])
    transport, server = SyncTransport(TransportSettings()), Server(fake.url, KEY)
    step = later(Performer(transport, server, limits(AGE / 2, retries=0)))

    assert step(upload)["ok"]
    assert step(CALL) == ["reka-flash"]
    transport.close()


def test_a_call_with_its_fallbacks_takes_no_longer_than_its_total(connect: Connect, fake: FakeReka) -> None:
    def refuse_late(connection: Connection) -> None:
        connection.pause(0.8)
        refusal(connection)

    refusal = answer(400, {"error": {"message": "no role system"}})
    fake.will_give(refuse_late)
    fake.will_give(say_nothing)
    began = time.monotonic()

    with connect(KEY, fake.url, timeout=1.6) as client, pytest.raises(reka.InvalidRequestError, match="no role"):
        client.complete([{"role": "system", "content": "Be brief."}, *HI])

    assert time.monotonic() - began < 2.3
    assert len(fake.requests) == 2
