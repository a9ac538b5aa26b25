"""Addresses of servers and the keys for them: what they may be, and when two are of one origin. Pure."""

from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult, urlsplit

from reka._protocol.defaults import API_URL
from reka.errors import InvalidArgumentError

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def http_address(address: str, argument: str, wanted: str) -> SplitResult:
    """Check that something is the address of an HTTP server, and nothing more.

    Args:
        address: What the caller gave.
        argument: The name under which it was given, for the error.
        wanted: What it should be, for the error.

    Raises:
        InvalidArgumentError: It is no http(s) URL, or carries a user name, a query or a fragment. The message shows
            nothing that may be a password.
    """
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        shown = "something with an @" if "@" in address else repr(address)
        raise InvalidArgumentError(f"{argument}: got {shown}, {wanted}")
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidArgumentError(f"{argument}: got one with a user name, query or fragment, {wanted}")
    return parts


@lru_cache(maxsize=64)
def normalised_url(base_url: str) -> str:
    """Bring a base URL to the form that paths are appended to: no `/` and no `/v1` at its end.

    Raises:
        InvalidArgumentError: It is no http(s) URL, or carries a user name, a query or a fragment.
    """
    url = base_url.strip()
    http_address(url, "base_url", "want an address such as https://api.reka.ai or http://127.0.0.1:8000, or local")
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def checked_key(key: object, argument: str) -> str:
    """Check that a key can stand in an HTTP header.

    Raises:
        InvalidArgumentError: It cannot. The message does not show it.
    """
    if not isinstance(key, str) or not (key.isascii() and key.isprintable()) or key != key.strip():
        raise InvalidArgumentError(
            f"{argument}: got something that no HTTP header can carry, want printable ASCII with no spaces around it"
        )
    return key


def is_rekas_own(url: str) -> bool:
    """Whether a URL is of Reka's own host."""
    return urlsplit(url).hostname == urlsplit(API_URL).hostname


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of a URL: where a key may be sent that was given for it."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return "", None, None


def shown_origin(url: str) -> str:
    """The origin of a URL, for messages."""
    scheme, host, port = origin(url)
    return f"{scheme}://{host}" if port == _DEFAULT_PORTS.get(scheme) else f"{scheme}://{host}:{port}"
