"""Who may ask a server on loopback: programs of this machine, and web pages that it serves or that its owner names.

A web page of any site can reach loopback through the browser of whoever visits it: by its address, or, after it has
pointed a name of its own to 127.0.0.1 (DNS rebinding), as if it came from there. It cannot choose the headers Host and
Origin. A server on another address checks neither: there, keys that were made are what opens it.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from reka._protocol.addresses import is_loopback
from reka.server.error_bodies import error_body
from reka.server.settings import Settings

ANY: Final = "*"

_HOST_ERROR: Final = (
    "This server listens on this machine only and does not serve the host name {shown}. If a tunnel or a proxy stands "
    "before it, start it with --allowed-host NAME"
)
_ORIGIN_ERROR: Final = (
    "This server listens on this machine only and serves no web page of {shown}. To let its pages in, start it with "
    "--cors-origin ORIGIN"
)
_SHOWN_CHARS: Final = 100
_CACHE_SIZE: Final = 256


class AccessMiddleware:
    """Refuses requests of web pages that are not this machine's: by the headers Host and Origin."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """Check the requests to `app`, a server on loopback."""
        self._app = app
        hosts = frozenset(host.lower().rstrip(".") for host in settings.allowed_hosts)
        origins = frozenset(settings.cors_origins)
        # Nearly all requests have the same few values.
        self._is_host = lru_cache(_CACHE_SIZE)(lambda value: is_allowed_host(value, hosts))
        self._is_origin = lru_cache(_CACHE_SIZE)(lambda value: is_allowed_origin(value, hosts, origins))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        detail = self._problem(scope) if scope["type"] == "http" else None
        if detail is None:
            await self._app(scope, receive, send)
        else:
            await JSONResponse(error_body(scope["path"], 403, detail), 403)(scope, receive, send)

    def _problem(self, scope: Scope) -> str | None:
        for name, value in scope["headers"]:
            if name == b"host" and not self._is_host(value):
                return _HOST_ERROR.format(shown=_shown(value))
            if name == b"origin" and not self._is_origin(value):
                return _ORIGIN_ERROR.format(shown=_shown(value))
        return None


def is_allowed_host(value: bytes, hosts: Collection[str]) -> bool:
    """Whether a Host header names this machine's loopback, or one of `hosts` (in lower case), with any port."""
    try:
        parts = urlsplit(f"//{value.decode('ascii')}")
        name = parts.hostname
        _ = parts.port  # raises for what is no port
    except ValueError:
        return False
    is_plain = parts.netloc.encode() == value and "@" not in parts.netloc
    return is_plain and name is not None and (is_loopback(name) or name.rstrip(".") in hosts or ANY in hosts)


def is_allowed_origin(value: bytes, hosts: Collection[str], origins: Collection[str]) -> bool:
    """Whether an Origin header is one of `origins`, or http or https at a host that `is_allowed_host` allows."""
    try:
        origin = value.decode("ascii")
    except ValueError:
        return False
    if origin in origins or ANY in origins:
        return True
    scheme, separator, host = origin.partition("://")
    return bool(separator) and scheme in ("http", "https") and is_allowed_host(host.encode(), hosts)


def _shown(value: bytes) -> str:
    return repr(value[:_SHOWN_CHARS].decode("latin-1"))
