"""The documents of datasets: request bodies, and the filter that chats share with them."""

import json
import math
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError, from_json

from reka._protocol.checks import json_kind
from reka._protocol.constants import MAX_SEARCH_CHUNKS
from reka._protocol.datasets import MAX_DOCUMENT_ID
from reka._protocol.filters import Filter, parse_filter
from reka.errors import InvalidArgumentError
from reka.server.errors import TooLargeError

MAX_METADATA_DEPTH: Final = 8
"""Levels of lists and objects in a document's metadata (ours)."""

MAX_METADATA_KEYS: Final = 256
"""Keys of a document's metadata (ours)."""


def _parse_filter(value: Any, info: ValidationInfo) -> Filter | None:
    try:
        return None if value is None else parse_filter(value, info.field_name or "filter")
    except InvalidArgumentError as error:
        raise PydanticCustomError("request", "{problem}", {"problem": error.message}) from error


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("text", "has a NUL character, which is not text: leave it out")
    return text


def _with_few_levels(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(metadata) > MAX_METADATA_KEYS:
        raise PydanticCustomError("metadata", "has more than {most} keys; use fewer", {"most": MAX_METADATA_KEYS})
    level: list[Any] = [metadata]
    for _ in range(MAX_METADATA_DEPTH):
        values = [one for value in level for one in (value.values() if isinstance(value, dict) else value)]
        if any(isinstance(one, float) and not math.isfinite(one) for one in values):
            raise PydanticCustomError("metadata", "has a number that is not finite; leave it out")
        level = [one for one in values if isinstance(one, dict | list)]
    if level:
        raise PydanticCustomError("metadata", "has more than {most} levels; use fewer", {"most": MAX_METADATA_DEPTH})
    return metadata


MetadataFilter = Annotated[
    Any,
    AfterValidator(_parse_filter),
    WithJsonSchema(
        {"type": "object", "description": "Conditions on metadata, such as {'lang': 'de', 'year': {'$gte': 2020}}."}
    ),
]
"""A filter on metadata, parsed; None for all documents."""

TEXT: Final = AfterValidator(_without_nul)
"""What a text that is stored must be. It stands behind limits of its length, which are those of a string then."""

Text = Annotated[str, TEXT]
Name = Annotated[str, Field(min_length=1, max_length=MAX_DOCUMENT_ID), TEXT]


def as_texts(value: Any) -> Any:
    """Read a text, where a list of texts is wanted, as the list of it alone."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise PydanticCustomError("texts", "got {got}, want a text, or a list of texts", {"got": json_kind(value)})
    return value


class StrictBody(BaseModel):
    """Base of request bodies that take no field and no type but theirs."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class DocumentBody(StrictBody):
    """A document to put into a dataset."""

    id: Name
    """Its id; a document that has it is replaced."""
    text: Text
    source: Name | None = None
    """Where it is from; null for its id."""
    metadata: Annotated[dict[str, Any], AfterValidator(_with_few_levels)] | None = None

    @model_validator(mode="after")
    def _check_text(self) -> "DocumentBody":
        if not self.text.strip():
            raise PydanticCustomError("text", "the text is empty: a document needs at least one character of text")
        return self


class DocumentsBody(StrictBody):
    """Body of `PUT /datasets/{name}/documents`; its documents may also be the body itself, or lines of JSON."""

    documents: list[DocumentBody]


class GetBody(StrictBody):
    """Body of `POST /datasets/{name}/documents/get`."""

    ids: list[Text]


class DeleteBody(StrictBody):
    """Body of `POST /datasets/{name}/documents/delete`: either ids or a filter."""

    ids: list[Text] | None = None
    filter: MetadataFilter = None

    @model_validator(mode="after")
    def _check_choice(self) -> "DeleteBody":
        if (self.ids is None) == (self.filter is None):
            raise PydanticCustomError("choice", "want either ids or filter")
        return self


class SearchBody(StrictBody):
    """Body of `POST /datasets/{name}/search`."""

    query: str
    k: Annotated[int, Field(ge=1, le=MAX_SEARCH_CHUNKS)] | None = None
    """Number of chunks to return; null for the server's default."""
    filter: MetadataFilter = None
    mode: Literal["hybrid", "keyword", "vector"] = "hybrid"


_LIST: Final = TypeAdapter(list[DocumentBody])


def parse_documents(body: bytes | bytearray, max_text_bytes: int, max_metadata_bytes: int) -> list[DocumentBody]:
    """Parse the documents of a body: an array, an object with `documents`, or lines of JSON.

    Args:
        body: The body.
        max_text_bytes: Maximum size of a document's text.
        max_metadata_bytes: Maximum size of a document's metadata.

    Raises:
        pydantic.ValidationError: The body has another form.
    """
    documents = _documents(bytes(body).strip())
    for index, document in enumerate(documents):
        _check_size(len(document.text.encode()), max_text_bytes, f"documents[{index}].text")
        size = len(json.dumps(document.metadata or {}, ensure_ascii=False).encode())
        _check_size(size, max_metadata_bytes, f"documents[{index}].metadata")
    return documents


def _documents(body: bytes) -> list[DocumentBody]:
    if body.startswith(b"["):
        return _LIST.validate_json(body)
    first, _, rest = body.partition(b"\n")
    if _is_document(first):
        lines = b",".join(line for line in (first, *rest.splitlines()) if line.strip())
        return _LIST.validate_json(b"[" + lines + b"]")
    return DocumentsBody.model_validate_json(body).documents


def _is_document(line: bytes) -> bool:
    """Tell whether a line is a whole object other than one with the documents in it."""
    try:
        value = from_json(line)
    except ValueError:
        return False
    return isinstance(value, dict) and "documents" not in value


def _check_size(size: int, most: int, place: str) -> None:
    if size > most:
        raise TooLargeError(f"{place}: got {size} bytes, want at most {most}: split the document")
