"""Middleware: request ids, and metrics of requests."""

import logging
import time
from uuid import uuid4

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reka.server.error_bodies import CLIENT_GONE, error_body
from reka.server.metrics import Metrics

logger = logging.getLogger(__name__)


class RequestIdMiddleware:
    """Adds `x-request-id` to every response and turns an unhandled exception into a 500 that reveals no internals."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid4().hex
        has_started = False

        async def send_with_id(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            logger.exception("request %s (%s %s) failed", request_id, scope["method"], scope["path"])
            if has_started:
                raise
            detail = f"Internal server error; the server's log has the cause under request id {request_id}"
            failure = JSONResponse(error_body(scope["path"], 500, detail), 500)
            await failure(scope, receive, send_with_id)


class MetricsMiddleware:
    """Counts requests and measures their duration up to the end of the response."""

    def __init__(self, app: ASGIApp, counters: Metrics) -> None:
        """Record the requests of `app` in `counters`."""
        self._app = app
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        status = CLIENT_GONE

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note_status)
        finally:
            route = getattr(scope.get("route"), "path", None)
            self._counters.record_request(scope["method"], route, status, time.monotonic() - started)
