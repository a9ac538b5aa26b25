"""The dataset behind an index, what its documents are named after, and the nodes that are found in it."""

import hashlib
import json
import logging
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from llama_index.core.schema import BaseNode, NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode

import reka
from llamaindex_reka.nodes import Chunk, identity_of, is_node, is_split, node_of, text_of

_LOG: Final = logging.getLogger(__name__)

PREPARE_HINT: Final = "RekaIndex.from_documents"
"""Name of the method that prepares a dataset, for error messages."""

_SAFE_PUNCTUATION: Final = frozenset(" -_.,+@=()[]~!#&'")
"""Characters that are not encoded in file names, besides letters and digits of any script."""

_MAX_NAME_BYTES: Final = 200
"""Maximum length of a file name; file systems, to which zip archives are extracted, allow 255 bytes."""

_MAX_LABEL: Final = 100
"""Maximum length of a stored name; servers shorten longer ones."""


@dataclass(slots=True)
class Dataset:
    """The dataset behind an index. The index, its retrievers and its engines share it, so they switch together.

    Attributes:
        label: Name given by the caller; it stays what it is.
        name: Current stored name on the server.
        documents: Documents of the dataset by file name, on a host whose datasets are replaced as a whole; empty if the
            dataset was not created by this process.
        given_ids: Ids that LlamaIndex generated in this process, by the ids that the documents are stored under.
    """

    label: str
    name: str
    documents: Mapping[str, BaseNode] = field(default_factory=dict)
    given_ids: dict[str, str] = field(default_factory=dict)

    def document_of(self, source: str) -> BaseNode | None:
        """Return the document that a chunk's source names; None if it is unknown."""
        return self.documents.get(source)

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


def stored_name(label: str) -> str:
    """Return the name that a dataset of this label is stored under: a name that a server leaves as it is.

    A label that is no such name gets a hash of its own, so that no two labels become one name.
    """
    composed = unicodedata.normalize("NFC", label)
    safe = "".join(char if char in "-.+@" or unicodedata.category(char)[0] in "LMN" else "_" for char in composed)
    safe = re.sub(r"[_.]{2,}|_\.|\._", "_", safe).strip("-_.@")
    if safe == label and len(safe) <= _MAX_LABEL:
        return label
    digest = hashlib.sha256(label.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{safe[: _MAX_LABEL - 13].strip('-_.@') or 'dataset'}-{digest}"


def documents_by_id(documents: Sequence[BaseNode], least: int = 1) -> dict[str, BaseNode]:
    """Map ids to documents: their own ids, or hashes of their content if these are generated; see `identity_of`.

    Blank documents, such as empty pages, are skipped with a warning in the log.

    Args:
        documents: The documents.
        least: How many must have text.

    Raises:
        InvalidArgumentError: Too few documents have text, an element is not a document, has media instead of text or a
            blank id, or two documents with different texts have the same id.
    """
    if not isinstance(documents, Sequence):
        raise reka.InvalidArgumentError(f"documents: got {type(documents).__name__}, want a list of documents")
    found: dict[str, BaseNode] = {}
    for index, document in enumerate(documents):
        if not isinstance(document, BaseNode):
            raise reka.InvalidArgumentError(
                f"documents: got {type(document).__name__} at index {index}, want a Document"
            )
        if not text_of(document).strip():
            _require_blank(index, document)
            continue
        if not document.id_.strip():
            raise reka.InvalidArgumentError(
                f"documents: got the id {document.id_!r} at index {index}, want one that is not blank; leave the id "
                "out to have the document named after its content"
            )
        first = found.setdefault(identity_of(document), document)
        if text_of(first) != text_of(document):
            raise reka.InvalidArgumentError(
                f"documents: got the id {document.id_!r} twice, with different texts; want unique ids"
            )
    if len(found) < least:
        raise reka.InvalidArgumentError("documents: got none with text, want at least one")
    return found


def files_of(documents: Sequence[BaseNode]) -> dict[str, BaseNode]:
    """Map file names, made of ids, to documents; see `documents_by_id`."""
    return {_safe_file_name(identity): document for identity, document in documents_by_id(documents).items()}


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
        field of the chunk; if the document is known, its metadata is included and takes precedence. The model sees the
        document's metadata, as the document allows, or else only the source. A node's id is stable across calls.
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
    part: Chunk | None = Chunk(int(place) if place.isdecimal() else position, position)
    if is_split(metadata):
        if chunk.get("document_bytes") == len(text.encode()):
            part = None
        elif (whole := whole_texts.get(fields.get("document_id", ""))) is not None:
            text, part = whole, None
    return node_of(text, metadata, part, dataset.given_ids)


def _node(chunk: reka.RetrievedChunk, dataset: Dataset, rank: int) -> TextNode:
    source = chunk.get("source")
    document = None if source is None else dataset.document_of(source)
    own = chunk.get("metadata") or {}
    fields = {name: value for name, value in chunk.items() if name not in {"text", "metadata"}}
    fields |= {"dataset": dataset.name, "rank": rank}
    if document is None:
        metadata = fields | own
        hidden_keys = [name for name in fields if name != "source" and name not in own]
        ref_doc_id = chunk.get("document_id") or (None if source is None else document_id(source))
        relationships = {} if ref_doc_id is None else {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=ref_doc_id)}
    else:
        metadata = fields | document.metadata
        hidden_keys = [name for name in fields if name not in document.metadata]
        hidden_keys += [name for name in document.excluded_llm_metadata_keys if name not in hidden_keys]
        relationships = {NodeRelationship.SOURCE: document.as_related_node_info()}
    return TextNode(
        id_=_node_id(dataset.label, source, chunk["text"]),
        text=chunk["text"],
        metadata=metadata,
        excluded_llm_metadata_keys=hidden_keys,
        excluded_embed_metadata_keys=hidden_keys,
        relationships=relationships,
    )


def _node_id(label: str, source: str | None, text: str) -> str:
    return hashlib.sha256(json.dumps([label, source, text]).encode()).hexdigest()[:32]


def _require_blank(index: int, document: BaseNode) -> None:
    if any(getattr(document, f"{kind}_resource", None) for kind in ("image", "audio", "video")):
        raise reka.InvalidArgumentError(
            f"documents: got media without text at index {index} (id {document.id_!r}); a dataset stores texts only"
        )
    _LOG.warning("document %d (id %r) is blank and is skipped", index, document.id_)


def document_id(source: str) -> str:
    """Return the id of the document that a file was named after."""
    return unquote(source)


def _safe_file_name(identity: str) -> str:
    """Encode an id as a relative path that every server accepts; `document_id` decodes all but very long ones."""
    parts = identity.split("/")
    is_path = all(part not in {"", ".", ".."} for part in parts) and parts[0] != "__MACOSX"
    safe = _SAFE_PUNCTUATION | {"/"} if is_path else _SAFE_PUNCTUATION - {"."}
    name = "".join(char if char.isalnum() or char in safe else _percent_encode(char) for char in identity)
    name = "/".join(f"%2E{part[1:]}" if part.startswith(".") else part for part in name.split("/"))
    if len(name.encode()) <= _MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(identity.encode()).hexdigest()[:32]
    return f"{name.encode()[: _MAX_NAME_BYTES - 33].decode(errors='ignore')}~{digest}"


def _percent_encode(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
