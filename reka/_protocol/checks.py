"""Checks of numbers, strings and paths: each returns the value or raises an error with argument, value and limits."""

import math
from collections.abc import Iterator, Mapping, Sequence
from operator import index
from os import PathLike
from pathlib import Path
from typing import Any

from reka.errors import InvalidArgumentError


def integer(value: object, argument: str, least: int | None = None, most: int | None = None) -> int:
    """Require an integer; one of another library, such as NumPy, becomes Python's."""
    whole = _as_integer(value)
    if whole is None or (least is not None and whole < least) or (most is not None and whole > most):
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a whole number{_bounds(least, most)}")
    return whole


def number(value: object, argument: str, least: int | None = None, most: int | None = None) -> float:
    """Require a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a number")
    if (least is not None and value < least) or (most is not None and value > most):
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a number{_bounds(least, most)}")
    return value


def strings(value: object, argument: str) -> list[str]:
    """Require a sequence of non-empty strings."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(text, str) for text in value):
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a list of strings")
    if not all(value):
        raise InvalidArgumentError(f"{argument}: got {value!r}, want no empty string in it")
    return list(value)


def choice(value: object, argument: str, choices: Sequence[str]) -> str:
    """Require one of a few strings."""
    if not isinstance(value, str) or value not in choices:
        raise InvalidArgumentError(f"{argument}: got {value!r}, want one of {', '.join(map(repr, choices))}")
    return value


def require_utf8(value: object, place: str = "") -> None:
    """Require that UTF-8 can write the texts of a JSON value: none has a surrogate, half of a character of UTF-16.

    Args:
        value: The value.
        place: Its argument; of a dict of arguments, the empty string.

    Raises:
        InvalidArgumentError: A text has one; the message has its place.
    """
    for where, text in _texts(value, place):
        try:
            if not text.isascii():
                text.encode()
        except UnicodeEncodeError as error:
            raise InvalidArgumentError(
                f"{where}: got the lone surrogate {text[error.start]!r} at index {error.start}, which UTF-8 cannot "
                "write; decode the text by the encoding that its bytes have, or leave that character out"
            ) from error


def _texts(value: object, place: str) -> Iterator[tuple[str, str]]:
    """The texts of a JSON value with their places, those of a dict's keys too; in no order."""
    values = [(place, value)]
    while values:
        where, one = values.pop()
        if isinstance(one, str):
            yield where, one
        elif isinstance(one, Mapping):
            values += [(where or "the request", key) for key in one]
            values += [(f"{where}[{key!r}]" if where else str(key), content) for key, content in one.items()]
        elif isinstance(one, list | tuple):
            values += [(f"{where}[{number}]", content) for number, content in enumerate(one)]


def expanded(path: str | PathLike[str], argument: str) -> Path:
    """Write a user's home folder for `~` at the beginning of a path.

    Raises:
        InvalidArgumentError: There is no such user, or the folder is not known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InvalidArgumentError(
            f"{argument}: got {str(path)!r}, which has no known home folder; write the path out"
        ) from error


def _as_integer(value: Any) -> int | None:
    """Convert an integer of any type, or a float that is whole; None if it is none, or a boolean."""
    if isinstance(value, int):
        return None if isinstance(value, bool) else value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if str(getattr(value, "dtype", "")).endswith("bool"):
        return None  # NumPy before 2.3 and PyTorch take their booleans for integers
    try:
        return index(value)
    except TypeError:
        return None


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def _bounds(least: int | None, most: int | None) -> str:
    if most is not None:
        return f" from {least} to {most}"
    return "" if least is None else f" of at least {least}"


def json_kind(value: object) -> str:
    """Name the type of a JSON value; the value itself may be large or private."""
    names = {"NoneType": "nothing", "str": "a string", "bool": "a boolean", "list": "a list", "dict": "an object"}
    return names.get(type(value).__name__, "a number" if isinstance(value, int | float) else type(value).__name__)


def describe(value: object) -> str:
    """Describe a JSON value: the beginning of a string, the type of any other value."""
    return repr(value[:100]) if isinstance(value, str) else json_kind(value)
