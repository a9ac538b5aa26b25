"""The HTTP client for an upstream: requests, retries, and errors as `GenerationError`."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import anyio

from reka._wire.sse import SseDecoder
from reka.server.generation.types import GenerationError
from reka.server.generation.upstream.errors import TransientError, error_for, reason, redact
from reka.server.generation.upstream.lenient_json import read_json
from reka.server.metrics import Metrics

__all__ = ["MAX_RESPONSE_BYTES", "UpstreamHttp", "sse_data", "upstream_url"]

T = TypeVar("T")

MAX_RESPONSE_BYTES: Final = 32 * 1024 * 1024
"""Maximum size of an upstream's response in bytes (ours)."""

_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 5.0
"""Seconds before a retry; if the upstream asks for a longer delay, the error is returned instead (ours)."""

_DRAIN_SECONDS: Final = 0.1
"""Seconds within which a stream must end after its last event for its connection to be reused (ours)."""


def upstream_url(address: str) -> str:
    """Normalize the address of an OpenAI-compatible server to the base URL that `/chat/completions` is appended to.

    An address without a path gets `/v1`; a path is kept, because hosts differ in theirs.

    Raises:
        ValueError: It is not an http(s) URL, or has a user name, a query or a fragment.
    """
    wanted = "want the base URL of an OpenAI-compatible server, such as http://127.0.0.1:11434/v1"
    url = address.strip().rstrip("/").removesuffix("/chat/completions")
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ValueError(f"upstream: got {address!r}, {wanted}")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(
            f"upstream: got an address with a user name, query or fragment, {wanted}; set a key by upstream_key_env"
        )
    return url if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/v1"


class UpstreamHttp:
    """Sends requests to one server. It belongs to one event loop.

    Args:
        address: Base URL of the upstream, with or without `/v1`.
        key: API key for the upstream; None if it needs none. It is sent nowhere else and never shown.
        retries: Maximum number of retries while no part of a response has arrived.
        timeout: Connect and read timeouts.
        metrics: Counts each request.

    Raises:
        ValueError: `address` is not an address, or the key is not valid in an HTTP header.
    """

    def __init__(
        self, address: str, *, key: str | None, retries: int, timeout: aiohttp.ClientTimeout, metrics: Metrics
    ) -> None:
        self.url = upstream_url(address)
        """The normalized base URL."""
        self.key = _checked_key(key)
        self._retries = retries
        self._timeout = timeout
        self._metrics = metrics
        self._session: aiohttp.ClientSession | None = None
        # Looked up once: scanning the environment takes longer than most of the work for a request.
        self._proxy = _proxy(self.url)

    async def request_json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request, with retries, and return the JSON value of the response.

        Raises:
            GenerationError: The request failed, or the response is not JSON.
        """
        return await self._with_retries(lambda: self.request_json_once(method, path, body))

    async def request_json_once(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request as `request_json` does, without retries."""
        response = await self._request(method, path, body)
        try:
            return await self.read_json(response)
        finally:
            response.release()

    @asynccontextmanager
    async def stream(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request, with retries, and open the response for streaming.

        After the block the connection is reused if the response was read to its end, else it is closed.

        Raises:
            GenerationError: The request failed, or the connection is interrupted or silent inside the block.
        """
        response = await self._with_retries(lambda: self._request("POST", path, body))
        try:
            with self._translate_errors():
                yield response
            await _drain(response)
        finally:
            response.close()

    async def read_json(self, response: aiohttp.ClientResponse) -> Any:
        """Read a response, and return its JSON value.

        Raises:
            GenerationError: The response is incomplete, or not JSON.
        """
        with self._translate_errors():
            data = await _read_all(response)
        return self.parse_json(data)

    def parse_json(self, data: bytes | str) -> Any:
        """Parse JSON from the upstream.

        Raises:
            GenerationError: It is not JSON.
        """
        try:
            return read_json(data)
        except ValueError as error:
            raise self.unreadable_response() from error

    def unreadable_response(self) -> GenerationError:
        """Create the error for a response that cannot be read."""
        return GenerationError(
            502,
            f"the upstream's response cannot be read: {self.url} does not serve OpenAI's API (is its path correct?)",
        )

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> aiohttp.ClientResponse:
        """Send a request and return the response before its body is read; the caller must release it."""
        url = self.url + path
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        with self._translate_errors(), self._metrics.count_upstream_request() as attempt:
            # A redirect is an error: following it would send the key and the conversation to an unknown host.
            response = await self._get_session().request(
                method, url, json=body, headers=headers, proxy=self._proxy, allow_redirects=False
            )
            attempt.status = response.status
            if response.status == 200:
                return response
            try:
                data = await _read_all(response)
            finally:
                response.release()
        raise error_for(response.status, response.headers, data, self.url, self.key)

    async def _with_retries(self, send: Callable[[], Awaitable[T]]) -> T:
        for attempt in range(self._retries):
            try:
                return await send()
            except TransientError as error:
                delay = _delay(attempt, error.retry_after)
                if delay > _LONGEST_WAIT:
                    raise
            await asyncio.sleep(delay)
        return await send()

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Convert connection errors to `GenerationError`."""
        try:
            yield
        except asyncio.TimeoutError as error:  # before Python 3.11 not the built-in TimeoutError
            raise GenerationError(504, f"the upstream {self.url} did not answer in time") from error
        except aiohttp.ClientError as error:
            cause = redact(reason(error), self.key)
            raise TransientError(502, f"no answer from the upstream {self.url}: {cause}") from error

    def _get_session(self) -> aiohttp.ClientSession:
        # Created at the first request: a session needs a running event loop.
        if self._session is None:
            # Without `trust_env`, which would look for a netrc file at every request: the proxy is resolved already.
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


async def sse_data(response: aiohttp.ClientResponse) -> AsyncGenerator[str, None]:
    """Yield the data of the server-sent events of a response.

    Raises:
        GenerationError: The response is too large.
    """
    decoder = SseDecoder()
    async for block in _blocks(response):
        for event in decoder.feed(block):
            if event.data:
                yield event.data


async def _blocks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    size = 0
    async for block in response.content.iter_any():
        size += len(block)
        if size > MAX_RESPONSE_BYTES:
            raise GenerationError(502, f"the upstream's response is larger than {MAX_RESPONSE_BYTES} bytes")
        yield block


async def _read_all(response: aiohttp.ClientResponse) -> bytes:
    return b"".join([block async for block in _blocks(response)])


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read a stream to its end after its last event, so that its connection can be reused."""
    with anyio.move_on_after(_DRAIN_SECONDS), suppress(aiohttp.ClientError):
        await response.content.readany()


def _delay(attempt: int, retry_after: float | None) -> float:
    """Return the seconds before the next attempt: as the upstream asks, else exponential backoff with full jitter."""
    ceiling = min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT)
    return random.uniform(0, ceiling) if retry_after is None else retry_after  # noqa: S311 - not for secrets


def _checked_key(key: str | None) -> str | None:
    if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key):
        raise ValueError("upstream_key: got a value that no HTTP header can carry, want printable ASCII without spaces")
    return key or None


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment sets for a URL."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    return None if proxy is None or proxy_bypass(parts.netloc) else proxy
