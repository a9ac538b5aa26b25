"""Connections for requests that keep to the time a call has.

urllib3 bounds each wait for bytes, but not their sum: a server that sends a byte now and then could hold a call for
ever. It also sends a body under the time limit for connecting, which is too short for a server that is slow to read.
"""

import io
import threading
import time
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from socket import socket

    _Connection = HTTPConnection
else:
    _Connection = object


@dataclass(frozen=True, slots=True)
class Bounds:
    """The time that a request has."""

    silence: float
    """Seconds without a byte, either way."""

    total: float
    """Seconds until the answer has to be there in whole."""

    started: float | None
    """When they began, by `time.monotonic`; None for an upload, where they begin once it is sent."""

    def deadline(self) -> float:
        """When the answer has to be there, asked once the request is sent."""
        return (time.monotonic() if self.started is None else self.started) + self.total


class _ThreadState(threading.local):
    # What requests and urllib3 hand down has no place for it; a request is sent in one thread from end to end.
    bounds = Bounds(300.0, 600.0, None)


_CURRENT: Final = _ThreadState()


class BoundedAdapter(HTTPAdapter):
    """An adapter whose connections keep to the bounds that were set last in the thread that uses it."""

    def bound(self, bounds: Bounds) -> None:
        """Set the bounds of this thread's next request."""
        _CURRENT.bounds = bounds

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """As the base does, with connections of ours."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """As the base does, with connections of ours; SOCKS needs its own."""
        manager = super().proxy_manager_for(proxy, **options)
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
        self.sock.settimeout(_CURRENT.bounds.silence)

    def request(self, *arguments: Any, **options: Any) -> None:
        if self.sock is not None:
            self.timeout = _CURRENT.bounds.silence
        super().request(*arguments, **options)


class _BoundedReply(HTTPResponse):
    """An answer whose bytes, headers included, have to come by the deadline."""

    def __init__(self, sock: "socket", *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        reads = _BoundedReads(self.fp.detach(), sock, _CURRENT.bounds.deadline())
        self.fp = io.BufferedReader(reads)


class _BoundedReads(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: "socket", deadline: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer is not there in time")
        silence = self._sock.gettimeout()
        if silence is None or left < silence:
            self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedHTTPConnection(_Bounded, HTTPConnection):
    response_class = _BoundedReply


class _BoundedHTTPSConnection(_Bounded, HTTPSConnection):
    response_class = _BoundedReply


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls: Any = _BoundedHTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls: Any = _BoundedHTTPSConnection


_POOLS: Final = {"http": _HTTPPool, "https": _HTTPSPool}
