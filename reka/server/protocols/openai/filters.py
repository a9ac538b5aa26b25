"""Filters over attributes in OpenAI's form, as the filters over metadata that they are. Pure functions."""

from collections.abc import Mapping
from typing import Final

from reka._protocol.checks import describe, json_kind
from reka._protocol.filters import Combination, Filter, Parser
from reka._protocol.filters.parse import Combinator, Operator
from reka.errors import InvalidArgumentError

_COMPARISONS: Final[dict[str, Operator]] = {
    "eq": "$eq",
    "ne": "$ne",
    "gt": "$gt",
    "gte": "$gte",
    "lt": "$lt",
    "lte": "$lte",
    "in": "$in",
    "nin": "$nin",
}
_COMBINATORS: Final[dict[str, Combinator]] = {"and": "$and", "or": "$or"}
_WANTED: Final = 'an object such as {"type": "eq", "key": "lang", "value": "de"}'


def parse_openai_filter(value: object, place: str) -> Filter:
    """Parse a filter such as `{"type": "eq", "key": "lang", "value": "de"}`, or an `and` or `or` of such.

    Args:
        value: The filter, as JSON values.
        place: Name of the argument, for the error.

    Raises:
        InvalidArgumentError: It is no filter, or it is too deep or too large.
    """
    return _parsed(Parser(), value, place, 0)


def _parsed(parser: Parser, value: object, place: str, depth: int) -> Filter:
    if not isinstance(value, Mapping):
        raise _error(place, json_kind(value), _WANTED)
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in (*_COMPARISONS, *_COMBINATORS):
        if "type" not in value:
            raise _error(place, "no type", _WANTED)
        raise _error(f"{place}.type", describe(kind), f"one of {', '.join((*_COMPARISONS, *_COMBINATORS))}")
    fields = ("type", "filters") if kind in _COMBINATORS else ("type", "key", "value")
    if (missing := [name for name in fields if name not in value]) or len(value) > len(fields):
        got = (
            f"no {missing[0]}" if missing else f"the field {describe(next(one for one in value if one not in fields))}"
        )
        raise _error(place, got, f"{', '.join(fields)}, and nothing else")
    if kind in _COMBINATORS:
        return _combination(parser, _COMBINATORS[kind], value["filters"], f"{place}.filters", depth + 1)
    if not isinstance(value["key"], str):
        raise _error(f"{place}.key", json_kind(value["key"]), "a text")
    return parser.comparison(value["key"], _COMPARISONS[kind], value["value"], f"{place}.value")


def _combination(parser: Parser, combinator: Combinator, parts: object, place: str, depth: int) -> Combination:
    if not isinstance(parts, list) or not parts:
        got = json_kind(parts) if parts != [] else "an empty list"
        raise _error(place, got, "a list of one filter or more")
    parser.count(place, depth, 1 + len(parts))
    inside = (_parsed(parser, part, f"{place}[{index}]", depth) for index, part in enumerate(parts))
    return Combination(combinator, tuple(inside))


def _error(place: str, got: str, wanted: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{place}: got {got}, want {wanted}")
