"""Filters over metadata: parsed with clear errors, and evaluated. Keys and values are data, never a query language.

A filter is a JSON object: `{"lang": "de", "year": {"$gte": 2020}, "$or": [{...}, {...}]}`. All its entries must hold.
A value compares as a whole: `$eq: null` holds where the key is null or missing, `$ne` and `$nin` hold where it is
missing, numbers order with numbers and texts with texts, true is no number. `$contains` finds an element of a list, or
a part of a text.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

MAX_DEPTH: Final = 16
"""Levels of `$and`, `$or` and `$not` in a filter (ours)."""

MAX_CONDITIONS: Final = 256
"""Conditions and groups of a filter: each is compared with the metadata of every document (ours)."""

MAX_VALUES: Final = 10_000
"""Values in all lists of a filter (ours)."""

Scalar: TypeAlias = str | int | float | bool | None
Predicate: TypeAlias = Callable[[Any], bool]


class FilterError(ValueError):
    """A filter is malformed. The message says where and what is wanted."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of one key."""

    key: str
    operator: str
    operand: Any

    def predicate(self) -> Predicate:
        """Return the function that tells whether a value fulfils this condition; a missing value is None."""
        return _PREDICATES[self.operator](self.operand)


@dataclass(frozen=True, slots=True)
class Group:
    """Parts that must all hold (`$and`), of which one must hold (`$or`), or that must not all hold (`$not`)."""

    operator: str
    parts: "tuple[Filter, ...]"


Filter: TypeAlias = Condition | Group


def parse_filter(value: Any) -> Filter:
    """Parse a filter.

    Args:
        value: The filter as JSON has it.

    Raises:
        FilterError: It is malformed, or exceeds a limit.
    """
    return _Parser().parse(value, "filter", 1)


def matches(condition: Filter, metadata: Mapping[str, Any]) -> bool:
    """Tell whether the metadata of a document fulfil a filter."""
    if isinstance(condition, Condition):
        return condition.predicate()(metadata.get(condition.key))
    if condition.operator == "$or":
        return any(matches(part, metadata) for part in condition.parts)
    return all(matches(part, metadata) for part in condition.parts) is (condition.operator == "$and")


