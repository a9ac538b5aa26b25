"""Additions to the OpenAPI description: bodies that routes read themselves."""

from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel

from reka.server.ingest.file_upload import PURPOSES
from reka.server.protocols.documents import DocumentsBody

_STRING: Final = {"type": "string"}

PUBLIC_TAG: Final = "server"
"""Tag of routes that need no key."""

_BODIES: Final[dict[str, type[BaseModel]]] = {}
"""Bodies that are referred to, by the names of their schemas."""


def _reference(kind: type[BaseModel]) -> dict[str, str]:
    """Refer to the schema of a body, which `describe_bodies` then adds."""
    _BODIES[kind.__name__] = kind
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def json_body(kind: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads a JSON body of type `kind` itself."""
    schema = _reference(kind)
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
                        _reference(DocumentsBody),
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
        for name, kind in _BODIES.items():
            if name not in schemas:
                schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(schema.pop("$defs", {}), **{name: schema})
        return description

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the description
