"""The backend of servers without a language model: it quotes the sentences that match a question best.

Nothing is generated: every quotation is verbatim from the dataset, whose file is named, or from the conversation. The
result is deterministic.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from reka._protocol.media import labels_in
from reka.server.cancellation import check_cancelled
from reka.server.generation.blocks import is_question
from reka.server.generation.prompts import Extract, read_prompt, system_extracts
from reka.server.generation.selection import Candidate, candidates, restates, select
from reka.server.generation.sentences import SEPARATOR, sentences
from reka.server.generation.types import (
    AnswerStream,
    GenerationError,
    GenerationRequest,
    GenerationResult,
    stream_result,
    text_of,
    user_texts,
)
from reka.server.retrieval.token_limits import last_tokens

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Embedder

__all__ = ["ExtractiveBackend"]

MAX_SNIPPETS: Final = 8
"""Retrieved chunks searched for sentences, best first; the response still lists all of them."""

MAX_CONVERSATION_CHARS: Final = 50_000
"""Characters of the conversation searched for sentences, the latest ones: a turn may have any length."""

MAX_QUESTION_TOKENS: Final = 500
"""Tokens of the question that are compared with the candidates, the last ones."""

MAX_COUNTED_CHARS: Final = 100_000
"""Characters of a request whose tokens are counted, at a second per million; beyond them the count is estimated."""

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
        whole_question, found = _read(request)
        question = last_tokens(whole_question, MAX_QUESTION_TOKENS, self._embedder.count_tokens)
        check_cancelled()
        quotations = select(question, found, self._embedder)
        notes = [_NO_MEDIA.format(media=media) for media in _media_kinds(request)]
        if len(question) < len(whole_question):
            notes.append(_LONG_QUESTION.format(tokens=MAX_QUESTION_TOKENS))
        if quotations:
            return "\n\n".join([*notes, intro, *(_render(quotation, question) for quotation in quotations)])
        return "\n\n".join(notes if _media_kinds(request) else [*notes, _no_match(request)])

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


def _read(request: GenerationRequest) -> tuple[str, list[Candidate]]:
    """Read the question of a request, and what may be quoted: of the dataset if it names one, else of the messages."""
    turn = user_texts(request.messages)[-1]
    prompt = read_prompt(_last_chars(turn, MAX_CONVERSATION_CHARS))
    question, statements = _split_question(turn if prompt is None else prompt.question)
    if prompt is not None and not question.strip():
        question = turn
    if request.snippets is None:
        extracts = [*system_extracts(request.messages), *(prompt.extracts if prompt else ())]
        return question, _from_conversation(request, statements, extracts)
    found = [
        candidate
        for rank, snippet in enumerate(request.snippets[:MAX_SNIPPETS])
        for candidate in candidates(snippet.text, snippet.source or "the dataset", snippet.context, rank)
    ]
    return question, found


def _split_question(turn: str) -> tuple[str, str]:
    """Split a turn into its question and its statements, which may contain the answer.

    Returns:
        The interrogative sentences, and the other ones. Without any interrogative sentence the whole turn is the
        question.
    """
    parts = sentences(_last_chars(turn, MAX_CONVERSATION_CHARS))
    questions = [part for part in parts if is_question(part)]
    if not questions:
        return turn, ""
    statements = "\n\n".join(part for part in parts if not is_question(part))
    return "\n".join(questions), statements


def _last_chars(text: str, count: int) -> str:
    """Return the last characters of a text, from the start of a word on."""
    return text if len(text) <= count else text[-count:].partition(" ")[2]


def _from_conversation(request: GenerationRequest, statements: str, extracts: Sequence[Extract]) -> list[Candidate]:
    """List what the human says, and the texts that a prompt has: a response must not quote the model."""
    earlier = "\n\n".join(user_texts(request.messages)[:-1])
    given = [Extract(_last_chars(earlier, MAX_CONVERSATION_CHARS)), Extract(statements), *extracts]
    left, found = MAX_CONVERSATION_CHARS, list[Candidate]()
    for extract in given:
        found += candidates(extract.text[:left], extract.source, extract.context)
        left = max(0, left - len(extract.text))
    return found


def _render(quotation: Candidate, question: str) -> str:
    """Write a quotation under its headings or the names of its columns, and above its source."""
    passage = quotation.passage
    context = [part for part in _context(quotation) if not restates(part, question, quotation.text.language)]
    lines = [f"> {line}".rstrip() for line in passage.text.split("\n")]
    source = [f"— {quotation.source}"] if quotation.source else []
    return "\n".join([*([SEPARATOR.join(context)] if context else []), *lines, *source])


def _context(quotation: Candidate) -> list[str]:
    """List the headings that a quotation is read under, each once: a chunk may repeat those that lead to it."""
    given = quotation.chunk_context.split(SEPARATOR) if quotation.chunk_context else []
    return list(dict.fromkeys([*given, *quotation.passage.context]))


def _media_kinds(request: GenerationRequest) -> list[str]:
    return [label for message in request.messages for label in labels_in(message.get("content"))]


def _no_match(request: GenerationRequest) -> str:
    if request.snippets is None:
        hint = "Name a dataset to search (retrieval_dataset, or --dataset of the command)"
        return _NO_MATCH.format(where="in this conversation", hint=hint)
    return _NO_MATCH.format(where="in the dataset", hint="Ask in the words of the dataset")


def _truncate_at_stop(text: str, stop: Sequence[str]) -> str:
    """Cut a text before the first of the stop texts."""
    starts = [text.find(word) for word in stop if word]
    return text[: min((start for start in starts if start >= 0), default=len(text))]
