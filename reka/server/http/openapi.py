"""Additions to the OpenAPI description: bodies that routes read themselves."""

from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel

from reka.server.ingest.file_upload import PURPOSES
from reka.server.protocols.documents import DeleteBody, DocumentsBody, SearchBody
from reka.server.protocols.openai.embeddings import EmbeddingsBody
from reka.server.protocols.openai.vector_stores import (
    AttachBody,
    AttributesBody,
    BatchBody,
    CreateStoreBody,
    ModifyStoreBody,
    StoreSearchBody,
)
from reka.server.protocols.v0_chat import ChatRequest
from reka.server.protocols.v1_chat import V1ChatRequest
from reka.server.protocols.v1_completions import CompletionRequest

_STRING: Final = {"type": "string"}

PUBLIC_TAG: Final = "server"
"""Tag of routes that need no key."""

_BODIES: Final[tuple[type[BaseModel], ...]] = (
    ChatRequest,
    V1ChatRequest,
    CompletionRequest,
    DocumentsBody,
    DeleteBody,
    SearchBody,
    EmbeddingsBody,
    CreateStoreBody,
    ModifyStoreBody,
    StoreSearchBody,
    AttachBody,
    AttributesBody,
    BatchBody,
)


def json_body(kind: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads a JSON body of type `kind` itself."""
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


UPLOAD_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["dataset_name", "file"],
                    "properties": {
                        "dataset_name": _STRING,
                        "dataset_description": _STRING,
                        "file": {"type": "string", "format": "binary"},
                    },
                }
            }
        },
    }
}
"""`openapi_extra` of the upload route."""

FILE_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": list(PURPOSES)},
                        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
                        "expires_after[seconds]": {"type": "integer"},
                    },
                }
            }
        },
    }
}
"""`openapi_extra` of the route that takes single files."""

_DOCUMENT: Final = {"$ref": "#/components/schemas/DocumentBody"}

DOCUMENTS_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        {"$ref": f"#/components/schemas/{DocumentsBody.__name__}"},
                        {"type": "array", "items": _DOCUMENT},
                    ]
                }
            },
            "application/x-ndjson": {"schema": _DOCUMENT},
        },
    }
}
"""`openapi_extra` of the route that puts documents."""


def describe_bodies(app: FastAPI) -> None:
    """Add the schemas of self-read bodies to an application's OpenAPI description."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        description = describe()
        schemas = description.setdefault("components", {}).setdefault("schemas", {})
        for kind in _BODIES:
            if kind.__name__ not in schemas:
                schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(schema.pop("$defs", {}), **{kind.__name__: schema})
        return description

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the description
