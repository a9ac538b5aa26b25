"""Clients owned by another object, such as a framework's model, and created at first use.

Such objects are copied, pickled and shared between threads and event loops; sockets and locks can be neither copied nor
pickled, so a copy creates its own clients.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from os import PathLike
from typing import Any, TypeVar
from weakref import finalize

from reka import config, endpoint
from reka._calls.capabilities import Refusals
from reka._inputs import validation
from reka._protocol.addresses import checked_key
from reka._protocol.forms import FORMS
from reka._protocol.retries import checked_retries
from reka.adapters import background_loop, host_models
from reka.adapters.fork_locks import ForkLock
from reka.async_client import AsyncReka
from reka.client import Reka
from reka.config import Timeout
from reka.errors import RetrievalError
from reka.types import Api, FormChoice, Model

C = TypeVar("C", Reka, AsyncReka)


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Settings of a client; see `Reka`. None means the client's default.

    Raises:
        InvalidArgumentError: A setting is invalid; the message says which one.
    """

    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    timeout: float | Timeout | None = None
    max_retries: int | None = None
    api: Api = "auto"
    form: FormChoice | None = None
    datasets: str | None = None
    headers: Mapping[str, str] | None = field(default=None, hash=False, repr=False)
    proxies: Mapping[str, str] | None = field(default=None, hash=False, repr=False)
    ca_bundle: str | PathLike[str] | None = None
    session: Any = field(default=None, repr=False)
    """`requests.Session` of the sync client."""

    async_session: Any = field(default=None, repr=False)
    """`aiohttp.ClientSession` of the async client."""

    refusals: Refusals | None = None
    """What is refused once the first call to a server has asked what that says of its models, for at most 5 s: `none`;
    `host`, media and tools that a model does not take by the server's word; `table`, also media that it does not take
    by the built-in table, where the server is silent. None asks nothing."""

    def __post_init__(self) -> None:
        # Adapters make settings at each call, so what is not set costs a comparison.
        if self.api_key:
            checked_key(self.api_key, "api_key")
        if self.base_url:
            endpoint.checked_address(self.base_url)
        if self.timeout is not None:
            config.as_timeout(self.timeout)
        if self.max_retries is not None:
            checked_retries(self.max_retries)
        if self.form is not None:
            validation.one_of(self.form, "form", FORMS)
        if self.datasets is not None:
            endpoint.checked_place(self.datasets, "datasets")
        validation.headers(self.headers, "headers")
        validation.proxies(self.proxies, "proxies")
        validation.path(self.ca_bundle, "ca_bundle")
        validation.session(self.session, "session", "prepare_request", "a requests.Session")
        validation.session(self.async_session, "async_session", "request", "an aiohttp.ClientSession")

    def sync_client(self) -> Reka:
        """Make a synchronous client."""
        return Reka(**self._arguments(), session=self.session)

    def async_client(self) -> AsyncReka:
        """Make an asynchronous client."""
        return AsyncReka(**self._arguments(), session=self.async_session)

    def _arguments(self) -> dict[str, Any]:
        return {
            "api_key": self.api_key,
            "base_url": self.base_url,
            "timeout": self.timeout,
            "max_retries": config.MAX_RETRIES if self.max_retries is None else self.max_retries,
            "api": self.api,
            "form": self.form,
            "datasets": self.datasets,
            "headers": self.headers,
            "proxies": self.proxies,
            "ca_bundle": self.ca_bundle,
        }

    def identity(self, *, with_datasets: bool) -> str:
        """Name what answers of a server depend on, for a cache: its address and, of datasets, their place and owner.

        Args:
            with_datasets: Whether an answer depends on datasets.

        Returns:
            A text that has the key as a hash only.
        """
        address, _ = endpoint.address_and_key(self.api_key, self.base_url)
        if not with_datasets:
            return address
        return f"{address} {endpoint.current_place(self.datasets, self.base_url)} {self.owner()}"

    def owner(self) -> str:
        """Name whose datasets of a server calls see: a hash of its address and of the key."""
        address, key = endpoint.address_and_key(self.api_key, self.base_url)
        return sha256(f"{address}\n{key}".encode()).hexdigest()

    def known_model(self, name: str) -> Model | None:
        """Return what is known of a model of the server without asking; see `host_models.known_model`."""
        return host_models.known_model(name, endpoint.known_server(self.api_key, self.base_url))


