"""What both clients are made of: their settings, the server a call goes to, and what was learned of it."""

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
    """Settings of a client, checked; see `Reka` for their meaning."""

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
        self._known_servers: dict[str, ServerCapabilities] = {}

    def __repr__(self) -> str:
        """Show the address, never the key."""
        return f"{type(self).__name__}(base_url={self._base_url!r})"

    def _capabilities_of(self, server: Server) -> ServerCapabilities:
        """What was learned of a server so far."""
        known = self._known_servers.get(server.url)
        return self._known_servers.setdefault(server.url, ServerCapabilities()) if known is None else known
