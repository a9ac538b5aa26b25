"""Where a redirect leads, if a request may go there at all. Pure."""

from typing import Final
from urllib.parse import urljoin

from reka._protocol.addresses import origin, shown_origin

MAX_REDIRECTS: Final = 5
"""Requests of a call that follow each other by redirects within one origin (ours)."""

_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD: Final = frozenset({307, 308})


class RedirectError(Exception):
    """A redirect that must not be followed; the message says why."""


def redirect_target(status: int, location: str, method: str, url: str) -> str | None:
    """The URL to ask next, or None if the answer is no redirect.

    Only within the origin (scheme, host, port) that the key was given for: elsewhere not even the question should be
    sent. A POST or DELETE is repeated only where the status says that the method stays (RFC 9110, 15.4).

    Args:
        status: Of the answer.
        location: Its header of that name; empty if it has none.
        method: Of the request.
        url: That was asked.

    Raises:
        RedirectError: The redirect leads elsewhere, nowhere, or would turn the request into another one.
    """
    if status not in _STATUSES:
        return None
    try:
        target = urljoin(url, location)
    except ValueError:
        target = url
    if target == url:
        raise RedirectError("it leads nowhere")
    if origin(target) != origin(url):
        raise RedirectError(
            f"it leads to another origin, {shown_origin(target)}, where neither key nor question is sent; if the API "
            "has moved there, use that address"
        )
    if method != "GET" and status not in _SAME_METHOD:
        raise RedirectError(f"a {method} cannot follow it")
    return target
