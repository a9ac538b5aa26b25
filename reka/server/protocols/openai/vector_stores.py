"""The request bodies of vector stores and of the files in them."""

import math
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from reka._protocol.checks import json_kind
from reka.errors import InvalidArgumentError
from reka.server.protocols.documents import MAX_METADATA_KEYS, TEXT, StrictBody, as_texts
from reka.server.protocols.openai.filters import parse_openai_filter

MAX_BATCH_FILES: Final = 2_000
"""Files of a batch (OpenAI's)."""

MAX_RESULTS: Final = 50
"""Results of a search (OpenAI's)."""

MAX_QUERIES: Final = 16
"""Queries of a search, each of which is searched for (ours)."""

MAX_QUERY_CHARS: Final = 100_000
"""Characters of a query (ours); the beginning counts, see `retrieval.index.MAX_QUERY_TOKENS`."""

_MAX_DAYS: Final = 365
_MAX_KEY_CHARS: Final = 512
_MAX_VALUE_CHARS: Final = 4_096


def _parse_filter(value: Any, info: ValidationInfo) -> Any:
    try:
        return None if value is None else parse_openai_filter(value, info.field_name or "filters")
    except InvalidArgumentError as error:
        raise PydanticCustomError("request", "{problem}", {"problem": error.message}) from error


class ExpiresAfter(StrictBody):
    """When a vector store is deleted."""

    anchor: Literal["last_active_at"]
    days: Annotated[int, Field(ge=1, le=_MAX_DAYS)]


class StaticChunks(StrictBody):
    """Sizes of chunks that a program asks for; this server has its own."""

    max_chunk_size_tokens: Annotated[int, Field(ge=100, le=4096)]
    chunk_overlap_tokens: Annotated[int, Field(ge=0)]


class ChunkingStrategy(StrictBody):
    """How a program would have files divided. It is read and not followed: the server divides them by their kind."""

    type: Literal["auto", "static"]
    static: StaticChunks | None = None


_Key = Annotated[str, Field(min_length=1, max_length=_MAX_KEY_CHARS), TEXT]
_Value = Annotated[str, Field(max_length=_MAX_VALUE_CHARS), TEXT]
_VALUE: Final[TypeAdapter[str]] = TypeAdapter(_Value)


def _attribute(value: Any) -> Any:
    """Check the value of an attribute, with one error for all types, as a union of them has not."""
    if isinstance(value, str):
        return _VALUE.validate_python(value)
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    got = repr(value) if isinstance(value, float) else json_kind(value)
    raise PydanticCustomError("attribute", "got {got}, want a text, a number or a boolean", {"got": got})


_Attribute = Annotated[
    Any,
    AfterValidator(_attribute),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "maxLength": _MAX_VALUE_CHARS}, {"type": "boolean"}, {"type": "number"}]}
    ),
]
_Metadata = Annotated[dict[_Key, _Value], Field(max_length=MAX_METADATA_KEYS)]
_Attributes = Annotated[dict[_Key, _Attribute], Field(max_length=MAX_METADATA_KEYS)]
_FileId = Annotated[str, Field(min_length=1, max_length=1_024)]
_FileIds = Annotated[list[_FileId], Field(max_length=MAX_BATCH_FILES)]


class ModifyStoreBody(StrictBody):
    """Body of `POST /v1/vector_stores/{vector_store_id}`."""

    name: Annotated[str, Field(max_length=1_024), TEXT] | None = None
    expires_after: ExpiresAfter | None = None
    metadata: _Metadata | None = None

    @property
    def has_expiry(self) -> bool:
        """Whether `expires_after` is there; null ends an expiry."""
        return "expires_after" in self.model_fields_set

    @property
    def expires_days(self) -> int | None:
        """Days after its last use at which the vector store is deleted; None for never."""
        return self.expires_after.days if self.expires_after else None


class CreateStoreBody(ModifyStoreBody):
    """Body of `POST /v1/vector_stores`."""

    description: Annotated[str, Field(max_length=4_096), TEXT] | None = None
    file_ids: _FileIds | None = None
    chunking_strategy: ChunkingStrategy | None = None

    def attachments(self) -> list["AttachBody"]:
        """Return the files to attach."""
        return [AttachBody(file_id=one) for one in self.file_ids or ()]


class AttachBody(StrictBody):
    """Body of `POST /v1/vector_stores/{vector_store_id}/files`, and a file in the body of a batch."""

    file_id: _FileId
    attributes: _Attributes | None = None
    chunking_strategy: ChunkingStrategy | None = None


class AttributesBody(StrictBody):
    """Body of `POST /v1/vector_stores/{vector_store_id}/files/{file_id}`."""

    attributes: _Attributes | None


class BatchBody(StrictBody):
    """Body of `POST /v1/vector_stores/{vector_store_id}/file_batches`: either ids or files."""

    file_ids: _FileIds | None = None
    files: Annotated[list[AttachBody], Field(max_length=MAX_BATCH_FILES)] | None = None
    attributes: _Attributes | None = None
    chunking_strategy: ChunkingStrategy | None = None

    @model_validator(mode="after")
    def _check_choice(self) -> "BatchBody":
        if bool(self.file_ids) == bool(self.files):
            raise PydanticCustomError("choice", "want either file_ids or files, with at least one file")
        return self

    def attachments(self) -> list[AttachBody]:
        """Return the files, each with its attributes."""
        if self.files:
            return self.files
        return [AttachBody(file_id=one, attributes=self.attributes) for one in self.file_ids or ()]


class RankingOptions(StrictBody):
    """How results are ranked. The server has one way, so that the ranker changes nothing."""

    ranker: Annotated[str, Field(max_length=100)] | None = None
    score_threshold: Annotated[float, Field(ge=0, le=1)] = 0.0


_Query = Annotated[str, Field(min_length=1, max_length=MAX_QUERY_CHARS), TEXT]


class StoreSearchBody(StrictBody):
    """Body of `POST /v1/vector_stores/{vector_store_id}/search`."""

    query: Annotated[
        list[_Query],
        Field(min_length=1, max_length=MAX_QUERIES),
        BeforeValidator(as_texts),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "array", "items": {"type": "string"}, "minItems": 1},
                ]
            }
        ),
    ]
    filters: Annotated[
        Any,
        AfterValidator(_parse_filter),
        WithJsonSchema(
            {
                "type": "object",
                "description": "Such as {'type': 'eq', 'key': 'lang', 'value': 'de'}, or and/or of such.",
            }
        ),
    ] = None
    """A filter on attributes, parsed; None for all files."""
    max_num_results: Annotated[int, Field(ge=1, le=MAX_RESULTS)] = 10
    ranking_options: RankingOptions | None = None
    rewrite_query: bool = False
    """Accepted; the server searches for the query as it is."""

    @property
    def least_score(self) -> float:
        """Score that a result must have."""
        return self.ranking_options.score_threshold if self.ranking_options else 0.0
