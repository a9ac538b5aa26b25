"""An error status and its body, or an error in a successful answer -> one typed error."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from reka._protocol.answers.json_text import parse_json
from reka._protocol.errors import (
    LIMIT_HEADERS,
    detail,
    error_code,
    error_report,
    error_report_of_choice,
    is_no_balance,
    non_negative,
    retry_after,
    status_in_stream,
)
from reka._wire.reply import Reply, readable_text
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
from reka.errors.combined import combined
from reka.errors.http import Received, StatusError


class OwnError(NamedTuple):
    """What an error of a status is at one endpoint."""

    kind: type[RekaError]
    reason: str | None = None
    """What went wrong, in the words of `reka-api` 2; None if it has none."""

    replaces: bool = True
    """Whether the class stands in place of the status's; otherwise the error is of both."""


_LONGEST_BODY: Final = 10_000
_BY_STATUS: Final[Mapping[int, type[RekaError]]] = {
    401: AuthError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
}


def error_for(reply: Reply, own: Callable[[int, str], OwnError | None]) -> RekaError:
    """The error that a reply stands for: the call's own, else the status's; it is an HTTP error of requests too."""
    message = (
        readable_text(detail(reply.body))
        or f"{reply.request_line} was answered with status {reply.status} and nothing more"
    )
    code = error_code(reply.body)
    special = own(reply.status, message)
    if special is not None and special.replaces:
        kind = combined(special.kind, StatusError)
    else:
        own_kinds = () if special is None else (special.kind,)
        kind = combined(_kind(reply.status, code, message), *own_kinds, StatusError)
    error = _error_of(kind, message, code, reply)
    if special is not None:
        vars(error)["_reason"] = special.reason
    vars(error)["received"] = Received(reply.status, dict(reply.headers), reply.body, reply.request_line)
    return error


def _error_of(kind: type[RekaError], message: str, code: str | None, reply: Reply) -> RekaError:
    wait = retry_after(reply.headers, time.time())
    if issubclass(kind, AuthError):
        message = f"the server does not take this key: {message}"
    if not issubclass(kind, APIStatusError):
        return kind(message, reply.status, reply.request_id, wait, code)
    body = reply.body.decode("utf-8", "replace")[:_LONGEST_BODY]
    if not issubclass(kind, RateLimitError):
        return kind(message, reply.status, reply.request_id, wait, code, body)
    limit, remaining, reset = (
        non_negative(reply.headers.get(f"{LIMIT_HEADERS}{name}")) for name in ("limit", "remaining", "reset")
    )
    return kind(message, reply.status, reply.request_id, wait, code, body, _whole(limit), _whole(remaining), reset)


def error_in_answer(reply: Reply) -> RekaError | None:
    """The error that a successful reply reports in place of an answer; None if it reports none."""
    try:
        document = parse_json(reply.body.decode("utf-8", "replace"))
    except ValueError:
        return None
    return error_in_document(document, reply.request_id) if isinstance(document, dict) else None


def error_in_document(document: Mapping[str, Any], request_id: str | None) -> RekaError | None:
    """The error that a whole answer, or an event of a stream, reports; None if it reports none."""
    report = error_report(document)
    return None if report is None else reported_error(report, request_id)


def error_in_choice(choice: Mapping[str, Any], request_id: str | None) -> RekaError | None:
    """The error that a choice reports; None if it reports none."""
    report = error_report_of_choice(choice)
    return None if report is None else reported_error(report, request_id)


def reported_error(document: Mapping[str, Any], request_id: str | None) -> RekaError:
    """The error that a document is; the answer's own status was a success."""
    body = json.dumps(document)
    message = readable_text(detail(body.encode())) or "the server reports an error and does not say which"
    code = error_code(body.encode())
    if is_no_balance(code, message):
        return InsufficientBalanceError(message, None, request_id, None, code, body)
    kind = _kind(status_in_stream(document), code, message)
    if not issubclass(kind, APIStatusError):
        return kind(message, None, request_id, None, code)
    return kind(message, None, request_id, None, code, body)


def _kind(status: int, code: str | None, message: str) -> type[RekaError]:
    if status == 429 and is_no_balance(code, message):
        return InsufficientBalanceError
    if status >= 500:
        return ServerError
    return _BY_STATUS.get(status, InvalidRequestError if status >= 400 else APIStatusError)


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
