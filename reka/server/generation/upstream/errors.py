"""What an upstream's failures mean for who asked this server: never that *their* key is wrong."""

import json
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from reka._protocol.errors import (
    LIMIT_HEADERS,
    detail,
    error_code,
    is_no_balance,
    retry_after,
    status_in_stream,
)
from reka._protocol.retries import RETRY_STATUSES
from reka.server.generation.types import GenerationError

__all__ = ["TransientError", "error_for", "error_in_stream", "reason", "redact"]

LONGEST_DETAIL: Final = 500
"""Characters of an upstream error message that are passed on."""

_CALLERS_FAULT: Final = frozenset({400, 413, 422})


class TransientError(GenerationError):
    """A failure that may be over at the next try."""


def error_for(status: int, headers: Mapping[str, str], data: bytes, url: str, key: str | None) -> GenerationError:
    """Make the error that an upstream's error status stands for.

    Args:
        status: Its status.
        headers: Its headers.
        data: Its body.
        url: The upstream's address, to be shown.
        key: The key for it, not to be shown: some servers repeat the key that they refuse.
    """
    message, code = redact(detail(data), key), redact(error_code(data) or "", key) or None
    said = f": {message}" if message else ""
    # To ask again does not help an account that has no balance.
    kind = TransientError if status in RETRY_STATUSES and not is_no_balance(code, message) else GenerationError
    wait = retry_after(headers, time.time()) if status in RETRY_STATUSES else None
    match status:
        case 401 | 403:
            return GenerationError(
                502, f"the upstream {url} refuses this server's key ({status}{said}): see --upstream-key-env"
            )
        case 429 | 503:
            limits = {name.lower(): value for name, value in headers.items() if name.lower().startswith(LIMIT_HEADERS)}
            return kind(status, f"the upstream {url} is busy ({status}{said})", wait, code, limits)
        case 408 | 504:
            return kind(504, f"the upstream {url} did not answer in time ({status}{said})", wait, code)
        case _ if status in _CALLERS_FAULT:
            return GenerationError(400, f"the upstream {url} refuses the request ({status}{said})", None, code)
        case _:
            return kind(502, f"the upstream {url} answers with an error ({status}{said})", wait, code)


def error_in_stream(event: Mapping[str, Any], url: str, key: str | None) -> GenerationError:
    """Make the error that an event of a stream stands for: its code may be a status, or its type mean one."""
    return error_for(status_in_stream(event), {}, json.dumps(event).encode(), url, key)


def redact(message: str, key: str | None) -> str:
    """Cut a foreign message to what may be passed on, and can be: no half of a character."""
    hidden = message.replace(key, "***") if key else message
    return hidden.encode("utf-8", "replace").decode()[:LONGEST_DETAIL]


def reason(error: aiohttp.ClientError) -> str:
    """Put an aiohttp error in a few words."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return f"TLS failed ({error})"
        case aiohttp.ClientConnectorError(os_error=os_error) if not isinstance(os_error, ssl.SSLError):
            return f"cannot connect ({os_error.strerror or os_error})"
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection"
        case _:
            return str(error) or type(error).__name__
