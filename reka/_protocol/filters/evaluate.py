"""Evaluation of filters on metadata: each comparison is a function of the value under its key."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from reka._protocol.filters.parse import Comparison, Filter, is_list

Predicate: TypeAlias = Callable[[Any], bool]
"""Tells whether a comparison holds for a value; `MISSING` where the metadata lacks the key."""

MISSING: Final = object()
"""Stands for the value of a key that is not there; it equals nothing, and null is not it."""


def matches(condition: Filter, metadata: Mapping[str, Any]) -> bool:
    """Whether a filter holds for the metadata of a document."""
    if isinstance(condition, Comparison):
        return predicate(condition)(metadata.get(condition.key, MISSING))
    if condition.combinator == "$not":
        return not matches(condition.parts[0], metadata)
    quantifier = all if condition.combinator == "$and" else any
    return quantifier(matches(part, metadata) for part in condition.parts)


def predicate(comparison: Comparison) -> Predicate:
    """Make the function of a comparison, for many values."""
    return _PREDICATES[comparison.operator](comparison.value)


def identity(value: Any) -> Any:
    """Return what makes a JSON value equal to another: 1 is 1.0, and true is not 1."""
    if isinstance(value, bool):
        return ("bool", value)
    if is_list(value):
        return ("list", *map(identity, value))
    if isinstance(value, Mapping):
        return ("object", *((key, identity(value[key])) for key in sorted(value)))
    return value


def _equals(operand: Any) -> Predicate:
    wanted = identity(operand)
    return lambda value: bool(identity(value) == wanted)


def _is_one_of(operand: Sequence[Any]) -> Predicate:
    wanted = {identity(item) for item in operand}
    return lambda value: identity(value) in wanted


def _contains(operand: Any) -> Predicate:
    wanted = identity(operand)

    def contains(value: Any) -> bool:
        if isinstance(value, str):
            return isinstance(operand, str) and operand in value
        return is_list(value) and any(identity(item) == wanted for item in value)

    return contains


def _compares(compare: Callable[[Any, Any], bool]) -> Callable[[Any], Predicate]:
    def of(operand: Any) -> Predicate:
        if isinstance(operand, str):
            return lambda value: isinstance(value, str) and compare(value, operand)
        return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and compare(value, operand)

    return of


def _not(of: Callable[[Any], Predicate]) -> Callable[[Any], Predicate]:
    def negated(operand: Any) -> Predicate:
        holds = of(operand)
        return lambda value: not holds(value)

    return negated


_PREDICATES: Final[Mapping[str, Callable[[Any], Predicate]]] = {
    "$eq": _equals,
    "$ne": _not(_equals),
    "$in": _is_one_of,
    "$nin": _not(_is_one_of),
    "$gt": _compares(operator.gt),
    "$gte": _compares(operator.ge),
    "$lt": _compares(operator.lt),
    "$lte": _compares(operator.le),
    "$contains": _contains,
}
