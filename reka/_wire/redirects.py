"""Where a redirect leads, if we may go there at all."""

from typing import Final
from urllib.parse import urljoin, urlsplit

from reka._wire.reply import Reply
from reka.errors import UnexpectedResponseError

_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD: Final = frozenset({307, 308})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def redirect_target(reply: Reply, method: str, url: str) -> str | None:
    """The URL to ask next, or None if the reply is no redirect.

    Only within the origin (scheme, host, port) that the key was given for: elsewhere not even the question should be
    sent. A POST or DELETE is repeated only where the status says that the method stays (RFC 9110, 15.4).

    Raises:
        UnexpectedResponseError: The redirect leads elsewhere, nowhere, or would turn the call into another one.
    """
    if reply.status not in _STATUSES:
        return None
    try:
        target = urljoin(url, reply.headers.get("location", ""))
    except ValueError:
        target = url
    if target == url:
        raise _refused(reply, "it leads nowhere")
    if origin(target) != origin(url):
        raise _refused(
            reply,
            f"it leads to another origin, {_shown(target)}, where neither key nor question is sent; if the API has "
            "moved there, set base_url to it",
        )
    if method != "GET" and reply.status not in _SAME_METHOD:
        raise _refused(reply, f"a {method} cannot follow it")
    return target


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of a URL."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return "", None, None


def _shown(url: str) -> str:
    scheme, host, port = origin(url)
    return f"{scheme}://{host}" if port == _DEFAULT_PORTS.get(scheme) else f"{scheme}://{host}:{port}"


def _refused(reply: Reply, why: str) -> UnexpectedResponseError:
    return UnexpectedResponseError(
        f"{reply.request_line} was answered with a redirect, and {why}", reply.status, reply.request_id
    )
