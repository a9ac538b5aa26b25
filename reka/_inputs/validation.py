"""Checks of single arguments: each returns the value, or raises an error that says what was got and what is wanted."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from reka._protocol.addresses import Secret
from reka._protocol.checks import require_utf8
from reka.errors import InvalidArgumentError

T = TypeVar("T")

# RFC 9110, 5.1 and 5.5: a name is a token; a value has no control characters, and is Latin-1 on the wire.
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def non_empty_string(value: object, argument: str) -> str:
    """Require a string that is not blank, and that UTF-8 can write."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a name")
    if not value.isascii():
        require_utf8(value, argument)
    return value


def mapping(value: object, argument: str) -> Mapping[str, Any]:
    """Require a mapping; None becomes an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidArgumentError(f"{argument}: got {type(value).__name__}, want a dict")
    return value


def hidden(value: Any) -> Any:
    """Have a key, or headers or proxies that may hold one, shown by no reporter of errors."""
    if isinstance(value, bytes):
        return Secret(value.decode("latin-1"))
    if isinstance(value, Mapping):
        return {name: hidden(content) for name, content in value.items()}
    return Secret(value) if isinstance(value, str) else value


def headers(value: object, argument: str) -> dict[str, str | None]:
    """Require HTTP headers, with names and values as requests takes them.

    Names are put in one spelling: `x-a` and `X-A` are one header, and would be sent as two. None leaves a header out.
    """
    checked: dict[str, str | None] = {}
    entries: Mapping[Any, object] = mapping(value, argument)
    for given, content in entries.items():
        name = _header_text(given) if isinstance(given, bytes) else given
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise InvalidArgumentError(f"{argument}: got the name {given!r}, which no header can have")
        text = None if content is None else _header_text(content)
        if text is not None and not _HEADER_VALUE.fullmatch(text):
            raise InvalidArgumentError(f"{argument}: got a value for {name!r} that no header can carry")
        checked[name.title()] = text
    return checked


def _header_text(value: object) -> Secret:
    return Secret(value.decode("latin-1") if isinstance(value, bytes) else str(value))


def proxies(value: object, argument: str) -> Mapping[str, str] | None:
    """Require URLs of proxies by scheme, or None. An error does not show the values: they may hold passwords."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise InvalidArgumentError(
            f"{argument}: got {type(value).__name__}, want a dict of strings such as "
            '{"https": "http://proxy.example:3128"}, {} for no proxy, or None to read the environment'
        )
    return {scheme: Secret(url) for scheme, url in value.items()}


def path(value: object, argument: str) -> str | None:
    """Require a path, or None."""
    if value is not None and not isinstance(value, str | os.PathLike):
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a path")
    return None if value is None else os.fsdecode(value)


def wait_seconds(value: float | None, argument: str) -> float | None:
    """Require a number of seconds to wait, or None."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0):
        raise InvalidArgumentError(f"{argument}: got {value!r}, want seconds, or None to wait as long as it takes")
    return value


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
