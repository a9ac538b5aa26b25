"""Rank fusion and tie-breaking: pure, deterministic functions."""

from collections.abc import Mapping, Sequence
from typing import Final

FUSION_K: Final = 20
"""Constant of reciprocal-rank fusion: rank n adds 1 / (FUSION_K + n) to a score. The paper's 60 suits lists of
thousands; with a hundred candidates 20 has the better recall (bench/retrieval)."""


def top_k(scores: Mapping[int, float], k: int) -> list[int]:
    """Return the `k` ids with the highest scores, best first; ties are broken by id."""
    return sorted(scores, key=lambda chunk: (-scores[chunk], chunk))[:k]


def fuse(rankings: Sequence[Sequence[int]], *, k: int = FUSION_K) -> list[tuple[int, float]]:
    """Merge rankings by reciprocal-rank fusion.

    Args:
        rankings: Lists of ids, best first, each id at most once per list.
        k: The constant of the fusion; see FUSION_K.

    Returns:
        Every id with its score, best first; ties are broken by id. A score is in (0, 1]: 1 for an id that is first in
        every ranking.
    """
    best = len(rankings) / (k + 1)
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, chunk in enumerate(ranking, start=1):
            scores[chunk] = scores.get(chunk, 0.0) + 1 / (k + rank) / best
    return [(chunk, min(scores[chunk], 1.0)) for chunk in top_k(scores, len(scores))]


def has_tie_at_cutoff(scores: Sequence[float], k: int) -> bool:
    """Tell whether a truncated list of results leaves open which of them are the best `k`.

    It does if the last of more than `k` scores equals the k-th: results with the same score may follow, and the caller
    needs a longer list.

    Args:
        scores: The scores of the list, best first.
        k: Number of results wanted.
    """
    return len(scores) > k and scores[k - 1] == scores[-1]
