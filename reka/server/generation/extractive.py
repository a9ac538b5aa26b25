"""The backend of servers without a language model: it quotes the sentences that match a question best.

Nothing is generated: every quotation is verbatim from the dataset, whose file is named, or from the conversation. The
result is deterministic.
"""

import asyncio
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reka._protocol.media import labels_in
from reka.server.cancellation import check_cancelled
from reka.server.generation.sentences import passages, rows_under
from reka.server.generation.types import (
    AnswerStream,
    GenerationError,
    GenerationRequest,
    GenerationResult,
    Snippet,
    stream_result,
    text_of,
    user_texts,
)
from reka.server.retrieval.terms import normalize
from reka.server.retrieval.token_limits import last_tokens

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Embedder

__all__ = ["ExtractiveBackend"]

MAX_QUOTATIONS: Final = 3
"""Quotations in a response."""

MAX_QUOTED_CHARS: Final = 1200
"""Characters of all quotations together, unless the first alone has more."""

MAX_SNIPPETS: Final = 8
"""Retrieved chunks searched for sentences, best first; the response still lists all of them."""

MAX_CONVERSATION_CHARS: Final = 50_000
"""Characters of the conversation searched for sentences, the latest ones: a turn may have any length."""

MAX_QUESTION_TOKENS: Final = 500
"""Tokens of the question that are compared with the candidates, the last ones."""

MAX_COUNTED_CHARS: Final = 100_000
"""Characters of a request whose tokens are counted, at a second per million; beyond them the count is estimated."""

SIMILARITY_WEIGHT: Final = 0.5
"""Weight in a candidate's score of its cosine similarity to the question."""

KEYWORD_WEIGHT: Final = 0.5
"""Weight in a candidate's score of the share of the question's words in it, each weighted by its rarity."""

RANK_WEIGHT: Final = 0.1
"""Weight in a candidate's score of the reciprocal rank of its chunk."""

CONTEXT_SHARE: Final = 0.7
"""What a word of the question counts that only the headings or column names above a candidate have."""

FRAGMENT_PENALTY: Final = 0.8
"""Factor for the score of an incomplete sentence, or of one that introduces something that does not follow."""

SHORT_CHARS: Final = 60
SHORT_PENALTY: Final = 0.9
"""Factor for the score of a sentence under SHORT_CHARS characters: it resembles a short question and says little."""

MIN_RELATIVE_SCORE: Final = 0.8
"""Share of the best score that each further quotation must reach."""

MAX_OVERLAP: Final = 0.7
"""Share of common words from which two quotations count as duplicates."""

MIN_SIMILARITY: Final = 0.4
"""Cosine similarity from which a sentence of the conversation matches without sharing a word with the question."""

WORDS_PER_DELTA: Final = 4
"""Words in a delta of a streamed response."""

_FROM_DATASET: Final = "Quoted from the dataset (no language model is attached to this server):"
_FROM_CONVERSATION: Final = "Quoted from this conversation (no language model is attached to this server):"
_NO_MEDIA: Final = "The {media} cannot be read: no language model is attached to this server, it can only quote."
_LONG_QUESTION: Final = "Of the question, only the last {tokens} tokens are looked at."
_NO_MATCH: Final = (
    "No language model is attached to this server, so it can only quote, and it found nothing {where} that matches. "
    "{hint}, or put a model behind the server: reka serve --upstream URL"
)

_WORD: Final = re.compile(r"\w+")
_SUFFIX: Final = re.compile(r"(?<=\w{3})(?:ings?|ed|es|s|ly|e)$")
_STOPWORDS: Final = frozenset(
    """a about again all also am an any are be because been being but can cannot could did do does doing don done each
    get give given got had has have having he her here him his how i is it its just let ll m many may me might mine
    more most much must my now of our out please re s same say she should shows so some something such t tell than that
    the their them then there these they thing things this those to too up use used using ve very want was way we were
    what when where whether which who whom whose why will work works would you your""".split()  # noqa: SIM905 - a hundred string literals are harder to read
)

# Function words that may also be the topic, as in "the with statement": they count half.
_WEAK_WORDS: Final = frozenset(
    {"and", "as", "at", "by", "else", "for", "from", "if", "in", "into", "not", "on", "only", "or", "while", "with"}
)


@dataclass(frozen=True, slots=True)
class _Quotation:
    text: str
    source: str  # empty for the conversation
    rank: int  # of its chunk, from 0
    words: frozenset[str]
    context: frozenset[str] = frozenset()
    """Words of what it is read under; they tell how well it fits a question, and are not quoted."""
    columns: str = ""
    """Names of the columns of a row; they stand above it."""


