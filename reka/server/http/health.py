"""Routes about the server itself, without a key: features, liveness, readiness, metrics."""

import logging
from typing import Any, Final

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from reka._version import __version__
from reka.server import metrics
from reka.server.generation.types import GenerationError
from reka.server.http.openapi import PUBLIC_TAG
from reka.server.service import Service

__all__ = ["add_health_routes", "no_model_notice"]

logger = logging.getLogger(__name__)

_NO_MODEL: Final = (
    "No language model is attached: answers are quotations from the retrieved chunks or from the conversation itself. "
    "Start the server with --upstream URL to put one behind it."
)


def no_model_notice(service: Service) -> str | None:
    """Notice for users that answers are quotations; None where a language model is attached."""
    return None if service.backend.language_model else _NO_MODEL


def add_health_routes(app: FastAPI, service: Service) -> None:
    """Add the server's own routes to an application."""

    @app.get("/", tags=[PUBLIC_TAG])
    async def get_server_info() -> dict[str, Any]:
        """Get the server's name, version and features."""
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
        """Check that the server can work: database, job worker and model."""
        checks = {
            "database": await _is_database_up(service),
            "worker": service.worker.is_running,
            "model": await _is_model_up(service),
        }
        is_ready = all(checks.values())
        return JSONResponse({"ready": is_ready, **checks}, 200 if is_ready else 503)

    @app.get(
        "/metrics", tags=[PUBLIC_TAG], response_class=Response, responses={200: {"content": {metrics.CONTENT_TYPE: {}}}}
    )
    def get_metrics() -> Response:
        """Prometheus metrics."""
        return Response(service.metrics.text(), headers={"Content-Type": metrics.CONTENT_TYPE})


async def _is_database_up(service: Service) -> bool:
    try:
        await run_in_threadpool(service.jobs.count_by_status)
    except Exception:
        logger.warning("not ready: the database does not answer", exc_info=True)
        return False
    return True


async def _is_model_up(service: Service) -> bool:
    try:
        await service.backend.check()
    except GenerationError as error:
        logger.warning("not ready: %s", error)
        return False
    return True
