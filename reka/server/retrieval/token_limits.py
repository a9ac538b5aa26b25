"""Cutting texts by tokens, so that what is done with one costs no more the longer it is. Pure functions."""

from collections.abc import Callable
from typing import Final

_CHARS_PER_TOKEN: Final = 8
"""Characters that are looked at for each token that may stay: words have fewer (ours)."""


def first_tokens(text: str, most: int, count_tokens: Callable[[str], int]) -> str:
    """Return the beginning of a text with at most `most` tokens, to the end of a word; the text itself if it is short.

    Args:
        text: Any text.
        most: Maximum number of tokens.
        count_tokens: Counts the tokens of a text, which has no more of them than bytes.
    """
    kept = _cut(text, most, count_tokens, from_end=False)
    return text if len(kept) == len(text) else kept.rpartition(" ")[0] or kept


def last_tokens(text: str, most: int, count_tokens: Callable[[str], int]) -> str:
    """Return the end of a text as `first_tokens` returns its beginning."""
    kept = _cut(text, most, count_tokens, from_end=True)
    return text if len(kept) == len(text) else kept.partition(" ")[2] or kept


def _cut(text: str, most: int, count_tokens: Callable[[str], int], *, from_end: bool) -> str:
    if len(text) <= most and len(text.encode("utf-8", "surrogatepass")) <= most:
        return text  # nothing is counted for most questions
    left = most * _CHARS_PER_TOKEN
    kept = text[-left:] if from_end else text[:left]
    while (tokens := count_tokens(kept)) > most:
        left = len(kept) * most // tokens
        kept = kept[len(kept) - left :] if from_end else kept[:left]
    return kept
