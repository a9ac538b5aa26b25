"""Nodes of LlamaIndex as documents of a dataset, and back.

A `Document` is stored whole and comes back in the chunks that the server makes of it. Any other node is split already:
it is stored as one document, and comes back whole, with its id and its relationships.

What a node has besides its text and metadata stands in entries of the stored metadata whose keys begin with `_node` or
are `_ref_doc_id` and `_searched`; a node that comes back has none of them in its metadata.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from hashlib import sha256
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_OID, UUID, uuid5

from llama_index.core.schema import (
    BaseNode,
    Document,
    IndexNode,
    MetadataMode,
    NodeRelationship,
    ObjectType,
    RelatedNodeInfo,
    TextNode,
)
from pydantic_core import PydanticSerializationError

import reka

NODE_ID: Final = "_node_id"
"""Key of the stored metadata: id of the document or node."""

REF_DOC_ID: Final = "_ref_doc_id"
"""Key of the stored metadata: id of the document that a node is from."""

LISTS: Final = "_node_lists"
"""Key of the stored metadata: keys whose values are lists or objects that are not empty, which no comparison finds."""

_NODE: Final = "_node"
_SEARCHED: Final = "_searched"
_OWN: Final = frozenset({NODE_ID, REF_DOC_ID, LISTS, _NODE, _SEARCHED})

_KEPT: Final = frozenset(
    {
        "excluded_embed_metadata_keys",
        "excluded_llm_metadata_keys",
        "metadata_template",
        "metadata_separator",
        "text_template",
    }
)
_KEPT_OF_NODES: Final = _KEPT | {"relationships", "start_char_idx", "end_char_idx", "index_id", "obj"}

_MAX_ID: Final = 512
"""Maximum length of an id and a source on the server, in characters."""

_MAX_SEARCHED: Final = 1_000
"""Characters of the metadata that are searched with a text; the server takes fewer (ours)."""

_DATES: Final = frozenset({"creation_date", "last_modified_date", "last_accessed_date"})
"""Metadata that LlamaIndex's reader of folders takes from the file system: a copy of a file is the same document."""


class Chunk(NamedTuple):
    """Where a chunk is in its document."""

    place: int | None
    """How many chunks of the document are before it; None if the host does not say."""

    position: int
    """Offset in characters."""


def identity_of(node: BaseNode) -> str:
    """Return the id that a node is stored under: its own, or for a document without one, a hash of its content.

    LlamaIndex generates random ids, new ones in each run; the same documents would be other ones each time.
    """
    if isinstance(node, Document) and "id_" not in node.model_fields_set:
        return _hash(_content(node))[:32]
    return node.node_id


def content_digest(documents: object) -> str:
    """Return a hash of the ids and content of documents, in any order."""
    nodes = [each for each in documents if isinstance(each, BaseNode)] if isinstance(documents, Sequence) else []
    return _hash("\0".join(sorted({_hash(f"{identity_of(node)}\0{_content(node)}") for node in nodes})))[:16]


def text_of(node: BaseNode) -> str:
    """Return the text of a node that is stored."""
    return node.get_content(MetadataMode.NONE)


def has_unstorable_object(node: BaseNode) -> bool:
    """Whether a node stands for an object that no store can keep, such as an engine."""
    if isinstance(node, IndexNode) and node.obj is not None:
        try:
            node.dict()
        except ValueError:
            return True
    return False


