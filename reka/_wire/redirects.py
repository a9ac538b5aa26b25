"""Redirects of a call as errors of the client; see `_protocol.addresses`."""

from reka._protocol.addresses import RedirectError
from reka._protocol.addresses import redirect_target as target_of
from reka._wire.reply import Reply
from reka.errors import UnexpectedResponseError


def redirect_target(reply: Reply, method: str, url: str) -> str | None:
    """URL to request next, or None if the reply is no redirect.

    Raises:
        UnexpectedResponseError: The redirect must not be followed.
    """
    try:
        return target_of(reply.status, reply.headers.get("location", ""), method, url)
    except RedirectError as error:
        raise UnexpectedResponseError(
            f"{reply.request_line} was answered with a redirect, and {error}", reply.status, reply.request_id
        ) from None
