"""Decisions that make a stream cheap, for both clients: the constant server sends all of it at once."""

import time
from collections.abc import AsyncGenerator, Iterator
from functools import partial
from statistics import median
from typing import Final

import requests

import reka
from bench.constant_server import constant_server
from bench.contestants import KEY, QUESTION
from bench.decisions.measure import Cost, Decision, Round, inside, replaced, timed
from reka._transport import aio, connector, sync

CHUNKS: Final = 1000
STREAMS: Final = 5
"""Streams of a round in which the first event is timed."""

CHUNK: Final = "a chunk of Reka.stream"
FIRST: Final = "the first event of AsyncReka.stream"


def chunks(client: reka.Reka) -> Round:
    """Make a round of one stream."""

    async def work() -> None:
        for _ in client.stream(QUESTION):
            pass

    return timed(work, CHUNKS)


def first_events(client: reka.AsyncReka) -> Round:
    """Make a round of streams of which the first event is timed; the rest is read."""

    async def run() -> Cost:
        costs = []
        for _ in range(STREAMS):
            cost = None
            cpu, wall = time.process_time(), time.perf_counter()
            async for _event in client.stream(QUESTION):
                cost = cost or Cost(time.process_time() - cpu, time.perf_counter() - wall)
            assert cost is not None
            costs.append(cost)
        return Cost(median(cost.cpu for cost in costs), median(cost.wall for cost in costs))

    return run


def read_what_has_come(response: requests.Response) -> Iterator[bytes]:
    """Stand in for `sync._blocks`: read a chunked body as any other."""
    return iter(partial(response.raw.read1, sync._READ_BYTES, True), b"")


async def decisions() -> AsyncGenerator[Decision, None]:
    """Yield the decisions about streams."""
    with constant_server(CHUNKS) as url:
        with reka.Reka(KEY, url) as client:
            for decision in _of_sync_streams(client):
                yield decision
        async with reka.AsyncReka(KEY, url) as async_client, reka.AsyncReka(KEY, url) as other:
            for decision in _of_async_streams(async_client, other):
                yield decision


def _of_sync_streams(client: reka.Reka) -> Iterator[Decision]:
    once = chunks(client)
    read1 = partial(replaced, sync, _blocks=read_what_has_come)
    yield Decision("a chunked body is read chunk by chunk", CHUNK, inside(read1, once), once)


def _of_async_streams(client: reka.AsyncReka, other: reka.AsyncReka) -> Iterator[Decision]:
    first = first_events(client)
    one_size = partial(replaced, aio, _FIRST_BYTES=aio._READ_BYTES)
    yield Decision("a stream's first bytes are decoded alone", FIRST, inside(one_size, first), first)
    large_reads = partial(replaced, connector, _RECEIVED_BYTES=256 * 1024)
    yield Decision("16 KiB are read from a socket at a time", FIRST, inside(large_reads, first_events(other)), first)
