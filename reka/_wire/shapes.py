"""Shapes of JSON documents: functions that say what of a value does not fit, and nothing if all does.

A third of a first answer's time would be pydantic, for the few fields that an answer must have.
"""

from collections.abc import Callable
from typing import TypeAlias

Shape: TypeAlias = Callable[[object], str]
"""Gives what does not fit, for the error; an empty string if the value has the shape."""


def any_of(*types: type) -> Shape:
    """Values of one of these JSON types."""
    wanted = " or ".join(_NAMES[kind] for kind in types)

    def misfit(value: object) -> str:
        return "" if isinstance(value, types) else f"{_name(value)}, want {wanted}"

    return misfit


def optional(shape: Shape) -> Shape:
    """Values of a shape, null, and fields that are missing."""
    return lambda value: "" if value is None else shape(value)


def list_of(shape: Shape) -> Shape:
    """Lists whose items have a shape."""

    def misfit(value: object) -> str:
        if not isinstance(value, list):
            return LIST(value)
        for place, item in enumerate(value):
            if reason := shape(item):
                return f"{place}: {reason}"
        return ""

    return misfit


def object_with(**fields: Shape) -> Shape:
    """Objects with fields of these shapes; more fields may be there."""

    def misfit(value: object) -> str:
        if not isinstance(value, dict):
            return OBJECT(value)
        for name, shape in fields.items():
            if reason := shape(value.get(name)):
                return f"{name}: {reason}"
        return ""

    return misfit


def _name(value: object) -> str:
    return "nothing" if value is None else next(name for kind, name in _NAMES.items() if isinstance(value, kind))


_NAMES = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}

STRING = any_of(str)
BOOLEAN = any_of(bool)
INTEGER = any_of(int)
LIST = any_of(list)
OBJECT = any_of(dict)
