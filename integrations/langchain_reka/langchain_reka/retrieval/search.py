"""What is found in a dataset: passages, or the whole documents that they are from."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from langchain_core.documents import Document

import reka
from reka.adapters import MAX_SEARCH_CHUNKS, DocumentDatasets, Steps, matches, parse_filter

_GROWTH: Final = 4
"""How many times more chunks are asked for when those found are of too few documents."""

_LOOKED_THROUGH: Final = 1_000
"""Documents that are looked through for those that do not fit: a page of them."""

_OF_THE_SEARCH: Final = frozenset({"text", "id", "score", "similarity", "rank"})
"""Fields of a chunk that are not metadata, or depend on the query."""


@dataclass(frozen=True, slots=True)
class Search:
    """A search, as it is sent; see `Reka.retrieve`."""

    query: str
    dataset: str
    k: int
    filter: Mapping[str, Any] | None = None
    mode: reka.RetrievalMode = "hybrid"
    whole_documents: bool = False
    """Whether documents come back whole, each once, in place of the passages that fit."""


@dataclass(frozen=True, slots=True)
class Found:
    """A document that was found, and the passage by which it was."""

    document: Document
    chunk: reka.RetrievedChunk

    @property
    def score(self) -> float | None:
        """How well it fits; None if the server does not say."""
        score = self.chunk.get("score")
        return float(score) if isinstance(score, int | float) else None


def find(datasets: DocumentDatasets, search: Search) -> Steps[list[Found]]:
    """Search a dataset, best first."""
    asked = search.k
    chunks = yield from _retrieved(datasets, search, asked)
    if not search.whole_documents:
        return _passages(chunks, search.dataset)
    while more := _more(search, asked, chunks):
        asked = more
        chunks = yield from _retrieved(datasets, search, asked)
    best = _best_of_each(chunks)[: search.k]
    parts = _ids_of_parts(best)
    documents = (yield from datasets.get(search.dataset, parts)) if parts else []
    return _whole(best, documents, search.dataset)


def find_at_least(datasets: DocumentDatasets, search: Search, least: int) -> Steps[list[Found]]:
    """Search a dataset as `find` does, and add documents that do not fit until there are `least`, worst last.

    LangChain's vector stores return as many documents as are asked for, whatever they are like.
    """
    found = yield from find(datasets, search)
    if len(found) < least and search.mode == "hybrid":
        others = yield from _by_meaning(datasets, replace(search, mode="vector", k=least))
        found = _joined(found, others, least)
    if len(found) < least and search.whole_documents:
        page = yield from datasets.infos(search.dataset, _LOOKED_THROUGH)
        ids = _ids_of_rest(found, page, search.filter, least)
        found += _unfit((yield from datasets.get(search.dataset, ids)) if ids else ())
    return found


def _retrieved(datasets: DocumentDatasets, search: Search, k: int) -> Steps[list[reka.RetrievedChunk]]:
    return (yield from datasets.retrieve(search.query, search.dataset, k, search.filter, search.mode))


def _by_meaning(datasets: DocumentDatasets, search: Search) -> Steps[list[Found]]:
    """Search by meaning alone, by which every document fits more or less; a host may know no such search."""
    try:
        return (yield from find(datasets, search))
    except reka.UnsupportedRequestError:
        return []


def _joined(found: Sequence[Found], others: Iterable[Found], least: int) -> list[Found]:
    """Add others that were not found yet, with scores that are not above those before them."""
    joined, ids = list(found), {one.document.id for one in found}
    for other in others:
        if other.document.id not in ids and len(joined) < least:
            score = min((one.score for one in (*joined[-1:], other) if one.score is not None), default=0.0)
            joined.append(Found(other.document, {**other.chunk, "score": score}))
    return joined


def _ids_of_rest(
    found: Iterable[Found], listed: Iterable[reka.DocumentInfo], condition: Mapping[str, Any] | None, least: int
) -> list[str]:
    there = {one.document.id for one in found}
    parsed = None if condition is None else parse_filter(condition, "filter")
    rest = (
        document["id"]
        for document in listed
        if document["id"] not in there and (parsed is None or matches(parsed, document["metadata"]))
    )
    return list(islice(rest, least - len(there)))


def _unfit(documents: Iterable[reka.Document]) -> list[Found]:
    return [Found(stored_document(one), {"text": one["text"], "score": 0.0}) for one in documents]


def stored_document(document: reka.Document) -> Document:
    """Convert a document of `reka` to the one that was put."""
    return Document(document["text"], id=document["id"], metadata=dict(document.get("metadata") or {}))


def _more(search: Search, asked: int, chunks: Sequence[reka.RetrievedChunk]) -> int | None:
    """Return how many chunks to ask for next; None if there are documents enough, or no more of them."""
    if len(chunks) < asked or asked >= MAX_SEARCH_CHUNKS or len(_best_of_each(chunks)) >= search.k:
        return None
    return min(asked * _GROWTH, MAX_SEARCH_CHUNKS)


def _best_of_each(chunks: Iterable[reka.RetrievedChunk]) -> list[reka.RetrievedChunk]:
    """Choose the first chunk of each document; those of no document are kept, as a host without documents has them."""
    chosen: dict[object, reka.RetrievedChunk] = {}
    for place, chunk in enumerate(chunks):
        chosen.setdefault(chunk.get("document_id", place), chunk)
    return list(chosen.values())


def _ids_of_parts(chunks: Iterable[reka.RetrievedChunk]) -> list[str]:
    """Return the ids of the documents that a chunk is only a part of."""
    return [chunk["document_id"] for chunk in chunks if "document_id" in chunk and not _is_whole(chunk)]


def _is_whole(chunk: reka.RetrievedChunk) -> bool:
    return chunk.get("document_bytes") == len(chunk["text"].encode())


def _whole(chunks: Iterable[reka.RetrievedChunk], documents: Iterable[reka.Document], dataset: str) -> list[Found]:
    texts = {document["id"]: document for document in documents}
    found = []
    for chunk in chunks:
        if "document_id" not in chunk or _is_whole(chunk):
            found.append(Found(_passage(chunk, dataset), chunk))
        elif chunk["document_id"] in texts:  # else it has been deleted since
            found.append(Found(stored_document(texts[chunk["document_id"]]), chunk))
    return found


def _passages(chunks: Iterable[reka.RetrievedChunk], dataset: str) -> list[Found]:
    return [Found(_passage(chunk, dataset), chunk) for chunk in chunks]


def _passage(chunk: reka.RetrievedChunk, dataset: str) -> Document:
    """Convert a chunk; one that is all of its document is that document."""
    fields: Mapping[str, Any] = chunk
    if "document_id" in fields:
        chunk_id = fields["document_id"] if _is_whole(chunk) else fields.get("id")
        metadata = dict(fields.get("metadata") or {})
    else:
        chunk_id = fields.get("id") or _id_by_content(chunk, dataset)
        metadata = {name: value for name, value in fields.items() if name not in _OF_THE_SEARCH}
    return Document(chunk["text"], id=chunk_id, metadata=metadata)


def _id_by_content(chunk: reka.RetrievedChunk, dataset: str) -> str:
    identity = json.dumps([dataset, chunk.get("source"), chunk["text"]])
    return hashlib.sha256(identity.encode()).hexdigest()[:32]
