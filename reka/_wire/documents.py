"""Documents of datasets: what their bodies look like, both ways."""

from collections.abc import Sequence
from typing import Final, NamedTuple, cast

from reka._wire.documented import read_chunks
from reka._wire.json_reply import read_json
from reka._wire.reply import Reply, unexpected
from reka._wire.shapes import INTEGER, LIST, OBJECT, STRING, list_of, object_with, optional
from reka.errors import StreamInterruptedError
from reka.types import DatasetInfo, DeleteDocumentsResult, Document, DocumentInfo, PutDocumentsResult, RetrievedChunk

JSON_LINES: Final = "application/x-ndjson"
"""Media type of documents as they are sent, one line each."""

_DATASET: Final = object_with(name=STRING, state=STRING, documents=INTEGER, chunks=INTEGER, size_bytes=INTEGER)
_DOCUMENT: Final = object_with(
    id=STRING,
    source=optional(STRING),
    metadata=optional(OBJECT),
    size_bytes=INTEGER,
    chunks=INTEGER,
    digest=optional(STRING),
)
_PAGE: Final = object_with(documents=list_of(_DOCUMENT), next=optional(STRING))
_TEXT: Final = object_with(id=STRING, text=STRING, source=optional(STRING), metadata=optional(OBJECT))
_TEXTS: Final = object_with(documents=list_of(_TEXT), next=optional(list_of(STRING)))
_PUT: Final = object_with(added=INTEGER, replaced=INTEGER, unchanged=INTEGER, job_id=optional(STRING))
_DELETED: Final = object_with(deleted=INTEGER, job_id=optional(STRING))
_FOUND: Final = object_with(retrieved_chunks=LIST)


class Texts(NamedTuple):
    """Documents with their texts."""

    documents: list[Document]
    next: list[str]
    """Ids to ask for next."""


class Page(NamedTuple):
    """Some of a dataset's documents."""

    documents: list[DocumentInfo]
    next: str | None
    """Where the next page begins; None if this is the last."""


def read_dataset_info(reply: Reply) -> DatasetInfo:
    """Read the description of a dataset."""
    info: DatasetInfo = read_json(reply, _DATASET, "a dataset's name, state and sizes")
    return info


def read_page(reply: Reply) -> Page:
    """Read a page of documents."""
    page = read_json(reply, _PAGE, "a page of documents")
    # A file has no digest before it is prepared: only then are the texts in it read.
    documents = [
        {
            **document,
            "source": document.get("source"),
            "metadata": document.get("metadata") or {},
            "digest": document.get("digest"),
        }
        for document in page["documents"]
    ]
    return Page(cast("list[DocumentInfo]", documents), page.get("next"))


def read_texts(reply: Reply) -> Texts:
    """Read documents with their texts."""
    texts = read_json(reply, _TEXTS, "documents with their texts")
    documents = [{**document, "metadata": document.get("metadata") or {}} for document in texts["documents"]]
    return Texts(cast("list[Document]", documents), texts.get("next") or [])


def read_put(reply: Reply) -> PutDocumentsResult:
    """Read what became of documents that were put."""
    return cast("PutDocumentsResult", {"job_id": None, **read_json(reply, _PUT, "counts of documents")})


def read_deleted(reply: Reply) -> DeleteDocumentsResult:
    """Read how many documents were deleted."""
    return cast("DeleteDocumentsResult", {"job_id": None, **read_json(reply, _DELETED, "a count of documents")})


def read_found(reply: Reply) -> list[RetrievedChunk]:
    """Read the chunks that a search found."""
    return read_chunks(read_json(reply, _FOUND, "retrieved chunks")["retrieved_chunks"]) or []


def read_no_export(reply: Reply) -> Sequence[bytes]:
    """Raise the error for JSON or a page in place of an export."""
    raise unexpected(reply, "a zip", "it is none")


class ExportDecoder:
    """Passes the bytes of an export on as they come."""

    is_done = False
    partial_text = ""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def feed(self, received: bytes) -> list[bytes]:
        """Take the next bytes."""
        return [received]

    def finish(self) -> list[bytes]:
        """Take the end."""
        return []

    def interrupted(self, reason: str) -> StreamInterruptedError:
        """Make the error for an export that broke off."""
        return StreamInterruptedError(f"{self._reply.request_line}: {reason}", request_id=self._reply.request_id)
