"""The answerer for servers without a language model: it quotes the sentences that fit a question best.

Nothing is made up: every quotation stands word for word in the dataset or in the conversation, and the answer says
where. The same question gets the same answer.
"""

import asyncio
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reka.server.generation.sentences import passages
from reka.server.generation.types import (
    AnswerStream,
    GenerationError,
    GenerationRequest,
    GenerationResult,
    stream_result,
    text_of,
    user_texts,
)
from reka.server.media import media_of

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Embedder

__all__ = ["ExtractiveBackend"]

_QUOTATIONS: Final = 3
"""The most quotations in an answer."""

_QUOTED_CHARS: Final = 1200
"""The most characters that the quotations after the first may bring an answer to."""

_SNIPPETS_READ: Final = 8
"""Snippets that sentences are looked for in, best first; the caller still gets all of them."""

_CONVERSATION_CHARS: Final = 50_000
"""Characters of the conversation that are looked at, the latest ones: a turn may be of any length."""

_ASKED_CHARS: Final = 2_000
"""Characters of a question that are compared with the candidates, the last ones."""

_SIMILARITY_WEIGHT: Final = 0.5
"""Share of a sentence's similarity to the question in its score."""

_SHARED_WORDS: Final = 0.5
"""Share of the question's words that the sentence has, weighted by how much they tell."""

_SNIPPET_RANK: Final = 0.1
"""What a sentence of the first snippet has ahead of one far down."""

_MIN_RELATIVE_SCORE: Final = 0.8
"""Share of the best score that further quotations must reach."""

_FRAGMENT_PENALTY: Final = 0.8
"""Factor for what is no whole sentence, or leads to something that is not there."""

_SHORT_CHARS: Final = 60
_SHORT: Final = 0.9
"""Factor for a sentence of fewer characters: it resembles a short question easily, and tells little."""

_SAME_WORDS: Final = 0.7
"""Share of common words from which two quotations say the same."""

_LEAST_SIMILARITY: Final = 0.4
"""Cosine that makes a sentence of the conversation fit although it shares no word with the question."""

_WORDS_A_PIECE: Final = 4
"""Words of a piece of a streamed answer."""

_FROM_DATASET: Final = "Quoted from the dataset (no language model is attached to this server):"
_FROM_CONVERSATION: Final = "Quoted from this conversation (no language model is attached to this server):"
_NOT_SEEN: Final = "The {media} cannot be looked at: no language model is attached to this server, it can only quote."
_NOTHING_FOUND: Final = (
    "No language model is attached to this server, so it can only quote, and it found nothing {where} that fits. "
    "{way_out}, or put a model behind the server: reka serve --upstream URL"
)

_WORD: Final = re.compile(r"\w+")
_ENDING: Final = re.compile(r"(?<=\w{3})(?:ings?|ed|es|s|ly|e)$")
_EMPTY_WORDS: Final = frozenset(
    """a about again all also am an any are be because been being but can cannot could did do does doing don done each
    get give given got had has have having he her here him his how i is it its just let ll m many may me might mine
    more most much must my now of our out please re s same say she should shows so some something such t tell than that
    the their them then there these they thing things this those to too up use used using ve very want was way we were
    what when where whether which who whom whose why will work works would you your""".split()  # noqa: SIM905 - a hundred quoted words read worse
)

# In "the with statement" they are what it is about, in most questions they are not: they count, for half.
_WEAK_WORDS: Final = frozenset(
    {"and", "as", "at", "by", "else", "for", "from", "if", "in", "into", "not", "on", "only", "or", "while", "with"}
)


@dataclass(frozen=True, slots=True)
class _Quotation:
    text: str
    source: str  # "" is the conversation
    rank: int  # of its snippet, from 0
    words: frozenset[str]


