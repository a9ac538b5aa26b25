"""The routes of datasets as sets of documents."""

from collections.abc import Iterator
from io import SEEK_END
from tempfile import TemporaryFile
from typing import IO, Annotated, Any, Final

from fastapi import Depends, FastAPI, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from reka.server.http import openapi
from reka.server.http.request_bodies import BodyReader
from reka.server.http.streaming import cancel_on_disconnect
from reka.server.protocols.documents import DeleteBody, GetBody, SearchBody, parse_documents
from reka.server.protocols.v0_chat import chunk_object
from reka.server.service import Service
from reka.server.settings import MIB

_PAGE: Final = 100
_MAX_PAGE: Final = 1_000
"""Documents or chunks of a page, and the most of one (ours)."""

_MAX_CHUNKS: Final = 1 << 28
"""More than a document has."""


def add_document_routes(app: FastAPI, service: Service, bodies: BodyReader, owner: Any) -> None:
    """Add the routes that describe datasets, and those that change, search and export their documents."""
    _add_reading_routes(app, service, bodies, owner)
    _add_chunk_routes(app, service, owner)
    _add_export(app, service, owner)
    _add_changing_routes(app, service, bodies, owner)


def _add_reading_routes(app: FastAPI, service: Service, bodies: BodyReader, owner: Any) -> None:
    documents = service.documents

    @app.get("/datasets/{name:part}", tags=["documents"])
    def describe_dataset(name: str, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Describe a dataset: its size, and whether it is prepared for retrieval."""
        return documents.describe(owner, name)

    @app.get("/datasets/{name:part}/documents", tags=["documents"])
    def list_documents(
        name: str,
        owner: Annotated[str, Depends(owner)],
        limit: Annotated[int, Query(ge=1, le=_MAX_PAGE)] = _PAGE,
        after: str | None = None,
    ) -> dict[str, Any]:
        """List the documents of a dataset, a page at a time: `next` of a page is `after` of the one that follows."""
        return documents.page(owner, name, limit, after)

    @app.post("/datasets/{name:part}/documents/get", tags=["documents"], openapi_extra=openapi.json_body(GetBody))
    async def get_documents(name: str, request: Request, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Get documents with their texts, by their ids; ids that are not there are left out.

        `next` has the ids whose documents did not fit in: ask for them next.
        """
        body = await bodies.read(request, GetBody)
        found, left = await run_in_threadpool(service.texts.get, owner, name, body.ids)
        return {
            "documents": [
                {"id": one.name, "text": text, "source": one.source, "metadata": one.metadata} for one, text in found
            ],
            "next": left,
        }

    @app.post("/datasets/{name:part}/search", tags=["documents"], openapi_extra=openapi.json_body(SearchBody))
    async def search_dataset(name: str, request: Request, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Find the chunks of a dataset that match a query best, without a chat."""
        body = await bodies.read(request, SearchBody)
        k = body.k or service.settings.retrieval_top_k
        search = run_in_threadpool(service.retrieve, owner, name, body.query, k, body.filter, body.mode)
        return {"retrieved_chunks": [chunk_object(chunk) for chunk in await cancel_on_disconnect(request, search)]}


def _add_export(app: FastAPI, service: Service, owner: Any) -> None:
    @app.get(
        "/datasets/{name:part}/export",
        tags=["documents"],
        response_class=Response,
        responses={200: {"content": {"application/zip": {}}}},
    )
    def export_dataset(name: str, owner: Annotated[str, Depends(owner)]) -> Response:
        """Get the texts of a dataset as a zip."""
        # It has no name, so that nothing is left of it however the response ends.
        file = TemporaryFile(dir=service.folder.staging)  # noqa: SIM115 - the response closes it
        try:
            service.texts.export(owner, name, file)
        except BaseException:
            file.close()
            raise
        size = file.seek(0, SEEK_END)
        return StreamingResponse(_blocks(file), headers={"Content-Length": str(size)}, media_type="application/zip")


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while block := file.read(MIB):
            yield block


def _add_chunk_routes(app: FastAPI, service: Service, owner: Any) -> None:
    @app.get("/datasets/{name:part}/chunks", tags=["documents"])
    def list_chunks(
        name: str,
        document_id: str,
        owner: Annotated[str, Depends(owner)],
        limit: Annotated[int, Query(ge=1, le=_MAX_PAGE)] = _PAGE,
        after: Annotated[int, Query(ge=0, lt=_MAX_CHUNKS)] = 0,
    ) -> dict[str, Any]:
        """List the chunks of a document, as retrieval has them, a page at a time; see `list_documents`."""
        chunks = service.chunks(owner, name, document_id, after, limit + 1)
        return {
            "chunks": [
                {
                    "id": f"{document_id}#{ordinal}",
                    "text": chunk.text,
                    "source": chunk.source,
                    "position": chunk.position,
                }
                for ordinal, chunk in enumerate(chunks[:limit], after)
            ],
            "next": str(after + limit) if len(chunks) > limit else None,
        }


def _add_changing_routes(app: FastAPI, service: Service, bodies: BodyReader, owner: Any) -> None:
    documents, limits = service.documents, service.settings

    @app.put("/datasets/{name:part}/documents", tags=["documents"], openapi_extra=openapi.DOCUMENTS_BODY)
    async def put_documents(name: str, request: Request, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Add documents to a dataset, which is made if it is not there; one whose id is there is replaced.

        The body is an object with `documents`, an array of documents, or lines of JSON. A prepared dataset stays
        usable, and takes the change over at once when the job ends whose id comes back.
        """
        given = await bodies.parse(
            request, lambda body: parse_documents(body, limits.max_document_bytes, limits.max_metadata_bytes)
        )
        result = await run_in_threadpool(documents.put, owner, name, given)
        return {
            "name": result.name,
            "added": result.added,
            "replaced": result.replaced,
            "unchanged": result.unchanged,
            "job_id": result.job_id,
        }

    @app.post("/datasets/{name:part}/documents/delete", tags=["documents"], openapi_extra=openapi.json_body(DeleteBody))
    async def delete_documents(name: str, request: Request, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Delete documents by their ids, or by a filter on their metadata."""
        body = await bodies.read(request, DeleteBody)
        deleted, job_id = await run_in_threadpool(documents.delete, owner, name, body.ids, body.filter)
        return {"deleted": deleted, "job_id": job_id}
