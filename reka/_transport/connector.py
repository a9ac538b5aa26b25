"""The aiohttp session of one event loop: how much it reads at a time, and how an upload that fails is cut off."""

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, Final

import aiohttp

# Bytes that are taken from a socket at a time. asyncio makes room for 256 KiB at each read, which costs a small answer,
# and aiohttp parses all that came before it wakes who waits, which delays the first event of a fast stream.
_RECEIVED_BYTES: Final = 16 * 1024
# What notes the connection of the task's upload.
_CUT: "ContextVar[AbortOnError | None]" = ContextVar("_CUT", default=None)


def new_session() -> aiohttp.ClientSession:
    """Open a session that limits, retries and remembers nothing by itself."""
    # `limit=0`: how many calls are in flight is the caller's business. Proxies are resolved by the transport, and no
    # cookies are kept.
    session = aiohttp.ClientSession(connector=_Connector(limit=0), trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
    # aiohttp would send a GET or DELETE once more by itself, past `max_retries` and unseen by log and `on_event`.
    session._retry_connection = False  # noqa: SLF001  # there is no public way
    return session


class AbortOnError:
    """Cuts the connection of a task's request if it fails or is cancelled; a context manager.

    aiohttp closes it too, but a socket that has bytes to send stays open until the server has taken them.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None

    def __enter__(self) -> None:
        _CUT.set(self)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _CUT.set(None)
        if kind is not None and self._transport is not None:
            self._transport.abort()

    async def noted(
        self, connecting: Coroutine[Any, Any, aiohttp.connector.Connection]
    ) -> aiohttp.connector.Connection:
        """Await a connection and remember it."""
        connection = await connecting
        self._transport = connection.transport
        return connection


class _Connector(aiohttp.TCPConnector):
    """Reads less at a time than asyncio would; notes the connection of an upload for its `AbortOnError`."""

    async def _create_connection(self, *arguments: Any, **options: Any) -> Any:
        protocol = await super()._create_connection(*arguments, **options)
        transport: Any = protocol.transport
        if hasattr(transport, "max_size"):  # asyncio's own, of a plain socket
            transport.max_size = _RECEIVED_BYTES
        return protocol

    def connect(self, *arguments: Any, **options: Any) -> Any:
        connecting = super().connect(*arguments, **options)
        cut = _CUT.get()
        return connecting if cut is None else cut.noted(connecting)
