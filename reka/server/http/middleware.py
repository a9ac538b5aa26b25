"""The outermost middleware: the record of a request, the headers of its response, its metrics and its log line."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reka._protocol.errors import LIMIT_HEADERS
from reka._telemetry.active import active_tracer
from reka.server.error_bodies import CLIENT_GONE, error_body
from reka.server.http.docs_page import DOCS_PATH
from reka.server.http.page import PAGE_PATH
from reka.server.telemetry.access_log import AccessLog, Outcome
from reka.server.telemetry.metrics import Metrics
from reka.server.telemetry.request_record import RequestRecord, begin_record, end_record, new_record
from reka.server.telemetry.spans import RequestSpan

logger: Final = logging.getLogger(__name__)

RATE_LIMIT: Final = "reka.rate_limit"
"""Key of a request's scope: headers of its response that say how many requests are left."""

AT_END: Final = "reka.at_end"
"""Key of a request's scope: a function that is called when its response has been sent, or nobody waits for it."""

_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
_POLICY_HEADER: Final = b"content-security-policy"
_NO_PAGE: Final = (_POLICY_HEADER, b"default-src 'none'; frame-ancestors 'none'")
"""A browser that is made to show a response as a page runs and loads nothing; pages have policies of their own."""

_RETRY_SECONDS: Final = "1"
"""Seconds after which a client asks another server, or this one when it is started again (ours)."""

_PAGES: Final = frozenset({PAGE_PATH, DOCS_PATH})


class RequestMiddleware:
    """Gives each request a record, and each response its id, its rate limits and what a browser must not do with it.

    It turns an unhandled exception into a 500 that reveals no internals, and the end of the server, if the request has
    not ended by then, into a 503. It counts and times requests up to the end of their responses, writes their lines of
    the access log, and ends what they hold.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, access_log: AccessLog | None) -> None:
        """Wrap `app`.

        Args:
            app: The application.
            metrics: Counts requests.
            access_log: Where each request has a line; None for nowhere.
        """
        self._app = app
        self._metrics = metrics
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        record = new_record(scope["headers"])
        response = _Response(scope, send, record.id)
        body = None if self._access_log is None else _Body(receive)
        token = begin_record(record)
        tracer = active_tracer()
        span = None if tracer is None else RequestSpan(tracer, scope["method"], scope["scheme"], record)
        try:
            await self._respond(scope, body.receive if body else receive, response, record)
        finally:
            if at_end := scope.get(AT_END):
                at_end()
            seconds = time.monotonic() - started
            route = getattr(scope.get("route"), "path_format", None)
            if span is not None:
                span.end(route, response.status, seconds)
            end_record(token)
            self._metrics.record_request(scope["method"], route, response.status, seconds)
            if self._access_log is not None and body is not None:
                outcome = Outcome(
                    scope["method"],
                    route,
                    scope["path"],
                    response.status,
                    seconds,
                    body.size,
                    response.size,
                    response.is_complete,
                )
                self._access_log.write(record, outcome)

    async def _respond(self, scope: Scope, receive: Receive, response: "_Response", record: RequestRecord) -> None:
        try:
            await self._app(scope, receive, response.send)
        except asyncio.CancelledError:  # by a server that ends, and waits no longer; its connection is closed then
            if not response.has_started:
                detail = "The server is ending, and this request has taken longer than it waits: send it again"
                headers = {"Retry-After": _RETRY_SECONDS, "Connection": "close"}
                await JSONResponse(error_body(scope["path"], 503, detail), 503, headers)(scope, receive, response.send)
        except Exception:
            logger.exception("request %s (%s %s) failed", record.id, scope["method"], scope["path"])
            if response.has_started:
                raise
            detail = f"Internal server error; the server's log has the cause under request id {record.id}"
            failure = JSONResponse(error_body(scope["path"], 500, detail), 500)
            await failure(scope, receive, response.send)


class _Response:
    """Sends a response with more headers, and notes what it was."""

    __slots__ = ("_request_id", "_scope", "_send", "has_started", "is_complete", "size", "status")

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._scope = scope
        self._send = send
        self._request_id = request_id
        self.status = CLIENT_GONE
        self.has_started = self.is_complete = False
        self.size = 0
        """Bytes of the body."""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
            self.is_complete = not message.get("more_body", False)
        elif message["type"] == "http.response.start":
            self.has_started = True
            self.status = message["status"]
            message["headers"] = [*message["headers"], *self._headers(message)]
        await self._send(message)

    def _headers(self, message: Message) -> list[tuple[bytes, bytes]]:
        headers = [(b"x-request-id", self._request_id.encode()), _NO_SNIFFING, *_rate_limit(self._scope, message)]
        has_policy = self._scope["path"] in _PAGES and any(name == _POLICY_HEADER for name, _ in message["headers"])
        return headers if has_policy else [*headers, _NO_PAGE]


class _Body:
    """Receives a request, and counts the bytes of its body."""

    __slots__ = ("_receive", "size")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.size = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self.size += len(message.get("body", b""))
        return message


def _rate_limit(scope: Scope, message: Message) -> Sequence[tuple[bytes, bytes]]:
    """Headers of the rate limit, unless a model behind the server has stopped the request with a limit of its own."""
    limits: Sequence[tuple[bytes, bytes]] = scope.get(RATE_LIMIT, ())
    if limits and any(name.startswith(LIMIT_HEADERS.encode()) for name, _ in message["headers"]):
        return ()
    return limits
