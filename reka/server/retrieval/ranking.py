"""Ranking of the candidates of both searches, and ties: pure, deterministic functions.

Weights were chosen on half of the questions of `bench.ranking` and stated on the other half.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reka.server.retrieval.features import Features, Query
from reka.server.retrieval.languages import is_frequent
from reka.server.retrieval.terms import groups_of_word

if TYPE_CHECKING:
    from reka.server.retrieval.features import Array

SATURATION, LENGTH_SHARE = 1.2, 0.75
"""BM25's usual k1 and b."""

FINE_WEIGHT: Final = 0.5
"""Weight of letter groups and word pairs beside whole words."""

LEAD_WEIGHT: Final = 0.2
"""Weight of the first words of a candidate's file, which mostly name its topic."""


@dataclass(frozen=True, slots=True)
class VectorUse:
    """What an embedder's vectors are used for, beside the words."""

    weight: float
    """Weight beside the words; 0 if words alone rank as well."""

    finds: bool
    """Whether vectors find chunks too, and words count less, where the words do not fit in full. Vectors that tell
    little find chunks only where the words find too few."""


VECTOR_USES: Final[Mapping[str, VectorUse]] = {
    "wordllama": VectorUse(weight=0.0, finds=False),
    "universal-sentence-encoder": VectorUse(weight=0.15, finds=True),
}
"""By embedder, as measured (bench.ranking, bench.retrieval)."""

OTHER_USE: Final = VectorUse(weight=0.15, finds=True)
"""For any other embedder: none is known to find less than the one that this was measured with."""

FILL_WEIGHT: Final = 0.05
"""Least weight of the vectors where the words find too few chunks: it orders those that no word has found."""

NO_FIT, FULL_FIT = 0.45, 0.95
"""Fits of the chunk that the words fit best: at the lower one the words count nothing beside the vectors, as for a
query in another language; at the upper one they count in full, and say which chunks are looked at."""

LONG: Final = 12
"""Words of a query beyond which those that no candidate has are left out of the fit: they are not its topic (ours)."""

ALIKE: Final = 0.9
"""Share of their words that two chunks have in common if one says what the other does."""

_STEM_FITS, _GROUPS_FIT, _FEWEST_GROUPS = 0.9, 0.7, 0.5
"""How well a word fits its stem, or its letter groups, of which so many must be there."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The chunks that the searches have found, as columns."""

    ids: "Array"

    scores: "Array"
    """Keyword scores (BM25); not a number where only the vectors have found a chunk."""

    terms: Any
    """Arrow array of strings: their terms; see `terms.index_terms`."""

    leads: Any
    """Arrow array of strings: the terms of the first words of their files."""


class Matches:
    """What candidates have of a query."""

    def __init__(self, candidates: Candidates, query: Query, chunks: int) -> None:
        """Compare.

        Args:
            candidates: What the searches have found.
            query: What the query is compared by.
            chunks: Number of chunks in the dataset.
        """
        self.candidates = candidates
        self.query = query
        self.features: Features = Features(candidates.terms, query)
        self.rarity: Array = _rarity(self.features.counts, chunks)
        self.fits: Array = _shares(self.features.counts, query, _weights_of_words(query, self.rarity, chunks))

    @property
    def weight_of_words(self) -> float:
        """Weight of the words beside the vectors, 0 to 1: as far as some chunk has the query's words."""
        best = float(self.fits.max(initial=0.0))
        return min(1.0, max(0.0, (best - NO_FIT) / (FULL_FIT - NO_FIT)))


def rank(
    matches: Matches, k: int, cosines: "Array | None" = None, vector_weight: float = 0.0, word_weight: float = 1.0
) -> list[tuple[int, float]]:
    """Sort candidates by how well they fit a query.

    Args:
        matches: What they have of it.
        k: Maximum number to return.
        cosines: Similarities of their vectors and the query's, -1 to 1; None for words alone.
        vector_weight: Weight of the vectors beside the words.
        word_weight: Weight of the words beside the vectors.

    Returns:
        The places of the best among the candidates, ties by id, each with its fit: 0 to 1, and never above that of the
        one before. One that says what a better one says comes after the others.
    """
    import numpy as np

    ids, fits = matches.candidates.ids, matches.fits
    if not len(ids):
        return []
    scores = _standard(_keyword_scores(matches))
    if cosines is not None:
        scores = word_weight * scores + vector_weight * _standard(cosines)
        fits = (1 - vector_weight) * fits + vector_weight * np.maximum(cosines, 0)
    # Rounded, because the last digits of a sum depend on the machine's vector unit.
    order = np.lexsort((ids, -scores.round(9)))
    places = _repetitions_last(order.tolist(), matches.features, k)
    never_rising = np.minimum.accumulate(np.minimum(fits[places], 1)).round(6)
    return list(zip(places, never_rising.tolist(), strict=True))


