"""Routes about the server itself, without a key: features, liveness, readiness, metrics."""

import asyncio
import logging
import math
import time
from typing import Any, Final

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reka._version import __version__
from reka.server.generation.types import GenerationError
from reka.server.http.openapi import PUBLIC_TAG
from reka.server.http.page import PAGE_PATH, is_page_wanted, page_response
from reka.server.service import Service
from reka.server.telemetry import metrics

__all__ = ["add_health_routes", "no_model_notice"]

logger: Final = logging.getLogger(__name__)

THREADS: Final = 4
"""Threads that the checks have of their own: they answer while requests wait in all others for the database (ours)."""

_NO_MODEL: Final = (
    "No language model is attached: answers are quotations from the retrieved chunks or from the conversation itself. "
    "Start the server with --upstream URL to put one behind it."
)


def no_model_notice(service: Service) -> str | None:
    """Notice for users that answers are quotations; None where a language model is attached."""
    return None if service.backend.language_model else _NO_MODEL


def add_health_routes(app: FastAPI, service: Service) -> None:
    """Add the server's own routes to an application."""
    model, threads = _ModelCheck(service), CapacityLimiter(THREADS)

    @app.get(
        PAGE_PATH,
        tags=[PUBLIC_TAG],
        response_model=dict[str, Any],
        responses={200: {"content": {"text/html": {}}}},
    )
    async def get_server_info(request: Request, response: Response) -> Any:
        """Get the server's name, version and features; a browser gets a page."""
        if is_page_wanted(request.headers.get("accept", "")):
            return page_response(request)
        response.headers["Vary"] = "Accept"
        return {
            "name": "reka",
            "version": __version__,
            "features": service.features,
            "language_model": service.backend.language_model,
            "note": no_model_notice(service),
        }

    @app.get("/healthz", tags=[PUBLIC_TAG])
    async def liveness() -> dict[str, bool]:
        """Check that the server responds."""
        return {"ok": True}

    @app.get("/readyz", tags=[PUBLIC_TAG], responses={503: {"description": "Not ready; its log says why."}})
    async def readiness() -> JSONResponse:
        """Check that the server can work: database, data folder and its disk, index, job worker, model."""
        if service.is_draining:
            return JSONResponse({"ready": False, "draining": True}, 503)
        checks = {
            "database": await to_thread.run_sync(_is_database_up, service, limiter=threads),
            "storage": await to_thread.run_sync(service.is_storage_usable, limiter=threads),
            "index": await to_thread.run_sync(service.is_index_complete, limiter=threads),
            "model": await model.is_up(),
        }
        if service.is_worker_running is not None:
            checks["worker"] = service.is_worker_running()
        is_ready = all(checks.values())
        return JSONResponse({"ready": is_ready, **checks}, 200 if is_ready else 503)

    @app.get(
        "/metrics", tags=[PUBLIC_TAG], response_class=Response, responses={200: {"content": {metrics.CONTENT_TYPE: {}}}}
    )
    async def get_metrics() -> Response:
        """Prometheus metrics."""
        text = await to_thread.run_sync(service.metrics.text, limiter=threads)
        return Response(text, headers={"Content-Type": metrics.CONTENT_TYPE})


def _is_database_up(service: Service) -> bool:
    try:
        service.jobs.check_database()
    except Exception:
        logger.warning("not ready: the database does not answer", exc_info=True)
        return False
    return True


class _ModelCheck:
    """Whether the model answers, asked once for all who want to know within some seconds: they need no key."""

    def __init__(self, service: Service) -> None:
        self._backend = service.backend
        self._seconds = service.settings.readiness_seconds
        self._lock = asyncio.Lock()
        self._is_up = False
        self._expires = -math.inf

    async def is_up(self) -> bool:
        async with self._lock:
            if time.monotonic() >= self._expires:
                self._is_up = await self._ask()
                self._expires = time.monotonic() + self._seconds
            return self._is_up

    async def _ask(self) -> bool:
        try:
            await self._backend.check()
        except GenerationError as error:
            logger.warning("not ready: %s", error)
            return False
        return True