class ExtractiveBackend:
    """Quotes the best-fitting sentences of the retrieved text, or, without a dataset, of the conversation itself."""

    def __init__(self, embedder: "Embedder") -> None:
        self.language_model: Final[str | None] = None
        self.model_names: Final[tuple[str, ...]] = ()
        self._embedder = embedder

    async def answer(self, question: GenerationRequest) -> GenerationResult:
        """Quote what fits. Sampling parameters change nothing, `max_tokens` and `stop` cut the answer.

        Raises:
            GenerationError: The question is for a language model: it has tools, or wants a format (400).
        """
        if wants := question.required_capabilities():
            raise GenerationError(
                400,
                f"{', '.join(wants)}: no language model is attached to this server, it can only quote. Put one behind "
                "it: reka serve --upstream URL",
            )
        return await asyncio.to_thread(self._answer, question)

    async def stream(self, question: GenerationRequest) -> AnswerStream:
        """Quote what fits, some words at a time."""
        async for piece in stream_result(await self.answer(question), _WORDS_A_PIECE):
            yield piece

    async def check(self) -> None:
        """Do nothing: it can always quote."""

    async def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def _answer(self, question: GenerationRequest) -> GenerationResult:
        text = _until(question.stop, self._text(question))
        cut = text if question.max_tokens is None else self._first_tokens(text, question.max_tokens)
        count = self._embedder.count_tokens
        read = [text_of(message) for message in question.messages] + [
            snippet.text for snippet in question.snippets or ()
        ]
        return GenerationResult(cut, "stop" if cut == text else "length", sum(map(count, read)), count(cut))

    def _text(self, question: GenerationRequest) -> str:
        start = _FROM_DATASET if question.snippets else _FROM_CONVERSATION
        if question.max_tokens is not None and question.max_tokens < self._embedder.count_tokens(start):
            # The budget ends before the first quotation would begin. So ask those who want the chunks and no answer.
            return start
        asked, rest = _split_question(question)
        candidates = (
            list(_candidates_from_snippets(question))
            if question.snippets is not None
            else list(_candidates_from_turns(question, rest))
        )
        chosen = self._choose(asked, candidates)
        notes = [_NOT_SEEN.format(media=media) for media in _media(question)]
        if chosen:
            return "\n\n".join([*notes, start, *_rendered(chosen)])
        return "\n\n".join(notes) or _nothing_found(question)

    def _choose(self, asked: str, candidates: Sequence[_Quotation]) -> list[_Quotation]:
        """Take the few best distinct candidates, in reading order; of the conversation, only what fits at all."""
        if not candidates or not asked.strip():
            return []
        words = _content_words(asked)
        weights = _weights(words, candidates)
        vectors = self._embedder.embed([asked, *(candidate.text for candidate in candidates)])
        similarities = (vectors[1:] @ vectors[0]).tolist()
        scores: dict[int, float] = {}
        for index, (candidate, similarity) in enumerate(zip(candidates, similarities, strict=True)):
            if candidate.source or (words - _WEAK_WORDS) & candidate.words or similarity >= _LEAST_SIMILARITY:
                scores[index] = _score(candidate, similarity, weights)
        # Rounded: the last digits of a product depend on the machine's vector unit, and must not decide an order.
        ranked = sorted(scores, key=lambda index: (-round(scores[index], 5), index))
        chosen: list[int] = []
        for index in ranked:
            if scores[index] < _MIN_RELATIVE_SCORE * scores[ranked[0]] or len(chosen) == _QUOTATIONS:
                break
            if _is_novel([candidates[other] for other in chosen], candidates[index]):
                chosen.append(index)
        return [candidates[index] for index in sorted(chosen)]

    def _first_tokens(self, text: str, limit: int) -> str:
        """Cut a text at the last end of a word that keeps it within `limit` tokens."""
        count = self._embedder.count_tokens
        if count(text) <= limit:
            return text
        ends = [0, *(match.end() for match in re.finditer(r"\S+", text))]
        low, high = 0, len(ends) - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if count(text[: ends[middle]]) <= limit else (low, middle - 1)
        return text[: ends[low]]


def _split_question(question: GenerationRequest) -> tuple[str, list[str]]:
    """Find what is asked: the interrogative sentences of the last human turn, else all of that turn.

    Returns:
        What is asked, and the turn's other sentences, which may hold the answer.
    """
    last = user_texts(question.messages)[-1]
    sentences = passages(_end_of(last, _CONVERSATION_CHARS))
    asked = [sentence for sentence in sentences if _is_question(sentence)]
    if not asked:
        return _end_of(last, _ASKED_CHARS), []
    return _end_of(" ".join(asked), _ASKED_CHARS), [sentence for sentence in sentences if not _is_question(sentence)]


