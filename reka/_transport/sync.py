"""HTTP by requests: one pooled session, one deadline a call, one table from its errors to ours."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import requests
from requests.utils import default_user_agent
from urllib3.exceptions import (
    DecodeError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from reka._calls.call import Call, Decoder, StreamCall, Upload
from reka._protocol.addresses import HTTP, MAX_REDIRECTS, SOCKS, Proxies, is_loopback
from reka._protocol.answers.budgets import MAX_ERROR_BYTES, OverBudgetError
from reka._protocol.answers.frames import forget_locals
from reka._protocol.checks import integer
from reka._protocol.retries import with_retries
from reka._transport.connections import BoundedAdapter, Bounds, bound
from reka._transport.multipart import multipart_body
from reka._transport.proxy_errors import AUTHENTICATION, NOT_THERE, proxy_error
from reka._transport.retry import Attempts, Limits, NoConnectionInTimeError, NotConnectedError
from reka._transport.settings import TransportSettings
from reka._transport.stream_errors import with_partial_text
from reka._wire.failures import error_for
from reka._wire.redirects import redirect_target
from reka._wire.reply import Reply, is_event_stream
from reka.config import Timeout
from reka.endpoint import Server
from reka.errors import APIConnectionError, APITimeoutError, RekaError, UnexpectedResponseError

T = TypeVar("T")
Item = TypeVar("Item")
V = TypeVar("V")

_READ_BYTES: Final = 64 * 1024
# Seconds within which a complete stream must end for its connection to be reused.
_DRAIN_SECONDS: Final = 0.2
_FAILURES: Final = (requests.RequestException, HTTPError, OSError, OverBudgetError)


class SyncTransport:
    """Sends calls. Can be shared by threads; a forked process gets its own connections.

    Args:
        settings: Headers, proxies and so on.
        session: The caller's session, used unchanged and not closed; None creates one.
        pool_size: Connections to a server that are kept open when idle; None keeps all.

    Raises:
        InvalidArgumentError: `pool_size` is no number of connections.
    """

    def __init__(
        self, settings: TransportSettings, session: requests.Session | None = None, pool_size: int | None = None
    ) -> None:
        self._settings = settings
        # The caller's session reads the environment itself.
        self._proxies = Proxies(settings.proxies if session is None else settings.proxies or {}, HTTP | SOCKS)
        # As a queue has it: 0 is no limit.
        self._pool_size = 0 if pool_size is None else integer(pool_size, "pool_size", least=1)
        self._given = session
        self._by_process: dict[int, requests.Session] = {}

    def send(self, call: Call[T], server: Server, limits: Limits, started: float) -> T:
        """Send a call with retries and read its whole response.

        Args:
            call: The call.
            server: Where it goes.
            limits: Its limits.
            started: When its `total` began, by `time.monotonic`.

        Raises:
            RekaError: See `reka.errors`.
        """
        answer: T = self._with_retries(self._send, call, server, limits, started)
        return answer

    def stream(self, call: StreamCall[Item], server: Server, limits: Limits, started: float) -> Iterator[Item]:
        """Send a call as `send` does, and stream its response; retries only before the first event.

        Returns:
            A generator of the response's items, such as events; closing it closes the connection.
        """
        return self._with_retries(self._begin, call, server, limits, started)

    def _with_retries(
        self, once: Callable[..., V], call: Call[Any], server: Server, limits: Limits, started: float
    ) -> V:
        attempts = Attempts(once, call, server, limits, started)
        return with_retries(attempts.send, attempts.next_wait)

    def close(self) -> None:
        """Close all connections; the next call opens new ones."""
        session = self._by_process.pop(os.getpid(), None)
        if session is not None:
            session.close()

    def _send(self, call: Call[T], server: Server, timeout: Timeout, started: float) -> T:
        return call.read(_read_all(self._open(call, server, timeout, started)))

    def _begin(self, call: StreamCall[Item], server: Server, timeout: Timeout, started: float) -> Iterator[Item]:
        answer = self._open(call, server, timeout, started)
        if not is_event_stream(answer.head):
            return _iterate(call.read(_read_all(answer)))
        decoder = call.decoder(answer.head)
        try:
            events: Sequence[Item] = []
            while not events and not decoder.is_done and (received := next(answer.body, b"")):
                events = decoder.feed(received)
            if not events:
                events = decoder.finish()
                with closing(answer.response):
                    _drain(answer)
                return _iterate(events)
        except BaseException:
            answer.response.close()
            raise
        answer.bounds.lift_total(call.max_bytes)
        return _events(answer, decoder, events)

    def _open(self, call: Call[Any], server: Server, timeout: Timeout, started: float) -> "_Answer":
        """Send a request, along its redirects, and give its successful answer, the body unread."""
        url = server.url + call.path
        for _ in range(MAX_REDIRECTS):
            answer = self._exchange(call, url, server, timeout, started)
            if 200 <= answer.head.status < 300:
                return answer
            reply = _read_page(answer)
            if reply.status == AUTHENTICATION:
                raise proxy_error(reply.request_line, "", reply.status)
            target = redirect_target(reply, call.method, url)
            if target is None:
                raise error_for(reply, call.errors)
            url = target
        raise UnexpectedResponseError(f"{call.method} {server.url + call.path} was redirected in a circle")

    def _exchange(self, call: Call[Any], url: str, server: Server, timeout: Timeout, started: float) -> "_Answer":
        request_line = f"{call.method} {url}"
        begun = time.monotonic()
        bounds = Bounds(timeout.read, timeout.total, None if isinstance(call.body, Upload) else started)
        silence = max(0.001, min(timeout.read, bounds.end - begun))
        try:
            response = self._request(call, url, server, (timeout.connect, silence), bounds)
        except _FAILURES as error:
            if isinstance(error, RekaError):
                forget_locals(error)
                raise  # of the body's source; some errors of ours are errors of requests or of files, too
            self._proxies.forget()
            known = _connection_error(error, request_line, timeout, bounds)
            self._settings.observe(call, begun, None, None, type(known).__name__)
            _forget_headers(error)
            forget_locals(error)
            raise known from error
        except BaseException as error:
            forget_locals(error)
            raise
        bounds.begin_answer()
        head = Reply(response.status_code, response.headers, b"", request_line)
        try:
            self._settings.observe(call, begun, head.status, head.request_id, None)
        except BaseException:
            response.close()  # the caller's callback may fail
            raise
        return _Answer(response, head, _body(response, request_line, timeout, bounds), bounds)

    def _request(
        self, call: Call[Any], url: str, server: Server, timeouts: tuple[float, float], bounds: Bounds
    ) -> requests.Response:
        session = self._current_session()
        headers = self._settings.request_headers(call, server.api_key, default_user_agent())
        body: Any = call.body
        if isinstance(body, Upload):
            blocks, length, headers["Content-Type"] = multipart_body(body)
            body = blocks if length is None else _SizedBody(blocks, length)
        proxies = self._request_proxies(server)
        prepared = session.prepare_request(requests.Request(call.method, url, headers, data=body))
        verify = self._trusted(url) if self._given is None else self._settings.ca_bundle
        settings = session.merge_environment_settings(url, proxies, True, verify, None)
        if server.is_embedded:
            settings["proxies"] = {}
        bound(bounds)
        return session.send(prepared, timeout=timeouts, allow_redirects=False, **settings)

    def _request_proxies(self, server: Server) -> dict[str, str]:
        proxy = None if server.is_embedded else self._proxies.of(server.url)
        if proxy is not None:
            return {"http": proxy, "https": proxy}
        host = "" if self._given is None else urlsplit(server.url).hostname or ""
        # The caller's session reads the environment itself, which this excepts the host from.
        return {"no_proxy": host} if is_loopback(host) else {}

    def _trusted(self, url: str) -> str | bool:
        return self._settings.ca_bundle_path() if url.startswith("https:") else True

    def _current_session(self) -> requests.Session:
        if self._given is not None:
            return self._given
        # A forked child must neither use nor close its parent's connections; nor wait for a lock, which another thread
        # of its parent may have held.
        process = os.getpid()
        return self._by_process.get(process) or self._by_process.setdefault(process, _Session(self._pool_size))


class _Answer(NamedTuple):
    """An answer whose body is unread."""

    response: requests.Response
    head: Reply
    body: Iterator[bytes]
    bounds: Bounds


class _Session(requests.Session):
    """The transport's own session: without cookies, environment and redirects, which the transport follows."""

    def __init__(self, pool_size: int) -> None:
        super().__init__()
        # The transport resolves proxies and CA bundles; netrc must not add another key.
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = BoundedAdapter(pool_maxsize=pool_size)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: `Session.send` would read the body of a redirect and prepare the next request."""


class _SizedBody:
    """An upload of known length, in the form requests takes one: an iterable with a length."""

    def __init__(self, blocks: Iterator[bytes], size: int) -> None:
        self._blocks = blocks
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks


def _read_all(answer: _Answer) -> Reply:
    """Read the rest of an answer and give its connection back."""
    with answer.response:
        return answer.head._replace(body=b"".join(answer.body))


def _read_page(answer: _Answer) -> Reply:
    """Read as much of an error's body as is looked at."""
    blocks: list[bytes] = []
    with answer.response:
        left = MAX_ERROR_BYTES
        while left > 0 and (block := next(answer.body, b"")):
            blocks.append(block[:left])
            left -= len(block)
    return answer.head._replace(body=b"".join(blocks))


