"""How errors become answers, in one place: a status, a JSON `detail`, and a request id that the log has too."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reka.server.answers import AnswerError
from reka.server.chat import ChatBody
from reka.server.errors import ServiceError

logger = logging.getLogger(__name__)

_MAX_FAULTS: Final = 20
"""Faults that an answer lists: a body can have millions (ours)."""

_STRING: Final = {"type": "string"}

CHAT_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ChatBody"}}},
    }
}
"""The body of a chat for the API's description: the route reads it itself, so FastAPI does not know it."""

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
"""The body of an upload, likewise."""


def install(app: FastAPI) -> None:
    """Give an application its error answers, request ids and the description of its bodies."""
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
        if "ChatBody" not in schemas:
            chat = ChatBody.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(chat.pop("$defs"), ChatBody=chat)
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
            failure = _error(500, f"The server failed on this request; its log says why, under {request_id}")
            await failure(scope, receive, send_with_id)


def _service_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return _error(error.status, error.detail, headers)


def _answer_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AnswerError)
    headers = None if error.retry_after is None else {"Retry-After": f"{error.retry_after:g}"}
    return _error(error.status, error.detail, headers)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.detail
    if error.status_code == 404:
        detail = f"There is nothing at {request.method} {request.url.path}; GET /openapi.json lists what there is"
    return _error(error.status_code, detail, error.headers)


def _faults(_: Request, error: Exception) -> Response:
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
    return _error(422, listed)


def _client_is_gone(_: Request, __: Exception) -> Response:
    # Nobody reads this answer; it only must not be taken for a failure of the server.
    return _error(400, "The client ended the request before its body was whole")


def _error(status: int, detail: Any, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, dict(headers) if headers else None)
