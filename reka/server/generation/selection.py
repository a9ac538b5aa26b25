"""Selects the few passages that answer a question best."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reka.server.generation.blocks import is_question
from reka.server.generation.matching import Match, Terms, Text, content, match, terms
from reka.server.generation.sentences import SEPARATOR, Passage, passages
from reka.server.retrieval.languages import detect_language
from reka.server.retrieval.terms import plain

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Embedder

__all__ = ["Candidate", "candidates", "restates", "select"]

MAX_QUOTATIONS: Final = 3
"""Quotations in a response."""

MAX_QUOTED_CHARS: Final = 1200
"""Characters of all quotations together, unless the first alone has more."""

MAX_COMPARED: Final = 32
"""Passages that are compared by their vectors too: those that share most with the question."""

SIMILARITY_WEIGHT: Final = 0.35
"""Weight in a passage's score of the cosine similarity of its vector and the question's."""

KEYWORD_WEIGHT: Final = 0.5
"""Weight in a passage's score of what it shares with the question."""

RANK_WEIGHT: Final = 0.1
"""Weight in a passage's score of the reciprocal rank of its chunk."""

FRAGMENT_PENALTY: Final = 0.8
"""Factor for the score of an incomplete sentence, or of one that introduces something that does not follow."""

HEADING_PENALTY: Final = 0.5
"""Factor for the score of a line that may be a heading."""

MIN_RELATIVE_SCORE: Final = 0.8
"""Share of the best score that each further quotation must reach."""

MAX_OVERLAP: Final = 0.7
"""Share of common words among all of theirs from which two quotations count as duplicates."""

MIN_SIMILARITY: Final = 0.4
"""Cosine similarity from which a sentence of the conversation matches without sharing a word with the question."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that may be quoted."""

    passage: Passage
    source: str
    """Name of the file that it is from; empty for the conversation."""
    chunk_context: str
    """What its chunk is read under; the passage has its own context."""
    rank: int
    """Of its chunk, from 0."""
    text: Text
    """The passage, as it is compared."""
    content: Terms
    """Terms of the passage without stop words."""


def candidates(text: str, source: str = "", context: str = "", rank: int = 0) -> list[Candidate]:
    """List what may be quoted of a chunk, in reading order: no question, and nothing without words.

    Args:
        text: The chunk.
        source: Name of the file that it is from; empty for the conversation.
        context: The headings that it stands under, or the names of its columns.
        rank: Its place among the chunks, from 0.
    """
    language = detect_language(f"{context}\n{text}")
    found: list[Candidate] = []
    terms_above: dict[tuple[str, ...], Terms] = {}
    for passage in passages(text, context.rpartition(SEPARATOR)[2]):
        if is_question(passage.text):
            continue
        if passage.context not in terms_above:
            above = "\n".join([source, context, *passage.context])
            terms_above[passage.context] = frozenset(terms(above, language))
        order = terms(passage.text, language)
        compared = Text(language, order, terms_above[passage.context], passage.position)
        if own := content(order, language):
            found.append(Candidate(passage, source, context, rank, compared, own))
    return found


def restates(text: str, question: str, language: str | None) -> bool:
    """Tell whether a text has the same words as a question, besides stop words."""
    return content(terms(text, language), language) == content(terms(question, language), language)


def _adds_nothing(text: str, order: tuple[str, ...], asked: tuple[str, ...], language: str | None) -> bool:
    """Tell whether a passage says no more than a question: the same words, or a phrase of some of them."""
    is_phrase = not text.rstrip().endswith((".", "!", "\u3002"))
    return order == asked or (is_phrase and content(order, language) <= set(asked))


def select(question: str, found: Sequence[Candidate], embedder: "Embedder") -> list[Candidate]:
    """Select the few best distinct candidates, best first.

    Those from the conversation are selected only if they match the question at all.
    """
    if not question.strip():
        return []
    asked = {language: terms(question, language) for language in {candidate.text.language for candidate in found}}
    new = [
        candidate
        for candidate in found
        if not _adds_nothing(
            candidate.passage.text, candidate.text.order, asked[candidate.text.language], candidate.text.language
        )
    ]
    scores = _scores(question, new, match(question, [candidate.text for candidate in new]), embedder)
    # Rounded, because the last digits of a dot product depend on the machine's vector unit.
    ranking = sorted(scores, key=lambda index: (-round(scores[index], 5), index))
    selected: list[Candidate] = []
    for index in ranking:
        if scores[index] < MIN_RELATIVE_SCORE * scores[ranking[0]] or len(selected) == MAX_QUOTATIONS:
            break
        if _is_novel(new[index], selected):
            selected.append(new[index])
    return selected


def _scores(
    question: str, found: Sequence[Candidate], matches: Sequence[Match], embedder: "Embedder"
) -> dict[int, float]:
    """Score the best candidates, by their index."""
    best = sorted(range(len(found)), key=lambda index: (-_score(found[index], matches[index].score, 0), index))
    compared = sorted(best[:MAX_COMPARED])
    if not compared:
        return {}
    texts = [question, *(_under_heading(found[index].passage) for index in compared)]
    vectors = embedder.embed([plain(text) for text in texts])
    similarities = (vectors[1:] @ vectors[0]).tolist()
    return {
        index: _score(found[index], matches[index].score, similarity)
        for index, similarity in zip(compared, similarities, strict=True)
        if found[index].source or matches[index].has_words or similarity >= MIN_SIMILARITY
    }


def _under_heading(passage: Passage) -> str:
    return f"{passage.context[-1]}\n{passage.text}" if passage.context else passage.text


def _score(candidate: Candidate, shared: float, similarity: float) -> float:
    score = SIMILARITY_WEIGHT * similarity + KEYWORD_WEIGHT * shared + RANK_WEIGHT / (1 + candidate.rank)
    if candidate.passage.is_heading:
        return score * HEADING_PENALTY
    text = candidate.passage.text
    is_whole = not text[0].islower() and not text.endswith((":", "\uff1a")) and len(candidate.content) > 1
    return score if is_whole else score * FRAGMENT_PENALTY


def _is_novel(candidate: Candidate, selected: Iterable[Candidate]) -> bool:
    """Tell whether a candidate adds something new and keeps the response short."""
    others = list(selected)
    if others and sum(len(other.passage.text) for other in [*others, candidate]) > MAX_QUOTED_CHARS:
        return False
    return not any(_is_same(candidate.content, other.content) for other in others)


def _is_same(first: Terms, second: Terms) -> bool:
    """Tell whether two passages have the same words, or one all of the other's."""
    return first <= second or second <= first or len(first & second) >= MAX_OVERLAP * len(first | second)
