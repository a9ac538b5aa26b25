"""The routes of vector stores in OpenAI's form, and of the files in them."""

from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from reka.server.http import openapi
from reka.server.http.request_bodies import BodyReader
from reka.server.http.streaming import cancel_on_disconnect
from reka.server.protocols.openai.pages import PageQuery, StoreFilesQuery
from reka.server.protocols.openai.vector_stores import (
    AttachBody,
    AttributesBody,
    BatchBody,
    CreateStoreBody,
    ModifyStoreBody,
    StoreSearchBody,
)
from reka.server.service import Service

_STORES: Final = "/v1/vector_stores"
_STORE: Final = _STORES + "/{vector_store_id:part}"
_FILES: Final = _STORE + "/files"
_FILE: Final = _FILES + "/{file_id:part}"
_BATCHES: Final = _STORE + "/file_batches"
_BATCH: Final = _BATCHES + "/{batch_id:part}"

_POLL_MILLISECONDS: Final = "250"
"""How long OpenAI's SDK waits before it asks again for what is in progress: changes take less than a second (ours)."""


def add_vector_store_routes(app: FastAPI, service: Service, bodies: BodyReader, owner: Any) -> None:
    """Add the routes of vector stores, of the files in them, and of batches of files."""
    _add_store_routes(app, service, bodies, owner)
    _add_search_route(app, service, bodies, owner)
    _add_file_routes(app, service, bodies, owner)
    _add_content_routes(app, service, bodies, owner)
    _add_batch_routes(app, service, bodies, owner)


