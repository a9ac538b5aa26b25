"""Evaluation of filters on the metadata of one document."""

import operator as operators
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from reka._protocol.filters.parse import Comparison, Filter, Scalar, is_list

_ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$gt": operators.gt,
    "$gte": operators.ge,
    "$lt": operators.lt,
    "$lte": operators.le,
}


def matches(condition: Filter, metadata: Mapping[str, Any]) -> bool:
    """Whether a filter holds for the metadata of a document."""
    if isinstance(condition, Comparison):
        return _compares(condition, metadata)
    if condition.combinator == "$not":
        return not matches(condition.parts[0], metadata)
    quantifier = all if condition.combinator == "$and" else any
    return quantifier(matches(part, metadata) for part in condition.parts)


def _compares(comparison: Comparison, metadata: Mapping[str, Any]) -> bool:
    operator, wanted = comparison.operator, comparison.value
    negated = operator in {"$ne", "$nin"}
    if comparison.key not in metadata:
        return negated
    value = metadata[comparison.key]
    if operator in {"$eq", "$ne"}:
        return _equal(value, wanted) != negated
    if operator in {"$in", "$nin"}:
        return any(_equal(value, item) for item in cast("tuple[Scalar, ...]", wanted)) != negated
    if operator == "$contains":
        if isinstance(value, str):
            return isinstance(wanted, str) and wanted in value
        return is_list(value) and any(_equal(item, wanted) for item in value)
    return _kind(value) == _kind(wanted) in {"text", "number"} and _ORDERS[operator](value, wanted)


def _equal(value: object, wanted: object) -> bool:
    if is_list(value) and is_list(wanted):
        return len(value) == len(wanted) and all(map(_equal, value, wanted))
    return _kind(value) == _kind(wanted) and value == wanted


def _kind(value: object) -> str:
    """Name what a value can be compared with."""
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "text" if isinstance(value, str) else type(value).__name__
