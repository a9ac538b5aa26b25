"""HTTP by aiohttp: one session an event loop, one table from its errors to ours. Twin of `sync`."""

import asyncio
import io
import math
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import aiohttp
from yarl import URL

from reka._calls.call import Call, Decoder, StreamCall, Upload
from reka._protocol.addresses import HTTP, MAX_REDIRECTS, Proxies
from reka._protocol.answers.budgets import MAX_ANSWER_BYTES, MAX_ERROR_BYTES, too_large
from reka._protocol.answers.frames import forget_locals
from reka._protocol.checks import integer
from reka._protocol.retries import with_retries_async
from reka._transport.aio_errors import connection_error, forget_secrets
from reka._transport.connector import AbortOnError, new_session
from reka._transport.multipart import multipart_body
from reka._transport.proxy_errors import AUTHENTICATION, proxy_error
from reka._transport.retry import Attempts, Limits
from reka._transport.settings import TransportSettings
from reka._transport.stream_errors import with_partial_text
from reka._transport.wait_limits import WaitLimit, WaitTimer
from reka._transport.watch import UploadWatchdog
from reka._wire.failures import error_for
from reka._wire.redirects import redirect_target
from reka._wire.reply import Reply, is_event_stream
from reka.config import Timeout
from reka.endpoint import Server
from reka.errors import RekaError, UnexpectedResponseError

T = TypeVar("T")
Item = TypeVar("Item")
V = TypeVar("V")

# Bytes of a stream that are decoded at a time: fewer at first, so that the first event does not wait for others.
_FIRST_BYTES: Final = 256
_READ_BYTES: Final = 64 * 1024
_LARGE_BYTES: Final = 1024 * 1024
# See the sync transport.
_DRAIN_SECONDS: Final = 0.2
_LIBRARY: Final = f"aiohttp/{aiohttp.__version__}"
_FAILURES: Final = (aiohttp.ClientError, asyncio.TimeoutError, OSError)


