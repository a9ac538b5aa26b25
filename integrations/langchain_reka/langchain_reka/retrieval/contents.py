"""What a dataset is to hold: LangChain's documents, or texts, as documents of `reka`."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, Final

from langchain_core.documents import Document

import reka

_MAX_SOURCE: Final = 512
"""Characters of a source that the server takes."""


def to_reka(document: Document, document_id: str) -> reka.Document:
    """Convert a document to one of `reka`, which names its text by the `source` in the metadata, if that is a name."""
    converted: reka.Document = {"id": document_id, "text": document.page_content, "metadata": document.metadata}
    source = document.metadata.get("source")
    if isinstance(source, str) and 0 < len(source) <= _MAX_SOURCE and "\0" not in source:
        converted["source"] = source
    return converted


def of_documents(documents: Iterable[Document]) -> list[reka.Document]:
    """Convert documents, for a dataset that is to hold these and no others.

    A document without an id gets one by its content, so that an equal document is the same one. Documents without any
    text are left out: nothing could find them.

    Raises:
        InvalidArgumentError: No document has a text, or two that differ have one id.
    """
    places: dict[str, int] = {}
    converted: list[reka.Document] = []
    given = list(documents)
    for place, document in enumerate(given):
        if not isinstance(document, Document):
            raise reka.InvalidArgumentError(f"documents[{place}]: got {type(document).__name__}, want a Document")
        if not document.page_content.strip():
            continue
        document_id = document.id or _id_by_content(document)
        before = places.setdefault(document_id, place)
        if before == place:
            converted.append(to_reka(document, document_id))
        elif given[before] != document:
            raise reka.InvalidArgumentError(
                f"documents[{place}].id: got {document_id!r}, which documents[{before}] has too; give each its own id, "
                "or none"
            )
    if not converted:
        raise reka.InvalidArgumentError(f"documents: got {len(given)} without any text, want at least one with a text")
    return converted


def with_metadata(
    texts: Iterable[str], metadatas: Sequence[dict[str, Any]] | None, ids: Sequence[str | None] | None
) -> list[Document]:
    """Make documents of texts, and of as many metadata and ids, if there are any.

    Raises:
        InvalidArgumentError: There are not as many, or a text is none.
    """
    given = [texts] if isinstance(texts, str) else list(texts)
    for place, text in enumerate(given):
        if not isinstance(text, str):
            raise reka.InvalidArgumentError(f"texts[{place}]: got {type(text).__name__}, want a text")
    for name, values in (("metadatas", metadatas), ("ids", ids)):
        if values is not None and len(values) != len(given):
            raise reka.InvalidArgumentError(f"{name}: got {len(values)}, want {len(given)}, one for each text")
    return [
        Document(text, id=document_id, metadata=dict(metadata))
        for text, metadata, document_id in zip(given, metadatas or repeat({}), ids or repeat(None), strict=False)
    ]


def of_texts(
    texts: Mapping[str, str] | Iterable[str],
    metadatas: Sequence[dict[str, Any]] | None,
    ids: Sequence[str | None] | None,
) -> list[reka.Document]:
    """Convert texts; the names of those that have some are their ids.

    Raises:
        InvalidArgumentError: No text is one that can be found, or they do not match `metadatas` and `ids`.
    """
    if isinstance(texts, Mapping):
        if ids is not None:
            raise reka.InvalidArgumentError("ids: the texts have names, which are their ids; want a list of texts")
        return of_documents(with_metadata(texts.values(), metadatas, [str(name) for name in texts]))
    return of_documents(with_metadata(texts, metadatas, ids))


def _id_by_content(document: Document) -> str:
    content = json.dumps([document.page_content, document.metadata], sort_keys=True, default=str)
    return hashlib.sha256(content.encode(errors="replace")).hexdigest()[:32]
