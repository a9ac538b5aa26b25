"""Which proxy a server is reached through: the caller's own, else the environment's."""

from collections.abc import Collection, Mapping
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from reka.errors import InvalidArgumentError

HTTP: Final = frozenset({"http", "https"})
"""Schemes of proxies that both HTTP libraries take."""

SOCKS: Final = frozenset({"socks4", "socks4a", "socks5", "socks5h"})
"""Schemes that requests takes too, with a package of its own for it."""

_ORIGIN: Final = "proxies (or HTTP_PROXY, HTTPS_PROXY, ALL_PROXY)"


class Proxies:
    """The proxy of each server, looked up once: requests and aiohttp would walk the environment at each request.

    Args:
        proxies: URL of a proxy by scheme (`http`, `https`, `all`); None reads the environment.
        schemes: Schemes of proxies that the HTTP library takes.
    """

    def __init__(self, proxies: Mapping[str, str] | None, schemes: Collection[str]) -> None:
        self._proxies = proxies
        self._schemes = schemes
        self._by_address: dict[str, str | None] = {}

    def of(self, address: str) -> str | None:
        """The URL of the proxy for a server's address; None is to go there directly. Redirects stay at the server.

        Raises:
            InvalidArgumentError: There is one that cannot be used.
        """
        if address not in self._by_address:
            proxy = _chosen_proxy(address, self._proxies)
            self._by_address[address] = proxy_url(proxy, self._schemes) if proxy else None
        return self._by_address[address]


def _chosen_proxy(address: str, proxies: Mapping[str, str] | None) -> str | None:
    if not (getproxies() if proxies is None else proxies):
        return None
    # Imported only where there is a choice to make: a server that needs no proxy has no other use for it.
    from requests.utils import get_environ_proxies, select_proxy

    chosen: str | None = select_proxy(address, get_environ_proxies(address) if proxies is None else dict(proxies))
    return chosen


def proxy_url(proxy: str, schemes: Collection[str]) -> str:
    """Check the address of a proxy; one without a scheme gets `http://`.

    Args:
        proxy: As the caller or the environment has it. It may hold a password, so no message shows it.
        schemes: What the HTTP library takes.

    Raises:
        InvalidArgumentError: It is none, or of a scheme that cannot be used.
    """
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(url)
        is_address = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or parts.scheme not in HTTP | SOCKS:
        raise InvalidArgumentError(f"{_ORIGIN}: got one that is no address, want one such as http://proxy.example:3128")
    if parts.scheme not in schemes:
        raise InvalidArgumentError(
            f"{_ORIGIN}: got a {parts.scheme} proxy, which aiohttp does not take: want an http one, or none for this "
            "host (NO_PROXY); AsyncReka also takes a session of your own, with the connector of aiohttp-socks"
        )
    if parts.scheme in SOCKS and find_spec("socks") is None:
        raise InvalidArgumentError(
            f"{_ORIGIN}: got a {parts.scheme} proxy, which needs one more package: pip install 'requests[socks]'"
        )
    return url
