"""Conversion of an upstream's errors to `GenerationError`: never to one that blames the caller's key."""

import json
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from reka._wire.failures import NO_BALANCE, detail, error_code, retry_after
from reka.server.error_bodies import STATUSES
from reka.server.generation.types import GenerationError

__all__ = ["TransientError", "error_for", "error_in_stream", "reason", "redact"]

LONGEST_DETAIL: Final = 500
"""Characters after which an upstream's error message is truncated."""

_REQUEST_ERRORS: Final = frozenset({400, 413, 422})
_LIMITS: Final = "x-ratelimit-"
"""Prefix of rate limit headers; hosts differ in the rest of the name."""


class TransientError(GenerationError):
    """An error that a retry may resolve."""


def error_for(status: int, headers: Mapping[str, str], data: bytes, url: str, key: str | None) -> GenerationError:
    """Convert an error response of an upstream.

    Args:
        status: HTTP status of the response.
        headers: Headers of the response.
        data: Body of the response.
        url: Address of the upstream, for the message.
        key: API key for the upstream, to be redacted: some servers repeat the key that they reject.
    """
    message, code = redact(detail(data), key), redact(error_code(data) or "", key) or None
    cause = f"{status}: {message}" if message else f"{status}"
    match status:
        case 401 | 403:
            return GenerationError(
                502, f"the upstream {url} refuses this server's key ({cause}): see --upstream-key-env"
            )
        case 429 | 503:
            # A retry does not help an account without balance.
            kind = GenerationError if NO_BALANCE in f"{code} {message}" else TransientError
            limits = {name.lower(): value for name, value in headers.items() if name.lower().startswith(_LIMITS)}
            wait = retry_after(headers, time.time())
            return kind(status, f"the upstream {url} is busy ({cause})", wait, code, limits)
        case 408 | 504:
            return TransientError(504, f"the upstream {url} did not answer in time ({cause})", None, code)
        case _ if status in _REQUEST_ERRORS:
            return GenerationError(400, f"the upstream {url} refuses the request ({cause})", None, code)
        case _ if 300 <= status < 400:
            return GenerationError(
                502, f"the upstream {url} redirects ({status}): use the address that it redirects to"
            )
        case 409 | 425 | 500 | 502:
            return TransientError(502, f"the upstream {url} answers with an error ({cause})", None, code)
        case _:
            return GenerationError(502, f"the upstream {url} answers with an error ({cause})", None, code)


def error_in_stream(event: Mapping[str, Any], url: str, key: str | None) -> GenerationError:
    """Convert an error event of a stream; its code may be a status, or its type stand for one."""
    error = event["error"]
    fields = error if isinstance(error, dict) else {}
    status = fields.get("code")
    if not isinstance(status, int) or not 400 <= status < 600:
        status = STATUSES.get(str(fields.get("type")), 500)
    return error_for(status, {}, json.dumps(event).encode(), url, key)


def redact(message: str, key: str | None) -> str:
    """Make a message of an upstream safe to return: without the key, without lone surrogates, and truncated."""
    redacted = message.replace(key, "***") if key else message
    return redacted.encode("utf-8", "replace").decode()[:LONGEST_DETAIL]


def reason(error: aiohttp.ClientError) -> str:
    """Describe an aiohttp error in a few words."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return f"TLS failed ({error})"
        case aiohttp.ClientConnectorError(os_error=os_error) if not isinstance(os_error, ssl.SSLError):
            return f"cannot connect ({os_error.strerror or os_error})"
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection"
        case _:
            return str(error) or type(error).__name__
