"""Connections for requests that keep to the time a call has, and to the size that its answer may have.

urllib3 bounds each wait for bytes, but not their sum: a server that sends a byte now and then could hold a call for
ever. It also sends a body under the time limit for connecting, which is too short for a server that is slow to read.
And it reads a head, a trailer or compressed bytes that unpack to nothing without end.
"""

import io
import math
import threading
import time
from functools import lru_cache
from http.client import HTTPConnection, HTTPResponse
from queue import Full, LifoQueue
from typing import TYPE_CHECKING, Any, Final

import urllib3.connection
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

from reka._protocol.answers.budgets import (
    MAX_ANSWER_BYTES,
    MAX_HEAD_BYTES,
    OverBudgetError,
    too_large,
)
from reka._transport.keepalive import KEEPALIVE

if TYPE_CHECKING:
    from socket import socket

    _Connection = HTTPConnection
else:
    _Connection = object


class Bounds:
    """The time that a request has, and the size that its answer may have.

    Args:
        silence: Seconds without a byte, either way.
        total: Seconds until the answer has to be there in whole.
        started: When they began, by `time.monotonic`; None for an upload, where they begin once it is sent.
    """

    __slots__ = ("_total", "end", "left", "most", "received", "silence")

    def __init__(self, silence: float, total: float, started: float | None) -> None:
        self.silence = silence
        self._total = total
        self.end = math.inf if started is None else started + total
        """When the answer has to be there, by `time.monotonic`."""
        self.most = self.left = MAX_ANSWER_BYTES
        """Bytes that the body may have, and that it may still have, after decompression."""
        self.received = 0
        """Bytes that may still come from the socket."""

    def begin_answer(self) -> None:
        """Count from now on, if nothing has been counted yet: the request is sent."""
        if self.end == math.inf:
            self.end = time.monotonic() + self._total

    def lift_total(self, most: int) -> None:
        """Bound an answer by silence and size alone from now on: a stream may take as long as it flows.

        Args:
            most: Bytes that it may have.
        """
        self.end = math.inf
        self.most = self.left = most
        self.received = 2 * most

    def begin_head(self) -> None:
        """Count the bytes of a head from now on."""
        self.received = MAX_HEAD_BYTES

    def begin_body(self) -> None:
        """Count the bytes of a body from now on; small chunks have as many bytes around them."""
        self.received = 2 * self.most

    def count(self, block: bytes) -> None:
        """Count a block of the body.

        Raises:
            OverBudgetError: The body is too large.
        """
        self.left -= len(block)
        if self.left < 0:
            raise too_large(self.most)


class _ThreadState(threading.local):
    # What requests and urllib3 hand down has no place for it; a request is sent in one thread from end to end.
    bounds = Bounds(300.0, 600.0, None)


_CURRENT: Final = _ThreadState()


def bound(bounds: Bounds) -> None:
    """Set the bounds of this thread's next request, if it goes over a `BoundedAdapter`."""
    _CURRENT.bounds = bounds


class BoundedAdapter(HTTPAdapter):
    """An adapter whose connections keep to the bounds that were set last in the thread that uses it."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """As the base does, with connections of ours."""
        defaults: Any = urllib3.connection.HTTPConnection.default_socket_options
        options["socket_options"] = [*defaults, *KEEPALIVE]
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """As the base does, with connections of ours; SOCKS needs its own."""
        manager = super().proxy_manager_for(proxy, socket_options=KEEPALIVE, **options)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def close(self) -> None:
        """Close the connections now: the base leaves them to the garbage collector."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118  # it is no dict, and cannot be iterated
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
        super().close()


class _Bounded(_Connection):
    """What makes a connection keep to the bounds."""

    def connect(self) -> None:
        super().connect()
        if self.sock is not None:  # a recorder that plays an answer connects to nothing
            self.sock.settimeout(_CURRENT.bounds.silence)

    def request(self, *arguments: Any, **options: Any) -> None:
        if self.sock is not None:
            self.timeout = _CURRENT.bounds.silence
        super().request(*arguments, **options)


class _BoundedReply(HTTPResponse):
    """An answer whose bytes, headers included, have to come by the deadline, and must not be too many."""

    def __init__(self, sock: "socket", *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        bounds = _CURRENT.bounds
        bounds.begin_answer()
        bounds.begin_head()
        self._bounds = bounds
        self.fp = io.BufferedReader(_BoundedReads(self.fp.detach(), sock, bounds))

    def begin(self) -> None:
        super().begin()
        self._bounds.begin_body()


class _BoundedReads(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: "socket", bounds: Bounds) -> None:
        self._raw = raw
        self._sock = sock
        self._bounds = bounds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._bounds.end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer is not there in time")
        limit = min(left, self._bounds.silence)
        if limit != self._sock.gettimeout():
            self._sock.settimeout(limit)
        size = self._raw.readinto(buffer)
        self._bounds.received -= size or 0
        if self._bounds.received < 0:
            raise OverBudgetError("an answer that is too large for its content")
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _QuietQueue(LifoQueue[Any]):
    """The idle connections of a pool; closes one that it has no room for, of which urllib3 would warn."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        try:
            super().put(item, block, timeout)
        except Full:
            if item is not None:
                item.close()


class _HTTPPool(HTTPConnectionPool):
    QueueCls = _QuietQueue

    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802  # urllib3's name
        return _bounded(super().ConnectionCls)


class _HTTPSPool(HTTPSConnectionPool):
    QueueCls = _QuietQueue

    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802  # urllib3's name
        return _bounded(super().ConnectionCls)


@lru_cache(maxsize=8)
def _bounded(connection: type) -> type:
    """Derive a bounded class from the class that urllib3's pools have now, which may be a recorder's."""
    if not issubclass(connection, HTTPConnection):  # without a socket, as in a browser
        return connection
    # By the same name, which stands in the messages of its errors.
    return type(connection.__name__, (_Bounded, connection), {"response_class": _BoundedReply})


_POOLS: Final = {"http": _HTTPPool, "https": _HTTPSPool}
