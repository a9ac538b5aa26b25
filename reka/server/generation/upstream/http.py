"""The connections to the model behind the server: requests, another try where that can help, errors that say so."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import aiohttp
import anyio

from reka._protocol.addresses import checked_key, http_address
from reka._protocol.proxies import HTTP, Proxies
from reka._protocol.redirects import MAX_REDIRECTS, RedirectError, redirect_target
from reka._protocol.retries import LONGEST_WAIT, RetryPolicy, with_retries_async
from reka._protocol.sse import SseDecoder
from reka.server.generation.types import GenerationError
from reka.server.generation.upstream.errors import TransientError, error_for, reason, redact
from reka.server.generation.upstream.lenient_json import read_json
from reka.server.metrics import Metrics

__all__ = ["MAX_ANSWER_BYTES", "UpstreamHttp", "events", "upstream_url"]

MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
"""Bytes of an upstream answer that are read; more is refused (ours)."""

_END_WAIT: Final = 0.1
"""Seconds in which a stream that has said that it is whole must end for its connection to be used again (ours)."""


def upstream_url(address: str) -> str:
    """Bring the address of an OpenAI-compatible server to the form that `/chat/completions` is appended to.

    An address without a path gets `/v1`; one with a path is taken to be complete, as hosts differ in theirs.

    Raises:
        InvalidArgumentError: It is no http(s) address, or carries a user name, a query or a fragment.
    """
    url = address.strip().rstrip("/").removesuffix("/chat/completions")
    wanted = "want the base URL of an OpenAI-compatible server, such as http://127.0.0.1:11434/v1; a key is set apart"
    parts = http_address(url, "upstream", wanted)
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
        InvalidArgumentError: `address` is none, the key cannot stand in an HTTP header, or the environment names a
            proxy that cannot be used.
    """

    def __init__(
        self, address: str, *, key: str | None, retries: int, timeout: aiohttp.ClientTimeout, metrics: Metrics
    ) -> None:
        self.url = upstream_url(address)
        """The address, in its one form."""
        self.key = checked_key(key, "upstream_key") if key else None
        # An upstream that asks for a longer wait than the back-off's is not waited for: a question holds a slot all the
        # while, and its caller is told how long to wait.
        self._retries = RetryPolicy(retries, longest_retry_after=LONGEST_WAIT)
        self._timeout = timeout
        self._metrics = metrics
        self._session: aiohttp.ClientSession | None = None
        # Looked up once: to walk through the environment takes longer than most of what is done for a request.
        self._proxy = Proxies(None, HTTP).of(self.url)

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request, again if need be, and give the JSON value of its answer.

        Raises:
            GenerationError: There is none.
        """
        return await with_retries_async(lambda: self.ask_once(method, path, body), self._next_wait)

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
        response = await with_retries_async(lambda: self._request("POST", path, body), self._next_wait)
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
        """Send a request, along its redirects, and give its answer, of which the body is not read yet.

        The caller lets go of it. Of a redirect to another origin aiohttp would take the conversation along.
        """
        url = self.url + path
        for _ in range(MAX_REDIRECTS):
            response, data = await self._exchange(method, url, body)
            if data is None:
                return response
            target = self._redirect_target(response, method, url)
            if target is None:
                raise error_for(response.status, response.headers, data, self.url, self.key)
            url = target
        raise GenerationError(502, f"the upstream {self.url} answers with redirects that go in a circle")

    async def _exchange(
        self, method: str, url: str, body: Mapping[str, Any] | None
    ) -> tuple[aiohttp.ClientResponse, bytes | None]:
        """Send a request once, and give its answer with the body; None for a body that is not read yet."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        with self._failures(), self._metrics.upstream_request() as seen:
            response = await self._get_session().request(
                method, url, json=body, headers=headers, proxy=self._proxy, allow_redirects=False
            )
            seen.status = response.status
            if response.status == 200:
                return response, None
            try:
                return response, await _bytes_of(response)
            finally:
                response.release()

    def _redirect_target(self, response: aiohttp.ClientResponse, method: str, url: str) -> str | None:
        try:
            return redirect_target(response.status, response.headers.get("Location", ""), method, url)
        except RedirectError as error:
            raise GenerationError(
                502, f"the upstream {self.url} answers with a redirect ({response.status}), and {error}"
            ) from None

    def _next_wait(self, attempt: int, error: Exception) -> float | None:
        return self._retries.next_wait(attempt, error.retry_after) if isinstance(error, TransientError) else None

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