def stored_document(node: BaseNode) -> reka.Document:
    """Return a node as a document of a dataset.

    Raises:
        InvalidArgumentError: Its metadata cannot be stored.
    """
    identity, is_whole = identity_of(node), not isinstance(node, Document)
    names = _KEPT_OF_NODES if is_whole else _KEPT
    try:
        fields = node.model_dump(mode="json", include={"metadata", *names}, exclude_defaults=True)
    except (PydanticSerializationError, ValueError) as error:
        raise reka.InvalidArgumentError(f"documents: the metadata of {identity!r} is no JSON: {error}") from error
    metadata: dict[str, Any] = fields.get("metadata", {})
    if taken := _OWN & metadata.keys():
        raise reka.InvalidArgumentError(
            f"documents: the metadata of {identity!r} has {min(taken)!r}, a name that the index uses; want another one"
        )
    kept = {name: fields[name] for name in names if name in fields} | {"hash": node.hash, "whole": is_whole}
    if isinstance(node, IndexNode) and node.obj is not None:
        kept["obj"] = node.dict()["obj"]  # 0.14.22's `model_dump` writes it in a form that `from_dict` does not read
    if not is_whole:
        kept["length"] = len(text_of(node).rstrip())
    for related in _related(kept):
        if related.get("metadata", {}) == metadata:
            related.pop("metadata", None)
        else:
            related.setdefault("metadata", {})
    ref_doc_id = node.ref_doc_id if is_whole else identity
    own = {
        _NODE: kept,
        NODE_ID: identity,
        REF_DOC_ID: ref_doc_id,
        LISTS: [key for key, value in metadata.items() if isinstance(value, list | dict) and value],
        _SEARCHED: node.get_metadata_str(MetadataMode.EMBED)[:_MAX_SEARCHED],
    }
    # An empty list says nothing, but an empty text does: that no metadata is searched.
    stored = {**metadata, **{key: value for key, value in own.items() if value is not None and value != []}}
    source = _source(node, ref_doc_id or identity)
    return {"id": _short(identity), "text": text_of(node), "source": source, "metadata": stored}


def node_of(text: str, metadata: Mapping[str, Any], chunk: Chunk | None, given_ids: Mapping[str, str]) -> TextNode:
    """Return a stored node, or a chunk of a stored document, as a node.

    Args:
        text: The text of the chunk, or the whole text of a node.
        metadata: The metadata as stored; `is_node` holds for it.
        chunk: Where the text is in the document; None if it is the whole text of a node.
        given_ids: Ids that documents without ids have in this process, by the ids that they are stored under.
    """
    kept: dict[str, Any] = metadata[_NODE]
    shown = metadata_of(metadata)
    fields = deepcopy({name: value for name, value in kept.items() if name in _KEPT_OF_NODES})
    identity: str = metadata[NODE_ID]
    if kept["whole"]:
        for related in _related(fields):
            related.setdefault("metadata", dict(shown))
            related["node_id"] = given_ids.get(related["node_id"], related["node_id"])
    if chunk is not None:
        start = (fields.get("start_char_idx") or 0) + chunk.position
        fields |= {"start_char_idx": start, "end_char_idx": start + len(text)}
        if not kept["whole"]:
            is_last = start + len(text) >= kept.get("length", 0)
            fields["relationships"] = _relationships(chunk, identity, metadata, given_ids, is_last=is_last)
        identity = part_id(identity, chunk.position if chunk.place is None else chunk.place)
    fields |= {"id_": identity, "text": text, "metadata": shown}
    return IndexNode.from_dict(fields) if "index_id" in fields else TextNode(**fields)


def _relationships(
    chunk: Chunk, identity: str, metadata: Mapping[str, Any], given_ids: Mapping[str, str], *, is_last: bool
) -> dict[NodeRelationship, RelatedNodeInfo]:
    """Return the document of a chunk, and the chunks before and after it."""

    def related(node_id: str, kind: ObjectType, **more: Any) -> RelatedNodeInfo:
        return RelatedNodeInfo(node_id=node_id, node_type=kind, metadata=metadata_of(metadata), **more)

    source = given_ids.get(identity, identity)
    found = {NodeRelationship.SOURCE: related(source, ObjectType.DOCUMENT, hash=hash_of(metadata))}
    if chunk.place is None:
        return found
    if chunk.place > 0:
        found[NodeRelationship.PREVIOUS] = related(part_id(identity, chunk.place - 1), ObjectType.TEXT)
    if not is_last:
        found[NodeRelationship.NEXT] = related(part_id(identity, chunk.place + 1), ObjectType.TEXT)
    return found


