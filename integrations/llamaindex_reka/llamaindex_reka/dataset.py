"""The dataset behind an index, the documents that it can hold, and the nodes that are found in it."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from llama_index.core.schema import BaseNode, NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode

import reka
from llamaindex_reka.nodes import Chunk, identity_of, is_node, is_split, node_of, text_of
from reka.adapters import ClientSettings, DocumentDatasets, Snapshot, checks, file_names

_LOG: Final = logging.getLogger(__name__)

PREPARE_HINT: Final = "RekaIndex.from_documents"
"""Name of the method that prepares a dataset, for error messages."""


@dataclass(slots=True)
class Dataset:
    """The dataset behind an index, which the index, its retrievers and its engines share.

    Attributes:
        label: Name given by the caller.
        name: Name by which it is asked for; see `reka.adapters.stored_name`.
        given_ids: Ids that LlamaIndex generated in this process, by the ids that the documents are stored under.
        snapshot: What a storage context has kept of the documents, for a host that does not list them.
    """

    label: str
    name: str
    given_ids: dict[str, str] = field(default_factory=dict)
    snapshot: Snapshot | None = None

    def on(self, settings: ClientSettings) -> DocumentDatasets:
        """Return the datasets of a server, of which this is one."""
        return DocumentDatasets(settings, None if self.snapshot is None else (self.name, self.snapshot))

    def know(self, documents: Mapping[str, BaseNode]) -> None:
        """Remember the ids of documents that are stored under others."""
        self.given_ids |= {
            identity: document.node_id for identity, document in documents.items() if identity != document.node_id
        }

    def stored_id(self, identity: str) -> str:
        """Return the id that a document is stored under."""
        return next((stored for stored, given in self.given_ids.items() if given == identity), identity)


def as_dataset(dataset: object) -> Dataset:
    """Return the dataset of this name; a dataset is returned as it is.

    Raises:
        InvalidArgumentError: It is not a name, or a blank one.
    """
    if isinstance(dataset, str):
        dataset = Dataset(dataset, dataset)
    if not isinstance(dataset, Dataset) or not dataset.name.strip():
        shown = repr(dataset.name) if isinstance(dataset, Dataset) else type(dataset).__name__
        raise reka.InvalidArgumentError(f"dataset: got {shown}, want the name of a dataset")
    return dataset


def documents_by_id(documents: Sequence[BaseNode], least: int = 1) -> dict[str, BaseNode]:
    """Map ids to documents: their own ids, or hashes of their content if these are generated; see `identity_of`.

    Blank documents, such as empty pages, are skipped with a warning in the log.

    Args:
        documents: The documents.
        least: How many must have text.

    Raises:
        InvalidArgumentError: Too few documents have text, an element is not a document, has media instead of text, a
            text that UTF-8 cannot write or a blank id, or two documents with different texts have the same id.
    """
    if not isinstance(documents, Sequence):
        raise reka.InvalidArgumentError(f"documents: got {type(documents).__name__}, want a list of documents")
    found: dict[str, BaseNode] = {}
    for index, document in enumerate(documents):
        if not isinstance(document, BaseNode):
            raise reka.InvalidArgumentError(
                f"documents: got {type(document).__name__} at index {index}, want a Document"
            )
        text = text_of(document)
        if not text.strip():
            _require_blank(index, document)
            continue
        checks.require_utf8(text, f"documents[{index}]")
        if not document.id_.strip():
            raise reka.InvalidArgumentError(
                f"documents: got the id {document.id_!r} at index {index}, want one that is not blank; leave the id "
                "out to have the document named after its content"
            )
        first = found.setdefault(identity_of(document), document)
        if text_of(first) != text:
            raise reka.InvalidArgumentError(
                f"documents: got the id {document.id_!r} twice, with different texts; want unique ids"
            )
    if len(found) < least:
        raise reka.InvalidArgumentError("documents: got none with text, want at least one")
    return found


def files_of(documents: Sequence[BaseNode]) -> dict[str, BaseNode]:
    """Map the names of files, which documents are on a host that has files alone, to them; see `documents_by_id`."""
    given = documents_by_id(documents)
    return {
        name: given[document["id"]] for name, document in file_names({"id": each, "text": ""} for each in given).items()
    }


def nodes_from_chunks(
    chunks: Sequence[reka.RetrievedChunk], dataset: Dataset, whole_texts: Mapping[str, str] | None = None
) -> list[NodeWithScore]:
    """Convert retrieved chunks to nodes.

    Args:
        chunks: The chunks, as received, best first.
        dataset: Their dataset.
        whole_texts: Texts of nodes that were split before they were stored, by their documents' ids.

    Returns:
        A node for each chunk, or for all chunks of a node that was split before it was stored, in the same order, with
        the chunk's text and, if the server sent one, its score. What an index stored comes back with its metadata and
        relationships as they were. The metadata of any other node has `dataset`, `rank` (1 is the best) and every other
        field of the chunk, of which the model sees only the source. A node's id is stable across calls.
    """
    nodes: dict[str, NodeWithScore] = {}
    for rank, chunk in enumerate(chunks, start=1):
        metadata = chunk.get("metadata") or {}
        node = _stored(chunk, dataset, whole_texts or {}) if is_node(metadata) else _node(chunk, dataset, rank)
        nodes.setdefault(node.node_id, NodeWithScore(node=node, score=chunk.get("score")))
    return list(nodes.values())


def _stored(chunk: reka.RetrievedChunk, dataset: Dataset, whole_texts: Mapping[str, str]) -> TextNode:
    fields: dict[str, Any] = {**chunk}  # with the server's own
    metadata, text = fields["metadata"], chunk["text"]
    position = fields.get("position", 0)
    place = fields.get("id", "").rpartition("#")[2]
    part: Chunk | None = Chunk(int(place) if place.isdecimal() else None, position)
    if is_split(metadata):
        if chunk.get("document_bytes") == len(text.encode()):
            part = None
        elif (whole := whole_texts.get(fields.get("document_id", ""))) is not None:
            text, part = whole, None
    return node_of(text, metadata, part, dataset.given_ids)


def _node(chunk: reka.RetrievedChunk, dataset: Dataset, rank: int) -> TextNode:
    source = chunk.get("source")
    own = chunk.get("metadata") or {}
    fields = {name: value for name, value in chunk.items() if name not in {"text", "metadata"}}
    fields |= {"dataset": dataset.name, "rank": rank}
    hidden_keys = [name for name in fields if name != "source" and name not in own]
    # A file is named after the id of the document that it was uploaded for.
    ref_doc_id = chunk.get("document_id") or (None if source is None else unquote(source))
    return TextNode(
        id_=_node_id(dataset.label, source, chunk["text"]),
        text=chunk["text"],
        metadata=fields | own,
        excluded_llm_metadata_keys=hidden_keys,
        excluded_embed_metadata_keys=hidden_keys,
        relationships={} if ref_doc_id is None else {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=ref_doc_id)},
    )


def _node_id(label: str, source: str | None, text: str) -> str:
    return hashlib.sha256(json.dumps([label, source, text]).encode()).hexdigest()[:32]


def _require_blank(index: int, document: BaseNode) -> None:
    if any(getattr(document, f"{kind}_resource", None) for kind in ("image", "audio", "video")):
        raise reka.InvalidArgumentError(
            f"documents: got media without text at index {index} (id {document.id_!r}); a dataset stores texts only"
        )
    _LOG.warning("document %d (id %r) is blank and is skipped", index, document.id_)
