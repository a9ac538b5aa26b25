"""Connections with limits: how large a request's head may be, how long its parts may take, how many may wait.

uvicorn parses requests with httptools, which has no limits of its own. Times are looked at once a second for all
connections, so that a request sets no timer.
"""

import asyncio
import json
import math
import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from types import FrameType
from typing import Any, ClassVar, Final, Protocol, TypeGuard, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from reka.server.settings import KIB, Settings

_MAX_PIPELINE: Final = 16
"""Requests that may wait on one connection while another one is answered (ours)."""

_TICKS: Final = 10
"""Ticks of uvicorn's server, of 0.1 s each, between two looks at the connections."""

_COMING_SECONDS: Final = 1.0
"""Seconds in which what has been accepted becomes one of the server's connections: TLS takes round trips (ours)."""

_CORK_BYTES: Final = 64 * KIB
"""Bytes of a response that are sent without waiting for the rest of the same turn of the event loop (ours)."""

_LINE_BYTES: Final = 4
"""Bytes of a header's line besides its name and value."""


class _State(Enum):
    IDLE = auto()
    """No request is being received."""
    HEAD = auto()
    BODY = auto()


class _RefusalError(Exception):
    """Raised in the parser's callbacks, to end parsing."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int
    detail: str

    def encode(self) -> bytes:
        body = json.dumps({"detail": self.detail}).encode()
        head = (
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\nx-content-type-options: nosniff\r\n"
            "connection: close\r\n\r\n"
        )
        return STATUS_LINE[self.status] + head.encode() + body


class _Corked:
    """A transport that sends what is written in one turn of the event loop at once.

    uvicorn writes the head, each part and the end of a response apart, and each would be a call of the system.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Send data in the next turn; at once, if it is much: the transport must notice that nobody reads it."""
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)
        self._size += len(data)
        if self._size > _CORK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        if self._parts:
            data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts, self._size = [], 0
            self._transport.write(data)

    def close(self) -> None:
        """Send what waits, and close the connection."""
        self.flush()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that are not sent yet."""
        return self._size + self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class LimitedConnection(HttpToolsProtocol):
    """One connection of a client."""

    settings: Settings
    """Limits; `limited_connection` sets them on a class of its own."""

    is_last_request: ClassVar[bool] = False
    """Whether a connection ends with the request that it is at, or the next one, as its server is ending."""

    on_lost: ClassVar[Callable[..., object] | None] = None
    """Called after a connection is lost."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request's head."""
        super().connection_made(cast("asyncio.Transport", _Corked(transport, self.loop)))
        self._refusal: _Refusal | None = None
        self._blocked_bytes, self._blocked_since = 0, math.inf
        self._begin_head()
        if len(self.connections) > self.settings.max_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take leave of the client."""
        super().connection_lost(exc)
        if self.on_lost is not None:
            self.on_lost()

    def data_received(self, data: bytes) -> None:
        """Parse the next bytes."""
        was_head = self._state is _State.HEAD
        if self._state is _State.IDLE:
            self._begin_head()
        super().data_received(data)
        if was_head and self._state is _State.HEAD:
            # Not yet given to the callbacks, but kept by the parser: a header that does not end.
            self._pending_bytes += len(data)
            if self._pending_bytes > self.settings.max_head_bytes and not self.transport.is_closing():
                self.refuse(self._head_too_large())

    def on_message_begin(self) -> None:
        """Begin a request's head."""
        super().on_message_begin()
        self._begin_head()

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        super().on_header(name, value)
        self._count(len(name) + len(value) + _LINE_BYTES)
        if len(self.headers) > self.settings.max_headers:
            self._stop(
                431,
                f"The request has more than {self.settings.max_headers} headers, this server's limit: send fewer",
            )

    def on_headers_complete(self) -> None:
        """Start to handle the request."""
        if len(self.pipeline) >= _MAX_PIPELINE:
            self._stop(503, "Too many requests wait on this connection: open another one")
        self._state = _State.BODY
        self._deadline = self.loop.time() + self.settings.body_seconds
        super().on_headers_complete()
        if self.is_last_request:
            self.end_after_response()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, which earns the time until the next one."""
        super().on_body(body)
        earned = self._deadline + len(body) / self.settings.body_bytes_per_second
        self._deadline = min(earned, self.loop.time() + self.settings.body_seconds)

    def on_message_complete(self) -> None:
        """End the request; the connection may stay open for another one."""
        super().on_message_complete()
        self._state, self._deadline = _State.IDLE, math.inf

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser does not take, or what a callback has refused."""
        self.refuse(self._refusal or _Refusal(400, msg))

    def check(self, now: float) -> None:
        """Close the connection if its client takes too long."""
        if self.flow.read_paused or (self._state is _State.HEAD and self._is_answering):
            # It is the server that does not read on: the client's time begins when it does.
            self._deadline = now + self.settings.body_seconds
        elif now > self._deadline and not self.transport.is_closing():
            part = "head" if self._state is _State.HEAD else "body"
            self.refuse(_Refusal(408, f"The request's {part} came too slowly: send it again"))
        self._check_reader(now)

    def refuse(self, refusal: _Refusal) -> None:
        """Answer with an error, if there is no answer yet, and close the connection."""
        if not self._is_answering or not self.cycle.response_started:
            self.transport.write(refusal.encode())
            self.transport.close()
        else:
            self.transport.abort()

    def end_after_response(self) -> None:
        """Close the connection, and say so, when the last request that has come is answered."""
        if self._is_answering:
            self.cycle.keep_alive = False

    @property
    def can_be_closed(self) -> bool:
        """Whether nothing but a request's head is being waited for."""
        return self._state is not _State.BODY and not self._is_answering

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _begin_head(self) -> None:
        self._state, self._deadline = _State.HEAD, self.loop.time() + self.settings.head_seconds
        self._head_bytes = self._pending_bytes = 0

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.settings.max_head_bytes:
            refusal = self._head_too_large()
            self._stop(refusal.status, refusal.detail)

    def _stop(self, status: int, detail: str) -> None:
        self._refusal = _Refusal(status, detail)
        raise _RefusalError

    def _head_too_large(self) -> _Refusal:
        return _Refusal(
            431,
            f"The request's head has more than {self.settings.max_head_bytes} bytes, this server's limit: shorten it",
        )

    def _make_room(self) -> None:
        """Close the connection that has waited longest for a request; this one, if all others are at work."""
        waiting = [one for one in self.connections if _is_limited(one) and one.can_be_closed]
        oldest = min((one for one in waiting if one is not self), key=lambda one: one.deadline, default=self)
        oldest.refuse(_Refusal(503, "The server has too many connections: try again later"))

    @property
    def deadline(self) -> float:
        """When the request must have come; infinity between requests."""
        return self._deadline

    def _check_reader(self, now: float) -> None:
        """Abort the connection if its client reads nothing of an answer."""
        size = self.transport.get_write_buffer_size() if self.flow.write_paused or self.transport.is_closing() else 0
        if not size or size < self._blocked_bytes or self._blocked_since == math.inf:
            self._blocked_since = now if size else math.inf
        elif now - self._blocked_since > self.settings.send_seconds:
            self.transport.abort()
        self._blocked_bytes = size


