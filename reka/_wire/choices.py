"""Choices of a completion, and what is new in one that repeats its text."""

from collections.abc import Mapping, Sequence
from typing import Any


def objects(items: object) -> list[Mapping[str, Any]]:
    """The JSON objects of a list; whatever is none is left out, for a server may add to what is known."""
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def beginning(parts: Sequence[str], length: int) -> str:
    """The first so many characters of a text in parts, of which the rest is not touched."""
    taken = []
    for part in parts:
        if length <= 0:
            break
        taken.append(part[:length])
        length -= len(part)
    return "".join(taken)


def new_part(text: str, so_far: str) -> str:
    """Give what is new in a text that repeats all before it; one that does not is new as a whole.

    The beginning of `so_far`, as long as the text, is enough.

    For `chunk` and `message` of a choice only: a `delta` is new text by the protocol, whatever it begins with.
    """
    if so_far.startswith(text):
        return ""
    return text[len(so_far) :] if text.startswith(so_far) else text
