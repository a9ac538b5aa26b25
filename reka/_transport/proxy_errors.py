"""Errors of a proxy, without what may be its password."""

from http import HTTPStatus
from typing import Final

from reka._transport.retry import NotConnectedError

AUTHENTICATION: Final = HTTPStatus.PROXY_AUTHENTICATION_REQUIRED.value
"""Status of a proxy, of no server: 407."""


NOT_THERE: Final = "nothing listens there, or it cannot be reached"
"""Why a request does not reach a proxy, or a server."""


def proxy_error(request_line: str, reason: str, status: int | None = None) -> NotConnectedError:
    """Make the error for a proxy that does not pass a request on.

    Args:
        request_line: Method and URL.
        reason: What the proxy said, or what became of it; without its address.
        status: The status that it answered; None if it did not, or that is not known.
    """
    if status == AUTHENTICATION:
        return NotConnectedError(
            f"{request_line}: the proxy, not the server, wants a user name and password, or others: they belong into "
            "its address, http://USER:PASSWORD@proxy.example:3128",
            status,
        )
    return NotConnectedError(f"{request_line}: the proxy failed ({reason})", status)