def _is_limited(connection: object) -> TypeGuard[LimitedConnection]:
    return isinstance(connection, LimitedConnection)


def limited_connection(limits: Settings) -> type[LimitedConnection]:
    """Return the class of the connections of a server with these limits."""
    return type("Connection", (LimitedConnection,), {"settings": limits})


class OtherProcesses(Protocol):
    """The other processes that take connections at the same address."""

    def report(self, connections: int | None) -> object:
        """Tell them how many connections this process has; None if it takes none any more."""
        ...

    def leave(self) -> object:
        """Tell them that this process takes no connections any more; what handles a signal may call it."""
        ...

    def accept(self) -> bool:
        """Tell whether one of them takes connections."""
        ...

    def drain(self) -> bool:
        """Tell whether one of them has connections, but takes none any more."""
        ...


class LimitedServer(uvicorn.Server):
    """uvicorn's server, which looks at its connections once a second, and drains before it ends.

    Of several processes at one address, one that is to end takes no new connections, so that its clients come back to
    another one. If all of them are to end, the last one goes on to answer until the others have ended.
    """

    should_exit: bool

    def __init__(
        self,
        config: uvicorn.Config,
        drain_seconds: float,
        on_drain: Callable[[], object],
        others: OtherProcesses | None = None,
    ) -> None:
        """Create the server.

        Args:
            config: Its configuration; connections are `LimitedConnection`s.
            drain_seconds: Maximum time in seconds in which requests end after SIGTERM, and new ones are answered.
            on_drain: Called when SIGTERM has come.
            others: The other processes at its address, which learn of its connections when one is lost, and ten times
                a second; SIGINT is left to their parent. None if this is the only process.
        """
        super().__init__(config)
        self._others = others
        if others is not None:
            vars(config)["http_protocol_class"].on_lost = staticmethod(self._report_load)
        self._drain_seconds = drain_seconds
        self._on_drain = on_drain
        self._is_draining = False
        self._drain_began = self._closed_at = math.inf

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain after the first SIGTERM; end after SIGINT, or another SIGTERM."""
        if sig == signal.SIGINT and self._others is not None:
            return
        super().handle_exit(sig, frame)
        if sig == signal.SIGTERM and not self._is_draining:
            self._is_draining, self.should_exit = True, False
            if self._others is not None:
                self._others.leave()  # of all that are to end, the one that looks first finds nobody who accepts
            self._on_drain()

    @property
    def _is_closed(self) -> bool:
        """Whether new connections are left to other processes."""
        return self._closed_at < math.inf

    def _report_load(self) -> None:
        if self._others is not None:
            self._others.report(None if self._is_closed else len(self.server_state.connections))

    def _check_drain(self) -> None:
        """End the server when no request is left, or the time is over."""
        now = asyncio.get_running_loop().time()
        if self._drain_began == math.inf:
            self._drain_began = now
            self._begin_drain()
        if self._others is not None and self._others.accept():
            self._close_listener(now)
        duration = now - self._drain_began
        if duration >= self._drain_seconds:
            self.config.timeout_graceful_shutdown = 1  # what is left has had its time
            self.should_exit = True
        elif not self.server_state.tasks:
            # A client that is at work comes once more on an open connection, and learns to open another one.
            seconds = self.config.timeout_keep_alive if self.server_state.connections else _COMING_SECONDS
            if self._others is None or now - self._closed_at >= seconds:
                self.should_exit = True
            elif duration >= seconds and not self._is_closed and not self._others.drain():
                self._close_listener(now)  # and answer what it has accepted; what comes now waits for another process

    def _begin_drain(self) -> None:
        """Have clients come back on other connections."""
        vars(self.config)["http_protocol_class"].is_last_request = True
        for connection in self.server_state.connections:
            if _is_limited(connection):
                connection.end_after_response()

    def _close_listener(self, now: float) -> None:
        """Leave new connections to other processes."""
        if not self._is_closed:
            self._closed_at = now
            for server in self.servers:
                server.close()

    async def on_tick(self, counter: int) -> bool:
        """Do what is due; return whether the server shall end."""
        if self._is_draining:
            self._check_drain()
        self._report_load()
        if counter % _TICKS == 0:
            for connection in list(self.server_state.connections):
                if _is_limited(connection):
                    connection.check(connection.loop.time())
        return await super().on_tick(counter)
