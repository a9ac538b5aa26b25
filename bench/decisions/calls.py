"""Decisions that make a call cheap, for both clients. The constant server's time is not counted."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any, Final, TypeVar, cast

import aiohttp
import requests

import reka
from bench.constant_server import constant_server
from bench.contestants import KEY, QUESTION
from bench.decisions.measure import Decision, Round, inside, replaced, timed
from reka._calls.call import Call
from reka._transport import aio, connector
from reka._transport.connections import BoundedAdapter
from reka._transport.wait_limits import WaitTimer
from reka.config import Timeout
from reka.endpoint import Server

T = TypeVar("T")

CALLS: Final = 20
"""Calls of a round, one at a time."""

CONCURRENT_CALLS, IN_FLIGHT = 192, 64
"""Calls of a round, and how many of them are in flight."""

SYNC: Final = "a call of Reka"
ASYNC: Final = "a call of AsyncReka"
CONCURRENT: Final = f"a call of AsyncReka, {IN_FLIGHT} in flight"


def one_at_a_time(client: reka.Reka) -> Round:
    """Make a round of calls, one after the other."""

    async def work() -> None:
        for _ in range(CALLS):
            client.chat(QUESTION)

    return timed(work, CALLS)


def one_at_a_time_async(client: reka.AsyncReka) -> Round:
    """Async twin of `one_at_a_time`."""

    async def work() -> None:
        for _ in range(CALLS):
            await client.chat(QUESTION)

    return timed(work, CALLS)


def concurrent(client: reka.AsyncReka) -> Round:
    """Make a round of concurrent calls."""

    async def work() -> None:
        left = iter(range(CONCURRENT_CALLS))

        async def call_on() -> None:
            for _ in left:
                await client.chat(QUESTION)

        await asyncio.gather(*(call_on() for _ in range(IN_FLIGHT)))

    return timed(work, CONCURRENT_CALLS)


def session_per_call(url: str) -> Round:
    """Make a round of calls, each with a client and so with a session of its own."""

    async def work() -> None:
        for _ in range(CALLS):
            async with reka.AsyncReka(KEY, url) as client:
                await client.chat(QUESTION)

    return timed(work, CALLS)


def environment_session() -> requests.Session:
    """A session that reads proxies and CA bundle from the environment at every request, as requests does by default."""
    session = requests.Session()
    session.mount("http://", BoundedAdapter(pool_maxsize=64))
    return session


def async_environment_session() -> aiohttp.ClientSession:
    """Async twin of `environment_session`."""
    return aiohttp.ClientSession(
        connector=connector._Connector(limit=0), trust_env=True, cookie_jar=aiohttp.DummyCookieJar()
    )


async def read_every_body(
    self: aio.AsyncTransport, call: Call[T], server: Server, timeout: Timeout, started: float
) -> T:
    """Stand in for `AsyncTransport._send`: await a body that came with its head, too."""
    response, head, bounds = await self._open(call, server, timeout, started)
    return call.read(await aio._read_all(response, head, bounds))


class TimerOfWait:
    """Stand in for `WaitLimit`: limit one wait by `asyncio.timeout`, whose coroutines never suspend."""

    def __init__(self, seconds: float) -> None:
        self._timeout = cast("Any", asyncio).timeout(seconds)  # not on every Python that is supported

    def __enter__(self) -> None:
        with suppress(StopIteration):
            self._timeout.__aenter__().send(None)

    def __exit__(self, *error: Any) -> None:
        with suppress(StopIteration):
            self._timeout.__aexit__(*error).send(None)


class InstantSession:
    """Stand in for aiohttp's session: a response is there at once, so that only our own work is timed."""

    closed = False

    async def request(self, *_: object, **__: object) -> "InstantSession":
        """Return a response."""
        return self

    status = 200
    headers: Final = {"Content-Type": "application/json"}

    @property
    def content(self) -> "InstantSession":
        """The body's reader."""
        return self

    def is_eof(self) -> bool:
        """Whether all of it is here."""
        return True

    def exception(self) -> None:
        """Return the error that broke it: none."""

    def read_nowait(self) -> bytes:
        """Return the body."""
        return b'{"type": "model", "text": "Hello"}'


async def decisions() -> AsyncGenerator[Decision, None]:
    """Yield the decisions about calls."""
    with constant_server() as url:
        for decision in _of_sync_calls(url):
            yield decision
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(reka.AsyncReka(KEY, url))
            session = await stack.enter_async_context(async_environment_session())
            for decision in _of_sessions(url, client, reka.AsyncReka(KEY, url, session=session)):
                yield decision
            for decision in _of_waits(client, reka.AsyncReka(KEY, url, session=cast("Any", InstantSession()))):
                yield decision


def _of_sync_calls(url: str) -> Iterator[Decision]:
    with (
        environment_session() as session,
        reka.Reka(KEY, url, session=session) as with_environment,
        reka.Reka(KEY, url) as client,
    ):
        yield Decision(
            "proxies and CA bundle are resolved once", SYNC, one_at_a_time(with_environment), one_at_a_time(client)
        )


def _of_sessions(url: str, client: reka.AsyncReka, with_environment: reka.AsyncReka) -> Iterator[Decision]:
    once = one_at_a_time_async(client)
    yield Decision("proxies and CA bundle are resolved once", ASYNC, one_at_a_time_async(with_environment), once)
    yield Decision("one session per event loop", ASYNC, session_per_call(url), once)


def _of_waits(client: reka.AsyncReka, instant: reka.AsyncReka) -> Iterator[Decision]:
    once, many = one_at_a_time_async(client), concurrent(client)
    name, without = (
        "a body that came with its head is not awaited",
        partial(replaced, aio.AsyncTransport, _send=read_every_body),
    )
    yield Decision(name, ASYNC, inside(without, once), once)
    yield Decision(name, CONCURRENT, inside(without, many), many)
    name, without = (
        "one timer for the waits of an event loop",
        partial(replaced, WaitTimer, limit=staticmethod(TimerOfWait)),
    )
    alone = concurrent(instant)
    yield Decision(name, f"{ASYNC}, aiohttp apart", inside(without, alone), alone)
