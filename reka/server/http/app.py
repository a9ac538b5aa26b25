"""The web application: each route reads a request, calls one method of the service and writes the response."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware

from reka._protocol.files.litter import note_on_skipped
from reka._version import __version__
from reka.server.generation import traced
from reka.server.generation.types import AnswerStream, GenerationRequest, GenerationResult
from reka.server.http import error_handlers, openapi
from reka.server.http.access import AccessMiddleware
from reka.server.http.docs_page import STATIC_PATH, add_docs_page
from reka.server.http.documents import add_document_routes
from reka.server.http.health import add_health_routes
from reka.server.http.middleware import AT_END, RATE_LIMIT, RequestMiddleware
from reka.server.http.openai.embeddings import add_embedding_route
from reka.server.http.openai.files import add_file_routes
from reka.server.http.openai.vector_stores import add_vector_store_routes
from reka.server.http.page import add_page_files
from reka.server.http.path_parts import PathPartsMiddleware
from reka.server.http.request_bodies import Body, BodyReader, read_upload
from reka.server.http.streaming import SseResponse, cancel_on_disconnect, note_usage, prefetch_first
from reka.server.ingest.upload import Upload
from reka.server.protocols import v1_chat, v1_completions
from reka.server.protocols.v0_chat import ChatRequest, to_response
from reka.server.protocols.v1_chat import V1ChatRequest
from reka.server.protocols.v1_completions import CompletionRequest
from reka.server.service import ChatRequestBody, Service
from reka.server.telemetry.request_record import current_record

_KEY_HEADER: Final = APIKeyHeader(name="X-Api-Key", scheme_name="key", auto_error=False)
_RATE_LIMIT_HEADERS: Final = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
_LEFT_OUT: Final[Mapping[str, Any]] = {
    "docs_url": None,
    "redoc_url": None,
    "telemetry": dict.fromkeys(("auto_configure", "tracing", "metrics", "logs"), False),
}
"""What FastAPI brings and this server has of its own. FastAPI's spans have paths, in which names of datasets are; ours
are in `telemetry/spans.py`. Older releases have none, and ignore this."""

_BEARER: Final = HTTPBearer(scheme_name="bearer", auto_error=False)


def create_app(service: Service) -> FastAPI:
    """Create the web application of a running service; its shutdown closes the service's backend."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.backend.close()

    # FastAPIOffline serves the scripts of /docs itself: a server may run without a network.
    app = FastAPIOffline(
        title="reka",
        version=__version__,
        lifespan=lifespan,
        static_url=STATIC_PATH,
        generate_unique_id_function=lambda route: route.name,
        **_LEFT_OUT,
    )
    error_handlers.register_error_handlers(app, service.metrics, service.folder.is_there)
    openapi.describe_bodies(app)
    _add_middleware(app, service)
    add_docs_page(app)
    add_health_routes(app, service)
    add_page_files(app)

    async def owner(
        request: Request,
        key: Annotated[str | None, Depends(_KEY_HEADER)],
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    ) -> str:
        key = key or (bearer.credentials.strip() if bearer else None)
        if service.keys.is_nonblocking:
            owner = service.keys.owner_of(key)
        else:
            owner = await run_in_threadpool(service.keys.owner_of, key)
        if record := current_record():
            record.owner = owner
        if rate_limit := service.key_limits.count_request(owner):
            request.scope[RATE_LIMIT] = rate_limit.headers()
            rate_limit.check()
        return owner

    # Routes read their bodies themselves, so that a wrong key is refused before any of the body is read.
    _add_model_routes(app, service, owner)
    bodies = BodyReader(service.settings)
    _add_chat_routes(app, _Chats(service, bodies), owner)
    _add_dataset_routes(app, service, owner)
    add_document_routes(app, service, bodies, owner)
    add_embedding_route(app, service, bodies, owner)
    add_file_routes(app, service, owner)
    add_vector_store_routes(app, service, bodies, owner)
    return app


def _add_middleware(app: FastAPI, service: Service) -> None:
    """Add the middleware; what is added last sees a request first."""
    settings = service.settings
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST", "PUT", "DELETE"),
            allow_headers=("*",),
            expose_headers=("x-request-id", "retry-after", *_RATE_LIMIT_HEADERS),
        )
    if settings.is_loopback:
        app.add_middleware(AccessMiddleware, settings=settings)
    app.add_middleware(RequestMiddleware, metrics=service.metrics, access_log=service.access_log)
    app.add_middleware(PathPartsMiddleware)


def _add_model_routes(app: FastAPI, service: Service, owner: Any) -> None:
    """Add the routes that describe models."""

    @app.get("/models", tags=["models"], dependencies=[Depends(owner)])
    async def list_model_names() -> list[str]:
        """List the names of the models."""
        return list(await service.models.list())

    @app.get("/v1/models", tags=["models"], dependencies=[Depends(owner)])
    async def list_models(request: Request) -> Any:
        """List the models, in OpenAI's form, or in that of `/v1/chat` for `reka-api` 3 (by its header)."""
        models = await service.models.list()
        if "x-fern-language" in request.headers:
            return v1_chat.models_response(models)
        return v1_completions.models_response(models.values())

    @app.get("/v1/models/{name:rest}", tags=["models"], dependencies=[Depends(owner)])
    async def get_model(name: str) -> dict[str, Any]:
        """Retrieve a model."""
        return await service.models.get(name)


