"""The HTTP client for an upstream: requests, retries, and errors as `GenerationError`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import aiohttp
import anyio

from reka._protocol.addresses import (
    HTTP,
    MAX_REDIRECTS,
    Proxies,
    RedirectError,
    Secret,
    checked_key,
    http_address,
    is_reka_host,
    redirect_target,
)
from reka._protocol.answers.budgets import (
    MAX_ANSWER_BYTES,
    MAX_ERROR_BYTES,
    MAX_STREAM_BYTES,
    OverBudgetError,
    too_large,
)
from reka._protocol.answers.frames import forget_locals
from reka._protocol.errors import error_report
from reka._protocol.retries import LONGEST_WAIT, RetryPolicy, with_retries_async
from reka._protocol.sse import ServerSentEvent, SseDecoder
from reka.server.generation.types import GenerationError
from reka.server.generation.upstream.errors import (
    TransientError,
    error_for,
    error_in_body,
    reason,
    redact,
)
from reka.server.generation.upstream.lenient_json import read_json
from reka.server.telemetry.metrics import Metrics
from reka.server.telemetry.request_record import current_record

__all__ = ["UpstreamHttp", "key_headers", "sse_events", "upstream_url"]

_DRAIN_SECONDS: Final = 0.1
"""Seconds within which a stream must end after its last event for its connection to be reused (ours)."""


def upstream_url(address: str) -> str:
    """Normalize the address of an OpenAI-compatible server to the base URL that `/chat/completions` is appended to.

    An address without a path gets `/v1`; a path is kept, because hosts differ in theirs.

    Raises:
        InvalidArgumentError: It is not an http(s) URL, or has a user name, a query or a fragment.
    """
    url = address.strip().rstrip("/").removesuffix("/chat/completions")
    wanted = (
        "want the base URL of an OpenAI-compatible server, such as http://127.0.0.1:11434/v1; set a key by "
        "upstream_key_env"
    )
    parts = http_address(url, "upstream", wanted)
    return url if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/v1"


def key_headers(url: str, key: str | None) -> dict[str, str]:
    """Return the headers with a key: Reka's own host has documented both, others know `Authorization` alone."""
    if key is None:
        return {}
    bearer: dict[str, str] = {"Authorization": Secret(f"Bearer {key}")}
    return bearer | {"X-Api-Key": key} if is_reka_host(url) else bearer


