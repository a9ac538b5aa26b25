"""`BaseClient`, what both clients share: their settings, and the capabilities of the servers they have called."""

from collections.abc import Mapping
from os import PathLike

from reka import config
from reka._calls.flows import ServerCapabilities
from reka._inputs import validation
from reka._protocol.retries import RetryPolicy
from reka._transport.retry import Limits
from reka._transport.settings import TransportSettings
from reka._wire.dialect import APIS
from reka.config import Timeout
from reka.endpoint import Server
from reka.types import Api, OnEvent


class BaseClient:
    """Checked settings of a client; `Reka` describes them."""

    def __init__(
        self,
        api_key: str | None,
        base_url: str | None,
        timeout: float | Timeout | None,
        max_retries: int,
        api: Api,
        max_media_bytes: int,
        headers: Mapping[str, str] | None,
        proxies: Mapping[str, str] | None,
        ca_bundle: str | PathLike[str] | None,
        on_event: OnEvent | None,
    ) -> None:
        self._api_key = api_key
        self._base_url = base_url
        self._api: Api = validation.one_of(api, "api", APIS)
        self._max_media_bytes = max_media_bytes
        self._limits = Limits(config.as_timeout(timeout), RetryPolicy(max_retries))
        self._transport_settings = TransportSettings(
            validation.headers(headers, "headers"),
            validation.proxies(proxies, "proxies"),
            validation.path(ca_bundle, "ca_bundle"),
            validation.callback(on_event, "on_event"),
        )
        self._capabilities: dict[str, ServerCapabilities] = {}  # by URL of the server

    def __repr__(self) -> str:
        """Show the address, never the key."""
        return f"{type(self).__name__}(base_url={self._base_url!r})"

    def _capabilities_of(self, server: Server) -> ServerCapabilities:
        """Return what this client has learned of a server; later calls add to the same object."""
        capabilities = self._capabilities.get(server.url)
        if capabilities is None:
            capabilities = self._capabilities.setdefault(server.url, ServerCapabilities())
        return capabilities