def _add_store_routes(app: FastAPI, service: Service, bodies: BodyReader, owner: Any) -> None:
    stores, files = service.vector_stores, service.store_files

    @app.post(_STORES, tags=["vector stores"], openapi_extra=openapi.json_body(CreateStoreBody))
    async def create_vector_store(request: Request, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Create a vector store, which is a dataset, of files that are there."""
        body = await bodies.read(request, CreateStoreBody)

        def create() -> dict[str, Any]:
            files.check(owner, body.attachments())
            store = stores.create(owner, body, body.description, has_files=bool(body.file_ids))
            if body.file_ids:
                files.attach(owner, store["id"], body.attachments())
            return stores.retrieve(owner, store["id"])

        return await run_in_threadpool(create)

    @app.get(_STORES, tags=["vector stores"])
    def list_vector_stores(
        owner: Annotated[str, Depends(owner)], query: Annotated[PageQuery, Query()]
    ) -> dict[str, Any]:
        """List this key's vector stores, which are its datasets, a page at a time."""
        service.delete_expired()
        return stores.page(owner, query)

    @app.get(_STORE, tags=["vector stores"])
    def retrieve_vector_store(vector_store_id: str, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Describe a vector store."""
        service.delete_expired()
        return stores.retrieve(owner, vector_store_id)

    @app.post(_STORE, tags=["vector stores"], openapi_extra=openapi.json_body(ModifyStoreBody))
    async def modify_vector_store(
        vector_store_id: str, request: Request, owner: Annotated[str, Depends(owner)]
    ) -> dict[str, Any]:
        """Change name, metadata or expiry of a vector store; its dataset keeps its name."""
        body = await bodies.read(request, ModifyStoreBody)
        return await run_in_threadpool(stores.modify, owner, vector_store_id, body)

    @app.delete(_STORE, tags=["vector stores"])
    def delete_vector_store(vector_store_id: str, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Delete a vector store and its index; files that were attached to it stay."""
        stores.delete(owner, vector_store_id)
        return {"id": vector_store_id, "object": "vector_store.deleted", "deleted": True}


def _add_search_route(app: FastAPI, service: Service, bodies: BodyReader, owner: Any) -> None:
    @app.post(_STORE + "/search", tags=["vector stores"], openapi_extra=openapi.json_body(StoreSearchBody))
    async def search_vector_store(
        vector_store_id: str, request: Request, owner: Annotated[str, Depends(owner)]
    ) -> dict[str, Any]:
        """Find the chunks of a vector store that fit a query best, or one of several."""
        body = await bodies.read(request, StoreSearchBody)
        await run_in_threadpool(service.delete_expired)
        search = run_in_threadpool(
            service.vector_stores.search,
            owner,
            vector_store_id,
            body.query,
            body.max_num_results,
            body.filters,
            body.least_score,
        )
        return {
            "object": "vector_store.search_results.page",
            "search_query": body.query,
            "data": await cancel_on_disconnect(request, search),
            "has_more": False,
            "next_page": None,
        }


def _add_file_routes(app: FastAPI, service: Service, bodies: BodyReader, owner: Any) -> None:
    files = service.store_files

    @app.post(_FILES, tags=["vector stores"], openapi_extra=openapi.json_body(AttachBody))
    async def create_vector_store_file(
        vector_store_id: str, request: Request, owner: Annotated[str, Depends(owner)]
    ) -> dict[str, Any]:
        """Attach a file to a vector store."""
        body = await bodies.read(request, AttachBody)
        await run_in_threadpool(files.attach, owner, vector_store_id, [body])
        return await run_in_threadpool(files.retrieve, owner, vector_store_id, body.file_id)

    @app.get(_FILES, tags=["vector stores"])
    def list_vector_store_files(
        vector_store_id: str, owner: Annotated[str, Depends(owner)], query: Annotated[StoreFilesQuery, Query()]
    ) -> dict[str, Any]:
        """List the files of a vector store, which are the documents of its dataset, a page at a time."""
        return files.page(owner, vector_store_id, query, query.filter)

    @app.get(_FILE, tags=["vector stores"])
    def retrieve_vector_store_file(
        vector_store_id: str, file_id: str, response: Response, owner: Annotated[str, Depends(owner)]
    ) -> dict[str, Any]:
        """Describe a file of a vector store."""
        response.headers["openai-poll-after-ms"] = _POLL_MILLISECONDS
        return files.retrieve(owner, vector_store_id, file_id)

    @app.delete(_FILE, tags=["vector stores"])
    def delete_vector_store_file(
        vector_store_id: str, file_id: str, owner: Annotated[str, Depends(owner)]
    ) -> dict[str, Any]:
        """Take a file out of a vector store; the file itself stays."""
        files.remove(owner, vector_store_id, file_id)
        return {"id": file_id, "object": "vector_store.file.deleted", "deleted": True}


def _add_content_routes(app: FastAPI, service: Service, bodies: BodyReader, owner: Any) -> None:
    files = service.store_files

    @app.post(_FILE, tags=["vector stores"], openapi_extra=openapi.json_body(AttributesBody))
    async def update_vector_store_file(
        vector_store_id: str, file_id: str, request: Request, owner: Annotated[str, Depends(owner)]
    ) -> dict[str, Any]:
        """Replace the attributes of a file of a vector store."""
        attributes = (await bodies.read(request, AttributesBody)).attributes or {}
        return await run_in_threadpool(files.update, owner, vector_store_id, file_id, attributes)

    @app.get(_FILE + "/content", tags=["vector stores"])
    def retrieve_vector_store_file_content(
        vector_store_id: str, file_id: str, owner: Annotated[str, Depends(owner)]
    ) -> dict[str, Any]:
        """Get the text of a file of a vector store."""
        return files.content(owner, vector_store_id, file_id)


def _add_batch_routes(app: FastAPI, service: Service, bodies: BodyReader, owner: Any) -> None:
    files = service.store_files

    @app.post(_BATCHES, tags=["vector stores"], openapi_extra=openapi.json_body(BatchBody))
    async def create_file_batch(
        vector_store_id: str, request: Request, owner: Annotated[str, Depends(owner)]
    ) -> dict[str, Any]:
        """Attach several files to a vector store."""
        body = await bodies.read(request, BatchBody)
        return await run_in_threadpool(files.create_batch, owner, vector_store_id, body.attachments())

    @app.get(_BATCH, tags=["vector stores"])
    def retrieve_file_batch(
        vector_store_id: str, batch_id: str, response: Response, owner: Annotated[str, Depends(owner)]
    ) -> dict[str, Any]:
        """Describe a batch of files."""
        response.headers["openai-poll-after-ms"] = _POLL_MILLISECONDS
        return files.retrieve_batch(owner, vector_store_id, batch_id)

    @app.post(_BATCH + "/cancel", tags=["vector stores"])
    def cancel_file_batch(vector_store_id: str, batch_id: str, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Take those files of a batch out of the vector store that cannot be found yet."""
        return files.cancel_batch(owner, vector_store_id, batch_id)

    @app.get(_BATCH + "/files", tags=["vector stores"])
    def list_file_batch_files(
        vector_store_id: str,
        batch_id: str,
        owner: Annotated[str, Depends(owner)],
        query: Annotated[StoreFilesQuery, Query()],
    ) -> dict[str, Any]:
        """List the files of a batch, a page at a time."""
        return files.page(owner, vector_store_id, query, query.filter, batch_id)
