"""Parsing of JSON from other servers, within the budgets of an answer."""

import json
from collections.abc import Callable
from itertools import accumulate
from typing import Any, Final

from reka._protocol.answers.budgets import MAX_JSON_DEPTH, MAX_JSON_VALUES, OverBudgetError

SHORT: Final = 2 * MAX_JSON_DEPTH
"""Length of a text that is too short to be nested too deep: its brackets open and close."""

_DECODE: Final = json.JSONDecoder().decode
_OTHERS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_USUAL_DEPTH: Final = 8


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
        raise _too_many()
    if len(text) > SHORT and text.count("[") + text.count("{") > MAX_JSON_DEPTH:
        _check_depth(text)
    try:
        return decode(text)
    except RecursionError:
        raise _too_deep() from None  # the caller is deep in recursion itself


def _check_depth(text: str) -> None:
    """Count brackets before anything is parsed: finalizers of any object may run, and fail, at the recursion limit."""
    plain = text.replace("\\\\", "").replace('\\"', "")
    if plain.count('"') > 4 * MAX_JSON_VALUES:  # two strings for each value of an object
        raise _too_many()
    outside = "".join(plain.split('"')[::2])  # of strings
    brackets = outside.encode("ascii", "replace").translate(None, _OTHERS)
    for _ in range(_USUAL_DEPTH):  # each time without the innermost pairs; this is fast, and nothing is left as a rule
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    if len(brackets) > 2 * (brackets.count(b"[") + brackets.count(b"{")):
        raise ValueError("more brackets are closed than are opened")
    rest = max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)
    if rest and rest + _USUAL_DEPTH > MAX_JSON_DEPTH:
        raise _too_deep()


def _too_many() -> OverBudgetError:
    return OverBudgetError(f"JSON of more than {MAX_JSON_VALUES:,} values")


def _too_deep() -> OverBudgetError:
    return OverBudgetError(f"JSON nested deeper than {MAX_JSON_DEPTH} levels")
