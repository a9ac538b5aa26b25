"""Decisions that make `reka serve` cheap in front of a constant model. CPU time is that of the server's process."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager
from functools import partial
from typing import Final

import aiohttp

from bench.constant_server import CERTIFICATE, constant_server
from bench.contestants import messages, turns
from bench.decisions import variant_server
from bench.decisions.measure import Decision, Round, timed
from bench.server import COMPLETIONS, HEADERS, Server, serving

CHUNKS: Final = 20
"""Chunks of a streamed response."""

REQUESTS, IN_FLIGHT = 256, 64
"""Requests of a round, and how many of them are in flight."""

STREAMS: Final = 10
"""Streams of a round, one after the other: a busy server comes to read the end of one only once it is there."""

STREAMS_AT_ONCE: Final = f"a stream of {CHUNKS} chunks, {IN_FLIGHT} in flight"
CHAT: Final = f"a request to /chat, {IN_FLIGHT} in flight"
STREAM: Final = f"a stream of {CHUNKS} chunks from a model behind TLS, one at a time"


def requests_to(path: str, body: object, requests: int, in_flight: int, server: Server) -> Round:
    """Make a round of requests."""
    data = json.dumps(body).encode()

    async def work() -> None:
        left = iter(range(requests))
        async with aiohttp.ClientSession(server.url, connector=aiohttp.TCPConnector(limit=0)) as session:

            async def request_on() -> None:
                for _ in left:
                    async with session.post(path, data=data, headers=HEADERS) as response:
                        assert response.status == 200
                        await response.read()

            await asyncio.gather(*(request_on() for _ in range(in_flight)))

    return timed(work, requests, partial(cpu_seconds, server.pid))


def cpu_seconds(pid: int) -> float:
    """CPU seconds used so far by another process (Linux: its CPU clock is numbered by its complement)."""
    return time.clock_gettime(~pid << 3 | 2)


def variant(name: str, model: str) -> AbstractContextManager[Server]:
    """Run a server without one decision, in a process of its own."""
    return serving(model, "bench.decisions.variant_server", name, SSL_CERT_FILE=str(CERTIFICATE))


async def decisions() -> AsyncGenerator[Decision, None]:
    """Yield the decisions about the server."""
    chat = partial(requests_to, "/chat", turns(), REQUESTS, IN_FLIGHT)
    streams = partial(requests_to, COMPLETIONS, messages(), REQUESTS, IN_FLIGHT)
    stream = partial(requests_to, COMPLETIONS, messages(), STREAMS, 1)
    with constant_server(CHUNKS) as model, constant_server(CHUNKS, tls=True, late_end=True) as far_model:
        for name, without, operation, round_of, upstream in (
            ("API keys are looked up past SQLAlchemy", variant_server.keys_by_sqlalchemy, CHAT, chat, model),
            ("garbage is collected rarely", variant_server.collector_untouched, CHAT, chat, model),
            ("small bodies are validated on the event loop", variant_server.bodies_in_threads, CHAT, chat, model),
            ("the upstream's proxy is resolved once", variant_server.proxies_per_request, CHAT, chat, model),
            (
                "what is written in one turn is sent at once",
                variant_server.writes_apart,
                STREAMS_AT_ONCE,
                streams,
                model,
            ),
            ("requests are parsed by httptools", variant_server.pure_python_http, CHAT, chat, model),
            ("the upstream's streams are read to their end", variant_server.streams_cut, STREAM, stream, far_model),
        ):
            with variant(without.__name__, upstream) as other, variant(variant_server.UNCHANGED, upstream) as ours:
                yield Decision(name, operation, round_of(other), round_of(ours), rounds=41)
