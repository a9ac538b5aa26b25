"""The route of embeddings in OpenAI's form."""

from typing import Any

from fastapi import Depends, FastAPI, Request
from starlette.concurrency import run_in_threadpool

from reka.server.http import openapi
from reka.server.http.request_bodies import BodyReader
from reka.server.http.streaming import cancel_on_disconnect
from reka.server.protocols.openai.embeddings import EmbeddingsBody, embeddings_response
from reka.server.service import Service


def add_embedding_route(app: FastAPI, service: Service, bodies: BodyReader, owner: Any) -> None:
    """Add the route that embeds texts by what embeds datasets."""

    @app.post(
        "/v1/embeddings",
        tags=["embeddings"],
        openapi_extra=openapi.json_body(EmbeddingsBody),
        dependencies=[Depends(owner)],
    )
    async def create_embeddings(request: Request) -> dict[str, Any]:
        """Embed texts by the server's embedder, as vectors of unit length."""
        body = await bodies.read(request, EmbeddingsBody)

        def embed() -> dict[str, Any]:
            model, vectors, tokens = service.embed(body.input, body.model, body.dimensions)
            return embeddings_response(model, vectors, tokens, as_base64=body.encoding_format == "base64")

        return await cancel_on_disconnect(request, run_in_threadpool(embed))