class AsyncTransport:
    """Sends calls. Can be shared by tasks and by event loops; each loop has its own session.

    Args:
        settings: Headers, proxies and so on.
        session: The caller's session, used unchanged on its loop and not closed; None creates one per loop.
        pool_size: Connections to a server at a time, in each loop; None is no limit.

    Raises:
        InvalidArgumentError: `pool_size` is no number of connections.
    """

    def __init__(
        self, settings: TransportSettings, session: aiohttp.ClientSession | None = None, pool_size: int | None = None
    ) -> None:
        self._settings = settings
        self._proxies = Proxies(settings.proxies if session is None else settings.proxies or {}, HTTP)
        self._new_session = partial(new_session, 0 if pool_size is None else integer(pool_size, "pool_size", least=1))
        self._given = session
        # Entries are removed when their loop ends: a session refers to its loop, so weak keys do not work.
        self._by_loop: dict[asyncio.AbstractEventLoop, _LoopSession] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}  # by the path of the trusted certificates

    def send(self, call: Call[T], server: Server, limits: Limits, started: float) -> Awaitable[T]:
        """Async twin of `SyncTransport.send`; cancelling it frees its connection."""
        once = self._upload if isinstance(call.body, Upload) else self._send
        return self._with_retries(once, call, server, limits, started)

    def stream(
        self, call: StreamCall[Item], server: Server, limits: Limits, started: float
    ) -> Awaitable[AsyncGenerator[Item, None]]:
        """Async twin of `SyncTransport.stream`."""
        return self._with_retries(self._begin, call, server, limits, started)

    async def close(self) -> None:
        """Close the connections of the running loop; the next call opens new ones."""
        session = self._by_loop.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    def _with_retries(
        self, once: Callable[..., Awaitable[V]], call: Call[Any], server: Server, limits: Limits, started: float
    ) -> Awaitable[V]:
        attempts = Attempts(once, call, server, limits, started)
        return with_retries_async(attempts.send, attempts.next_wait)

    async def _send(self, call: Call[T], server: Server, timeout: Timeout, started: float) -> T:
        response, head, bounds = await self._open(call, server, timeout, started)
        if response.content.is_eof() and response.content.exception() is None:
            # The whole body arrived with the head, and the connection has been released already.
            return call.read(Reply(head.status, head.headers, response.content.read_nowait(), head.request_line))
        return call.read(await _read_all(response, head, bounds))

    async def _upload(self, call: Call[T], server: Server, timeout: Timeout, started: float) -> T:
        assert isinstance(call.body, Upload)
        watch = UploadWatchdog(call.body, timeout)
        sending = self._send(replace(call, body=watch.upload), server, timeout, started)
        return await watch.run(sending, f"{call.method} {server.url}{call.path}")

    async def _begin(
        self, call: StreamCall[Item], server: Server, timeout: Timeout, started: float
    ) -> AsyncGenerator[Item, None]:
        response, head, bounds = await self._open(call, server, timeout, started)
        if not is_event_stream(head):
            return _iterate(call.read(await _read_all(response, head, bounds)))
        decoder = call.decoder(head)
        block = partial(_block, response, head)
        try:
            events: Sequence[Item] = []
            while not events and not decoder.is_done and (received := await block(bounds, _FIRST_BYTES)):
                events = decoder.feed(received)
            if not events:
                events = decoder.finish()
                await _drain(response, bounds)
                return _iterate(events)
        except BaseException:
            response.close()
            raise
        # A stream that flows may take as long as it likes; silence alone ends it.
        return _events(response, replace(bounds, end=math.inf), block, decoder, events, call.max_bytes)

    async def _open(self, call: Call[Any], server: Server, timeout: Timeout, started: float) -> "_Answer":
        """Send a request, along its redirects, and give its successful answer, the body unread."""
        url = server.url + call.path
        for _ in range(MAX_REDIRECTS):
            response, head, bounds = await self._exchange(call, url, server, timeout, started)
            if 200 <= head.status < 300:
                return response, head, bounds
            reply = await _read_page(response, head, bounds)
            if reply.status == AUTHENTICATION:
                raise proxy_error(reply.request_line, "", reply.status)
            target = redirect_target(reply, call.method, url)
            if target is None:
                raise error_for(reply, call.errors)
            url = target
        raise UnexpectedResponseError(f"{call.method} {server.url + call.path} was redirected in a circle")

    async def _exchange(self, call: Call[Any], url: str, server: Server, timeout: Timeout, started: float) -> "_Answer":
        request_line = f"{call.method} {url}"
        begun = time.monotonic()
        ours = self._by_loop.get(asyncio.get_running_loop())
        if ours is None or (ours.session.closed and self._given is None):
            ours = await self._open_session()
        headers = self._settings.request_headers(call, server.api_key, _LIBRARY)
        # The watchdog ends an upload.
        end = math.inf if isinstance(call.body, Upload) else started + timeout.total
        bounds = _Bounds(ours.timer, timeout, end)
        body, limits, bound = _request_limits(call, headers, bounds)
        try:
            with bound:
                response = await ours.session.request(
                    call.method,
                    URL(url, encoded=True),
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    proxy=None if server.is_embedded else self._proxies.of(server.url),
                    timeout=limits,
                    ssl=self._context() if url.startswith("https:") else True,
                )
        except _FAILURES as error:
            if isinstance(error, RekaError):
                forget_locals(error)
                raise  # of the body's source; some errors of ours are errors of files, too
            self._proxies.forget()
            known = connection_error(error, request_line, timeout, bounds.end)
            self._settings.observe(call, begun, None, None, type(known).__name__)
            forget_secrets(error)
            forget_locals(error)
            raise known from error
        except BaseException as error:
            forget_locals(error)
            raise
        head = Reply(response.status, response.headers, b"", request_line)
        try:
            self._settings.observe(call, begun, head.status, head.request_id, None)
        except BaseException:
            response.close()  # the caller's callback may fail
            raise
        return response, head, bounds

    async def _open_session(self) -> "_LoopSession":
        loop = asyncio.get_running_loop()
        for ended in [other for other in list(self._by_loop) if other.is_closed()]:
            self._by_loop.pop(ended, None)
        session = self._new_session() if self._given is None else self._given
        opened = _LoopSession(session, self._given is None, lambda: self._by_loop.pop(loop, None))
        self._by_loop[loop] = opened
        await opened.keep()
        return opened

    def _context(self) -> ssl.SSLContext:
        trusted = self._settings.ca_bundle_path()
        if trusted not in self._contexts:
            is_folder = Path(trusted).is_dir()
            self._contexts[trusted] = ssl.create_default_context(
                cafile=None if is_folder else trusted, capath=trusted if is_folder else None
            )
        return self._contexts[trusted]


class _LoopSession:
    """A session that closes with its event loop even if the caller never closes it.

    Args:
        session: The session.
        is_own: Whether it is to be closed; the caller's is not.
        on_close: Called when it closes.
    """

    def __init__(self, session: aiohttp.ClientSession, is_own: bool, on_close: Callable[[], object]) -> None:
        self.session = session
        self._is_own = is_own
        self._on_close = on_close
        self.timer = WaitTimer()
        self._keeper = self._close_at_loop_end()

    async def keep(self) -> None:
        """Start the generator that closes the session.

        At its end an event loop closes the asynchronous generators started on it (`asyncio.run` calls
        `loop.shutdown_asyncgens`); it gives no other notice.
        """
        await anext(self._keeper)

    async def close(self) -> None:
        await self._keeper.aclose()

    async def _close_at_loop_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._on_close()
            if self._is_own:
                await self.session.close()
                await asyncio.sleep(0)  # a socket closes in the loop's next iteration, which may be its last


