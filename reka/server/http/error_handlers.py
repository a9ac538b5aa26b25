"""Exception handlers: each error becomes a status and a JSON body in the form of the API family."""

import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from reka.server.error_bodies import CLIENT_GONE, error_body, is_openai
from reka.server.errors import ServiceError, StorageFullError, StorageUnavailableError, TooManyRequestsError
from reka.server.faults import describe_fault, is_disk_full, is_missing, is_transient
from reka.server.generation.types import GenerationError
from reka.server.telemetry.metrics import Metrics

logger: Final = logging.getLogger(__name__)

_MAX_VALIDATION_ERRORS: Final = 20
"""Validation errors listed in a response: a body can have millions (ours)."""

_MAX_NAME_CHARS: Final = 100
_MAX_MESSAGE_CHARS: Final = 1000


def register_error_handlers(app: FastAPI, metrics: Metrics, on_missing: Callable[[], object]) -> None:
    """Register a handler for each kind of error that a route can raise.

    Args:
        app: The application.
        metrics: Counts refusals and faults.
        on_missing: Called when a file or folder is not there; what it makes anew is there for the next request.
    """
    app.state.metrics, app.state.on_missing = metrics, on_missing
    app.add_exception_handler(ServiceError, _service_error)
    for kind in (OSError, SQLAlchemyError, sqlite3.Error):
        app.add_exception_handler(kind, _fault)
    app.add_exception_handler(GenerationError, _generation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ValidationError, _validation_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(ClientDisconnect, _client_disconnected)


def _service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    if isinstance(error, TooManyRequestsError):
        _metrics(request).record_refusal(error.limit)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    if error.retry_after is not None:
        headers["Retry-After"] = f"{error.retry_after:g}"
    return _error(request, error.status, error.detail, headers, error.code)


def _fault(request: Request, error: Exception) -> Response:
    """Answer when the data cannot be read or written now; any other error is one of the server's own."""
    if is_disk_full(error):
        _metrics(request).record_fault("disk_full")
        return _service_error(request, StorageFullError())
    if not is_transient(error) and not isinstance(error, FileNotFoundError):
        raise error
    if is_missing(error):
        request.app.state.on_missing()
    _metrics(request).record_fault("storage" if isinstance(error, OSError) else "database")
    logger.warning("%s %s: the data cannot be used", request.method, request.url.path, exc_info=error)
    return _service_error(
        request, StorageUnavailableError(f"The server cannot use its data now ({describe_fault(error)}): try again")
    )


def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


def _generation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, GenerationError)
    headers = dict(error.limits)
    if error.retry_after is not None:
        headers["Retry-After"] = f"{error.retry_after:g}"
    return _error(request, error.status, error.detail, headers, error.code)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.detail
    if error.status_code == 404:
        detail = f"There is nothing at {request.method} {request.url.path}; GET /openapi.json lists what there is"
    return _error(request, error.status_code, detail, error.headers)


def _validation_error(request: Request, error: Exception) -> Response:
    """List the validation errors of a body without repeating the body, which may be large or private."""
    assert isinstance(error, ValidationError | RequestValidationError)
    errors: Sequence[Any] = (
        error.errors(include_url=False, include_context=False, include_input=False)
        if isinstance(error, ValidationError)
        else error.errors()
    )
    details = [
        {
            "loc": [*(["body"] if isinstance(error, ValidationError) else []), *map(_shortened, one["loc"])],
            "msg": _shortened(one["msg"], _MAX_MESSAGE_CHARS),
            "type": one["type"],
        }
        for one in errors[:_MAX_VALIDATION_ERRORS]
    ]
    # OpenAI's API and the live host use 400 for every invalid request; FastAPI's own status is 422.
    return _error(request, 400 if is_openai(request.url.path) else 422, details)


def _shortened(value: Any, most: int = _MAX_NAME_CHARS) -> Any:
    """Shorten a text that may be the client's own, such as the name of an unknown field."""
    return f"{value[:most]}..." if isinstance(value, str) and len(value) > most else value


def _client_disconnected(request: Request, _: Exception) -> Response:
    # Nobody reads this response; it keeps a disconnect from being counted as a server error.
    return _error(request, CLIENT_GONE, "The client disconnected before the response was sent")


def _error(
    request: Request,
    status: int,
    detail: str | Sequence[dict[str, Any]],
    headers: Mapping[str, str] | None = None,
    code: str | None = None,
) -> JSONResponse:
    return JSONResponse(error_body(request.url.path, status, detail, code), status, dict(headers) if headers else None)
