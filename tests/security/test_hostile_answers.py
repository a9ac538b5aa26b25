"""A server that answers to cost its caller memory or time gets a typed error for it, from both clients."""

import gzip
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

import reka
from reka._protocol.answers.budgets import MAX_ANSWER_BYTES, MAX_EVENT_BYTES, MAX_TOOL_CALLS
from reka.server.generation.types import GenerationError
from reka.server.generation.upstream.backend import UpstreamBackend
from reka.testing import FakeReka
from reka.testing.bodies import DONE, events
from tests.support.clients import KEY, Connect
from tests.support.generation_requests import ask

JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
TEXT = b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n'
TIMEOUT = 20


def zeros(size: int, window: int) -> bytes:
    """So many zeros, compressed."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, window)
    block = bytes(1 << 20)
    return b"".join(compressor.compress(block) for _ in range(size >> 20)) + compressor.flush()


BOMB = zeros(4 * MAX_ANSWER_BYTES, 31)
TWICE = gzip.compress(BOMB)
DEEP = b"[" * 100_000 + b"]" * 100_000
MANY = b"[" + b"[]," * (8 << 20) + b"0]"


def whole(body: bytes, *headers: bytes) -> bytes:
    """A whole answer."""
    return JSON + b"".join(header + b"\r\n" for header in headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


def endless(beginning: bytes, piece: bytes) -> Callable[[Any], None]:
    """Send a piece again and again, until the client disconnects."""

    def misbehave(handler: Any) -> None:
        with suppress(OSError):
            handler.raw(beginning)
            while True:
                handler.raw(piece)

    return misbehave


async def read(stream: AsyncIterator[object]) -> None:
    """Read a stream to its end."""
    async for _ in stream:
        pass


def chunked(body: bytes) -> bytes:
    """A body in chunks of 64 KiB."""
    pieces = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


ANSWERS = {
    "gzip": (whole(BOMB, b"Content-Encoding: gzip"), "more than 32,768 KiB"),
    "gzip in chunks": (
        JSON + b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n" + chunked(BOMB),
        "more than 32,768 KiB",
    ),
    "deflate": (whole(zeros(4 * MAX_ANSWER_BYTES, 15), b"Content-Encoding: deflate"), "more than 32,768 KiB"),
    "gzip in gzip": (whole(TWICE, b"Content-Encoding: gzip, gzip"), "gave"),
    "deep JSON": (whole(DEEP), "nested deeper than 200 levels"),
    "JSON a little too deep": (whole(b'{"text": "", "x": ' + b"[" * 201 + b"]" * 201 + b"}"), "nested deeper than"),
    "many values": (whole(MANY), "JSON of more than 2,000,000 values"),
}
ENDLESS = {
    "body": (JSON + b"\r\n", b" " * 65_536, "more than 32,768 KiB"),
    "header": (b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 65_536, "got more than|Got more than"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000, "headers"),
    "trailers": (
        JSON + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
        b"X-A: b\r\n" * 1000,
        "POST",
    ),
}
STREAMS = {
    "line": (TEXT + b"data: ", b"x" * 65_536, "an event of more than 8,192 KiB"),
    "event": (TEXT, b"data: 12345678\n" * 4000, "an event of more than 8,192 KiB"),
    "tool calls": (
        b"",
        events({"choices": [{"delta": {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}]}) * 100,
        f"more than {MAX_TOOL_CALLS:,} tool calls",
    ),
}


@pytest.mark.parametrize("attack", ANSWERS)
def test_an_answer_that_takes_more_than_it_sends_is_refused(connect: Connect, fake: FakeReka, attack: str) -> None:
    answer, reason = ANSWERS[attack]
    fake.will_give(lambda handler: handler.raw(answer))

    with (
        connect(KEY, fake.url, timeout=TIMEOUT, max_retries=0) as client,
        pytest.raises(reka.UnexpectedResponseError, match=reason),
    ):
        client.chat("Hi")


@pytest.mark.parametrize("attack", ENDLESS)
def test_an_answer_without_end_is_given_up(connect: Connect, fake: FakeReka, attack: str) -> None:
    beginning, piece, reason = ENDLESS[attack]
    fake.will_give(endless(beginning, piece))

    with connect(KEY, fake.url, timeout=TIMEOUT, max_retries=0) as client, pytest.raises(reka.RekaError, match=reason):
        client.chat("Hi")


@pytest.mark.parametrize("attack", STREAMS)
def test_a_stream_without_end_is_given_up_with_its_text_so_far(connect: Connect, fake: FakeReka, attack: str) -> None:
    beginning, piece, reason = STREAMS[attack]
    fake.will_give(endless(STREAM + b"\r\n" + beginning, piece))

    with (
        connect(KEY, fake.url, timeout=TIMEOUT, max_retries=0) as client,
        pytest.raises(reka.UnexpectedResponseError, match=reason) as caught,
    ):
        list(client.stream("Hi"))

    assert caught.value.partial_text in ("Hi", "")


def test_an_error_page_without_end_is_the_error_of_its_status(connect: Connect, fake: FakeReka) -> None:
    head = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<h1>Out of order</h1>"
    fake.will_give(endless(head, b"<script" * 9000))

    with (
        connect(KEY, fake.url, timeout=TIMEOUT, max_retries=0) as client,
        pytest.raises(reka.ServerError, match="Out of order") as caught,
    ):
        client.chat("Hi")

    assert caught.value.status_code == 502


def test_interim_responses_without_end_are_given_up(fake: FakeReka) -> None:
    fake.will_give(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500))

    with (
        reka.Reka(KEY, fake.url, timeout=TIMEOUT, max_retries=0) as client,
        pytest.raises(reka.UnexpectedResponseError, match="too large"),
    ):
        client.chat("Hi")


def test_compressed_bytes_that_unpack_to_nothing_are_given_up(fake: FakeReka) -> None:
    head = JSON + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (1 << 30)
    nothing = zlib.compressobj(0, zlib.DEFLATED, 31)
    start = nothing.compress(b"") + nothing.flush(zlib.Z_SYNC_FLUSH)
    fake.will_give(endless(head + start, b"\0\0\0\xff\xff" * 10_000))  # empty blocks, stored

    with (
        reka.Reka(KEY, fake.url, timeout=TIMEOUT, max_retries=0) as client,
        pytest.raises(reka.UnexpectedResponseError, match="too large"),
    ):
        client.chat("Hi")


# The server passes calls on one by one, and collects none.
@pytest.mark.parametrize("attack", [*ANSWERS, *sorted(STREAMS.keys() - {"tool calls"})])
async def test_the_reader_of_the_upstream_has_the_same_budgets(fake: FakeReka, attack: str) -> None:
    if attack in ANSWERS:
        fake.will_give(lambda handler: handler.raw(ANSWERS[attack][0]))
    else:
        beginning, piece, _ = STREAMS[attack]
        fake.will_give(endless(STREAM + b"\r\n" + beginning, piece))
    backend = UpstreamBackend(fake.url, model="m", count_tokens=len)

    with pytest.raises(GenerationError) as caught:
        await (backend.generate(ask("Hi")) if attack in ANSWERS else read(backend.stream(ask("Hi"))))
    await backend.close()

    assert caught.value.status == 502


def test_a_long_event_within_the_budget_is_read(connect: Connect, fake: FakeReka) -> None:
    text = "a" * (MAX_EVENT_BYTES - 1000)
    fake.will_stream(events({"choices": [{"delta": {"content": text}}]}), DONE)

    with connect(KEY, fake.url, timeout=TIMEOUT) as client:
        assert "".join(getattr(event, "text", "") for event in client.stream("Hi")) == text
