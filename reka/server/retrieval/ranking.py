"""Two rankings to one: pure functions, the same answer for the same lists every time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

FUSION_K: Final = 20
"""How fast a place loses weight: place n counts 1 / (FUSION_K + n). The paper's 60 is for lists of thousands; over a
hundred candidates 20 found more (bench/retrieval)."""


def ordered(scores: Mapping[int, float], limit: int) -> list[int]:
    """The `limit` best ids by score, the higher first, equal ones by id."""
    return sorted(scores, key=lambda chunk: (-scores[chunk], chunk))[:limit]


def fuse(rankings: Sequence[Sequence[int]], *, k: int = FUSION_K) -> list[tuple[int, float]]:
    """Join rankings by reciprocal-rank fusion.

    Args:
        rankings: Lists of ids, best first, each id at most once a list.
        k: See FUSION_K.

    Returns:
        Every id with its score, best first, equal ones by id. A score is 0 to 1: 1 for what is first in all lists.
    """
    best = len(rankings) / (k + 1)
    scores: dict[int, float] = {}
    for ranking in rankings:
        for place, chunk in enumerate(ranking, start=1):
            scores[chunk] = scores.get(chunk, 0.0) + 1 / (k + place) / best
    return [(chunk, min(scores[chunk], 1.0)) for chunk in ordered(scores, len(scores))]


def is_cut_in_a_tie(scores: Iterable[float], limit: int) -> bool:
    """Whether scores, best first, go on after `limit` of them with the very score that stands at the cut.

    Such a list does not say who belongs to the best `limit`: that is for the caller to find out with a longer one.
    """
    known = list(scores)
    return len(known) > limit and known[limit - 1] == known[-1]
