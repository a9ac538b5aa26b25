"""What tells of a server itself, and needs no key: its features, whether it is up and ready, what it has counted."""

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
    """What a user should know about the answers of a service: None, or that there is no language model."""
    return None if service.backend.language_model else _NO_MODEL


def add_health_routes(app: FastAPI, service: Service) -> None:
    """Add the routes to an application."""

    @app.get("/", tags=[PUBLIC_TAG])
    async def about() -> dict[str, Any]:
        """Tell what this server is and can do."""
        return {
            "name": "reka",
            "version": __version__,
            "features": service.features,
            "language_model": service.backend.language_model,
            "note": no_model_notice(service),
        }

    @app.get("/healthz", tags=[PUBLIC_TAG])
    async def health() -> dict[str, bool]:
        """Tell that the server answers."""
        return {"ok": True}

    @app.get("/readyz", tags=[PUBLIC_TAG], responses={503: {"description": "Not ready; its log says why."}})
    async def ready() -> JSONResponse:
        """Tell whether the server can do its work: the database answers, jobs are done, the model is there."""
        parts = {
            "database": await _database_answers(service),
            "worker": service.worker.is_running,
            "model": await _model_answers(service),
        }
        is_ready = all(parts.values())
        return JSONResponse({"ready": is_ready, **parts}, 200 if is_ready else 503)

    @app.get(
        "/metrics", tags=[PUBLIC_TAG], response_class=Response, responses={200: {"content": {metrics.CONTENT_TYPE: {}}}}
    )
    def counted() -> Response:
        """Tell what was counted, for Prometheus."""
        return Response(service.metrics.text(), headers={"Content-Type": metrics.CONTENT_TYPE})


async def _database_answers(service: Service) -> bool:
    try:
        await run_in_threadpool(service.jobs.count_by_status)
    except Exception:
        logger.warning("not ready: the database does not answer", exc_info=True)
        return False
    return True


async def _model_answers(service: Service) -> bool:
    try:
        await service.backend.check()
    except GenerationError as error:
        logger.warning("not ready: %s", error)
        return False
    return True
