"""Datasets and the documents that they are made of."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, TypedDict


class DatasetResult(TypedDict):
    """Result of uploading or deleting a dataset. Other fields of the server are kept."""

    name: str
    """Name of the dataset as stored."""

    ok: bool
    """Whether the operation succeeded."""

    info: str
    """Further details; may be empty."""


class _Document(TypedDict):
    id: str
    """Any text of 1 to 512 characters; a document replaces the one with its id."""

    text: str
    """What is searched; not blank."""


class Document(_Document, total=False):
    """A document to put into a dataset."""

    source: str
    """Where the text is from, as chunks name it to people and to the model; 1 to 512 characters. The id if left out."""

    metadata: Mapping[str, Any]
    """JSON values by name, for filters; they come back with each chunk."""


class DocumentInfo(TypedDict):
    """A document of a dataset, without its text. Other fields of the server are kept."""

    id: str
    source: str | None
    metadata: dict[str, Any]
    size_bytes: int
    """Size of the text in UTF-8."""

    chunks: int
    """How many chunks of it can be retrieved; 0 until it is prepared."""

    digest: str | None
    """Hash of what it holds; None for a file that was uploaded and is not prepared yet."""


class _DatasetInfo(TypedDict):
    name: str
    """Name of the dataset as stored."""

    state: str
    """`stored`, `preparing`, `prepared` or `failed`."""

    documents: int
    chunks: int
    size_bytes: int
    """Size of the texts in UTF-8."""


class DatasetInfo(_DatasetInfo, total=False):
    """What a dataset is made of, and whether it can be searched. Other fields of the server are kept."""

    description: str | None
    job_id: str | None
    """The last job that prepared it; None if there was none."""

    created: str
    """When it was made (ISO 8601, UTC)."""

    embedder: str | None
    """Model of its vectors; None if it has none."""


class PutDocumentsResult(TypedDict):
    """Result of putting documents. Other fields of the server are kept."""

    added: int
    """Documents with a new id."""

    replaced: int
    """Documents that took the place of the one with their id."""

    unchanged: int
    """Documents that were there as they are."""

    job_id: str | None
    """The job that makes the change searchable; None if nothing had to be done."""


class DeleteDocumentsResult(TypedDict):
    """Result of deleting documents. Other fields of the server are kept."""

    deleted: int
    job_id: str | None
    """The job after which they are found no more; None if nothing had to be done."""


RetrievalMode: TypeAlias = Literal["hybrid", "keyword", "vector"]
"""How chunks are found: by their words and by their meaning, or by one of the two."""
