"""Checks of single arguments: each returns the value, or raises an error that says what was got and what is wanted."""

import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from reka.errors import InvalidArgumentError

T = TypeVar("T")

# RFC 9110, 5.1 and 5.5: a name is a token; a value has no control characters, and is Latin-1 on the wire.
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def non_empty_string(value: object, argument: str) -> str:
    """Require a string that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a name")
    return value


def string_list(value: object, argument: str) -> list[str]:
    """Require a sequence of strings; None becomes an empty list."""
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(word, str) for word in value):
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a list of strings")
    return list(value)


def integer(value: object, argument: str, least: int | None = None) -> int | None:
    """Require an integer, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
        at_least = "" if least is None else f" of at least {least}"
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a whole number{at_least}")
    return value


def number(value: object, argument: str, least: float = -math.inf, most: float = math.inf) -> float | None:
    """Require a finite number, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a number")
    if not least <= value <= most:
        bounds = f"from {least:g} to {most:g}" if most < math.inf else f"of at least {least:g}"
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a number {bounds}")
    return value


def mapping(value: object, argument: str) -> Mapping[str, Any]:
    """Require a mapping; None becomes an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidArgumentError(f"{argument}: got {type(value).__name__}, want a dict")
    return value


def headers(value: object, argument: str) -> dict[str, str]:
    """Require HTTP headers. Names are put in one spelling: `x-a` and `X-A` are one header, and would be sent as two."""
    checked: dict[str, str] = {}
    for name, text in mapping(value, argument).items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise InvalidArgumentError(f"{argument}: got the name {name!r}, which no header can have")
        if not _HEADER_VALUE.fullmatch(str(text)):
            raise InvalidArgumentError(f"{argument}: got a value for {name!r} that no header can carry")
        checked[name.title()] = str(text)
    return checked


def proxies(value: object, argument: str) -> Mapping[str, str] | None:
    """Require URLs of proxies by scheme, or None. An error does not show the values: they may hold passwords."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise InvalidArgumentError(
            f"{argument}: got {type(value).__name__}, want a dict of strings such as "
            '{"https": "http://proxy.example:3128"}, {} for no proxy, or None to read the environment'
        )
    return dict(value)


def path(value: object, argument: str) -> str | None:
    """Require a path, or None."""
    if value is not None and not isinstance(value, str | os.PathLike):
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a path")
    return None if value is None else os.fsdecode(value)


def callback(value: T, argument: str) -> T:
    """Require a callable, or None."""
    if value is not None and not callable(value):
        raise InvalidArgumentError(f"{argument}: got {value!r}, want something to call")
    return value


def session(value: T, argument: str, method: str, wanted: str) -> T:
    """Require an object with this method, or None: an HTTP session, recognised without loading its library."""
    if value is not None and not callable(getattr(value, method, None)):
        raise InvalidArgumentError(f"{argument}: got {type(value).__name__}, want {wanted}")
    return value


def one_of(value: T, argument: str, choices: Sequence[T]) -> T:
    """Require one of a few values."""
    if value not in choices:
        wanted = ", ".join(map(repr, choices))
        raise InvalidArgumentError(f"{argument}: got {value!r}, want one of {wanted}")
    return value