def _body(response: requests.Response, request_line: str, timeout: Timeout, bounds: Bounds) -> Iterator[bytes]:
    """Give the body as it arrives, so that one that trickles in cannot outlast the deadline."""
    try:
        for block in _blocks(response):
            bounds.count(block)
            yield block
            if time.monotonic() > bounds.end:
                raise APITimeoutError(f"{request_line} was still being answered after {timeout.total:g} s")
    except _FAILURES as error:
        if isinstance(error, RekaError):
            raise
        raise _connection_error(error, request_line, timeout, bounds) from error


def _blocks(response: requests.Response) -> Iterator[bytes]:
    raw = response.raw
    if getattr(raw, "connection", None) is None:
        # A recorder's or a mock's answer, or one that a hook has read: what they support is how requests reads.
        return response.iter_content(_READ_BYTES)
    if raw.chunked:
        # Chunk by chunk, faster than `read1`; `stream` waits for a full block of any other body.
        blocks: Iterator[bytes] = raw.stream(_READ_BYTES, True)
        return blocks
    return iter(partial(raw.read1, _READ_BYTES, True), b"")


def _events(answer: _Answer, decoder: Decoder[Item], first: Sequence[Item]) -> Iterator[Item]:
    """Give a stream's events; the connection goes back to the pool at its end, and is closed if it is left before."""
    with closing(answer.response):
        yield from first
        try:
            while not decoder.is_done and (received := next(answer.body, b"")):
                yield from decoder.feed(received)
            yield from decoder.finish()
        except RekaError as error:
            raise with_partial_text(error, decoder)  # noqa: B904  # it has its cause, or is the error itself
        _drain(answer)


