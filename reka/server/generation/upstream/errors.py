"""Conversion of an upstream's errors to `GenerationError`: never to one that blames the caller's key."""

import json
import re
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from reka._protocol.errors import (
    detail,
    error_code,
    is_no_balance,
    retry_after,
    status_in_stream,
)
from reka._protocol.retries import RETRY_STATUSES
from reka.server.generation.types import GenerationError

__all__ = ["RefusedRequestError", "TransientError", "error_for", "error_in_body", "reason", "redact"]

LONGEST_DETAIL: Final = 500
"""Characters after which an upstream's error message is truncated."""

_LIMIT_HEADER: Final = re.compile(
    r"x-ratelimit-((requests|tokens)-)?(limit|remaining|reset)(-(requests|tokens))?", re.IGNORECASE
)
"""Rate limit headers as hosts name them (Reka's, OpenAI's)."""

_LIMIT_VALUE: Final = re.compile(r"[0-9.]{1,20}|([0-9.]{1,10}(ms|[smhd])){1,4}|[0-9-]{10}[T ][0-9:.]{8,15}Z?", re.ASCII)
"""Their values: a number, a duration such as `6m0s`, or a time."""

_REQUEST_ERRORS: Final = frozenset({400, 413, 422})


class TransientError(GenerationError):
    """An error that a retry may resolve."""


class RefusedRequestError(GenerationError):
    """The upstream refuses a request for what it contains.

    Args:
        detail: See `GenerationError`.
        code: See `GenerationError`.
        upstream_status: Status of the upstream's response.
        reason: The upstream's own words.
    """

    def __init__(self, detail: str, code: str | None, upstream_status: int, reason: str) -> None:
        super().__init__(400, detail, None, code)
        self.upstream_status = upstream_status
        self.reason = reason


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
    # A retry does not help an account without balance.
    kind = TransientError if status in RETRY_STATUSES and not is_no_balance(code, message) else GenerationError
    wait = retry_after(headers, time.time()) if status in RETRY_STATUSES else None
    match status:
        case 401 | 403:
            return GenerationError(
                502, f"the upstream {url} refuses this server's key ({cause}): see --upstream-key-env"
            )
        case 429 | 503:
            return kind(status, f"the upstream {url} is busy ({cause})", wait, code, _limits(headers, key))
        case 408 | 504:
            return kind(504, f"the upstream {url} did not answer in time ({cause})", wait, code)
        case _ if status in _REQUEST_ERRORS:
            return RefusedRequestError(f"the upstream {url} refuses the request ({cause})", code, status, message)
        case _:
            return kind(502, f"the upstream {url} answers with an error ({cause})", wait, code)


def _limits(headers: Mapping[str, str], key: str | None) -> dict[str, str]:
    """Select the headers that may be passed on, by name and by form: others may hold a key, a cookie or an account."""
    return {
        name.lower(): value
        for name, value in headers.items()
        if _LIMIT_HEADER.fullmatch(name) and _LIMIT_VALUE.fullmatch(value) and not (key and key in value)
    }


def error_in_body(report: Mapping[str, Any], url: str, key: str | None) -> GenerationError:
    """Convert an error report; its code may be a status, or its type stand for one."""
    return error_for(status_in_stream(report), {}, json.dumps(report).encode(), url, key)


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