class ExtractiveBackend:
    """Quotes the best matching sentences of the retrieved chunks or, without a dataset, of the conversation."""

    def __init__(self, embedder: "Embedder") -> None:
        self.language_model: Final[str | None] = None
        self.model_names: Final[tuple[str, ...]] = ()
        self.known_models: Final[Mapping[str, Mapping[str, Any]]] = {}
        self._embedder = embedder

    async def models(self) -> Mapping[str, Mapping[str, Any]]:
        """Return no model."""
        return self.known_models

    async def generate(self, request: GenerationRequest) -> GenerationResult:
        """Quote the best matches. Of the options only `max_tokens` and `stop` have an effect.

        Raises:
            GenerationError: The request requires a language model, for tools or a response format (400).
        """
        if capabilities := request.required_capabilities():
            raise GenerationError(
                400,
                f"{', '.join(capabilities)}: no language model is attached to this server, it can only quote. Put one "
                "behind it: reka serve --upstream URL",
            )
        return await asyncio.to_thread(self._generate, request)

    async def stream(self, request: GenerationRequest) -> AnswerStream:
        """Quote the best matches, a few words at a time."""
        async for event in stream_result(await self.generate(request), WORDS_PER_DELTA):
            yield event

    async def check(self) -> None:
        """Do nothing: the backend is always ready."""

    async def close(self) -> None:
        """Do nothing: the backend has no connections."""

    def _generate(self, request: GenerationRequest) -> GenerationResult:
        check_cancelled()  # it may have waited for a thread
        text = _truncate_at_stop(self._compose(request), request.stop)
        output = text if request.max_tokens is None else self._truncate(text, request.max_tokens)
        count_tokens = self._embedder.count_tokens
        inputs = [text_of(message) for message in request.messages]
        inputs += [snippet.text for snippet in request.snippets or ()]
        finish_reason = "stop" if output == text else "length"
        return GenerationResult(output, finish_reason, self._count(inputs), count_tokens(output))

    def _count(self, texts: Sequence[str]) -> int:
        """Count the tokens of texts; of more than MAX_COUNTED_CHARS, by the rate of the first ones."""
        counted, left = 0, MAX_COUNTED_CHARS
        for text in texts:
            check_cancelled()
            counted += self._embedder.count_tokens(text[:left])
            left = max(0, left - len(text))
        total = sum(map(len, texts))
        return counted if total <= MAX_COUNTED_CHARS else round(counted * total / MAX_COUNTED_CHARS)

    def _compose(self, request: GenerationRequest) -> str:
        intro = _FROM_DATASET if request.snippets else _FROM_CONVERSATION
        if request.max_tokens is not None and request.max_tokens < self._embedder.count_tokens(intro):
            # There is no room for a quotation. Callers that only want the retrieved chunks set such a limit.
            return intro
        whole_question, statements = _split_question(request)
        question = last_tokens(whole_question, MAX_QUESTION_TOKENS, self._embedder.count_tokens)
        candidates = (
            list(_candidates_from_snippets(request.snippets))
            if request.snippets is not None
            else list(_candidates_from_turns(request, statements))
        )
        quotations = self._select(question, candidates)
        notes = [_NO_MEDIA.format(media=media) for media in _media_kinds(request)]
        if len(question) < len(whole_question):
            notes.append(_LONG_QUESTION.format(tokens=MAX_QUESTION_TOKENS))
        if quotations:
            return "\n\n".join([*notes, intro, *map(_render, quotations)])
        return "\n\n".join(notes if _media_kinds(request) else [*notes, _no_match(request)])

    def _select(self, question: str, candidates: Sequence[_Quotation]) -> list[_Quotation]:
        """Select the few best distinct candidates, in reading order."""
        if not candidates or not question.strip():
            return []
        scores = self._scores(question, candidates)
        # Rounded, because the last digits of a dot product depend on the machine's vector unit.
        ranking = sorted(scores, key=lambda index: (-round(scores[index], 5), index))
        selected: list[int] = []
        for index in ranking:
            if scores[index] < MIN_RELATIVE_SCORE * scores[ranking[0]] or len(selected) == MAX_QUOTATIONS:
                break
            if _is_novel(candidates[index], [candidates[other] for other in selected]):
                selected.append(index)
        return [candidates[index] for index in sorted(selected)]

    def _scores(self, question: str, candidates: Sequence[_Quotation]) -> dict[int, float]:
        """Score the candidates by their index; those from the conversation only if they match the question at all."""
        words = _content_words(question)
        weights = _word_weights(words, candidates)
        check_cancelled()
        vectors = self._embedder.embed([question, *(candidate.text for candidate in candidates)])
        similarities = (vectors[1:] @ vectors[0]).tolist()
        return {
            index: _score(candidate, similarity, weights)
            for index, (candidate, similarity) in enumerate(zip(candidates, similarities, strict=True))
            if candidate.source or (words - _WEAK_WORDS) & candidate.words or similarity >= MIN_SIMILARITY
        }

    def _truncate(self, text: str, max_tokens: int) -> str:
        """Cut a text at the last end of a word that keeps it within `max_tokens`."""
        count_tokens = self._embedder.count_tokens
        if count_tokens(text) <= max_tokens:
            return text
        ends = [0, *(match.end() for match in re.finditer(r"\S+", text))]
        low, high = 0, len(ends) - 1
        while low < high:
            check_cancelled()
            middle = (low + high + 1) // 2
            low, high = (middle, high) if count_tokens(text[: ends[middle]]) <= max_tokens else (low, middle - 1)
        return text[: ends[low]]