def _keyword_scores(matches: Matches) -> "Array":
    import numpy as np

    candidates, features, query, rarity = matches.candidates, matches.features, matches.query, matches.rarity
    # A chunk that only the vectors have found has fewer of the words than any that the words have found.
    lowest = 0.0 if np.isnan(candidates.scores).all() else np.nanmin(candidates.scores)
    scores: Array = np.where(np.isnan(candidates.scores), lowest, candidates.scores)
    # Letter groups and word pairs are scored as BM25 scores words.
    sizes = features.sizes / features.sizes.mean()
    damping = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * sizes)[:, None]
    fine = slice(len(query.terms), None)
    counts = features.counts[:, fine]
    scores += FINE_WEIGHT * (rarity[fine] * counts * (SATURATION + 1) / (counts + damping)).sum(axis=1)
    leads = candidates.leads.dictionary_encode()
    of_leads = ((Features(leads.dictionary, query).counts > 0) * rarity).sum(axis=1)
    scores += LEAD_WEIGHT * of_leads[leads.indices.to_numpy()]
    return scores


def _rarity(counts: "Array", chunks: int) -> "Array":
    """Weigh each feature by how few candidates have it."""
    import numpy as np

    frequency = np.minimum((counts > 0).sum(axis=0), chunks)
    rarity: Array = np.log(1 + (chunks - frequency + 0.5) / (frequency + 0.5))
    return rarity


def _standard(scores: "Array") -> "Array":
    """Shift and scale scores to mean 0 and deviation 1, so that those of two searches can be added."""
    deviation = scores.std()
    return (scores - scores.mean()) / deviation if deviation > 1e-9 else scores * 0.0


def _repetitions_last(order: Sequence[int], features: Features, k: int) -> list[int]:
    """Choose the first `k` places whose candidates say different things; repetitions only if there are too few."""
    import numpy as np

    chosen: list[int] = []
    repeated: list[int] = []
    has = np.zeros((min(k, len(order)), features.distinct), dtype=bool)
    sizes = np.zeros(len(has), dtype=np.int64)
    for place in order:
        count = len(chosen)
        if count == k:
            break
        terms = features.distinct_terms(place)
        common = has[:count, terms].sum(axis=1)
        if (common >= ALIKE * (sizes[:count] + len(terms) - common)).any():
            repeated.append(place)
        else:
            has[count, terms] = True
            sizes[count] = len(terms)
            chosen.append(place)
    return (chosen + repeated)[:k]


def _weights_of_words(query: Query, rarity: "Array", chunks: int) -> dict[str, float]:
    """Weigh the words of a query that tell its topic, rare ones more."""
    unseen = math.log(1 + (chunks + 0.5) / 0.5)
    columns = {word: query.columns.get(f"w{word}") for word in query.words}
    weights = {word: unseen if column is None else float(rarity[column]) for word, column in columns.items()}
    telling = [word for word in query.words if not is_frequent(word)] or list(query.words)
    if len(telling) > LONG:
        telling = [word for word in telling if weights[word] < unseen] or telling
    return {word: weights[word] for word in telling}


def _shares(counts: "Array", query: Query, weights: Mapping[str, float]) -> "Array":
    """Compute the share of a query's words that each text has."""
    import numpy as np

    total = sum(weights.values()) or 1.0
    shares = np.zeros(len(counts))
    for word, weight in weights.items():
        shares += weight / total * _fits_of_word(word, counts > 0, query)
    return shares


def _fits_of_word(word: str, has: "Array", query: Query) -> "Array":
    """Tell how well each text fits one word of a query, 0 to 1."""
    import numpy as np

    found: Array = has[:, [query.columns[term] for term in query.words[word]]].mean(axis=1)
    groups = groups_of_word(word)
    if not groups:  # Chinese, Japanese or Korean
        return found
    share = has[:, [query.columns[f"g{group}"] for group in groups]].mean(axis=1)
    fits = np.where(share >= _FEWEST_GROUPS, _GROUPS_FIT * share, 0.0)
    fits[found > 0] = _STEM_FITS
    fits[has[:, query.columns[f"w{word}"]]] = 1.0
    return fits
