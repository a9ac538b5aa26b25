"""An error status and its body -> one typed error."""

import json
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Final

from reka._wire.reply import Reply
from reka.errors import (
    APIStatusError,
    AuthError,
    InsufficientBalanceError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RekaError,
    ServerError,
)

NO_BALANCE: Final = "P001"
"""Code of a 429 that means: the account has no balance (observed on the live host)."""

_LONGEST_DETAIL: Final = 1000
_LONGEST_BODY: Final = 10_000
_LIMITS: Final = ("limit", "remaining", "reset")
_BY_STATUS: Final[Mapping[int, type[RekaError]]] = {
    401: AuthError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
}
_BY_TYPE: Final[Mapping[str, type[RekaError]]] = {
    "authentication_error": AuthError,
    "permission_error": PermissionDeniedError,
    "not_found_error": NotFoundError,
    "invalid_request_error": InvalidRequestError,
    "rate_limit_error": RateLimitError,
}
"""Types of errors as the live host and OpenAI's name them."""


def error_for(reply: Reply, own: Callable[[int, str], type[RekaError] | None]) -> RekaError:
    """The error that a reply stands for: the call's own, else the status's."""
    message = detail(reply.body) or f"{reply.request_line} was answered with status {reply.status} and nothing more"
    kind = own(reply.status, message) or _kind(reply.status, message)
    wait = retry_after(reply.headers, time.time())
    if kind is AuthError:
        message = f"the server does not take this key: {message}"
    if not issubclass(kind, APIStatusError):
        return kind(message, reply.status, reply.request_id, wait)
    body = reply.body.decode("utf-8", "replace")[:_LONGEST_BODY]
    code = error_code(reply.body)
    if not issubclass(kind, RateLimitError):
        return kind(message, reply.status, reply.request_id, wait, code, body)
    limit, remaining, reset = (_number(reply.headers.get(f"x-ratelimit-{name}")) for name in _LIMITS)
    return kind(message, reply.status, reply.request_id, wait, code, body, _whole(limit), _whole(remaining), reset)


def error_in_stream(document: Mapping[str, object], request_id: str | None) -> RekaError:
    """The error that an event of a stream stands for; the status was a success, so its type or code tells the class."""
    body = json.dumps(document)
    message = detail(body.encode()) or "the server reports an error and does not say which"
    code = error_code(body.encode())
    if NO_BALANCE in message or code == NO_BALANCE:
        return InsufficientBalanceError(message, None, request_id, None, code, body)
    error = document.get("error")
    kind = _BY_TYPE.get(str(error.get("type")) if isinstance(error, dict) else "", ServerError)
    if not issubclass(kind, APIStatusError):
        return kind(message, None, request_id)
    return kind(message, None, request_id, None, code, body)


def _kind(status: int, message: str) -> type[RekaError]:
    if status == 429 and NO_BALANCE in message:
        return InsufficientBalanceError
    if status >= 500:
        return ServerError
    return _BY_STATUS.get(status, InvalidRequestError if status >= 400 else APIStatusError)


def detail(body: bytes) -> str:
    """What an error's body says, in one text; empty if it says nothing.

    Understood: `{"detail": str}`, `{"detail": [{"loc", "msg"}]}`, `{"error": {"message", "code"}}`, HTML, plain text.
    """
    text = body.decode("utf-8", "replace").strip()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return _html_to_text(text)[:_LONGEST_DETAIL]
    if isinstance(document, dict):
        document = document.get("detail", document.get("error", document))
    return _error_text(document)[:_LONGEST_DETAIL]


def _error_text(document: object) -> str:
    if isinstance(document, str):
        return document
    if isinstance(document, list):
        return "; ".join(_error_text(item) for item in document)
    if isinstance(document, dict) and isinstance(message := document.get("msg") or document.get("message"), str):
        place = ".".join(str(part) for part in document.get("loc") or () if part != "body")
        code = document.get("code")
        prefix = f"{place}: " if place else f"{code}: " if code and str(code) not in message else ""
        return prefix + message
    return "" if document is None else json.dumps(document)


def _html_to_text(text: str) -> str:
    """The text of a page that some proxy sent in place of an answer."""
    if not text.startswith("<"):
        return text
    without_code = re.sub(r"(?is)<(script|style|head)\b.*?</\1\s*>", " ", text)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", without_code)).split())


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """How many seconds the server asks to wait, by `retry-after-ms` or `Retry-After`; None if it does not say.

    Args:
        headers: Of the answer.
        now: Seconds since the epoch, to measure a date against.

    Source: RFC 9110, 10.2.3; milliseconds as observed on OpenAI-compatible hosts.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        seconds = _number(headers.get(name))
        if seconds is not None:
            return seconds / unit
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, date.timestamp() - now)


def error_code(body: bytes) -> str | None:
    """The server's own code for an error, where the body is a JSON object that gives one."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    error = document.get("error", document) if isinstance(document, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return None if code is None else str(code)


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