def _split_question(request: GenerationRequest) -> tuple[str, list[str]]:
    """Split the last human turn into its question and its statements, which may contain the answer.

    Returns:
        The interrogative sentences, and the other ones. Without any interrogative sentence the whole turn is the
        question.
    """
    turn = user_texts(request.messages)[-1]
    sentences = passages(_last_chars(turn, MAX_CONVERSATION_CHARS))
    questions = [sentence for sentence in sentences if _is_question(sentence)]
    if not questions:
        return turn, []
    statements = [sentence for sentence in sentences if not _is_question(sentence)]
    return " ".join(questions), statements


def _last_chars(text: str, count: int) -> str:
    """Return the last characters of a text, from the start of a word on."""
    return text if len(text) <= count else text[-count:].partition(" ")[2]


def _is_question(sentence: str) -> bool:
    return sentence.rstrip("\"'”\u2019») ").endswith(("?", "\uff1f"))


def _candidates_from_snippets(snippets: Sequence[Snippet]) -> Iterator[_Quotation]:
    for rank, snippet in enumerate(snippets[:MAX_SNIPPETS]):
        rows = rows_under(snippet.context, snippet.text)
        columns = snippet.context if rows and not rows[0].startswith("{") else ""
        context = _content_words(snippet.context)
        for text in rows or passages(snippet.text):
            if words := _content_words(text):
                yield _Quotation(text, snippet.source or "the dataset", rank, words, context, columns)


def _candidates_from_turns(request: GenerationRequest, statements: Sequence[str]) -> Iterator[_Quotation]:
    """Yield the human's statements: a response must not quote the model, or repeat a question."""
    earlier = "\n\n".join(user_texts(request.messages)[:-1])
    for text in [*passages(_last_chars(earlier, MAX_CONVERSATION_CHARS)), *statements]:
        if not _is_question(text):
            yield _Quotation(text, "", 0, _content_words(text))


def _content_words(text: str) -> frozenset[str]:
    """Return the words of a text without stopwords, stemmed so that plural and tense hardly matter."""
    words = (word.strip("_") for word in _WORD.findall(normalize(text)))
    return frozenset(_SUFFIX.sub("", word) for word in words if word and word not in _STOPWORDS)


def _word_weights(words: frozenset[str], candidates: Sequence[_Quotation]) -> dict[str, float]:
    """Weight the question's words by their rarity among the candidates. The weights add up to 1."""
    frequency = Counter(word for candidate in candidates for word in words & candidate.words)
    weights = {
        word: math.log(1 + len(candidates) / (1 + frequency[word])) * (0.5 if word in _WEAK_WORDS else 1)
        for word in sorted(words)
    }
    total = math.fsum(weights.values())
    return {word: weight / total for word, weight in weights.items()}


def _score(candidate: _Quotation, similarity: float, weights: dict[str, float]) -> float:
    overlap = math.fsum(
        weight * (1 if word in candidate.words else CONTEXT_SHARE)
        for word, weight in weights.items()
        if word in candidate.words or word in candidate.context
    )
    score = SIMILARITY_WEIGHT * similarity + KEYWORD_WEIGHT * overlap + RANK_WEIGHT / (1 + candidate.rank)
    if candidate.columns:
        return score
    text = candidate.text
    is_complete = (text[0].isupper() or not text[0].isalpha()) and not text.endswith(":") and len(candidate.words) > 1
    return score * (1 if is_complete else FRAGMENT_PENALTY) * (1 if len(text) >= SHORT_CHARS else SHORT_PENALTY)


def _is_novel(candidate: _Quotation, selected: Sequence[_Quotation]) -> bool:
    """Tell whether a candidate adds something new and keeps the response short."""
    if not selected:
        return True
    if sum(len(quotation.text) for quotation in [*selected, candidate]) > MAX_QUOTED_CHARS:
        return False
    return all(
        len(candidate.words & other.words) < MAX_OVERLAP * min(len(candidate.words), len(other.words))
        for other in selected
    )


def _render(quotation: _Quotation) -> str:
    lines = "\n".join(f"> {line}".rstrip() for line in quotation.text.split("\n"))
    if quotation.columns:
        lines = f"{quotation.columns}\n{lines}"
    return f"{lines}\n— {quotation.source}" if quotation.source else lines


def _media_kinds(request: GenerationRequest) -> list[str]:
    return [label for message in request.messages for label in labels_in(message.get("content"))]


def _no_match(request: GenerationRequest) -> str:
    if request.snippets is None:
        hint = 'Name a dataset to search (retrieval_dataset="...")'
        return _NO_MATCH.format(where="in this conversation", hint=hint)
    return _NO_MATCH.format(where="in the dataset", hint="Ask in the words of the dataset")


def _truncate_at_stop(text: str, stop: Sequence[str]) -> str:
    """Cut a text before the first of the stop texts."""
    starts = [text.find(word) for word in stop if word]
    return text[: min((start for start in starts if start >= 0), default=len(text))]
