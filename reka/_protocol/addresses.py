"""Server addresses, API keys, origins, redirects and proxies: validation and policy, without I/O."""

import os
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Final, SupportsIndex
from urllib.parse import SplitResult, urljoin, urlsplit
from urllib.request import getproxies

from reka._lazy import IMPORTING
from reka._protocol.constants import API_URL
from reka.errors import InvalidArgumentError

MAX_REDIRECTS: Final = 5
"""Maximum number of redirects within one origin that a call follows (ours)."""

HTTP: Final = frozenset({"http", "https"})
"""Proxy schemes that both HTTP libraries support."""

SOCKS: Final = frozenset({"socks4", "socks4a", "socks5", "socks5h"})
"""Proxy schemes that requests supports with an additional package."""

# What `urlsplit` and both HTTP libraries read alike: an ASCII name or address, and a path without white space.
_PLAIN: Final = re.compile(
    r"[a-z]+://(?:[a-z0-9_][a-z0-9._-]*|\[[0-9a-f:.]+(?:%[a-z0-9._~-]+)?\])(?::[0-9]*)?(?:/[!-\[\]-~]*)?", re.IGNORECASE
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# Characters by which HTTP libraries and `urlsplit` find different hosts in an address.
_AMBIGUOUS: Final = re.compile(r"[\\\x00-\x20\x7f]")
_REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD_STATUSES: Final = frozenset({307, 308})
_PROXY_VARIABLES: Final = tuple(
    spelling(f"{scheme}_proxy") for scheme in ("http", "https", "all", "no") for spelling in (str.lower, str.upper)
)
_PROXIES: Final = "proxies (or HTTP_PROXY, HTTPS_PROXY, ALL_PROXY)"


class Secret(str):
    """A text that is sent, and shown nowhere: error reporters show the `repr` of local variables."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show nothing of it."""
        return "'***'"

    def __getitem__(self, index: SupportsIndex | slice) -> "Secret":
        """Return a part, which is as secret: some reporters show the beginning of a long text."""
        return Secret(super().__getitem__(index))


def http_address(address: str, argument: str, wanted: str) -> SplitResult:
    """Validate the address of an HTTP server.

    Args:
        address: The address.
        argument: Name of the argument, for the error.
        wanted: What is wanted, for the error.

    Raises:
        InvalidArgumentError: It is not an http(s) URL, or has a user name, a query or a fragment. The message shows
            nothing that may be a password.
    """
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, is_address = urlsplit(""), False
    if not is_address:
        shown = "a value with an @" if "@" in address else repr(address)
        raise InvalidArgumentError(f"{argument}: got {shown}, {wanted}")
    if parts.username is not None or "?" in address or "#" in address:
        raise InvalidArgumentError(f"{argument}: got one with a user name, query or fragment, {wanted}")
    if not _PLAIN.fullmatch(address):
        raise InvalidArgumentError(
            f"{argument}: got {address!r}, which programs read in different ways, {wanted}; write the ASCII form of an "
            "international name (xn--...), and what is special in a path as %XX"
        )
    return parts


@lru_cache(maxsize=64)
def normalised_url(base_url: str) -> str:
    """Normalize a base URL: without `/` and `/v1` at its end, ready for paths to be appended.

    Raises:
        InvalidArgumentError: It is not an http(s) URL, or has a user name, a query or a fragment.
    """
    url = base_url.strip()
    parts = http_address(url, "base_url", f"want an address such as {API_URL} or http://127.0.0.1:8000, or local")
    return parts.geturl().rstrip("/").removesuffix("/v1").rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or address."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761: never another machine
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def is_sent_in_clear(url: str) -> bool:
    """Whether what is sent to a URL can be read on its way to another machine."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def checked_key(key: object, argument: str) -> Secret:
    """Validate that a key can be sent in an HTTP header.

    Raises:
        InvalidArgumentError: It cannot. The message does not show the key.
    """
    key = Secret(key) if isinstance(key, str) else key
    if not isinstance(key, Secret) or not (key.isascii() and key.isprintable()) or key != key.strip():
        raise InvalidArgumentError(
            f"{argument}: got a value that no HTTP header can carry, want printable ASCII without surrounding spaces"
        )
    return key


def is_reka_host(url: str) -> bool:
    """Whether a URL belongs to Reka's own host."""
    return urlsplit(url).hostname == urlsplit(API_URL).hostname


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of a URL; a key is sent to no other origin."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return "", None, None


def format_origin(url: str) -> str:
    """Format the origin of a URL for messages."""
    scheme, host, port = origin(url)
    return f"{scheme}://{host}" if port == _DEFAULT_PORTS.get(scheme) else f"{scheme}://{host}:{port}"


class RedirectError(Exception):
    """A redirect that must not be followed; the message says why."""


def redirect_target(status: int, location: str, method: str, url: str) -> str | None:
    """URL to request next, or None if the response is no redirect.

    Redirects are followed only within the origin (scheme, host, port) of the key: not even the request body is sent
    elsewhere. A POST or DELETE is repeated only if the status preserves the method (RFC 9110, 15.4).

    Args:
        status: Status of the response.
        location: Its Location header; empty if it has none.
        method: Method of the request.
        url: URL of the request.

    Raises:
        RedirectError: The redirect leads to another origin or nowhere, or would change the method.
    """
    if status not in _REDIRECT_STATUSES:
        return None
    try:
        target = urljoin(url, location)
        is_ambiguous = bool(_AMBIGUOUS.search(location)) or "@" in urlsplit(target).netloc
    except ValueError:
        target, is_ambiguous = url, False
    if target == url:
        raise RedirectError("it leads nowhere")
    if is_ambiguous:
        raise RedirectError("its address is one that programs read in different ways")
    if origin(target) != origin(url):
        raise RedirectError(
            f"it leads to another origin, {format_origin(target)}, where neither key nor request is sent; if the "
            "API has moved there, use that address"
        )
    if method != "GET" and status not in _SAME_METHOD_STATUSES:
        raise RedirectError(f"a {method} cannot follow it")
    return target


class Proxies:
    """Proxies by server, resolved once for each environment: requests and aiohttp would do it at each request.

    A proxy of the environment does not stand before this machine's own loopback, whatever NO_PROXY says; one that the
    caller gives does.

    A variable that is set is compared at each request. To look for one that is not takes long, as a dict of the
    environment raises an error for it: that is done when the number of variables has changed, and after `forget`.

    Args:
        proxies: Proxy URLs by scheme (`http`, `https`, `all`); None reads the environment.
        schemes: Proxy schemes that the HTTP library supports.
    """

    def __init__(self, proxies: Mapping[str, str] | None, schemes: Collection[str]) -> None:
        self._proxies = proxies
        self._schemes = schemes
        self._by_address: dict[str, Secret | None] = {}
        self._environment: tuple[object, ...] = ()
        self._variables: tuple[str, ...] = ()

    def of(self, address: str) -> Secret | None:
        """URL of the proxy for a server; None for a direct connection.

        Raises:
            InvalidArgumentError: The proxy cannot be used.
        """
        if self._proxies is None and self._environment != (len(os.environ), *map(os.environ.get, self._variables)):
            self._by_address = {}
            self._variables = tuple(filter(os.environ.get, _PROXY_VARIABLES))
            self._environment = len(os.environ), *map(os.environ.get, self._variables)
        by_address = self._by_address  # the same to the end, whatever another thread finds meanwhile
        if address not in by_address:
            proxy = _chosen_proxy(address, self._proxies)
            by_address[address] = proxy_url(proxy, self._schemes) if proxy else None
        return by_address[address]

    def forget(self) -> None:
        """Look everything up again at the next request: a connection has failed, for lack of a proxy perhaps."""
        self._environment = ()
        self._by_address = {}


def _chosen_proxy(address: str, proxies: Mapping[str, str] | None) -> Secret | None:
    if not (getproxies() if proxies is None else proxies):
        return None
    if proxies is None and is_loopback(urlsplit(address).hostname or ""):
        return None
    # Imported only if proxies are set: the server has no other use for requests.
    with IMPORTING:
        from requests.utils import get_environ_proxies, select_proxy

    chosen: str | None = select_proxy(address, get_environ_proxies(address) if proxies is None else dict(proxies))
    return None if chosen is None else Secret(chosen)


def proxy_url(proxy: str, schemes: Collection[str]) -> Secret:
    """Validate the address of a proxy; one without a scheme gets `http://`.

    Args:
        proxy: The address. It may contain a password, so no message shows it.
        schemes: Proxy schemes that the HTTP library supports.

    Raises:
        InvalidArgumentError: It is not an address, or has an unsupported scheme.
    """
    proxy = Secret(proxy if "://" in proxy else f"http://{proxy}")
    scheme = _proxy_scheme(proxy)
    if scheme not in HTTP | SOCKS:
        raise InvalidArgumentError(f"{_PROXIES}: got an invalid address, want one such as http://proxy.example:3128")
    if scheme not in schemes:
        raise InvalidArgumentError(
            f"{_PROXIES}: got a {scheme} proxy, which aiohttp does not support: want an http proxy, or none for "
            "this host (NO_PROXY); AsyncReka also accepts your own session, with the connector of aiohttp-socks"
        )
    if scheme in SOCKS and find_spec("socks") is None:
        raise InvalidArgumentError(
            f"{_PROXIES}: got a {scheme} proxy, which needs another package: pip install 'requests[socks]'"
        )
    return proxy


def _proxy_scheme(url: str) -> str | None:
    """Scheme of a proxy's address; None if it is none. Parsed here, so that no frame that raises has the parts."""
    try:
        parts = urlsplit(url)
        return str(parts.scheme) if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None
