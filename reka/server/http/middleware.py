"""Middleware: headers of every response, and metrics of requests."""

import logging
import time
from collections.abc import Sequence
from typing import Final
from uuid import uuid4

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reka._protocol.errors import LIMIT_HEADERS
from reka.server.error_bodies import CLIENT_GONE, error_body
from reka.server.http.docs_page import DOCS_PATH
from reka.server.http.page import PAGE_PATH
from reka.server.metrics import Metrics

logger = logging.getLogger(__name__)

RATE_LIMIT: Final = "reka.rate_limit"
"""Key of a request's scope: headers of its response that say how many requests are left."""

AT_END: Final = "reka.at_end"
"""Key of a request's scope: a function that is called when its response has been sent, or nobody waits for it."""

_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
_POLICY_HEADER: Final = b"content-security-policy"
_NO_PAGE: Final = (_POLICY_HEADER, b"default-src 'none'; frame-ancestors 'none'")
"""A browser that is made to show a response as a page runs and loads nothing; pages have policies of their own."""

_PAGES: Final = frozenset({PAGE_PATH, DOCS_PATH})


class ResponseHeadersMiddleware:
    """Adds `x-request-id`, rate limits and what a browser must not do with a response to every response.

    It turns an unhandled exception into a 500 that reveals no internals.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid4().hex
        added = [(b"x-request-id", request_id.encode()), _NO_SNIFFING, _NO_PAGE]
        may_be_page = scope["path"] in _PAGES
        has_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                if may_be_page and any(name == _POLICY_HEADER for name, _ in message["headers"]):
                    added.remove(_NO_PAGE)
                message["headers"] = [*message["headers"], *added, *_rate_limit(scope, message)]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            logger.exception("request %s (%s %s) failed", request_id, scope["method"], scope["path"])
            if has_started:
                raise
            detail = f"Internal server error; the server's log has the cause under request id {request_id}"
            failure = JSONResponse(error_body(scope["path"], 500, detail), 500)
            await failure(scope, receive, send_with_headers)


def _rate_limit(scope: Scope, message: Message) -> Sequence[tuple[bytes, bytes]]:
    """Headers of the rate limit, unless a model behind the server has stopped the request with a limit of its own."""
    limits: Sequence[tuple[bytes, bytes]] = scope.get(RATE_LIMIT, ())
    if limits and any(name.startswith(LIMIT_HEADERS.encode()) for name, _ in message["headers"]):
        return ()
    return limits


class MetricsMiddleware:
    """Counts requests, measures their duration up to the end of the response, and ends what they hold."""

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
            if at_end := scope.get(AT_END):
                at_end()
            route = getattr(scope.get("route"), "path_format", None)
            self._counters.record_request(scope["method"], route, status, time.monotonic() - started)