class UpstreamHttp:
    """Sends requests to one server. It belongs to one event loop.

    Args:
        address: Base URL of the upstream, with or without `/v1`.
        key: API key for the upstream; None if it needs none. It is sent nowhere else and never shown.
        retries: Maximum number of retries while no part of a response has arrived.
        timeout: Connect and read timeouts.
        metrics: Counts each request.

    Raises:
        InvalidArgumentError: `address` is not an address, the key is not valid in an HTTP header, or the environment
            names a proxy that cannot be used.
    """

    def __init__(
        self, address: str, *, key: str | None, retries: int, timeout: aiohttp.ClientTimeout, metrics: Metrics
    ) -> None:
        self.url: str = upstream_url(address)
        """The normalized base URL."""
        self.key: Secret | None = checked_key(key, "upstream_key") if key else None
        self._headers = key_headers(self.url, self.key)
        # A longer delay than the back-off's is not waited for: a request holds a slot all the while, and its caller is
        # told how long to wait.
        self._retries = RetryPolicy(retries, longest_retry_after=LONGEST_WAIT)
        self._timeout = timeout
        self._metrics = metrics
        self._session: aiohttp.ClientSession | None = None
        # Looked up once: aiohttp would scan environment and netrc at every request.
        self._proxy = Proxies(None, HTTP).of(self.url)

    async def request_json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request, with retries, and return the JSON value of the response.

        Raises:
            GenerationError: The request failed, or the response is not JSON.
        """
        return await with_retries_async(lambda: self.request_json_once(method, path, body), self._next_wait)

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
        response = await with_retries_async(lambda: self._request("POST", path, body), self._next_wait)
        try:
            with self._translate_errors():
                yield response
            await _drain(response)
        finally:
            response.close()

    async def read_json(self, response: aiohttp.ClientResponse) -> Any:
        """Read a response, and return its JSON value.

        Raises:
            GenerationError: The response is incomplete, not JSON, or reports an error.
        """
        with self._translate_errors():
            data = await _read_all(response)
        value = self.parse_json(data)
        self.check_for_error(value)
        return value

    def parse_json(self, data: bytes | str) -> Any:
        """Parse JSON from the upstream.

        Raises:
            GenerationError: It is not JSON.
        """
        try:
            return read_json(data)
        except ValueError as error:
            raise self.unreadable_response() from error

    def check_for_error(self, value: Any) -> None:
        """Check that a JSON value, which came with a success status, reports no error.

        Raises:
            GenerationError: It does; the error is the one that its status would make.
        """
        if (report := error_report(value)) is not None:
            raise error_in_body(report, self.url, self.key)

    def error_in_event(self, data: str) -> GenerationError:
        """Create the error that an event of the type `error` reports, in JSON or in words."""
        try:
            value = read_json(data)
        except ValueError:
            value = data
        return error_in_body(error_report(value) or {"error": value}, self.url, self.key)

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
        """Send a request, along its redirects, and return the response before its body is read.

        The caller must release it. aiohttp's own redirects would take the conversation to another origin.
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
        with self._translate_errors(), self._metrics.count_upstream_request() as attempt:
            record = current_record()
            headers = {**record.outgoing, **self._headers} if record else self._headers
            response = await self._get_session().request(
                method, url, json=body, headers=headers, proxy=self._proxy, allow_redirects=False
            )
            attempt.status = response.status
            if response.status == 200:
                return response, None
            try:
                return response, await _read_page(response)
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
    def _translate_errors(self) -> Iterator[None]:
        """Convert connection errors to `GenerationError`."""
        try:
            yield
        except asyncio.TimeoutError as error:  # before Python 3.11 not the built-in TimeoutError
            raise GenerationError(504, f"the upstream {self.url} did not answer in time") from error
        except aiohttp.ClientError as error:
            cause = redact(reason(error), self.key)
            forget_locals(error)
            raise TransientError(502, f"no answer from the upstream {self.url}: {cause}") from error

    def _get_session(self) -> aiohttp.ClientSession:
        # Created at the first request: a session needs a running event loop.
        if self._session is None:
            # Without `trust_env`, which would look for a netrc file at every request: the proxy is resolved already.
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


async def sse_events(response: aiohttp.ClientResponse) -> AsyncGenerator[ServerSentEvent, None]:
    """Yield the server-sent events of a response that have data.

    Raises:
        GenerationError: The response is too large.
    """
    decoder = SseDecoder()
    async for block in _blocks(response, MAX_STREAM_BYTES):
        try:
            complete = decoder.feed(block)
        except OverBudgetError as error:
            raise _over_budget(error) from None
        for event in complete:
            if event.data:
                yield event
    last = decoder.finish()
    if last is not None:
        yield last


async def _blocks(response: aiohttp.ClientResponse, most: int) -> AsyncIterator[bytes]:
    size = 0
    async for block in response.content.iter_any():
        size += len(block)
        if size > most:
            raise _over_budget(too_large(most))
        yield block


def _over_budget(error: OverBudgetError) -> GenerationError:
    return GenerationError(502, f"the upstream gives {error}")


async def _read_all(response: aiohttp.ClientResponse) -> bytes:
    return b"".join([block async for block in _blocks(response, MAX_ANSWER_BYTES)])


async def _read_page(response: aiohttp.ClientResponse) -> bytes:
    """Read as much of an error's body as is looked at."""
    blocks, left = [], MAX_ERROR_BYTES
    while left > 0 and (block := await response.content.read(left)):
        blocks.append(block)
        left -= len(block)
    return b"".join(blocks)


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read a stream to its end after its last event, so that its connection can be reused."""
    with anyio.move_on_after(_DRAIN_SECONDS), suppress(aiohttp.ClientError):
        await response.content.readany()
