"""The aiohttp session of an event loop: size of reads, TCP keepalive, and aborting of failed uploads."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Final

import aiohttp

from reka._transport.keepalive import KEEPALIVE

# Bytes that are read from a socket at a time; asyncio reads 256 KiB. aiohttp parses all of them before it wakes the
# reader, which delays the first event of a fast stream.
_RECEIVED_BYTES: Final = 16 * 1024
# Records the connection of the current task's upload.
_ABORT: "ContextVar[AbortOnError | None]" = ContextVar("_ABORT", default=None)


def new_session(pool_size: int) -> aiohttp.ClientSession:
    """Create a session without retries and cookies of its own.

    Args:
        pool_size: Connections to a server at a time; 0 is no limit: the caller limits the calls in flight.
    """
    connector = _Connector(limit=0, limit_per_host=pool_size)
    # The transport resolves proxies.
    session = aiohttp.ClientSession(connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
    # aiohttp would resend a GET or DELETE itself, beyond `max_retries` and invisible to log and `on_event`.
    session._retry_connection = False  # noqa: SLF001  # no public option
    return session


class AbortOnError:
    """Context manager that aborts the connection of a failed or cancelled request.

    aiohttp only closes it: a socket with pending bytes stays open until the server has read them.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None

    def __enter__(self) -> None:
        _ABORT.set(self)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _ABORT.set(None)
        if kind is not None and self._transport is not None:
            self._transport.abort()

    async def record(
        self, connecting: Coroutine[Any, Any, aiohttp.connector.Connection]
    ) -> aiohttp.connector.Connection:
        """Await a connection and record its transport."""
        connection = await connecting
        self._transport = connection.transport
        return connection


class _Connector(aiohttp.TCPConnector):
    """Limits the size of reads; turns TCP keepalive on; records the connection of an upload for its `AbortOnError`."""

    async def _create_connection(self, *arguments: Any, **options: Any) -> Any:
        protocol = await super()._create_connection(*arguments, **options)
        transport: Any = protocol.transport
        sock = transport.get_extra_info("socket")
        if sock is not None:
            with suppress(OSError):  # reset already; the request will say so
                for option in KEEPALIVE:
                    sock.setsockopt(*option)
        if hasattr(transport, "max_size"):  # asyncio's transport of a plain socket
            transport.max_size = _RECEIVED_BYTES
        return protocol

    def connect(self, *arguments: Any, **options: Any) -> Any:
        connecting = super().connect(*arguments, **options)
        abort = _ABORT.get()
        return connecting if abort is None else abort.record(connecting)
