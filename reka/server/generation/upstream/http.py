"""The connections to the model behind the server: requests, another try where that can help, errors that say so."""

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

__all__ = ["MAX_ANSWER_BYTES", "UpstreamHttp", "events", "upstream_url"]

T = TypeVar("T")

MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
"""Bytes of an upstream answer that are read; more is refused (ours)."""

_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 5.0
"""Seconds before another try; an upstream that asks for a longer wait is not asked again, the caller is told (ours)."""

_END_WAIT: Final = 0.1
"""Seconds in which a stream that has said that it is whole must end for its connection to be used again (ours)."""


def upstream_url(address: str) -> str:
    """Bring the address of an OpenAI-compatible server to the form that `/chat/completions` is appended to.

    An address without a path gets `/v1`; one with a path is taken to be complete, as hosts differ in theirs.

    Raises:
        ValueError: It is no http(s) address, or carries a user name, a query or a fragment.
    """
    wanted = "want the base URL of an OpenAI-compatible server, such as http://127.0.0.1:11434/v1"
    url = address.strip().rstrip("/").removesuffix("/chat/completions")
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, is_address = urlsplit(""), False
    if not is_address:
        raise ValueError(f"upstream: got {address!r}, {wanted}")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"upstream: got an address with a user name, query or fragment, {wanted}; a key is set apart")
    return url if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/v1"


class UpstreamHttp:
    """Asks one server over HTTP, as long as one event loop runs.

    Args:
        address: Base URL of the upstream, with or without `/v1`.
        key: The key that opens the upstream; None if it wants none. It is sent nowhere else and never shown.
        retries: How often it is asked again when it fails before it has answered anything.
        timeout: Seconds for a connection, and of silence.
        metrics: Where each request is counted.

    Raises:
        ValueError: `address` is none, or the key cannot stand in an HTTP header.
    """

    def __init__(
        self, address: str, *, key: str | None, retries: int, timeout: aiohttp.ClientTimeout, metrics: Metrics
    ) -> None:
        self.url = upstream_url(address)
        """The address, in its one form."""
        self.key = _checked_key(key)
        self._retries = retries
        self._timeout = timeout
        self._metrics = metrics
        self._session: aiohttp.ClientSession | None = None
        # Looked up once: to walk through the environment takes longer than most of what is done for a request.
        self._proxy = _proxy(self.url)

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request, again if need be, and give the JSON value of its answer.

        Raises:
            GenerationError: There is none.
        """
        return await self._with_retries(lambda: self.ask_once(method, path, body))

    async def ask_once(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """As `ask`, without another try."""
        response = await self._request(method, path, body)
        try:
            return await self.whole(response)
        finally:
            response.release()

    @asynccontextmanager
    async def streaming(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request, again if need be, and give its answer, of which nothing is read yet.

        The block ends as it does: after a whole answer the connection is kept for others, else it is closed.

        Raises:
            GenerationError: There is no answer, or the block finds it broken off or silent.
        """
        response = await self._with_retries(lambda: self._request("POST", path, body))
        try:
            with self._failures():
                yield response
            await _drain(response)
        finally:
            response.close()

    async def whole(self, response: aiohttp.ClientResponse) -> Any:
        """Read the JSON value of an answer.

        Raises:
            GenerationError: It is none, or does not come.
        """
        with self._failures():
            data = await _bytes_of(response)
        return self.parsed(data)

    def parsed(self, data: bytes | str) -> Any:
        """Read JSON.

        Raises:
            GenerationError: It is none.
        """
        try:
            return read_json(data)
        except ValueError as error:
            raise self.unreadable_response() from error

    def unreadable_response(self) -> GenerationError:
        """Make the error for an answer that cannot be read."""
        return GenerationError(
            502, f"the upstream's answer cannot be read: {self.url} does not speak OpenAI's API (is the path right?)"
        )

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> aiohttp.ClientResponse:
        """Send a request and give its answer, of which the body is not read yet; the caller lets go of it."""
        url = self.url + path
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        with self._failures(), self._metrics.upstream_request() as seen:
            # A redirect is an error: followed, it would take the key and the conversation to who knows whom.
            response = await self._get_session().request(
                method, url, json=body, headers=headers, proxy=self._proxy, allow_redirects=False
            )
            seen.status = response.status
            if response.status == 200:
                return response
            try:
                data = await _bytes_of(response)
            finally:
                response.release()
        raise error_for(response.status, response.headers, data, self.url, self.key)

    async def _with_retries(self, once: Callable[[], Awaitable[T]]) -> T:
        for attempt in range(self._retries):
            try:
                return await once()
            except TransientError as error:
                wait = _wait(attempt, error.retry_after)
                if wait > _LONGEST_WAIT:
                    raise
            await asyncio.sleep(wait)
        return await once()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn what can go wrong on a connection into an error that says what it means."""
        try:
            yield
        except asyncio.TimeoutError as error:  # until Python 3.11 it is not the built-in TimeoutError
            raise GenerationError(504, f"the upstream {self.url} did not answer in time") from error
        except aiohttp.ClientError as error:
            said = redact(reason(error), self.key)
            raise TransientError(502, f"no answer from the upstream {self.url}: {said}") from error

    def _get_session(self) -> aiohttp.ClientSession:
        # Made at the first question: a session belongs to the event loop that runs, and there is none before.
        if self._session is None:
            # The proxy is known: `trust_env` would look for a netrc file at every request as well.
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


async def events(response: aiohttp.ClientResponse) -> AsyncGenerator[str, None]:
    """Give the data of a stream's events.

    Raises:
        GenerationError: It is too long.
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
        if size > MAX_ANSWER_BYTES:
            raise GenerationError(502, f"the upstream's answer is longer than {MAX_ANSWER_BYTES} bytes")
        yield block


async def _bytes_of(response: aiohttp.ClientResponse) -> bytes:
    return b"".join([block async for block in _blocks(response)])


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read the end of a stream that has said that it is whole, so that its connection can be used again."""
    with anyio.move_on_after(_END_WAIT), suppress(aiohttp.ClientError):
        await response.content.readany()


def _wait(attempt: int, told: float | None) -> float:
    """Seconds before the next try: what the upstream asks for, or ever more, at random, so that callers come apart."""
    ceiling = min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT)
    return random.uniform(0, ceiling) if told is None else told  # noqa: S311 - not for secrets


def _checked_key(key: str | None) -> str | None:
    if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key):
        raise ValueError("upstream_key: got something that no HTTP header can carry, want printable ASCII, no spaces")
    return key or None


def _proxy(url: str) -> str | None:
    """Find the proxy that the environment names for a URL."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    return None if proxy is None or proxy_bypass(parts.netloc) else proxy