class _Parser:
    """Parses one filter and counts what it costs."""

    def __init__(self) -> None:
        self._conditions = 0
        self._values = 0

    def parse(self, value: Any, place: str, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise FilterError(f"{place}: the filter has more than {MAX_DEPTH} levels; simplify it")
        if not isinstance(value, Mapping):
            raise FilterError(f"{place}: got {_kind(value)}, want an object such as {{'lang': 'de'}}")
        self._count_condition(place)
        parts: list[Filter] = []
        for key, entry in value.items():
            inner = f"{place}[{key[:64]!r}]" if isinstance(key, str) else place
            if not isinstance(key, str):
                raise FilterError(f"{place}: got a key that is {_kind(key)}, want a text")
            if key in ("$and", "$or"):
                parts.append(Group(key, self._parse_parts(entry, inner, depth)))
            elif key == "$not":
                parts.append(Group(key, (self.parse(entry, inner, depth + 1),)))
            elif key.startswith("$"):
                raise FilterError(f"{inner}: got an unknown operator, want a key of the metadata, or $and, $or or $not")
            else:
                parts += self._parse_conditions(key, entry, inner, depth)
        return parts[0] if len(parts) == 1 else Group("$and", tuple(parts))

    def _parse_parts(self, value: Any, place: str, depth: int) -> tuple[Filter, ...]:
        if not _is_list(value) or not value:
            raise FilterError(f"{place}: got {_kind(value)}, want a list of at least one filter")
        return tuple(self.parse(part, f"{place}[{index}]", depth + 1) for index, part in enumerate(value))

    def _parse_conditions(self, key: str, value: Any, place: str, depth: int) -> list[Filter]:
        if not isinstance(value, Mapping):
            return [self._condition(key, "$eq", value, place)]
        if not value:
            raise FilterError(f"{place}: got an empty object, want a value, or an operator such as {{'$gte': 2020}}")
        conditions: list[Filter] = []
        for name, operand in value.items():
            inner = f"{place}[{str(name)[:64]!r}]"
            if name == "$not":
                if depth >= MAX_DEPTH or not isinstance(operand, Mapping):
                    raise FilterError(f"{inner}: got {_kind(operand)}, want an object of operators, not nested deeper")
                parts = self._parse_conditions(key, operand, inner, depth + 1)
                conditions.append(Group("$not", tuple(parts)))
            elif name in _PREDICATES:
                conditions.append(self._condition(key, name, operand, inner))
            else:
                raise FilterError(f"{inner}: got an unknown operator, want one of {', '.join(_PREDICATES)}, $not")
        return conditions

    def _condition(self, key: str, name: str, operand: Any, place: str) -> Condition:
        self._count_condition(place)
        if name in ("$in", "$nin"):
            if not _is_list(operand) or not all(_is_scalar(one) for one in operand):
                raise FilterError(f"{place}: got {_kind(operand)}, want a list of texts, numbers, booleans or nulls")
            self._count(operand, place)
        elif name in _ORDERS and (isinstance(operand, bool) or not isinstance(operand, str | int | float)):
            raise FilterError(f"{place}: got {_kind(operand)}, want a number or a text")
        elif name == "$contains" and not _is_scalar(operand):
            raise FilterError(f"{place}: got {_kind(operand)}, want a text, a number, a boolean or null")
        elif _is_list(operand):
            if not all(_is_scalar(one) for one in operand):
                raise FilterError(f"{place}: got a list of lists or objects, want one of plain values")
            self._count(operand, place)
        elif not _is_scalar(operand):
            raise FilterError(f"{place}: got {_kind(operand)}, want a text, a number, a boolean, null or a list")
        return Condition(key, name, list(operand) if _is_list(operand) else operand)

    def _count_condition(self, place: str) -> None:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise FilterError(f"{place}: the filter has more than {MAX_CONDITIONS} conditions; use $in for many values")

    def _count(self, values: Sequence[Any], place: str) -> None:
        self._values += len(values)
        if self._values > MAX_VALUES:
            raise FilterError(f"{place}: the filter has more than {MAX_VALUES} values in its lists; use fewer")


def identity(value: Any) -> Any:
    """Return what makes a JSON value equal to another: 1 is 1.0, and true is not 1."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, list | tuple):
        return ("list", *map(identity, value))
    if isinstance(value, Mapping):
        return ("object", *((key, identity(value[key])) for key in sorted(value)))
    return value


def _equals(operand: Any) -> Predicate:
    wanted = identity(operand)
    return lambda value: bool(identity(value) == wanted)


def _is_one_of(operand: Sequence[Any]) -> Predicate:
    wanted = {identity(one) for one in operand}
    return lambda value: identity(value) in wanted


def _contains(operand: Any) -> Predicate:
    wanted = identity(operand)

    def contains(value: Any) -> bool:
        if isinstance(value, str):
            return isinstance(operand, str) and operand in value
        return isinstance(value, list | tuple) and any(identity(one) == wanted for one in value)

    return contains


def _orders(compare: Callable[[Any, Any], bool]) -> Callable[[Any], Predicate]:
    def of(operand: Any) -> Predicate:
        if isinstance(operand, str):
            return lambda value: isinstance(value, str) and compare(value, operand)
        return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and compare(value, operand)

    return of


def _not(of: Callable[[Any], Predicate]) -> Callable[[Any], Predicate]:
    def negated(operand: Any) -> Predicate:
        predicate = of(operand)
        return lambda value: not predicate(value)

    return negated


_ORDERS: Final[Mapping[str, Callable[[Any], Predicate]]] = {
    "$gt": _orders(operator.gt),
    "$gte": _orders(operator.ge),
    "$lt": _orders(operator.lt),
    "$lte": _orders(operator.le),
}

_PREDICATES: Final[Mapping[str, Callable[[Any], Predicate]]] = {
    "$eq": _equals,
    "$ne": _not(_equals),
    "$in": _is_one_of,
    "$nin": _not(_is_one_of),
    **_ORDERS,
    "$contains": _contains,
}


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _kind(value: Any) -> str:
    if _is_list(value):
        return "an empty list" if not value else "a list"
    if isinstance(value, Mapping):
        return "an object"
    return "null" if value is None else f"{str(value)[:64]!r}"
