"""Which documents the chunks of a host are from that knows no documents, but files."""

from copy import deepcopy
from typing import Any, cast

from reka.adapters.documents.manifest import Copy
from reka.types import Document, RetrievedChunk


def located(chunk: RetrievedChunk, copy: Copy) -> RetrievedChunk:
    """Add to a chunk what a server with documents says of it; one of no document that is known is left as it is."""
    document = _document_of(chunk, copy)
    if document is None:
        return chunk
    position = max(0, document["text"].find(chunk["text"]))
    fields: dict[str, Any] = {
        **chunk,
        "id": f"{document['id']}@{position}",
        "source": document.get("source") or document["id"],
        "document_id": document["id"],
        "document_bytes": len(document["text"].encode()),
        "metadata": deepcopy(dict(document.get("metadata") or {})),
        "position": position,
    }
    return cast("RetrievedChunk", fields)


def _document_of(chunk: RetrievedChunk, copy: Copy) -> Document | None:
    """Find a chunk's document: by its file; by the end of the file's path, if the host cuts that; by its text."""
    source = chunk.get("source")
    if source is not None:
        if source in copy.files:
            return copy.files[source]
        ends = [document for name, document in copy.files.items() if _is_end(source, name) or _is_end(name, source)]
        if len(ends) == 1:
            return ends[0]
    text = chunk["text"].strip()
    return next((document for document in copy.documents.values() if text in document["text"]), None)


def _is_end(end: str, path: str) -> bool:
    return bool(end) and path.endswith(f"/{end}")
