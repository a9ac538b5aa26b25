"""What an upstream's failures mean for who asked this server: never that *their* key is wrong."""

import json
import ssl
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp

from reka.server.answers import AnswerError

__all__ = ["PassingError", "error_for", "error_in_stream", "message_of", "reason"]

LONGEST_DETAIL: Final = 500
"""Characters of an upstream error message that are passed on."""

NO_BALANCE: Final = "P001"
"""Code of a 429 of Reka's host that means: the account has no balance. To ask again does not help."""

_CALLERS_FAULT: Final = frozenset({400, 413, 422})
_LIMITS: Final = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


class PassingError(AnswerError):
    """A failure that may be over at the next try."""


def error_for(status: int, headers: Mapping[str, str], data: bytes, url: str, key: str | None) -> AnswerError:
    """Make the error that an upstream's error status stands for.

    Args:
        status: Its status.
        headers: Its headers.
        data: Its body.
        url: The upstream's address, to be shown.
        key: The key for it, not to be shown: some servers repeat the key that they refuse.
    """
    message, code = message_of(data)
    message = shown(message, key)
    said = f": {message}" if message else ""
    match status:
        case 401 | 403:
            return AnswerError(
                502, f"the upstream {url} refuses this server's key ({status}{said}): see --upstream-key-env"
            )
        case 429 | 503:
            kind = AnswerError if NO_BALANCE in f"{code} {message}" else PassingError
            limits = {name: headers[name] for name in _LIMITS if name in headers}
            return kind(status, f"the upstream {url} is busy ({status}{said})", _retry_after(headers), code, limits)
        case 408 | 504:
            return AnswerError(504, f"the upstream {url} did not answer in time ({status}{said})")
        case _ if status in _CALLERS_FAULT:
            return AnswerError(400, f"the upstream {url} refuses the request ({status}{said})", None, code)
        case _ if 300 <= status < 400:
            return AnswerError(502, f"the upstream {url} answers with a redirect ({status}): use the address it is at")
        case _ if status in (500, 502):
            return PassingError(502, f"the upstream {url} answers with an error ({status}{said})", None, code)
        case _:
            return AnswerError(502, f"the upstream {url} answers with an error ({status}{said})", None, code)


def error_in_stream(event: Any, url: str, key: str | None) -> AnswerError:
    """Make the error that an event of a stream stands for."""
    message, code = message_of(json.dumps(event).encode())
    return AnswerError(502, f"the upstream {url} reports an error: {shown(message, key)}", None, code)


def message_of(data: bytes) -> tuple[str, str | None]:
    """Find what an error's body says, and its code: OpenAI's `{"error": {"message"}}`, `{"detail"}`, or plain text."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return " ".join(data[: 4 * LONGEST_DETAIL].decode("utf-8", "replace").split()), None
    error = (value.get("error") or value.get("detail") or value) if isinstance(value, dict) else value
    message = error.get("message", error) if isinstance(error, dict) else error
    code = error.get("code") if isinstance(error, dict) else None
    return message if isinstance(message, str) else json.dumps(message), code if isinstance(code, str) else None


def shown(message: str, key: str | None) -> str:
    """Cut a foreign message to what may be passed on."""
    return (message.replace(key, "***") if key else message)[:LONGEST_DETAIL]


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


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read a Retry-After header, which holds seconds or a date. None if there is none, or none that makes sense."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())
