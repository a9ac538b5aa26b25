"""Clients for an object that holds them as a side matter, such as a framework's model: opened when first needed.

Such objects are copied, pickled and shared between threads and event loops; sockets and locks can be neither copied nor
pickled, so a copy opens its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, TypeVar
from weakref import finalize

from reka import config
from reka._protocol.retries import checked_retries
from reka.adapters import background_loop
from reka.async_client import AsyncReka
from reka.client import Reka
from reka.config import Timeout
from reka.errors import RetrievalError
from reka.types import Api

C = TypeVar("C", Reka, AsyncReka)


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What a client is opened with; see `Reka`. None leaves the choice to the client.

    Raises:
        InvalidArgumentError: `max_retries` is no number of retries.
    """

    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    timeout: float | Timeout | None = None
    max_retries: int | None = None
    api: Api = "auto"

    def __post_init__(self) -> None:
        if self.max_retries is not None:
            checked_retries(self.max_retries)

    def arguments(self) -> dict[str, Any]:
        """The settings as arguments of `Reka` and `AsyncReka`."""
        return {
            "api_key": self.api_key,
            "base_url": self.base_url,
            "timeout": self.timeout,
            "max_retries": config.MAX_RETRIES if self.max_retries is None else self.max_retries,
            "api": self.api,
        }


class SharedClients:
    """One `Reka` and one `AsyncReka` for each set of settings, shared by all threads and event loops.

    A shallow copy of the object that holds it may hold the same one: with the same settings it shares the clients, with
    another key or address it gets clients of its own. A deep copy, and what comes out of a pickle, starts unopened.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._sync_clients: dict[ClientSettings, Reka] = {}
        self._async_clients: dict[ClientSettings, AsyncReka] = {}
        # Whoever forgets to close leaves no open socket behind. (Those of other event loops end with their loops.)
        finalize(self, _close_all, self._sync_clients, self._async_clients)

    def __reduce__(self) -> tuple[type["SharedClients"], tuple[()]]:
        """Copy and pickle as one with no client."""
        return (SharedClients, ())

    def __eq__(self, other: object) -> bool:
        """Compare equal to any other: what is open is no part of the value of the object that holds it."""
        return isinstance(other, SharedClients)

    def __hash__(self) -> int:
        return hash(SharedClients)

    def sync(self, settings: ClientSettings) -> Reka:
        """Give the client that waits."""
        return self._sync_clients.get(settings) or self._get_or_create(self._sync_clients, settings, Reka)

    def aio(self, settings: ClientSettings) -> AsyncReka:
        """Give the client that is awaited, for any event loop."""
        return self._async_clients.get(settings) or self._get_or_create(self._async_clients, settings, AsyncReka)

    def close(self) -> None:
        """Close the connections of this side and of the background loop; a call after that opens new ones.

        Those of another event loop end with it, or by `aclose` there.
        """
        _close(self._sync_clients)
        if background_loop.is_running() and not background_loop.in_background_loop():
            background_loop.run(_close_here(self._async_clients))

    async def aclose(self) -> None:
        """Close the connections of the running event loop as well."""
        self.close()
        await _close_here(self._async_clients)

    def _get_or_create(self, clients: dict[ClientSettings, C], settings: ClientSettings, make: Callable[..., C]) -> C:
        with self._lock:
            if settings not in clients:
                clients[settings] = make(**settings.arguments())
            return clients[settings]


def with_prepare_hint(error: RetrievalError, dataset: str, maker: str) -> RetrievalError:
    """Tell with an error of a dataset what would have made it ready.

    Args:
        error: What the server says.
        dataset: What was asked for.
        maker: The adapter's own function that uploads and prepares.
    """
    return RetrievalError(
        f"{error.message.rstrip('.')}. To upload and prepare it: `reka datasets add FILES --name {dataset}` and "
        f"`reka retrieval prepare {dataset} --wait`, or {maker}",
        error.status_code,
        error.request_id,
        error.retry_after,
        error.code,
    )


def _close(clients: dict[ClientSettings, Reka]) -> None:
    for client in list(clients.values()):
        client.close()


async def _close_here(clients: dict[ClientSettings, AsyncReka]) -> None:
    for client in list(clients.values()):
        await client.close()


def _close_all(waiting: dict[ClientSettings, Reka], awaited: dict[ClientSettings, AsyncReka]) -> None:
    _close(waiting)
    if awaited:
        background_loop.start_if_running(partial(_close_here, awaited))