def _end_of(text: str, chars: int) -> str:
    """Give the last characters of a text, from the start of a word on."""
    return text if len(text) <= chars else text[-chars:].partition(" ")[2]


def _is_question(sentence: str) -> bool:
    return sentence.rstrip("\"'”\u2019») ").endswith(("?", "\uff1f"))


def _candidates_from_snippets(question: GenerationRequest) -> Iterator[_Quotation]:
    for rank, snippet in enumerate((question.snippets or ())[:_SNIPPETS_READ]):
        for text in passages(snippet.text):
            if words := _content_words(text):
                yield _Quotation(text, snippet.source or "the dataset", rank, words)


def _candidates_from_turns(question: GenerationRequest, rest: Sequence[str]) -> Iterator[_Quotation]:
    """Yield what the human said, except questions: an answer must not quote the model, nor ask back."""
    earlier = user_texts(question.messages)[:-1]
    latest = passages(_end_of("\n\n".join(earlier), _CONVERSATION_CHARS))
    for text in [*latest, *rest]:
        if not _is_question(text):
            yield _Quotation(text, "", 0, _content_words(text))


def _content_words(text: str) -> frozenset[str]:
    """Give the words of a text that carry meaning, in a form that plural and tense do not change much."""
    words = (word.strip("_") for word in _WORD.findall(text.casefold()))
    return frozenset(_ENDING.sub("", word) for word in words if word and word not in _EMPTY_WORDS)


def _weights(words: frozenset[str], candidates: Sequence[_Quotation]) -> dict[str, float]:
    """Weigh the question's words: those that few candidates have tell most. They add up to 1."""
    frequency = Counter(word for candidate in candidates for word in words & candidate.words)
    weights = {
        word: math.log(1 + len(candidates) / (1 + frequency[word])) * (0.5 if word in _WEAK_WORDS else 1)
        for word in sorted(words)
    }
    total = math.fsum(weights.values())
    return {word: weight / total for word, weight in weights.items()}


def _score(candidate: _Quotation, similarity: float, weights: dict[str, float]) -> float:
    shared = math.fsum(weight for word, weight in weights.items() if word in candidate.words)
    score = _SIMILARITY_WEIGHT * similarity + _SHARED_WORDS * shared + _SNIPPET_RANK / (1 + candidate.rank)
    text = candidate.text
    is_whole = (text[0].isupper() or not text[0].isalpha()) and not text.endswith(":") and len(candidate.words) > 1
    return score * (1 if is_whole else _FRAGMENT_PENALTY) * (1 if len(text) >= _SHORT_CHARS else _SHORT)


def _is_novel(chosen: Sequence[_Quotation], candidate: _Quotation) -> bool:
    """Tell whether a further quotation says something new and leaves the answer readable."""
    if not chosen:
        return True
    if sum(len(other.text) for other in [*chosen, candidate]) > _QUOTED_CHARS:
        return False
    return all(
        len(candidate.words & other.words) < _SAME_WORDS * min(len(candidate.words), len(other.words))
        for other in chosen
    )


def _rendered(chosen: Sequence[_Quotation]) -> Iterator[str]:
    for quotation in chosen:
        quoted = "\n".join(f"> {line}".rstrip() for line in quotation.text.split("\n"))
        yield f"{quoted}\n— {quotation.source}" if quotation.source else quoted


def _media(question: GenerationRequest) -> list[str]:
    return [kind if kind else "media file" for message in question.messages for kind in media_of(message)]


def _nothing_found(question: GenerationRequest) -> str:
    if question.snippets is None:
        way_out = 'Name a dataset to have it searched (retrieval_dataset="...")'
        return _NOTHING_FOUND.format(where="in this conversation", way_out=way_out)
    return _NOTHING_FOUND.format(where="in the dataset", way_out="Ask in the words of the dataset")


def _until(stop: Sequence[str], text: str) -> str:
    """Cut a text before the first of the stop words."""
    ends = [text.find(word) for word in stop if word]
    return text[: min((end for end in ends if end >= 0), default=len(text))]
