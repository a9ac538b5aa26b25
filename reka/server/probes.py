"""What tells of a server itself, and needs no key: its features, whether it is up and ready, what it has counted."""

import logging
import time
from typing import Any, Final

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reka._version import __version__
from reka.server import metrics
from reka.server.answers import AnswerError
from reka.server.failures import CLIENT_GONE
from reka.server.metrics import Metrics
from reka.server.replies import OPEN
from reka.server.service import Service

__all__ = ["CountedRequests", "add_probes", "note"]

logger = logging.getLogger(__name__)

_NO_MODEL: Final = (
    "No language model is attached: answers are quotations from the retrieved chunks or from the conversation itself. "
    "Start the server with --upstream URL to put one behind it."
)


def note(service: Service) -> str | None:
    """What a user should know about the answers of a service: None, or that there is no language model."""
    return None if service.answerer.language_model else _NO_MODEL


def add_probes(app: FastAPI, service: Service) -> None:
    """Add the routes to an application."""

    @app.get("/", tags=[OPEN])
    async def about() -> dict[str, Any]:
        """Tell what this server is and can do."""
        return {
            "name": "reka",
            "version": __version__,
            "features": service.features,
            "language_model": service.answerer.language_model,
            "note": note(service),
        }

    @app.get("/healthz", tags=[OPEN])
    async def health() -> dict[str, bool]:
        """Tell that the server answers."""
        return {"ok": True}

    @app.get("/readyz", tags=[OPEN], responses={503: {"description": "Not ready; its log says why."}})
    async def ready() -> JSONResponse:
        """Tell whether the server can do its work: the database answers, jobs are done, the model is there."""
        parts = {
            "database": await _database_answers(service),
            "worker": service.worker.is_running,
            "model": await _model_answers(service),
        }
        is_ready = all(parts.values())
        return JSONResponse({"ready": is_ready, **parts}, 200 if is_ready else 503)

    @app.get("/metrics", tags=[OPEN], response_class=Response, responses={200: {"content": {metrics.CONTENT_TYPE: {}}}})
    def counted() -> Response:
        """Tell what was counted, for Prometheus."""
        return Response(service.metrics.text(), headers={"Content-Type": metrics.CONTENT_TYPE})


async def _database_answers(service: Service) -> bool:
    try:
        await run_in_threadpool(service.jobs.counted)
    except Exception:
        logger.warning("not ready: the database does not answer", exc_info=True)
        return False
    return True


async def _model_answers(service: Service) -> bool:
    try:
        await service.answerer.check()
    except AnswerError as error:
        logger.warning("not ready: %s", error)
        return False
    return True


class CountedRequests:
    """Counts requests and times them, to the end of their answers."""

    def __init__(self, app: ASGIApp, counters: Metrics) -> None:
        """Count in `counters` what `app` answers."""
        self._app = app
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        status = CLIENT_GONE

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_seen)
        finally:
            route = getattr(scope.get("route"), "path", None)
            self._counters.request_ended(scope["method"], route, status, time.monotonic() - started)
