"""Choices of a completion: which one is the answer, and what is new in one that repeats its text."""

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


def new_part(text: str, so_far: str) -> str:
    """Give what is new in a text that repeats all before it; one that does not is new as a whole.

    For `chunk` and `message` of a choice only: a `delta` is new text by the protocol, whatever it begins with.
    """
    if so_far.startswith(text):
        return ""
    return text[len(so_far) :] if text.startswith(so_far) else text
