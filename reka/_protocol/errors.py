"""Error responses: types, statuses, bodies and delays, as servers write and clients read them."""

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

from reka._protocol.answers.json_text import parse_json
from reka._protocol.responses import answer_choice

NO_BALANCE: Final = "P001"
"""Code of a 429 for an account without balance (observed on the live host)."""

LIMIT_HEADERS: Final = "x-ratelimit-"
"""Prefix of rate limit headers; hosts differ in the rest of the name."""

ENDPOINT_MISSING: Final = frozenset({404, 405, 410})
"""Statuses of an endpoint that a server does not have."""

STATUS_OF_TYPE: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "validation_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "server_error": 500,
}
"""Error types of the live host and OpenAI's API, with the status of each."""

_STATUS_OF_CODE: Final[Mapping[str, int]] = {
    "context_length_exceeded": 400,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "rate_limit_exceeded": 429,
}
"""Codes of OpenAI's API, with the status of each: its types do not always say as much."""

_MODEL_STATUSES: Final = frozenset({400, 404, 422})
_MODEL_CODES: Final = frozenset({"model_not_found", "model_not_available"})
_CODE: Final = re.compile(r"<(script|style|head)\b")
_TAG: Final = re.compile(r"<[^<>]*>")
_NO_SUCH_MODEL: Final = re.compile(
    r"\b(no|unknown|invalid|unsupported)(\s+(such|value|access|endpoints?|found|for|to|the|chat|language))*\W+model\b"
    r"|\bmodel\b.{0,200}\b(not found|not exist|unknown|not available|no access)",
    re.IGNORECASE | re.DOTALL,
)

_TYPE_OF_STATUS: Final = {status: kind for kind, status in reversed(tuple(STATUS_OF_TYPE.items()))}
_LONGEST_DETAIL: Final = 1000
_LONGEST_PAGE: Final = 100_000
_NO_REASON: Final = "the server ended the answer with an error, and gives no reason"


def type_of_status(status: int) -> str:
    """Error type of a status; others have the type of their class (4xx, 5xx)."""
    return _TYPE_OF_STATUS.get(status, "server_error" if status >= 500 else "invalid_request_error")


def error_report(document: object) -> Mapping[str, Any] | None:
    """Find the error in a document, whole or an event of a stream, that came with a success status; None if none.

    It is under `error`, there or in the answer's choice, or is the document itself: `{"object": "error", "message":
    ...}`, or `{"detail": ...}` in place of choices. A finish reason `error` reports one too.

    Returns:
        A document that `status_in_stream`, `detail` and `error_code` read.
    """
    if not isinstance(document, dict):
        return None
    if document.get("error"):
        return document
    choices = document.get("choices")
    choice = answer_choice(choices or document.get("responses"))
    if choice is not None:
        return error_report_of_choice(choice)
    is_error = document.get("object") == "error" or ("detail" in document and choices is None)
    return document if is_error else None


def error_report_of_choice(choice: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Find the error that a choice reports, as `error_report` does; None if it reports none."""
    error = choice.get("error")
    if not error and choice.get("finish_reason") != "error":
        return None
    return {"error": error or {"message": _NO_REASON}}


def status_in_stream(event: Mapping[str, Any]) -> int:
    """Status of an error in a response with a success status: its code if numeric, else what code or type stand for."""
    error = event.get("error")
    fields = error if isinstance(error, Mapping) else event
    code, kind = str(fields.get("code")), str(fields.get("type"))
    if len(code) == 3 and code.isdecimal() and 400 <= int(code) < 600:
        return int(code)
    return _STATUS_OF_CODE.get(code) or STATUS_OF_TYPE.get(kind) or STATUS_OF_TYPE.get(code, 500)


def is_no_balance(code: str | None, message: str) -> bool:
    """Whether an error reports an account without balance, where retrying does not help."""
    return code == NO_BALANCE or NO_BALANCE in message


def is_missing_model(status: int | None, code: str | None, message: str, model: str | None) -> bool:
    """Whether the error of a chat says that the server does not have a model.

    Args:
        status: Status of the response; None if the error came in one with a success status.
        code: Error code; None if there is none.
        message: The server's own words.
        model: Name of the model; None for any.
    """
    if status not in _MODEL_STATUSES:
        return False
    if code in _MODEL_CODES:
        return True
    return (model is None or model in message) and bool(_NO_SUCH_MODEL.search(message))


def detail(body: bytes) -> str:
    """Message of an error body as one text; empty if there is none.

    Supported: `{"detail": str}`, `{"detail": [{"loc", "msg"}]}`, `{"error": {"message", "code"}}`, HTML, plain text.
    """
    text = body.decode("utf-8", "replace").strip()
    try:
        document = parse_json(text)
    except ValueError:
        return _html_to_text(text)[:_LONGEST_DETAIL]
    if isinstance(document, dict):
        document = document.get("detail", document.get("error", document))
    return _error_text(document)[:_LONGEST_DETAIL]


def error_code(body: bytes) -> str | None:
    """Error code in a JSON body; None if it has none."""
    try:
        document = parse_json(body.decode("utf-8", "replace"))
    except ValueError:
        return None
    error = document.get("error", document) if isinstance(document, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return None if code is None else str(code)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait according to `retry-after-ms` or `Retry-After`; None if the response has neither.

    Args:
        headers: Headers of the response.
        now: Current time in seconds since the epoch, for a date.

    Source: RFC 9110, 10.2.3; milliseconds as observed on OpenAI-compatible hosts.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        seconds = non_negative(headers.get(name))
        if seconds is not None:
            return seconds / unit
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, date.timestamp() - now)


def non_negative(text: str | None) -> float | None:
    """Parse a header's number; None if it is not a finite number of at least 0."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _error_text(document: object) -> str:
    if isinstance(document, str):
        return document
    if isinstance(document, list):
        return "; ".join(_error_text(item) for item in document)
    if isinstance(document, dict) and isinstance(message := document.get("msg") or document.get("message"), str):
        location = document.get("loc")
        place = ".".join(str(part) for part in location if part != "body") if isinstance(location, list) else ""
        code = document.get("code")
        prefix = f"{place}: " if place else f"{code}: " if code and str(code) not in message else ""
        return prefix + message
    return "" if document is None else json.dumps(document)


def _html_to_text(text: str) -> str:
    """Text of an HTML page, which a proxy may send in place of a response."""
    if not text.startswith("<"):
        return text
    from html import unescape  # with a table of all entities, for pages that hardly ever come

    return " ".join(unescape(_TAG.sub(" ", _without_code(text[:_LONGEST_PAGE]))).split())


def _without_code(text: str) -> str:
    """Leave out the elements of a page that are not shown, in one pass."""
    lower, shown, place = text.lower(), [], 0
    while start := _CODE.search(lower, place):
        shown.append(text[place : start.start()])
        place = lower.find(f"</{start[1]}", start.end())
        if place < 0:
            return " ".join(shown)
    return " ".join([*shown, text[place:]])
