"""Tool calls of an answer: deltas added up, and arguments that a tool may be run with.

A call that is run has arguments that the model wrote completely, and that can be written as JSON again: otherwise no
later message of the same conversation could be sent.
"""

import json
from collections.abc import Iterable
from itertools import chain
from math import isfinite
from typing import Any, Final

from reka._wire.reply import readable_text
from reka.errors import InvalidConversationError
from reka.types import ToolCall, ToolCallDelta

MAX_DEPTH: Final = 64
"""Levels of arrays and objects in arguments. Frameworks copy and serialize arguments recursively, so they fail on
deeper ones; the schema of a tool needs fewer."""

INVALID: Final = "invalid_arguments"
"""Property that holds invalid arguments, as the model wrote them, in a later request."""

_CUT: Final = frozenset({"length", "context"})
"""Finish reasons of an answer that a limit of tokens ended."""


def is_cut_off(finish_reason: str | None) -> bool:
    """Whether a limit of tokens ended an answer before the model did."""
    return finish_reason in _CUT


def add_delta(calls: dict[int, ToolCall], delta: ToolCallDelta) -> None:
    """Add a delta to the call of its index, which is new if there is none.

    Args:
        calls: Calls of the answer so far, by index; changed in place.
        delta: The delta.
    """
    call = calls.get(delta.index)
    calls[delta.index] = (
        ToolCall(delta.id, delta.name, delta.arguments)
        if call is None
        else ToolCall(call.id or delta.id, call.name or delta.name, call.arguments + delta.arguments)
    )


def parse_calls(calls: Iterable[ToolCall], finish_reason: str | None) -> list[tuple[ToolCall, dict[str, Any] | None]]:
    """Parse the arguments of all calls of a complete answer.

    Args:
        calls: The calls, in the order in which the model began them.
        finish_reason: Why the answer ended.

    Returns:
        Each call with its arguments; None for a call that must not be run: its arguments are invalid, or it is the last
        one of an answer that the token limit cut off. Even if it looks complete, the server may have completed it.
    """
    parsed = [(call, parse_arguments(call.arguments)) for call in calls]
    if parsed and is_cut_off(finish_reason):
        parsed[-1] = (parsed[-1][0], None)
    return parsed


def parse_arguments(arguments: str) -> dict[str, Any] | None:
    """Parse the arguments of a tool call.

    Args:
        arguments: JSON text, as the model wrote it; empty means no arguments. Half of a surrogate pair, which UTF-8
            cannot write, is replaced by U+FFFD.

    Returns:
        The arguments; None if they are not an object in strict JSON (NaN and Infinity are none, nor is a number that is
        too large for a float), or nested deeper than `MAX_DEPTH`.
    """
    if not arguments.strip():
        return {}
    try:
        value = _decode(arguments)
        if "\\ud" in arguments.lower():
            value = _decode(readable_text(json.dumps(value, ensure_ascii=False)))
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or (arguments.count("[") + arguments.count("{") > MAX_DEPTH and _is_deep(value)):
        return None
    return value


def write_arguments(arguments: object) -> str:
    """Write the arguments of a call of an earlier answer as the JSON text of an object, which servers require.

    Args:
        arguments: Arguments, or the text that the model wrote. What `parse_arguments` does not accept is written as the
            property `INVALID` of an object, so that the model sees it. A value that JSON does not have is written as
            its `str`.

    Raises:
        InvalidConversationError: The arguments contain themselves, or are nested too deeply.
    """
    try:
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidConversationError(f"the arguments of a tool call cannot be written as JSON: {error}") from error
    if not text.strip():
        return "{}"
    if parse_arguments(text) is None:
        return json.dumps({INVALID: text}, ensure_ascii=False)
    return readable_text(text)


def _decode(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if isfinite(number) else _refuse(digits)


def _is_deep(value: Any) -> bool:
    containers = [value]
    for _ in range(MAX_DEPTH):
        children = chain.from_iterable(each.values() if isinstance(each, dict) else each for each in containers)
        containers = [child for child in children if isinstance(child, dict | list)]
    return bool(containers)
