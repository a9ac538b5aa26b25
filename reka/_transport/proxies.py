"""Which proxy a server is reached through."""

from collections.abc import Collection, Mapping
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

from reka.errors import InvalidArgumentError

HTTP: Final = frozenset({"http", "https"})
"""Schemes of proxies that both HTTP libraries take."""

SOCKS: Final = frozenset({"socks4", "socks4a", "socks5", "socks5h"})
"""Schemes that requests takes too, with a package of its own for it."""

_ORIGIN: Final = "proxies (or HTTP_PROXY, HTTPS_PROXY, ALL_PROXY)"


class Proxies:
    """The proxy of each server, looked up once: requests and aiohttp would walk the environment at each call.

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
            table = get_environ_proxies(address) if self._proxies is None else dict(self._proxies)
            proxy = select_proxy(address, table)
            self._by_address[address] = proxy_url(proxy, self._schemes) if proxy else None
        return self._by_address[address]


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
        parts, is_address = urlsplit(""), False
    if not is_address or parts.scheme not in HTTP | SOCKS:
        raise InvalidArgumentError(f"{_ORIGIN}: got one that is no address, want one such as http://proxy.example:3128")
    if parts.scheme not in schemes:
        raise InvalidArgumentError(
            f"{_ORIGIN}: got a {parts.scheme} proxy, which aiohttp does not take: want an http one, or a "
            "session=aiohttp.ClientSession(...) of your own, with the connector of aiohttp-socks"
        )
    if parts.scheme in SOCKS and find_spec("socks") is None:
        raise InvalidArgumentError(
            f"{_ORIGIN}: got a {parts.scheme} proxy, which needs one more package: pip install 'requests[socks]'"
        )
    return url