class _Chats:
    """What the chat routes of all API families do."""

    def __init__(self, service: Service, bodies: BodyReader) -> None:
        self._service = service
        self._bodies = bodies
        self._backend = service.backend

    async def read(self, request: Request, owner: str, kind: type[Body]) -> Body:
        _begin_chat(self._service, request, owner)
        return await self._bodies.read(request, kind)

    async def build(self, request: Request, owner: str, body: ChatRequestBody) -> GenerationRequest:
        model = await self._service.models.resolve(body.model)
        if body.retrieval_dataset is None:
            return self._service.build_request(owner, body, model)
        building = run_in_threadpool(self._service.build_request, owner, body, model)
        return await cancel_on_disconnect(request, building)

    async def generate(self, request: Request, generation: GenerationRequest) -> GenerationResult:
        result = await cancel_on_disconnect(request, traced.generate(self._backend, generation))
        note_usage(result)
        return result

    async def stream(
        self,
        request: Request,
        generation: GenerationRequest,
        to_sse: Callable[[AnswerStream, GenerationRequest], AsyncIterator[bytes]],
    ) -> SseResponse:
        answer = await cancel_on_disconnect(request, prefetch_first(traced.stream(self._backend, generation)))
        return SseResponse(to_sse(answer, generation), answer, self._service.metrics)


def _add_chat_routes(app: FastAPI, chats: _Chats, owner: Any) -> None:
    """Add the chat routes of the three API families."""

    @app.post("/chat", tags=["chat"], openapi_extra=openapi.json_body(ChatRequest))
    async def create_chat(request: Request, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Create the next turn of a conversation."""
        generation = await chats.build(request, owner, await chats.read(request, owner, ChatRequest))
        return to_response(await chats.generate(request, generation), generation)

    @app.post("/v1/chat", tags=["chat"], openapi_extra=openapi.json_body(V1ChatRequest))
    async def create_v1_chat(request: Request, owner: Annotated[str, Depends(owner)]) -> Any:
        """Create a chat response; when streamed, each event carries the whole text so far."""
        body = await chats.read(request, owner, V1ChatRequest)
        generation = await chats.build(request, owner, body)
        if body.stream:
            return await chats.stream(request, generation, v1_chat.to_sse)
        return v1_chat.to_response(await chats.generate(request, generation), generation)

    @app.post("/v1/chat/completions", tags=["chat"], openapi_extra=openapi.json_body(CompletionRequest))
    async def create_completion(request: Request, owner: Annotated[str, Depends(owner)]) -> Any:
        """Create a chat completion, with tools and response formats, as OpenAI's API has it."""
        body = await chats.read(request, owner, CompletionRequest)
        generation = await chats.build(request, owner, body)
        if body.stream:
            to_sse = partial(v1_completions.to_sse, include_usage=body.include_usage())
            return await chats.stream(request, generation, to_sse)
        return v1_completions.to_response(await chats.generate(request, generation), generation)


def _begin_chat(service: Service, request: Request, owner: str) -> None:
    """Count a request as one of its owner's chats until it ends."""
    if end_chat := service.key_limits.begin_chat(owner):
        request.scope[AT_END] = end_chat


def _add_dataset_routes(app: FastAPI, service: Service, owner: Any) -> None:
    """Add the routes that store datasets and prepare them for retrieval."""
    datasets, jobs, limits = service.datasets, service.jobs, service.settings

    @app.get("/datasets", tags=["datasets"])
    def list_datasets(owner: Annotated[str, Depends(owner)]) -> list[str]:
        """List the names of this key's datasets."""
        return datasets.list(owner)

    @app.post("/datasets", tags=["datasets"], openapi_extra=openapi.UPLOAD_BODY)
    async def add_dataset(request: Request, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Upload a text file, or a zip of text files, as a dataset."""
        upload = Upload(
            request.headers.get("content-type", ""),
            service.folder.staging,
            limits,
            on_name=lambda name: datasets.available_name(owner, name),
        )
        try:
            await read_upload(request, upload, limits.max_upload_bytes + limits.max_description_bytes)
            received = await run_in_threadpool(upload.finish)
            name = await run_in_threadpool(datasets.add, owner, received)
        finally:
            await run_in_threadpool(upload.discard)
        info = f"Stored {received.size_bytes} bytes as dataset {name!r}{note_on_skipped(received.skipped)}"
        return {"name": name, "ok": True, "info": info}

    @app.delete("/datasets/{name:part}", tags=["datasets"])
    def delete_dataset(name: str, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Delete a dataset and its index."""
        deleted = datasets.delete(owner, name)
        return {"name": deleted, "ok": True, "info": f"Deleted dataset {deleted!r}"}

    @app.post("/datasets/{name:part}/prepare-retrieval", tags=["datasets"])
    def prepare_retrieval(name: str, owner: Annotated[str, Depends(owner)]) -> str:
        """Start a prepare-retrieval job and return its id."""
        return jobs.add(owner, name)

    @app.get("/jobs/prepare-retrieval/{job_id:part}/status", tags=["datasets"])
    def retrieval_job_status(job_id: str, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Get the status of a prepare-retrieval job."""
        return jobs.status(owner, job_id)
