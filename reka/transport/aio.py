"""HTTP by aiohttp: one session an event loop, one table from its errors to ours. Twin of `sync`."""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

import aiohttp
from yarl import URL

from reka import config
from reka.call import Call, Decoder, StreamCall, Upload
from reka.completion import StreamEvent
from reka.config import Server, Timeout
from reka.errors import APIConnectionError, APITimeoutError, RekaError, StreamInterruptedError, UnexpectedResponseError
from reka.transport.retry import Limits, NotConnectedError
from reka.transport.settings import Proxies, TransportSettings, framed
from reka.wire.failures import error_for
from reka.wire.redirects import redirect_target
from reka.wire.reply import Reply, is_event_stream

T = TypeVar("T")
V = TypeVar("V")

# As in the sync transport.
_DRAIN_SECONDS: Final = 0.2
_FAILURES: Final = (aiohttp.ClientError, asyncio.TimeoutError, OSError)


class AsyncTransport:
    """Sends calls. Safe to share between tasks, and between event loops: each gets a session of its own.

    Args:
        settings: Headers, proxies and the like.
        session: The caller's own session, used as it is, on its own loop, and not closed; None makes one a loop.
    """

    def __init__(self, settings: TransportSettings, session: aiohttp.ClientSession | None = None) -> None:
        self._settings = settings
        self._proxies = Proxies(settings.proxies)
        self._given = session
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopSession] = WeakKeyDictionary()
        self._tls: ssl.SSLContext | None = None

    async def send(self, call: Call[T], server: Server, limits: Limits) -> T:
        """Async twin of `SyncTransport.send`; cancelling it frees its connection."""

        async def once(*how: Any) -> T:
            return call.read(await _whole(*await self._open(*how)))

        return await self._tried(once, call, server, limits)

    async def stream(self, call: StreamCall, server: Server, limits: Limits) -> AsyncGenerator[StreamEvent, None]:
        """Async twin of `SyncTransport.stream`."""
        return await self._tried(self._begin, call, server, limits)

    async def close(self) -> None:
        """Close the connections of the running loop; the next call opens new ones."""
        session = self._by_loop.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    async def _tried(self, once: Callable[..., Awaitable[V]], call: Call[Any], server: Server, limits: Limits) -> V:
        started = time.monotonic()
        return await limits.retry.aio(
            lambda: once(call, server, limits.timeout, started), call, started, limits.timeout.total
        )

    async def _begin(
        self, call: StreamCall, server: Server, timeout: Timeout, started: float
    ) -> AsyncGenerator[StreamEvent, None]:
        response, body, reply = await self._open(call, server, timeout, started)
        if not is_event_stream(reply):
            return _given(call.read(await _whole(response, body, reply)))
        decoder = call.decoder(reply)
        try:
            events: list[StreamEvent] = []
            while not events and not decoder.is_done and (received := await anext(body, b"")):
                events = decoder.feed(received)
            if not events:
                events = decoder.finish()
                await _drain(response)
                return _given(events)
        except BaseException:
            response.close()
            raise
        return _events(response, body, decoder, events)

    async def _open(
        self, call: Call[Any], server: Server, timeout: Timeout, started: float
    ) -> tuple[aiohttp.ClientResponse, AsyncIterator[bytes], Reply]:
        """Send a request, along its redirects, and give its successful answer, the body unread."""
        url = server.url + call.path
        for _ in range(config.MAX_REDIRECTS):
            response, body, head = await self._exchange(call, url, server.api_key, timeout, started)
            if 200 <= head.status < 300:
                return response, body, head
            reply = await _whole(response, body, head)
            target = redirect_target(reply, call.method, url)
            if target is None:
                raise error_for(reply, call.errors)
            url = target
        raise UnexpectedResponseError(f"{call.method} {server.url + call.path} was redirected in a circle")

    async def _exchange(
        self, call: Call[Any], url: str, key: str, timeout: Timeout, started: float
    ) -> tuple[aiohttp.ClientResponse, AsyncIterator[bytes], Reply]:
        asked = f"{call.method} {url}"
        begun = time.monotonic()
        left = None if isinstance(call.body, Upload) else max(0.001, timeout.total - (begun - started))
        limits = aiohttp.ClientTimeout(total=left, sock_connect=timeout.connect, sock_read=timeout.read)
        try:
            response = await self._request(call, url, key, limits)
        except _FAILURES as error:
            known = _connection_error(error, asked, timeout)
            self._settings.observe(call, begun, None, None, type(known).__name__)
            raise known from error
        head = Reply(response.status, response.headers, b"", asked)
        self._settings.observe(call, begun, head.status, head.request_id, None)
        return response, _body(response, asked, timeout), head

    async def _request(
        self, call: Call[Any], url: str, key: str, limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        headers = self._settings.request_headers(call, key, f"aiohttp/{aiohttp.__version__}")
        body: Any = call.body
        if isinstance(body, Upload):
            body = _upload_blocks(body, headers)
        return await (await self._session()).request(
            call.method,
            URL(url, encoded=True),
            data=body,
            headers=headers,
            allow_redirects=False,
            proxy=self._proxies.of(url),
            timeout=limits,
            ssl=self._context() if url.startswith("https:") else True,
        )

    async def _session(self) -> aiohttp.ClientSession:
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        found = self._by_loop.get(loop)
        if found is None or found.session.closed:
            found = self._by_loop[loop] = _LoopSession()
            await found.keep()
        return found.session

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            trusted = Path(self._settings.trusted())
            is_folder = trusted.is_dir()
            self._tls = ssl.create_default_context(
                cafile=None if is_folder else str(trusted), capath=str(trusted) if is_folder else None
            )
        return self._tls


class _LoopSession:
    """A session that ends with its event loop, whether anybody closes it or not."""

    def __init__(self) -> None:
        # `limit=0`: how many calls are in flight is the caller's business. Proxies are resolved by the transport, and
        # no cookies are kept.
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
        )
        self._keeper = self._kept()

    async def keep(self) -> None:
        """Begin the generator that closes the session.

        An event loop closes the asynchronous generators begun on it when it ends (`asyncio.run` does, by
        `loop.shutdown_asyncgens`). That is the one notice it gives.
        """
        await anext(self._keeper)

    async def close(self) -> None:
        await self._keeper.aclose()

    async def _kept(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self.session.close()


def _upload_blocks(upload: Upload, headers: dict[str, str]) -> AsyncIterator[bytes]:
    blocks, length, headers["Content-Type"] = framed(upload)
    if length is not None:
        headers["Content-Length"] = str(length)

    async def read() -> AsyncGenerator[bytes, None]:
        # In a thread: reading and compressing would hold up every other task.
        while block := await asyncio.to_thread(next, blocks, b""):
            yield block

    return read()


async def _whole(response: aiohttp.ClientResponse, body: AsyncIterator[bytes], head: Reply) -> Reply:
    """Read the rest of an answer and give its connection back."""
    async with response:
        return Reply(head.status, head.headers, b"".join([block async for block in body]), head.asked)


async def _body(response: aiohttp.ClientResponse, asked: str, timeout: Timeout) -> AsyncGenerator[bytes, None]:
    """Give the body as it arrives."""
    try:
        while block := await response.content.readany():
            yield block
    except _FAILURES as error:
        raise _connection_error(error, asked, timeout) from error


async def _given(events: list[StreamEvent]) -> AsyncGenerator[StreamEvent, None]:
    for event in events:
        yield event


async def _events(
    response: aiohttp.ClientResponse, body: AsyncIterator[bytes], decoder: Decoder, first: list[StreamEvent]
) -> AsyncGenerator[StreamEvent, None]:
    """Async twin of the sync transport's."""
    try:
        for event in first:
            yield event
        try:
            while not decoder.is_done and (received := await anext(body, b"")):
                for event in decoder.feed(received):
                    yield event
        except APITimeoutError:
            raise
        except APIConnectionError as error:
            interrupted: StreamInterruptedError = decoder.interrupted("the connection broke inside the stream")
            raise interrupted from error
        for event in decoder.finish():
            yield event
        await _drain(response)
    finally:
        response.close()


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read the end of a stream that is whole, if it comes at once: only then can its connection be used again."""
    with suppress(*_FAILURES):
        await asyncio.wait_for(response.read(), _DRAIN_SECONDS)
        response.release()


def _connection_error(error: BaseException, asked: str, timeout: Timeout) -> RekaError:
    """The error of ours that one of aiohttp's stands for."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return NotConnectedError(f"{asked}: no connection within {timeout.connect:g} s")
    if isinstance(error, aiohttp.SocketTimeoutError):
        return APITimeoutError(f"{asked}: no answer within {timeout.read:g} s")
    if isinstance(error, asyncio.TimeoutError):
        return APITimeoutError(f"{asked}: no answer within {timeout.total:g} s")
    if isinstance(error, aiohttp.ClientConnectorSSLError | aiohttp.ClientConnectorCertificateError | ssl.SSLError):
        return NotConnectedError(f"{asked}: TLS failed ({error}); own CA: set REQUESTS_CA_BUNDLE to its file")
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return NotConnectedError(f"{asked}: the proxy failed ({error})")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return NotConnectedError(f"{asked}: no such host; check base_url and the network")
    if isinstance(error, aiohttp.ClientConnectorError):
        return NotConnectedError(f"{asked}: nothing listens there, or it cannot be reached; check base_url")
    if _is_decoding(error):
        return UnexpectedResponseError(f"{asked} gave an answer that cannot be decompressed")
    return APIConnectionError(f"{asked}: the connection broke ({str(error) or type(error).__name__})")


def _is_decoding(error: BaseException | None) -> bool:
    """Whether what aiohttp raised comes from a body that its Content-Encoding does not fit."""
    while error is not None:
        if isinstance(error, aiohttp.http_exceptions.ContentEncodingError):
            return True
        error = error.__cause__
    return False
