"""Ranking of the candidates of both searches, and ties: pure, deterministic functions.

Weights were chosen on half of the questions of `bench.ranking` and stated on the other half.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from reka.server.retrieval.languages import is_frequent
from reka.server.retrieval.terms import groups_of_word, query_words, terms_of_word

SATURATION, LENGTH_SHARE = 1.2, 0.75
"""BM25's usual k1 and b."""

FINE_WEIGHT: Final = 0.5
"""Weight of letter groups and word pairs beside whole words."""

LEAD_WEIGHT: Final = 0.2
"""Weight of the first words of a candidate's file, which mostly name its topic."""

VECTOR_WEIGHT: Final[Mapping[str | None, float]] = {"english": 0.2}
"""Weight of the vectors by language; 0 for all others, in which the default embedder finds less than words do."""

LONG: Final = 12
"""Words of a query beyond which those that no candidate has are left out of the fit: they are not its topic (ours)."""

ALIKE: Final = 0.9
"""Share of their words that two chunks have in common if one says what the other does."""

_STEM_FITS, _GROUPS_FIT, _FEWEST_GROUPS = 0.9, 0.7, 0.5
"""How well a word fits its stem, or its letter groups, of which so many must be there."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that one of the searches has found."""

    id: int
    score: float | None
    """Keyword score (BM25); None if only the vectors have found it."""

    cosine: float
    """Similarity to the query, -1 to 1; 0 without vectors."""

    terms: Sequence[str]
    """Its terms; see `terms.index_terms`."""

    lead: str
    """Terms of the first words of its file, separated by spaces."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a query is compared by."""

    words: Mapping[str, Sequence[str]]
    """Its words, each with its terms."""

    terms: frozenset[str]
    groups: frozenset[str]
    """Letter groups of its words."""

    pairs: frozenset[str]
    """Pairs of adjacent stems."""

    first_stems: frozenset[str]
    """The first ones of these pairs."""

    _groups_in: dict[str, tuple[str, ...]] = field(default_factory=dict, compare=False)

    def groups_in(self, word: str) -> tuple[str, ...]:
        """Letter groups that a word has in common with the query, as features; chunks have most words in common."""
        found = self._groups_in.get(word)
        if found is None:
            found = self._groups_in[word] = tuple(f"g{group}" for group in groups_of_word(word) & self.groups)
        return found


def query_of(text: str, languages: Sequence[str | None]) -> Query:
    """Read a query.

    Args:
        text: Any text; it has no syntax.
        languages: Languages whose stems it is compared by.
    """
    terms = {word: terms_of_word(word, languages) for word in query_words(text)}
    stems = [[term[1:] for term in of_word if term[0] == "s"] or [word] for word, of_word in terms.items()]
    pairs = {
        f"{first} {second}": first for firsts, seconds in pairwise(stems) for first in firsts for second in seconds
    }
    return Query(
        words=terms,
        terms=frozenset(term for of_word in terms.values() for term in of_word),
        groups=frozenset().union(*map(groups_of_word, terms)),
        pairs=frozenset(pairs),
        first_stems=frozenset(pairs.values()),
    )


def rank(
    candidates: Sequence[Candidate], query: Query, chunks: int, vector_weight: float, k: int
) -> list[tuple[Candidate, float]]:
    """Sort candidates by how well they fit a query.

    Args:
        candidates: What the searches have found.
        query: What the query is compared by.
        chunks: Number of chunks in the dataset.
        vector_weight: Weight of the vectors beside the words; 0 for keywords alone.
        k: Maximum number to return.

    Returns:
        The best, ties by id, each with its fit: 0 to 1, and never above that of the one before. One that says what a
        better one says comes after the others.
    """
    if not candidates:
        return []
    features = [_features(candidate.terms, query) for candidate in candidates]
    rarity = _rarity(features, chunks)
    scores = _standard(_keyword_scores(candidates, features, query, rarity))
    if vector_weight:
        cosines = _standard([candidate.cosine for candidate in candidates])
        scores = [score + vector_weight * cosine for score, cosine in zip(scores, cosines, strict=True)]
    order = sorted(range(len(candidates)), key=lambda place: (-scores[place], candidates[place].id))
    weights = _weights_of_words(query, rarity)
    ranked = []
    best = 1.0
    for place in _repetitions_last(order, candidates, k):
        best = min(best, _fit(features[place], candidates[place].cosine, query, weights, vector_weight))
        ranked.append((candidates[place], best))
    return ranked