@dataclass(frozen=True, slots=True)
class _Bounds:
    """How long the waits of one call may take."""

    timer: WaitTimer
    timeout: Timeout
    end: float
    """Deadline of the call, by `time.monotonic`."""

    def of_wait(self) -> WaitLimit:
        """Limit one wait for the server: by the longest silence and by the deadline of the call."""
        return self.timer.limit(min(self.timeout.read, self.end - time.monotonic()))


_Answer: TypeAlias = tuple[aiohttp.ClientResponse, Reply, _Bounds]
"""A response whose body is unread, its head, and the limits of the waits for the rest."""


def _request_limits(
    call: Call[Any], headers: dict[str, str], bounds: _Bounds
) -> tuple[Any, aiohttp.ClientTimeout, AbstractContextManager[None]]:
    """Body of a request, the limits left to aiohttp's timers, and the context manager of the other limits."""
    timeout = bounds.timeout
    if isinstance(call.body, Upload):
        limits = aiohttp.ClientTimeout(sock_connect=timeout.connect, sock_read=timeout.read)
        return _upload_blocks(call.body, headers), limits, AbortOnError()
    # A large body of bytes would be written in one piece, which holds up the loop.
    body = io.BytesIO(call.body) if call.body and len(call.body) > _LARGE_BYTES else call.body
    return body, _connect_limit(timeout.connect), bounds.of_wait()


@lru_cache(maxsize=16)
def _connect_limit(seconds: float) -> aiohttp.ClientTimeout:
    """Limit connecting alone: aiohttp has more timers, and most requests share this object."""
    return aiohttp.ClientTimeout(sock_connect=seconds)


def _upload_blocks(upload: Upload, headers: dict[str, str]) -> AsyncIterator[bytes]:
    blocks, length, headers["Content-Type"] = multipart_body(upload)
    if length is not None:
        headers["Content-Length"] = str(length)

    async def read() -> AsyncGenerator[bytes, None]:
        # In a thread: reading and compressing would block the event loop.
        while block := await asyncio.to_thread(next, blocks, b""):
            yield block

    return read()


async def _read_all(response: aiohttp.ClientResponse, head: Reply, bounds: _Bounds) -> Reply:
    """Read the rest of a response and release its connection."""
    blocks, left = [], MAX_ANSWER_BYTES
    async with response:
        while block := await _block(response, head, bounds, _READ_BYTES):
            blocks.append(block)
            left -= len(block)
            if left < 0:
                raise UnexpectedResponseError(f"{head.request_line} gave {too_large(MAX_ANSWER_BYTES)}")
    return Reply(head.status, head.headers, b"".join(blocks), head.request_line)


async def _read_page(response: aiohttp.ClientResponse, head: Reply, bounds: _Bounds) -> Reply:
    """Read as much of an error's body as is looked at."""
    blocks, left = [], MAX_ERROR_BYTES
    async with response:
        while left > 0 and (block := await _block(response, head, bounds, min(left, _READ_BYTES))):
            blocks.append(block)
            left -= len(block)
    return Reply(head.status, head.headers, b"".join(blocks), head.request_line)


async def _block(response: aiohttp.ClientResponse, head: Reply, bounds: _Bounds, most: int) -> bytes:
    """Return the next bytes of the body; none at its end."""
    try:
        with bounds.of_wait():
            return await response.content.read(most)
    except _FAILURES as error:
        raise connection_error(error, head.request_line, bounds.timeout, bounds.end) from error


async def _iterate(events: Sequence[Item]) -> AsyncGenerator[Item, None]:
    for event in events:
        yield event


async def _events(
    response: aiohttp.ClientResponse,
    bounds: _Bounds,
    block: Callable[[_Bounds, int], Awaitable[bytes]],
    decoder: Decoder[Item],
    first: Sequence[Item],
    most: int,
) -> AsyncGenerator[Item, None]:
    """Async twin of the sync transport's."""
    left = most
    try:
        for event in first:
            yield event
        try:
            while not decoder.is_done and (received := await block(bounds, _READ_BYTES)):
                left -= len(received)
                if left < 0:
                    raise UnexpectedResponseError(f"{response.method} {response.url} gave {too_large(most)}")
                for event in decoder.feed(received):
                    yield event
            for event in decoder.finish():
                yield event
        except RekaError as error:
            raise with_partial_text(error, decoder)  # noqa: B904  # it has its cause, or is the error itself
        await _drain(response, bounds)
    finally:
        response.close()


async def _drain(response: aiohttp.ClientResponse, bounds: _Bounds) -> None:
    """Read the end of a stream that is whole, if it comes at once: only then can its connection be used again."""
    with suppress(*_FAILURES):
        with bounds.timer.limit(_DRAIN_SECONDS):
            await response.read()
        response.release()
