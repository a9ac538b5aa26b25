"""The routes of single files in OpenAI's form."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from reka.server.http import openapi
from reka.server.http.request_bodies import read_upload
from reka.server.ingest.file_upload import FileUpload
from reka.server.protocols.openai.pages import FilesQuery
from reka.server.service import Service


def add_file_routes(app: FastAPI, service: Service, owner: Any) -> None:
    """Add the routes that take, list, return and delete files."""
    files, most = service.files, service.settings.max_document_bytes

    @app.post("/v1/files", tags=["files"], openapi_extra=openapi.FILE_BODY)
    async def create_file(request: Request, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Upload a text file, to be attached to vector stores."""
        upload = FileUpload(request.headers.get("content-type", ""), most)
        await read_upload(request, upload, most)
        received = await run_in_threadpool(upload.finish)
        return await run_in_threadpool(
            files.add, owner, received.filename, received.purpose, received.content, received.lifetime
        )

    @app.get("/v1/files", tags=["files"])
    def list_files(owner: Annotated[str, Depends(owner)], query: Annotated[FilesQuery, Query()]) -> dict[str, Any]:
        """List this key's files, a page at a time."""
        service.delete_expired()
        return files.page(owner, query, query.purpose)

    @app.get("/v1/files/{file_id:part}", tags=["files"])
    def retrieve_file(file_id: str, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Describe a file."""
        service.delete_expired()
        return files.retrieve(owner, file_id)

    @app.get("/v1/files/{file_id:part}/content", tags=["files"], response_class=Response)
    def retrieve_file_content(file_id: str, owner: Annotated[str, Depends(owner)]) -> Response:
        """Get the bytes of a file."""
        service.delete_expired()
        return StreamingResponse(files.content(owner, file_id), media_type="application/octet-stream")

    @app.delete("/v1/files/{file_id:part}", tags=["files"])
    def delete_file(file_id: str, owner: Annotated[str, Depends(owner)]) -> dict[str, Any]:
        """Delete a file, and take it out of all vector stores."""
        files.delete(owner, file_id)
        return {"id": file_id, "object": "file", "deleted": True}