def _keyword_scores(
    candidates: Sequence[Candidate],
    features: Sequence[Mapping[str, int]],
    query: Query,
    rarity: Callable[[str], float],
) -> list[float]:
    # A chunk that only the vectors have found has fewer of the words than any that the words have found.
    lowest = min((candidate.score for candidate in candidates if candidate.score is not None), default=0.0)
    leads = {candidate.lead for candidate in candidates}
    lead_scores = {lead: sum(map(rarity, _features(lead.split(), query))) for lead in leads}
    mean_size = sum(len(candidate.terms) for candidate in candidates) / len(candidates) or 1.0
    return [
        (lowest if candidate.score is None else candidate.score)
        + FINE_WEIGHT * _bm25(counts, rarity, len(candidate.terms) / mean_size)
        + LEAD_WEIGHT * lead_scores[candidate.lead]
        for candidate, counts in zip(candidates, features, strict=True)
    ]


def _features(terms: Sequence[str], query: Query) -> Counter[str]:
    """Count what a text has of a query: terms, letter groups (`g`) and word pairs (`p`)."""
    frequency = Counter(terms)
    counts = Counter({term: frequency[term] for term in query.terms & frequency.keys()})
    for term, count in frequency.items():
        if term[0] == "w":
            for group in query.groups_in(term[1:]):
                counts[group] += count
    stems = [term[1:] for term in terms if term[0] == "s"] or [term[1:] for term in terms if term[0] == "w"]
    for first, second in pairwise(stems):
        if first in query.first_stems and (pair := f"{first} {second}") in query.pairs:
            counts[f"p{pair}"] += 1
    return counts


def _rarity(features: Sequence[Counter[str]], chunks: int) -> Callable[[str], float]:
    """Make the function that weighs a feature by how few candidates have it."""
    frequency: Counter[str] = Counter()
    for counts in features:
        frequency.update(counts.keys())

    def rarity(feature: str) -> float:
        count = min(frequency[feature], chunks)
        return math.log(1 + (chunks - count + 0.5) / (count + 0.5))

    return rarity


def _bm25(counts: Mapping[str, int], rarity: Callable[[str], float], relative_size: float) -> float:
    """Score letter groups and word pairs as BM25 scores words."""
    damping = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * relative_size)
    return sum(
        rarity(feature) * count * (SATURATION + 1) / (count + damping)
        for feature, count in counts.items()
        if feature[0] in "gp"
    )


def _standard(scores: Sequence[float]) -> list[float]:
    """Shift and scale scores to mean 0 and deviation 1, so that those of two searches can be added."""
    mean = sum(scores) / len(scores)
    deviation = math.sqrt(sum((score - mean) ** 2 for score in scores) / len(scores))
    return [(score - mean) / deviation if deviation else 0.0 for score in scores]


def _repetitions_last(order: Sequence[int], candidates: Sequence[Candidate], k: int) -> list[int]:
    """Choose the first `k` places whose candidates say different things; repetitions only if there are too few."""
    chosen: list[int] = []
    repeated: list[int] = []
    seen: list[frozenset[str]] = []
    for place in order:
        if len(chosen) == k:
            break
        terms = frozenset(candidates[place].terms)
        if any(len(terms & other) >= ALIKE * len(terms | other) for other in seen):
            repeated.append(place)
        else:
            chosen.append(place)
            seen.append(terms)
    return (chosen + repeated)[:k]


def _weights_of_words(query: Query, rarity: Callable[[str], float]) -> dict[str, float]:
    """Weigh the words of a query that tell its topic, rare ones more."""
    telling = [word for word in query.words if not is_frequent(word)] or list(query.words)
    if len(telling) > LONG:
        unseen = rarity("")
        telling = [word for word in telling if rarity(f"w{word}") < unseen] or telling
    return {word: rarity(f"w{word}") for word in telling}


def _fit(
    counts: Mapping[str, int], cosine: float, query: Query, weights: Mapping[str, float], vector_weight: float
) -> float:
    """Share of a query's words that a chunk has; with vectors, its similarity counts in part."""
    total = sum(weights.values()) or 1.0
    share = sum(weight * _fit_of_word(word, counts, query) for word, weight in weights.items()) / total
    if not vector_weight:
        return round(min(share, 1.0), 6)
    return round(min((1 - vector_weight) * share + vector_weight * max(cosine, 0.0), 1.0), 6)


def _fit_of_word(word: str, counts: Mapping[str, int], query: Query) -> float:
    """How well a chunk fits one word of a query, 0 to 1."""
    if f"w{word}" in counts:
        return 1.0
    terms = query.words[word]
    found = sum(term in counts for term in terms)
    groups = groups_of_word(word)
    if not groups:  # Chinese, Japanese or Korean
        return found / len(terms)
    if found:
        return _STEM_FITS
    share = sum(f"g{group}" in counts for group in groups) / len(groups)
    return _GROUPS_FIT * share if share >= _FEWEST_GROUPS else 0.0


def top_k(scores: Mapping[int, float], k: int) -> list[int]:
    """Return the `k` ids with the highest scores, best first; ties are broken by id."""
    return sorted(scores, key=lambda chunk: (-scores[chunk], chunk))[:k]
