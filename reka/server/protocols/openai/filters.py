"""Filters over attributes in OpenAI's form, as the filters over metadata that they are. Pure functions."""

from collections.abc import Mapping
from typing import Any, Final

from reka._protocol.filters import MAX_FILTER_DEPTH, Filter, parse_filter
from reka.errors import InvalidArgumentError

_COMPARISONS: Final = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin")
_COMBINATORS: Final = ("and", "or")


def parse_openai_filter(value: object, place: str) -> Filter:
    """Parse a filter such as `{"type": "eq", "key": "lang", "value": "de"}`, or an `and` or `or` of such.

    Args:
        value: The filter, as JSON values.
        place: Name of the argument, for the error.

    Raises:
        InvalidArgumentError: It is no filter, or it is too deep or too large.
    """
    return parse_filter(_converted(value, place, 0), place)


def _converted(value: object, place: str, depth: int) -> dict[str, Any]:
    if depth > MAX_FILTER_DEPTH:
        raise InvalidArgumentError(f"{place}: got {depth} filters inside each other, want at most {MAX_FILTER_DEPTH}")
    if not isinstance(value, Mapping):
        raise InvalidArgumentError(f'{place}: want an object such as {{"type": "eq", "key": "lang", "value": "de"}}')
    kind = value.get("type")
    if kind in _COMBINATORS:
        parts = value.get("filters")
        if not isinstance(parts, list) or value.keys() != {"type", "filters"}:
            raise InvalidArgumentError(
                f"{place}: want a list of filters in `filters`, and nothing else beside {kind!r}"
            )
        inside = [_converted(part, f"{place}.filters[{index}]", depth + 1) for index, part in enumerate(parts)]
        return {f"${kind}": inside}
    if kind not in _COMPARISONS:
        wanted = ", ".join(_COMPARISONS + _COMBINATORS)
        raise InvalidArgumentError(f"{place}: got the type {str(kind)[:100]!r}, want one of {wanted}")
    key = value.get("key")
    if not isinstance(key, str) or value.keys() != {"type", "key", "value"}:
        raise InvalidArgumentError(f"{place}: want a text in `key`, a `value`, and nothing else beside {kind!r}")
    return {key: {f"${kind}": value["value"]}}
