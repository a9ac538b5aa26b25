"""How errors become answers, in one place: a status, a JSON `detail`, and a request id that the log has too."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reka.server.answers import AnswerError
from reka.server.chat import ChatBody
from reka.server.completions import CompletionBody
from reka.server.errors import ServiceError
from reka.server.failures import CLIENT_GONE, error_body, is_openai
from reka.server.native import NativeBody

logger = logging.getLogger(__name__)

_MAX_FAULTS: Final = 20
"""Faults that an answer lists: a body can have millions (ours)."""

_STRING: Final = {"type": "string"}

OPEN: Final = "server"
"""Tag of what needs no key."""

_KEYS: Final[Mapping[str, Any]] = {
    "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
"""Where a request may have its key, for the API's description: either will do."""

_BODIES: Final[tuple[type[BaseModel], ...]] = (ChatBody, NativeBody, CompletionBody)


def body_of(kind: type[BaseModel]) -> dict[str, Any]:
    """A route's body for the API's description: the route reads it itself, so FastAPI does not know it."""
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


UPLOAD_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["dataset_name", "file"],
                    "properties": {
                        "dataset_name": _STRING,
                        "dataset_description": _STRING,
                        "file": {"type": "string", "format": "binary"},
                    },
                }
            }
        },
    }
}
"""The body of an upload for the API's description, likewise."""


def install(app: FastAPI) -> None:
    """Give an application its error answers, request ids and the description of its bodies and keys."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(AnswerError, _answer_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ValidationError, _faults)
    app.add_exception_handler(RequestValidationError, _faults)
    app.add_exception_handler(ClientDisconnect, _client_is_gone)
    app.add_middleware(RequestIds)
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        description = describe()
        schemas = description.setdefault("components", {}).setdefault("schemas", {})
        for kind in _BODIES:
            if kind.__name__ not in schemas:
                schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(schema.pop("$defs", {}), **{kind.__name__: schema})
        description["components"]["securitySchemes"] = _KEYS
        for operation in (one for path in description["paths"].values() for one in path.values()):
            if operation["tags"] != [OPEN]:
                operation["security"] = [{scheme: []} for scheme in _KEYS]
        return description

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the description


class RequestIds:
    """Gives every answer an `x-request-id`, and an error that nobody foresaw an answer that names no inside."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid4().hex
        has_begun = False

        async def send_with_id(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            logger.exception("request %s (%s %s) failed", request_id, scope["method"], scope["path"])
            if has_begun:
                raise
            detail = f"The server failed on this request; its log says why, under {request_id}"
            failure = JSONResponse(error_body(scope["path"], 500, detail), 500)
            await failure(scope, receive, send_with_id)


def _service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return _error(request, error.status, error.detail, headers)


def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AnswerError)
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


def _faults(request: Request, error: Exception) -> Response:
    """List what is wrong with a body, without repeating the body: it may be large, or private."""
    assert isinstance(error, ValidationError | RequestValidationError)
    faults: Sequence[Any] = (
        error.errors(include_url=False, include_context=False, include_input=False)
        if isinstance(error, ValidationError)
        else error.errors()
    )
    listed = [
        {"loc": ["body", *fault["loc"]] if isinstance(error, ValidationError) else fault["loc"]}
        | {"msg": fault["msg"], "type": fault["type"]}
        for fault in faults[:_MAX_FAULTS]
    ]
    # OpenAI's API, and the live host after it, has one status for whatever is wrong with a request.
    return _error(request, 400 if is_openai(request.url.path) else 422, listed)


def _client_is_gone(request: Request, _: Exception) -> Response:
    # Nobody reads this answer; it only must not be taken for a failure of the server.
    return _error(request, CLIENT_GONE, "The client ended the request before it was answered")


def _error(
    request: Request,
    status: int,
    detail: str | Sequence[dict[str, Any]],
    headers: Mapping[str, str] | None = None,
    code: str | None = None,
) -> JSONResponse:
    return JSONResponse(error_body(request.url.path, status, detail, code), status, dict(headers) if headers else None)
