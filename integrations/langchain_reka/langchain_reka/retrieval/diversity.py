"""Maximal marginal relevance by the words of texts."""

import re
from collections.abc import Sequence
from math import sqrt
from typing import Final

from langchain_reka.retrieval.search import Found

_IDEOGRAPHS: Final = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORDS: Final = re.compile(rf"[{_IDEOGRAPHS}]|[^\W{_IDEOGRAPHS}]+")
"""Words, and the characters of scripts that do not divide words by spaces."""


def most_diverse(found: Sequence[Found], k: int, lambda_mult: float) -> list[Found]:
    """Choose documents that fit and differ, the one that fits best first.

    The server does not send vectors, so how alike two documents are is the share of words that they have in common
    (cosine of their sets of words), and how well one fits is its score.

    Args:
        found: Documents, best first.
        k: Maximum number to choose.
        lambda_mult: 1 chooses by fit alone, 0 by difference alone.
    """
    words = [frozenset(_WORDS.findall(one.document.page_content.casefold())) for one in found]
    left = list(range(len(found)))
    likeness = [0.0] * len(found)
    chosen: list[int] = []
    while left and len(chosen) < k:
        best = max(
            left, key=lambda place: lambda_mult * (found[place].score or 0.0) - (1 - lambda_mult) * likeness[place]
        )
        if not chosen:
            best = left[0]
        left.remove(best)
        chosen.append(best)
        for place in left:
            likeness[place] = max(likeness[place], _likeness(words[place], words[best]))
    return [found[place] for place in chosen]


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / sqrt(len(one) * len(other)) if one and other else 0.0
