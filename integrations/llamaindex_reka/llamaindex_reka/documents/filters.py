"""LlamaIndex's filters over metadata as filters of Reka's datasets; see `reka.delete_documents` for these."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

import reka
from llamaindex_reka.nodes import LISTS, NODE_ID, REF_DOC_ID, document_of_part

_LEAST: Final = -1.7976931348623157e308
"""No number of JSON is less."""

_PLAIN: Final = {
    FilterOperator.GT: "$gt",
    FilterOperator.GTE: "$gte",
    FilterOperator.LT: "$lt",
    FilterOperator.LTE: "$lte",
    FilterOperator.CONTAINS: "$contains",
}
_EQUAL: Final = {FilterOperator.EQ: ("$eq", "$in"), FilterOperator.NE: ("$ne", "$nin")}
_OF_LISTS: Final = {FilterOperator.IN: "$in", FilterOperator.NIN: "$nin"}
_SEVERAL: Final = {FilterOperator.ANY: "$or", FilterOperator.ALL: "$and"}

_OF_ALL: Final = frozenset({FilterOperator.NE, FilterOperator.NIN, FilterOperator.IS_EMPTY})
"""Operators that hold for a key that is missing."""

_IDS: Final = frozenset({"doc_id", "document_id", "ref_doc_id"})
"""Keys under which LlamaIndex's vector stores have the id of a node's document."""

Texts = Mapping[str, Collection[str]]
"""Texts that documents of a dataset have under a key of their metadata."""


def condition_of(
    filters: MetadataFilters | None,
    doc_ids: Sequence[str] | None = None,
    node_ids: Sequence[str] | None = None,
    texts: Texts | None = None,
) -> dict[str, Any] | None:
    """Return the filter of a dataset that holds for the documents that these leave.

    A key that the metadata lacks fails every operator but `!=`, `nin` and `is_empty`.

    Args:
        filters: Filters of LlamaIndex, which may contain each other; None leaves all documents.
        doc_ids: Ids of the documents to leave; None leaves all.
        node_ids: Ids of the nodes to leave, of which this leaves the documents; None leaves all.
        texts: What documents have under the keys of `insensitive_keys`.

    Raises:
        InvalidArgumentError: An operator has a value that it cannot compare with; the message names the key.
    """
    parts = [] if filters is None else [_combination(filters, texts or {})]
    if doc_ids is not None:
        parts.append({REF_DOC_ID: {"$in": list(doc_ids)}})
    if node_ids is not None:
        stored = [document for node in node_ids for document in (node, document_of_part(node)) if document is not None]
        parts.append({NODE_ID: {"$in": stored}})
    parts = [part for part in parts if part]
    return None if not parts else _joined("$and", parts)


def insensitive_keys(filters: MetadataFilters | None) -> set[str]:
    """Return the keys whose texts are compared without case, which needs the texts that are there."""
    return {
        each.key
        for each in _comparisons(filters)
        if each.operator is FilterOperator.TEXT_MATCH_INSENSITIVE and isinstance(each.value, str)
    }


def _comparisons(filters: MetadataFilters | None) -> Iterator[MetadataFilter]:
    for each in () if filters is None else filters.filters:
        if isinstance(each, MetadataFilters):
            yield from _comparisons(each)
        else:
            yield each


def _combination(filters: MetadataFilters, texts: Texts) -> dict[str, Any]:
    parts = [
        _combination(each, texts) if isinstance(each, MetadataFilters) else _of_key(each, texts)
        for each in filters.filters
    ]
    parts = [part for part in parts if part]
    if not parts:
        return {}
    if filters.condition is FilterCondition.NOT:  # none of them holds
        return {"$not": _joined("$or", parts)}
    return _joined("$or" if filters.condition is FilterCondition.OR else "$and", parts)


def _joined(combinator: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    return parts[0] if len(parts) == 1 else {combinator: parts}


def _of_key(comparison: MetadataFilter, texts: Texts) -> dict[str, Any]:
    if comparison.key not in _IDS:
        return _comparison(comparison, comparison.key, texts)
    either = [_comparison(comparison, key, texts) for key in (comparison.key, REF_DOC_ID)]
    return {"$and" if comparison.operator in _OF_ALL else "$or": either}


def _comparison(comparison: MetadataFilter, key: str, texts: Texts) -> dict[str, Any]:
    operator, value = comparison.operator, comparison.value
    if operator is FilterOperator.IS_EMPTY:
        return _is_empty(key)
    if operator in _PLAIN:
        return {key: {_PLAIN[operator]: value}}
    if operator in _EQUAL:
        one, several = _EQUAL[operator]
        alike = _with_booleans([value])
        return {key: {one: value} if len(alike) == 1 else {several: alike}}
    if operator in _OF_LISTS:
        return {key: {_OF_LISTS[operator]: _with_booleans(_values(comparison))}}
    if operator in _SEVERAL:
        return _joined(_SEVERAL[operator], [{key: {"$contains": one}} for one in _values(comparison)])
    return _of_text(comparison, key, texts)


def _of_text(comparison: MetadataFilter, key: str, texts: Texts) -> dict[str, Any]:
    text = comparison.value
    if not isinstance(text, str):
        raise _error(comparison, "a text")
    if comparison.operator is FilterOperator.TEXT_MATCH:
        return {key: {"$contains": text}}
    if comparison.operator is FilterOperator.TEXT_MATCH_INSENSITIVE:
        return {key: {"$in": sorted(one for one in texts.get(key, ()) if text.lower() in one.lower())}}
    raise _error(comparison, f"another operator than {comparison.operator.value!r}")


def _is_empty(key: str) -> dict[str, Any]:
    """Return the filter for what lacks a key, or has null, an empty text or an empty list under it.

    No comparison holds for all that is there, so this says what is not: a text, a number, a boolean, or one of the keys
    that a stored document names as those of lists.
    """
    there = [{key: {"$gt": ""}}, {key: {"$gte": _LEAST}}, {key: {"$in": [True, False]}}, {LISTS: {"$contains": key}}]
    return {"$not": {"$or": there}}


def _values(comparison: MetadataFilter) -> list[Any]:
    if not isinstance(comparison.value, list) or not comparison.value:
        raise _error(comparison, "a list that is not empty")
    return comparison.value


def _with_booleans(values: list[Any]) -> list[Any]:
    """Add true to 1 and false to 0: LlamaIndex's filters have no booleans, and in Python they are equal."""
    return [*values, *(bool(value) for value in values if isinstance(value, int | float) and value in {0, 1})]


def _error(comparison: MetadataFilter, wanted: str) -> reka.InvalidArgumentError:
    return reka.InvalidArgumentError(
        f"filters: got {comparison.value!r} for {comparison.key!r} {comparison.operator.value}, want {wanted}"
    )
