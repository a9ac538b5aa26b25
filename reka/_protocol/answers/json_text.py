"""Parsing of JSON from other servers, within the budgets of an answer."""

import json
from collections.abc import Callable
from typing import Any, Final

from reka._protocol.answers.budgets import MAX_JSON_DEPTH, MAX_JSON_VALUES, OverBudgetError

SHORT: Final = 2 * MAX_JSON_DEPTH
"""Length of a text that is too short to be nested too deep: its brackets open and close."""

_DECODE: Final = json.JSONDecoder().decode


def parse_json(text: str, decode: Callable[[str], Any] = _DECODE) -> Any:
    """Parse JSON.

    Args:
        text: The JSON.
        decode: The parser, for one with options of its own.

    Raises:
        OverBudgetError: It is nested too deep, or has too many values.
        ValueError: It is no JSON.
    """
    if len(text) > MAX_JSON_VALUES and sum(map(text.count, ",[{")) > MAX_JSON_VALUES:
        raise OverBudgetError(f"JSON of more than {MAX_JSON_VALUES:,} values")
    try:
        document = decode(text)
    except RecursionError:
        raise _too_deep() from None
    if len(text) > SHORT and text.count("[") + text.count("{") > MAX_JSON_DEPTH:
        _check_depth(document)
    return document


def _check_depth(document: Any) -> None:
    """Look at a document level by level, since recursion has a limit that depends on the caller."""
    level = [document] if isinstance(document, dict | list) else []
    for _ in range(MAX_JSON_DEPTH + 1):
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> OverBudgetError:
    return OverBudgetError(f"JSON nested deeper than {MAX_JSON_DEPTH} levels")
