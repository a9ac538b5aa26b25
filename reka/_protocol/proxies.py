"""Choice of the proxy for a server: the caller's, else the environment's."""

from collections.abc import Collection, Mapping
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from reka.errors import InvalidArgumentError

HTTP: Final = frozenset({"http", "https"})
"""Proxy schemes that both HTTP libraries support."""

SOCKS: Final = frozenset({"socks4", "socks4a", "socks5", "socks5h"})
"""Proxy schemes that requests supports with an additional package."""

_ORIGIN: Final = "proxies (or HTTP_PROXY, HTTPS_PROXY, ALL_PROXY)"


class Proxies:
    """Proxies by server, resolved once: requests and aiohttp would read the environment at each request.

    Args:
        proxies: Proxy URLs by scheme (`http`, `https`, `all`); None reads the environment.
        schemes: Proxy schemes that the HTTP library supports.
    """

    def __init__(self, proxies: Mapping[str, str] | None, schemes: Collection[str]) -> None:
        self._proxies = proxies
        self._schemes = schemes
        self._by_address: dict[str, str | None] = {}

    def of(self, address: str) -> str | None:
        """URL of the proxy for a server; None for a direct connection.

        Raises:
            InvalidArgumentError: The proxy cannot be used.
        """
        if address not in self._by_address:
            proxy = _chosen_proxy(address, self._proxies)
            self._by_address[address] = proxy_url(proxy, self._schemes) if proxy else None
        return self._by_address[address]


def _chosen_proxy(address: str, proxies: Mapping[str, str] | None) -> str | None:
    if not (getproxies() if proxies is None else proxies):
        return None
    # Imported only if proxies are set: the server has no other use for requests.
    from requests.utils import get_environ_proxies, select_proxy

    chosen: str | None = select_proxy(address, get_environ_proxies(address) if proxies is None else dict(proxies))
    return chosen


def proxy_url(proxy: str, schemes: Collection[str]) -> str:
    """Validate the address of a proxy; one without a scheme gets `http://`.

    Args:
        proxy: The address. It may contain a password, so no message shows it.
        schemes: Proxy schemes that the HTTP library supports.

    Raises:
        InvalidArgumentError: It is not an address, or has an unsupported scheme.
    """
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(url)
        is_address = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, is_address = urlsplit(""), False
    if not is_address or parts.scheme not in HTTP | SOCKS:
        raise InvalidArgumentError(f"{_ORIGIN}: got an invalid address, want one such as http://proxy.example:3128")
    if parts.scheme not in schemes:
        raise InvalidArgumentError(
            f"{_ORIGIN}: got a {parts.scheme} proxy, which aiohttp does not support: want an http proxy, or none for "
            "this host (NO_PROXY); AsyncReka also accepts your own session, with the connector of aiohttp-socks"
        )
    if parts.scheme in SOCKS and find_spec("socks") is None:
        raise InvalidArgumentError(
            f"{_ORIGIN}: got a {parts.scheme} proxy, which needs another package: pip install 'requests[socks]'"
        )
    return url
