"""How well passages answer a question, by the words that they share with it. Pure functions.

Words are compared by their stems in the language of the passage; Chinese, Japanese and Korean by characters and pairs.
A word counts by its rarity among the passages. What a passage is read under (headings, column names) counts too, less
than its own words.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final, TypeAlias

from reka.server.retrieval.languages import detect_language, stop_words, without_eastern_stop_words
from reka.server.retrieval.terms import terms_of_word, words

__all__ = ["Match", "Terms", "Text", "content", "match", "terms"]

Terms: TypeAlias = frozenset[str]

CONTEXT_WEIGHT: Final = 0.5
"""Weight of a word of the question in the context of a passage, where one in its text has 1."""

LEAD_WEIGHT: Final = 1.0
"""Weight of the square of the share of the question in the headings, for the first passage under them: a heading that
asks the same is answered by what follows it."""

DENSITY_WEIGHT: Final = 0.15
"""Weight of the share of a passage's words that are the question's: a short sentence says little else."""

PAIR_WEIGHT: Final = 0.3
"""Weight of the share of the question's pairs of adjacent words that a passage has close together."""

PAIR_WORDS: Final = 4
"""Words after the first of a pair, of which one is the second."""

STOP_WORD_WEIGHT: Final = 0.1
"""Weight of stop words, which may be the topic too, as in `the with statement`."""

CHARACTER_WEIGHT: Final = 0.3
"""Weight of a single Chinese, Japanese or Korean character, where a pair has 1."""


@dataclass(frozen=True, slots=True)
class Text:
    """A passage, as it is compared."""

    language: str | None
    order: tuple[str, ...]
    """Terms of its text, in their order."""
    context: Terms
    """Terms of what it is read under."""
    position: int | None
    """How many passages are before it under the same heading; None for a row of a table."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a passage shares with a question."""

    score: float
    """0 to about 2.5."""
    has_words: bool
    """Whether its text shares a word with the question that is no stop word."""


@dataclass(frozen=True, slots=True)
class _Question:
    """A question in the terms of one language; the places of its words are the same in all of them."""

    order: tuple[str, ...]
    is_stop: tuple[bool, ...]
    pairs: frozenset[tuple[str, str]]
    """Adjacent words, stop words left out."""

    def places(self, found: Terms) -> list[int]:
        """List the places of the words that a text has."""
        return [place for place, term in enumerate(self.order) if term in found]


def terms(text: str, language: str | None) -> tuple[str, ...]:
    """List what the words of a text are compared by, in their order."""
    return tuple([key for word in words(text) for key in _keys(word, language)])


def content(found: Iterable[str], language: str | None) -> Terms:
    """Leave the stop words of a language out."""
    return frozenset(found) - _stop_terms(language)


def match(question: str, texts: Sequence[Text]) -> list[Match]:
    """Compare passages with a question.

    Returns:
        What each passage shares with it.
    """
    asked_in, asked_words = detect_language(question), _question_words(question)
    languages = dict.fromkeys(text.language for text in texts)
    asked = {language: _question(asked_words, language, asked_in) for language in languages}
    own = [asked[text.language].places(frozenset(text.order)) for text in texts]
    above = [asked[text.language].places(text.context) for text in texts]
    weights = _weights(list(asked.values()), [{*first, *second} for first, second in zip(own, above, strict=True)])
    return [
        _match(asked[text.language], weights, text, first, second)
        for text, first, second in zip(texts, own, above, strict=True)
    ]


def _question_words(text: str) -> list[str]:
    """List the words of a question, each once; those of Chinese, Japanese and Korean without function words."""
    return list(dict.fromkeys(words(without_eastern_stop_words(text)) or words(text)))


def _question(asked_words: Iterable[str], language: str | None, asked_in: str | None) -> _Question:
    order = tuple([key for word in asked_words for key in _keys(word, language)])
    stops = _stop_terms(language) | _stop_terms(asked_in)
    telling = [term for term in order if term not in stops and term[0] != "c"]
    pairs = frozenset(pairwise(telling))
    return _Question(order, tuple(term in stops for term in order), pairs)


def _match(asked: _Question, weights: Sequence[float], text: Text, own: Sequence[int], above: Sequence[int]) -> Match:
    size = len(content(text.order, text.language))
    telling = sum(not asked.is_stop[place] for place in own)
    heading = math.fsum(weights[place] for place in above)
    score = math.fsum(weights[place] for place in own) + CONTEXT_WEIGHT * heading
    if text.position is not None:
        score += LEAD_WEIGHT * heading**2 / (1 + text.position) ** 2
    if asked.pairs:
        score += PAIR_WEIGHT * _close_pairs(asked.pairs, text.order) / len(asked.pairs)
    return Match(score + DENSITY_WEIGHT * telling / max(size, 1), telling > 0)


def _close_pairs(pairs: Iterable[tuple[str, str]], order: Sequence[str]) -> int:
    """Count the pairs of which a text has the second word soon after the first."""
    return sum(
        any(second in order[place + 1 : place + 1 + PAIR_WORDS] for place, term in enumerate(order) if term == first)
        for first, second in pairs
    )


def _weights(asked: Sequence[_Question], found: Sequence[Iterable[int]]) -> list[float]:
    """Weight the words of a question by their rarity among passages; one that none has counts nothing.

    The weights add up to 1.
    """
    if not asked:
        return []
    frequency = Counter(place for places in found for place in places)
    weights = []
    for place, term in enumerate(asked[0].order):
        weight = math.log(1 + len(found) / frequency[place]) if frequency[place] else 0.0
        if any(question.is_stop[place] for question in asked):
            weight *= STOP_WORD_WEIGHT
        weights.append(weight * CHARACTER_WEIGHT if term[0] == "c" and len(term) == 2 else weight)
    total = math.fsum(weights) or 1
    return [weight / total for weight in weights]


@lru_cache(maxsize=50_000)
def _keys(word: str, language: str | None) -> tuple[str, ...]:
    found = terms_of_word(word, [language])
    return tuple(found) if found[0][0] == "c" else (found[-1],)


@lru_cache(maxsize=32)
def _stop_terms(language: str | None) -> Terms:
    return frozenset(key for word in stop_words(language) for key in _keys(word, language))
