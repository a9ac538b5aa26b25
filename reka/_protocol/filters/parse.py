"""Parsing of filters: JSON values -> comparisons and their combinations, or an error with its place."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeGuard, cast, get_args

from reka._protocol.checks import describe, json_kind
from reka.errors import InvalidArgumentError

MAX_FILTER_DEPTH: Final = 16
"""Maximum number of `$and`, `$or` and `$not` inside each other (ours)."""

MAX_FILTER_CONDITIONS: Final = 256
"""Maximum number of comparisons and combinations: each is evaluated for every document (ours)."""

MAX_FILTER_VALUES: Final = 10_000
"""Maximum number of values in the lists of a filter (ours)."""

Scalar: TypeAlias = str | int | float | bool | None
"""A value that metadata is compared with."""

Operator: TypeAlias = Literal["$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte", "$contains"]

Combinator: TypeAlias = Literal["$and", "$or", "$not"]

_OPERATORS: Final[tuple[str, ...]] = get_args(Operator)
_COMBINATORS: Final[tuple[str, ...]] = get_args(Combinator)
_WANTED_OPERATORS: Final = f"{', '.join(_OPERATORS)}, $not"
_LIST_OPERATORS: Final = frozenset({"$in", "$nin"})
_ORDER_OPERATORS: Final = frozenset({"$gt", "$gte", "$lt", "$lte"})


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of the value under one key of the metadata."""

    key: str
    operator: Operator
    value: Scalar | tuple[Scalar, ...]
    """A tuple for `$in` and `$nin`, and for `$eq` and `$ne` of a list."""


@dataclass(frozen=True, slots=True)
class Combination:
    """Filters that must all hold (`$and`), of which one must hold (`$or`), or the one that must not hold (`$not`)."""

    combinator: Combinator
    parts: tuple["Filter", ...]
    """Empty only in the `$and` of the empty filter, which holds for every document."""


Filter: TypeAlias = Comparison | Combination


def parse_filter(value: object, argument: str) -> Filter:
    """Parse a filter.

    Args:
        value: The filter, as JSON values.
        argument: Name of the argument, for the error.

    Raises:
        InvalidArgumentError: It is no filter, or it is too deep or too large. The message has the place within it.
    """
    return Parser().entries(value, argument, 0)


class Parser:
    """Counts what a filter is made of while it is parsed."""

    def __init__(self) -> None:
        self._conditions = 0
        self._values = 0

    def entries(self, value: object, place: str, depth: int) -> Filter:
        """Parse an object of keys and combinators."""
        if not isinstance(value, Mapping):
            raise _error(place, json_kind(value), 'an object such as {"lang": "de", "year": {"$gte": 2020}}')
        parts = [self._entry(key, content, place, depth) for key, content in value.items()]
        return parts[0] if len(parts) == 1 else Combination("$and", tuple(parts))

    def _entry(self, key: object, content: object, place: str, depth: int) -> Filter:
        if not isinstance(key, str):
            raise _error(place, f"the key {key!r}", "keys that are texts")
        inside = f"{place}[{key[:100]!r}]"
        if key in _COMBINATORS:
            return self._combination(cast("Combinator", key), content, inside, depth)
        if key.startswith("$"):
            wanted = f"a key of the metadata, or one of {', '.join(_COMBINATORS)}"
            raise _error(place, f"the key {key[:100]!r}", wanted)
        if not isinstance(content, Mapping):
            return self.comparison(key, "$eq", content, inside)
        return self._operators(key, content, inside, depth)

    def _operators(self, key: str, content: object, place: str, depth: int) -> Filter:
        """Parse the operators of one key."""
        if not isinstance(content, Mapping) or not content:
            got = "an empty object" if isinstance(content, Mapping) else json_kind(content)
            raise _error(place, got, f"operators: {_WANTED_OPERATORS}")
        parts: list[Filter] = []
        for operator, value in content.items():
            inside = f"{place}[{describe(operator)}]"
            if operator == "$not":
                self.count(inside, depth + 1)
                parts.append(Combination("$not", (self._operators(key, value, inside, depth + 1),)))
            elif operator in _OPERATORS:
                parts.append(self.comparison(key, operator, value, inside))
            else:
                raise _error(place, f"the operator {describe(operator)}", f"one of {_WANTED_OPERATORS}")
        return parts[0] if len(parts) == 1 else Combination("$and", tuple(parts))

    def _combination(self, combinator: Combinator, content: object, place: str, depth: int) -> Combination:
        depth += 1
        self.count(place, depth)
        if combinator == "$not":
            return Combination(combinator, (self.entries(content, place, depth),))
        if not is_list(content) or not content:
            got = "an empty list" if is_list(content) else json_kind(content)
            raise _error(place, got, "a list of one filter or more")
        self.count(place, depth, len(content))
        parts = [self.entries(part, f"{place}[{index}]", depth) for index, part in enumerate(content)]
        return Combination(combinator, tuple(parts))

    def comparison(self, key: str, operator: Operator, value: object, place: str) -> Comparison:
        """Parse the value that an operator compares with."""
        self.count(place)
        if operator in _LIST_OPERATORS or (operator in {"$eq", "$ne"} and is_list(value)):
            if not is_list(value):
                raise _error(place, json_kind(value), "a list of texts, numbers, booleans or nulls")
            self._values += len(value)
            if self._values > MAX_FILTER_VALUES:
                raise _error(place, "more values than a filter may list", f"at most {MAX_FILTER_VALUES:,} in all")
            items = tuple(_scalar(item, f"{place}[{index}]") for index, item in enumerate(value))
            return Comparison(key, operator, items)
        if operator in _ORDER_OPERATORS and (isinstance(value, bool) or not isinstance(value, str | int | float)):
            raise _error(place, json_kind(value), "a number or a text to compare with")
        return Comparison(key, operator, _scalar(value, place))

    def count(self, place: str, depth: int = 0, more: int = 1) -> None:
        """Count what is parsed.

        Raises:
            InvalidArgumentError: The filter is too deep or too large.
        """
        self._conditions += more
        if depth > MAX_FILTER_DEPTH:
            raise _error(place, f"{depth} combinations inside each other", f"at most {MAX_FILTER_DEPTH}")
        if self._conditions > MAX_FILTER_CONDITIONS:
            wanted = f"at most {MAX_FILTER_CONDITIONS} in all; $in takes many values"
            raise _error(place, "more conditions than a filter may have", wanted)


def is_list(value: object) -> TypeGuard[list[object] | tuple[object, ...]]:
    """Whether a value is a list of JSON."""
    return isinstance(value, list | tuple)


def _scalar(value: object, place: str) -> Scalar:
    """Require a value that JSON has, other than a list and an object."""
    if isinstance(value, float) and not math.isfinite(value):
        raise _error(place, repr(value), "a number that JSON has")
    if value is None or isinstance(value, str | int | float):  # a boolean is an int
        return value
    raise _error(place, json_kind(value), "a text, a number, a boolean or null")


def _error(place: str, got: str, wanted: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{place}: got {got}, want {wanted}")
