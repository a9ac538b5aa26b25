"""The HTTP face of a service: each route reads, asks the service, and answers."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Request
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from reka._version import __version__
from reka.server.errors import NotFoundError
from reka.server.generation.types import AnswerStream, GenerationRequest
from reka.server.http import error_handlers, openapi
from reka.server.http.health import add_health_routes
from reka.server.http.middleware import MetricsMiddleware, RequestIdMiddleware
from reka.server.http.request_bodies import read_body, read_upload
from reka.server.http.streaming import SseResponse, cancel_on_disconnect, prefetch_first
from reka.server.ingest.upload import Upload
from reka.server.protocols import v1_chat, v1_completions
from reka.server.protocols.v0_chat import ChatRequest, to_response
from reka.server.protocols.v1_chat import V1ChatRequest
from reka.server.protocols.v1_completions import CompletionRequest
from reka.server.service import ChatRequestBody, Service

_DOCS: Final = {"validatorUrl": None, "tryItOutEnabled": True}
"""How the page at /docs is set up: without a validator, which would be another host."""


def create_app(service: Service) -> FastAPI:
    """Make the web application of a running service. When it ends, it closes the service's answerer."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.backend.close()

    # The page at /docs brings its scripts along: a server may run where there is no network.
    app = FastAPIOffline(
        title="reka",
        version=__version__,
        lifespan=lifespan,
        docs_url="/docs",
        redoc_url=None,
        static_url="/docs/static",
        swagger_ui_parameters=_DOCS,
    )
    error_handlers.register_error_handlers(app)
    openapi.describe_bodies_and_keys(app)
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(MetricsMiddleware, counters=service.metrics)
    add_health_routes(app, service)

    async def owner(request: Request) -> str:
        given = _key_in(request)
        if service.keys.is_nonblocking:
            return service.keys.owner_of(given)
        return await run_in_threadpool(service.keys.owner_of, given)

    # A route reads its body itself, so that a wrong key is answered before any of it is read.
    _add_model_routes(app, service, owner)
    _add_chat_routes(app, service, owner)
    _add_dataset_routes(app, service, owner)
    return app


def _key_in(request: Request) -> str | None:
    """Find the key of a request. FastAPI's own dependencies for it take a sixth of all that a short question costs."""
    key = request.headers.get("x-api-key")
    if key:
        return key
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else None


def _add_model_routes(app: FastAPI, service: Service, owner: Any) -> None:
    """Add what tells of models."""

    @app.get("/models", tags=["models"], dependencies=[Depends(owner)])
    async def models() -> tuple[str, ...]:
        """List the names of the models."""
        return service.models

    @app.get("/v1/models", tags=["models"], dependencies=[Depends(owner)])
    async def v1_models(request: Request) -> Any:
        """List the models: as OpenAI does, or, for `reka-api` 3, as the API of that generation did."""
        listed = v1_chat.models_response if "x-fern-language" in request.headers else v1_completions.models_response
        return listed(service.models)

    @app.get("/v1/models/{name:path}", tags=["models"], dependencies=[Depends(owner)])
    async def v1_model(name: str) -> dict[str, Any]:
        """Tell of one model."""
        if name not in service.models:
            raise NotFoundError(f"There is no model {name[:100]!r}: this server has {', '.join(service.models)}")
        return v1_completions.model_object(name)


def _add_chat_routes(app: FastAPI, service: Service, owner: Any) -> None:
    """Add what answers questions, in each generation of the API."""
    limit = service.settings.max_body_bytes
    backend = service.backend

    async def question(request: Request, owner: str, body: ChatRequestBody) -> GenerationRequest:
        if body.retrieval_dataset is None:
            return service.build_request(owner, body)
        return await cancel_on_disconnect(request, run_in_threadpool(service.build_request, owner, body))

    async def streamed(
        request: Request,
        asked: GenerationRequest,
        events: Callable[[AnswerStream, GenerationRequest], AsyncIterator[bytes]],
    ) -> SseResponse:
        pieces = await cancel_on_disconnect(request, prefetch_first(backend.stream(asked)))
        return SseResponse(events(pieces, asked), pieces)

    @app.post("/chat", tags=["chat"], openapi_extra=openapi.json_body(ChatRequest))
    async def create_chat(request: Request) -> dict[str, Any]:
        """Answer the last turn of a conversation."""
        asked = await question(request, await owner(request), await read_body(request, ChatRequest, limit))
        return to_response(await cancel_on_disconnect(request, backend.answer(asked)), asked.snippets)

    @app.post("/v1/chat", tags=["chat"], openapi_extra=openapi.json_body(V1ChatRequest))
    async def create_v1_chat(request: Request) -> Any:
        """Answer the last message of a conversation; streamed, each event has the whole text so far."""
        asking = await owner(request)
        body = await read_body(request, V1ChatRequest, limit)
        asked = await question(request, asking, body)
        if body.stream:
            return await streamed(request, asked, v1_chat.to_sse)
        return v1_chat.to_response(await cancel_on_disconnect(request, backend.answer(asked)), asked)

    @app.post("/v1/chat/completions", tags=["chat"], openapi_extra=openapi.json_body(CompletionRequest))
    async def create_completion(request: Request) -> Any:
        """Answer the last message of a conversation, with tools and formats, as OpenAI's API does."""
        asking = await owner(request)
        body = await read_body(request, CompletionRequest, limit)
        asked = await question(request, asking, body)
        if body.stream:
            return await streamed(request, asked, partial(v1_completions.to_sse, wants_usage=body.wants_usage()))
        return v1_completions.to_response(await cancel_on_disconnect(request, backend.answer(asked)), asked)


def _add_dataset_routes(app: FastAPI, service: Service, owner: Any) -> None:
    """Add what stores datasets and prepares them."""
    datasets, jobs = service.datasets, service.jobs

    @app.get("/datasets", tags=["datasets"])
    def list_datasets(owner: Annotated[str, Depends(owner)]) -> list[str]:
        """List the names of the key's datasets."""
        return datasets.list(owner)

    @app.post("/datasets", tags=["datasets"], openapi_extra=openapi.UPLOAD_BODY)
    async def add_dataset(request: Request, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Store a text file, or a zip of text files, as a dataset."""
        upload = Upload(
            request.headers.get("content-type", ""),
            service.folder.staging,
            service.settings,
            on_name=lambda name: datasets.free_name(owner, name),
        )
        try:
            await read_upload(request, upload, service.settings)
            received = await run_in_threadpool(upload.finish)
            name = await run_in_threadpool(datasets.add, owner, received)
        finally:
            await run_in_threadpool(upload.discard)
        return {"name": name, "ok": True, "info": f"Stored {received.size_bytes} bytes as dataset {name!r}"}

    @app.delete("/datasets/{name}", tags=["datasets"])
    def delete_dataset(name: str, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Delete a dataset and all that was prepared of it."""
        deleted = datasets.delete(owner, name)
        return {"name": deleted, "ok": True, "info": f"Deleted dataset {deleted!r}"}

    @app.post("/datasets/{name}/prepare-retrieval", tags=["datasets"])
    def prepare_retrieval(name: str, owner: Annotated[str, Depends(owner)]) -> str:
        """Begin to prepare a dataset for retrieval; answers the job's id."""
        return jobs.add(owner, name)

    @app.get("/jobs/prepare-retrieval/{job_id}/status", tags=["datasets"])
    def retrieval_job_status(job_id: str, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Tell how far a job is."""
        return jobs.status(owner, job_id)