class SharedClients:
    """One `Reka` and one `AsyncReka` for each set of settings, shared by all threads and event loops.

    A shallow copy of the owner can share the instance: equal settings share clients, those that differ in the key share
    connections, another address gets its own. A deep copy and an unpickled instance start without clients.
    """

    def __init__(self) -> None:
        self._lock = ForkLock()
        self._sync_clients: dict[ClientSettings, Reka] = {}
        self._async_clients: dict[ClientSettings, AsyncReka] = {}
        # Sockets are closed even if the owner never calls close; those of other event loops close with their loop.
        finalize(self, _close_all, self._sync_clients, self._async_clients)

    def __reduce__(self) -> tuple[type["SharedClients"], tuple[()]]:
        """Copy and pickle as an instance without clients."""
        return (SharedClients, ())

    def __eq__(self, other: object) -> bool:
        """All instances are equal: open clients are no part of the owner's value."""
        return isinstance(other, SharedClients)

    def __hash__(self) -> int:
        return hash(SharedClients)

    def sync(self, settings: ClientSettings) -> Reka:
        """Return the synchronous client."""
        clients = self._sync_clients
        return clients.get(settings) or self._get_or_create(clients, settings, ClientSettings.sync_client)

    def aio(self, settings: ClientSettings) -> AsyncReka:
        """Return the asynchronous client, usable on any event loop."""
        clients = self._async_clients
        return clients.get(settings) or self._get_or_create(clients, settings, ClientSettings.async_client)

    def close(self) -> None:
        """Close the synchronous connections and those of the background loop; a later call opens new ones.

        Connections of another event loop close with that loop, or by `aclose` on it.
        """
        _close(self._sync_clients)
        if background_loop.is_running() and not background_loop.in_background_loop():
            background_loop.run(_close_here(self._async_clients))

    async def aclose(self) -> None:
        """Close the connections of the running event loop as well."""
        self.close()
        await _close_here(self._async_clients)

    def _get_or_create(
        self, clients: dict[ClientSettings, C], settings: ClientSettings, make: Callable[[ClientSettings], C]
    ) -> C:
        with self._lock:
            if settings not in clients:
                client = make(settings)
                _share_connections(client, settings, clients)
                clients[settings] = client
                if settings.refusals is not None:
                    # No argument of the client: it asks nothing by itself.
                    client._ask_for_models(host_models.models_of, settings.refusals)  # noqa: SLF001
            return clients[settings]


def _share_connections(client: C, settings: ClientSettings, clients: Mapping[ClientSettings, C]) -> None:
    """Give a new client the connections of one that differs in the key alone, which goes with each request."""
    for one, other in clients.items():
        if replace(one, api_key=settings.api_key) == settings:
            # By name, as type checkers do not see that the two are of one kind.
            vars(client)["_transport"] = vars(other)["_transport"]
            return


def prepare_hint(message: str, dataset: str, maker: str) -> str:
    """Add to the message of a retrieval error how to make the dataset available.

    Args:
        message: The server's message.
        dataset: Name of the dataset.
        maker: The adapter's function that uploads and prepares a dataset.
    """
    return (
        f"{message.rstrip('.')}. To upload and prepare it: `reka datasets add FILES --name {dataset}` and "
        f"`reka retrieval prepare {dataset} --wait`, or {maker}"
    )


def with_prepare_hint(error: RetrievalError, dataset: str, maker: str) -> RetrievalError:
    """Add to a retrieval error how to make the dataset available; see `prepare_hint`."""
    return RetrievalError(
        prepare_hint(error.message, dataset, maker),
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


def _close_all(sync_clients: dict[ClientSettings, Reka], async_clients: dict[ClientSettings, AsyncReka]) -> None:
    _close(sync_clients)
    if async_clients:
        background_loop.start_if_running(partial(_close_here, async_clients))
