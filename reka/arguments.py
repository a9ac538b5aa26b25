"""Checks of single arguments: each gives the value back, or the error that names what was got and what is wanted."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from reka.errors import InvalidArgumentError

T = TypeVar("T")


def name(value: object, argument: str) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a name")
    return value


def words(value: object, argument: str) -> list[str]:
    """A list of texts; None is none."""
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(word, str) for word in value):
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a list of strings")
    return list(value)


def integer(value: object, argument: str, least: int | None = None) -> int | None:
    """A whole number, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
        at_least = "" if least is None else f" of at least {least}"
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a whole number{at_least}")
    return value


def number(value: object, argument: str, least: float = -math.inf, most: float = math.inf) -> float | None:
    """A finite number, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a number")
    if not least <= value <= most:
        bounds = f"from {least:g} to {most:g}" if most < math.inf else f"of at least {least:g}"
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a number {bounds}")
    return value


def mapping(value: object, argument: str) -> Mapping[str, Any]:
    """A dict; None is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidArgumentError(f"{argument}: got {type(value).__name__}, want a dict")
    return value


def one_of(value: T, argument: str, choices: Sequence[T]) -> T:
    """One of a few values."""
    if value not in choices:
        wanted = ", ".join(map(repr, choices))
        raise InvalidArgumentError(f"{argument}: got {value!r}, want one of {wanted}")
    return value