def _iterate(events: Sequence[Item]) -> Iterator[Item]:
    yield from events


def _drain(answer: _Answer) -> None:
    """Read the end of a stream that is whole, if it comes at once: only then can its connection be used again."""
    connection = getattr(answer.response.raw, "connection", None)
    if connection is not None and connection.sock is not None:
        answer.bounds.end = time.monotonic() + _DRAIN_SECONDS
        connection.sock.settimeout(_DRAIN_SECONDS)  # a connection of the caller's own session knows no bounds
        with suppress(RekaError):
            for _ in answer.body:
                pass


def _forget_headers(error: BaseException) -> None:
    """Take the request's headers, and the key with them, out of an error that will be the cause of ours."""
    if isinstance(error, requests.RequestException) and isinstance(error.request, requests.PreparedRequest):
        error.request = error.request.copy()
        error.request.headers.clear()


def _connection_error(error: Exception, request_line: str, timeout: Timeout, bounds: Bounds) -> RekaError:
    """The error of ours that one of the HTTP libraries' stands for."""
    reason = getattr(error, "reason", None) or _reason(error)
    if isinstance(error, OverBudgetError):
        return UnexpectedResponseError(f"{request_line} gave {error}")
    if isinstance(error, requests.ConnectTimeout):
        return NoConnectionInTimeError(f"{request_line}: no connection within {timeout.connect:g} s")
    if isinstance(error, requests.Timeout | ReadTimeoutError | TimeoutError) or _is_stalled(reason):
        limit = timeout.read if time.monotonic() < bounds.end else timeout.total
        return APITimeoutError(f"{request_line}: no answer within {limit:g} s")
    if isinstance(error, requests.exceptions.ContentDecodingError | DecodeError):
        return UnexpectedResponseError(f"{request_line} gave an answer that cannot be decompressed")
    if isinstance(error, requests.exceptions.SSLError):
        return NotConnectedError(f"{request_line}: TLS failed ({reason}); own CA: set REQUESTS_CA_BUNDLE to its file")
    if isinstance(error, requests.exceptions.ProxyError):
        refused = f"Tunnel connection failed: {AUTHENTICATION}" in str(error)  # http.client has no field for it
        cause = getattr(reason, "original_error", reason)
        words = NOT_THERE if isinstance(cause, NewConnectionError) else str(cause)
        return proxy_error(request_line, words, AUTHENTICATION if refused else None)
    if isinstance(reason, NameResolutionError):
        return NotConnectedError(f"{request_line}: no such host; check base_url and the network")
    if isinstance(reason, NewConnectionError):
        return NotConnectedError(f"{request_line}: {NOT_THERE}; check base_url")
    return APIConnectionError(f"{request_line}: the connection broke ({reason})")


def _is_stalled(reason: object) -> bool:
    """Whether the server stopped reading the request; urllib3 calls that an aborted connection."""
    return isinstance(reason, ProtocolError) and any(isinstance(part, TimeoutError) for part in reason.args)


def _reason(error: Exception) -> object:
    """What requests wraps: the library below's error, or its reason."""
    inner = error.args[0] if error.args else error
    return getattr(inner, "reason", None) or inner