def is_node(metadata: Mapping[str, Any]) -> bool:
    """Whether metadata of a document is that of a stored node."""
    return isinstance(metadata.get(_NODE), dict) and isinstance(metadata.get(NODE_ID), str)


def is_split(metadata: Mapping[str, Any]) -> bool:
    """Whether metadata is that of a node that was split before it was stored, and so comes back whole."""
    return is_node(metadata) and bool(metadata[_NODE].get("whole"))


def document_of(info: reka.DocumentInfo) -> str:
    """Return the id of LlamaIndex's document that a document of the dataset is, or is a node of."""
    metadata = info["metadata"]
    return str(metadata.get(REF_DOC_ID) or metadata.get(NODE_ID) or info["id"])


def hash_of(metadata: Mapping[str, Any]) -> str | None:
    """Return LlamaIndex's hash of the document that was stored, or that a node is from; None if it is unknown."""
    if not is_split(metadata):
        return metadata[_NODE].get("hash") if is_node(metadata) else None
    return (_source_of(metadata) or {}).get("hash")


def metadata_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata without what the index stores there."""
    return {key: value for key, value in metadata.items() if key not in _OWN}


def source_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of the document that a stored node is from; its own if that is unknown."""
    source = _source_of(metadata) if is_split(metadata) else None
    return dict((source or {}).get("metadata") or metadata_of(metadata))


def part_id(identity: str, place: int) -> str:
    """Return the id of the chunk at a place of a document, from 0, or at an offset where places are unknown."""
    return f"{identity}#{place}"


def document_of_part(node_id: str) -> str | None:
    """Return the id of the document that a node is a chunk of, by the node's id; None if it is no chunk."""
    identity, _, place = node_id.rpartition("#")
    return identity if identity and place.isdecimal() else None


def with_stable_ids(nodes: Sequence[BaseNode]) -> list[BaseNode]:
    """Return nodes that were split from documents with ids that are the same in each run, as their order and texts are.

    LlamaIndex generates random ids, so that the same documents would be other nodes each time.
    """
    orders: Counter[str] = Counter()
    ids: dict[str, str] = {}
    for node in nodes:
        source = node.ref_doc_id
        if source is not None and not isinstance(node, Document):
            ids[node.node_id] = str(uuid5(NAMESPACE_OID, f"{source}\0{orders[source]}\0{node.hash}"))
            orders[source] += 1

    def renamed(related: Any) -> Any:
        if isinstance(related, list):
            return [renamed(one) for one in related]
        return related.model_copy(update={"node_id": ids.get(related.node_id, related.node_id)})

    return [
        node.model_copy(
            update={
                "id_": ids.get(node.node_id, node.node_id),
                "relationships": {kind: renamed(related) for kind, related in node.relationships.items()},
            }
        )
        for node in nodes
    ]


def _content(node: BaseNode) -> str:
    metadata = sorted((key, str(value)) for key, value in node.metadata.items() if key not in _DATES)
    return f"{text_of(node)}\0{metadata}"


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _source_of(metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    source = metadata[_NODE].get("relationships", {}).get(NodeRelationship.SOURCE.value)
    return source if isinstance(source, dict) else None


def _related(kept: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = kept.get("relationships", {}).values()
    return [one for related in found for one in (related if isinstance(related, list) else [related])]


def _source(node: BaseNode, identity: str) -> str:
    """Return what people and the model are shown as the source: the id, or the file's name if the id is generated."""
    if _is_generated(identity) or identity != node.node_id:
        name = node.metadata.get("file_name") or node.metadata.get("file_path")
        if isinstance(name, str) and name.strip():
            return name[:_MAX_ID]
    return identity[:_MAX_ID]


def _is_generated(identity: str) -> bool:
    try:
        return bool(UUID(identity))
    except ValueError:
        return False


def _short(identity: str) -> str:
    return identity if len(identity) <= _MAX_ID else _hash(identity)
