"""Choices of a completion, of which one is the answer."""

from collections.abc import Mapping
from typing import Any


def objects(items: object) -> list[Mapping[str, Any]]:
    """The JSON objects of a list; whatever is none is left out, for a server may add to what is known."""
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def answer_choice(choices: object) -> Mapping[str, Any] | None:
    """The choice with index 0, or the first without an index; None if there is none. The others are other answers."""
    if isinstance(choices, list):
        for choice in choices:
            if isinstance(choice, dict) and not choice.get("index"):
                return choice
    return None
