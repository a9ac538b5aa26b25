"""Searching a dataset for nodes, as steps that a client takes, synchronously or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from llama_index.core.schema import NodeWithScore
from llama_index.core.vector_stores.types import MetadataFilters, VectorStoreQueryMode

import reka
from llamaindex_reka.dataset import Dataset, nodes_from_chunks
from llamaindex_reka.documents.filters import condition_of, insensitive_keys
from llamaindex_reka.nodes import is_split
from reka.adapters import MAX_SEARCH_CHUNKS, DocumentDatasets, Steps

Nodes: TypeAlias = Steps[list[NodeWithScore]]

_MODES: Final[dict[VectorStoreQueryMode, reka.RetrievalMode]] = {
    VectorStoreQueryMode.DEFAULT: "hybrid",
    VectorStoreQueryMode.HYBRID: "hybrid",
    VectorStoreQueryMode.SEMANTIC_HYBRID: "hybrid",
    VectorStoreQueryMode.SPARSE: "keyword",
    VectorStoreQueryMode.TEXT_SEARCH: "keyword",
}

_MORE: Final = 4
"""How many times more chunks are asked for while they are too few nodes."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is searched, and how. None leaves all."""

    filters: MetadataFilters | None = None
    doc_ids: Sequence[str] | None = None
    node_ids: Sequence[str] | None = None
    mode: reka.RetrievalMode = "hybrid"

    def __post_init__(self) -> None:
        if self.filters is not None and not isinstance(self.filters, MetadataFilters):
            raise reka.InvalidArgumentError(f"filters: got {type(self.filters).__name__}, want MetadataFilters")
        for name in ("doc_ids", "node_ids"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, str) or not all(isinstance(one, str) for one in value)):
                raise reka.InvalidArgumentError(f"{name}: got {value!r}, want a list of ids")
        condition_of(self.filters, self.doc_ids, self.node_ids)  # so that an invalid one raises here


def mode_of(mode: object) -> reka.RetrievalMode:
    """Return the mode that LlamaIndex's name of one stands for.

    Raises:
        InvalidArgumentError: The server has no such mode.
    """
    try:
        return _MODES[VectorStoreQueryMode(mode)]
    except (ValueError, KeyError) as error:
        known = ", ".join(name.value for name in _MODES)
        raise reka.InvalidArgumentError(f"vector_store_query_mode: got {mode!r}, want one of {known}") from error


def search(datasets: DocumentDatasets, dataset: Dataset, query: str, k: int, selection: Selection) -> Nodes:
    """Search a dataset for the nodes that match a query, best first.

    Nodes that were split before they were stored come back whole, each once, whatever the server made of them.
    """
    name = dataset.name
    keys = insensitive_keys(selection.filters)
    texts: dict[str, set[str]] = {key: set() for key in keys}
    for document in (yield from datasets.infos(name)) if keys else ():
        for key in keys & document["metadata"].keys():
            if isinstance(value := document["metadata"][key], str):
                texts[key].add(value)
    doc_ids = None if selection.doc_ids is None else [dataset.stored_id(one) for one in selection.doc_ids]
    condition = condition_of(selection.filters, doc_ids, selection.node_ids, texts)
    wanted = None if selection.node_ids is None else set(selection.node_ids)
    asked = k if wanted is None else MAX_SEARCH_CHUNKS
    while True:
        chunks = yield from datasets.retrieve(query, name, asked, condition, selection.mode)
        nodes = nodes_from_chunks(chunks, dataset, (yield from _whole_texts(datasets, name, chunks)))
        found = [node for node in nodes if wanted is None or node.node_id in wanted]
        if len(nodes) >= min(k, len(chunks)) or len(chunks) < asked or asked == MAX_SEARCH_CHUNKS:
            return found[:k]
        asked = min(asked * _MORE, MAX_SEARCH_CHUNKS)


def _whole_texts(datasets: DocumentDatasets, name: str, chunks: Sequence[reka.RetrievedChunk]) -> Steps[dict[str, str]]:
    """Get the texts of nodes of which a chunk is a part only, by their documents' ids."""
    cut = {
        chunk.get("document_id", ""): None
        for chunk in chunks
        if is_split(chunk.get("metadata") or {}) and chunk.get("document_bytes") != len(chunk["text"].encode())
    }
    documents = (yield from datasets.get(name, list(cut))) if cut else []
    return {document["id"]: document["text"] for document in documents}
