"""What an answerer is asked, what it gives back, and which one a server uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from reka.server.embeddings import Embedder

__all__ = ["Answer", "AnswerError", "Answerer", "Question", "Snippet", "make_answerer"]


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of text that retrieval found for a question."""

    text: str
    """The text, as it stands in the dataset."""
    source: str
    """The file of the dataset that it is from."""
    score: float
    """How well it ranks, from 0 to 1."""
    similarity: float
    """Cosine of its embedding and the question's, from -1 to 1."""


@dataclass(frozen=True, slots=True)
class Question:
    """A checked conversation, what retrieval found for it, and how it is to be answered. None: not asked for."""

    turns: Sequence[Mapping[str, str]]
    """Turns as the API documents them: `type` (human or model), `text`, and perhaps `media_url` on the first."""
    snippets: Sequence[Snippet] | None
    """What was found, best first; None if no dataset was named, which differs from one that holds nothing."""
    model: str
    """The model that the caller named."""
    max_tokens: int | None
    """The longest answer, in tokens."""
    temperature: float | None
    seed: int | None
    top_k: int | None
    top_p: float | None
    frequency_penalty: float | None
    presence_penalty: float | None
    length_penalty: float | None
    stop: Sequence[str]
    """Texts that end the answer before they appear in it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question."""

    text: str
    finish_reason: str
    """`stop`, `length` (the answer was cut at `max_tokens`), or whatever else a model says."""
    input_tokens: int
    output_tokens: int


class Answerer(Protocol):
    """Whatever answers questions: a language model, or a quoter of texts."""

    @property
    def language_model(self) -> str | None:
        """Name of the language model behind it; None if there is none."""

    async def answer(self, question: Question) -> Answer:
        """Answer a question.

        Raises:
            AnswerError: There is no answer.
        """

    async def close(self) -> None:
        """Let go of connections. A closed answerer is not asked again."""


class AnswerError(Exception):
    """A question could not be answered.

    Args:
        status: HTTP status that the server's own answer should have.
        detail: What happened and the way out. Never holds a key.
        retry_after: Seconds after which another try may succeed; None if nobody said.
    """

    def __init__(self, status: int, detail: str, retry_after: float | None = None) -> None:
        super().__init__(status, detail, retry_after)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after

    def __str__(self) -> str:
        """Say what happened."""
        return self.detail


def make_answerer(
    *, embedder: "Embedder", upstream: str | None, upstream_model: str | None, upstream_key: str | None
) -> Answerer:
    """Make the answerer that a server's settings ask for.

    Args:
        embedder: Compares and counts texts.
        upstream: Base URL of an OpenAI-compatible server, with or without `/v1`; None for no language model.
        upstream_model: The model to ask for there; None for the first that it lists.
        upstream_key: The key that opens it; None if it wants none.

    Raises:
        ValueError: `upstream` is no address, or one of the other two is given without it.
    """
    # Imported here: each answerer loads what the other has no use for, and both need this module's types.
    if upstream is None:
        if upstream_model is not None or upstream_key is not None:
            raise ValueError("upstream_model and upstream_key belong to an upstream: give its address as upstream too")
        from reka.server.extractive import ExtractiveAnswerer

        return ExtractiveAnswerer(embedder)
    from reka.server.upstream import UpstreamAnswerer

    return UpstreamAnswerer(upstream, model=upstream_model, key=upstream_key, count_tokens=embedder.count_tokens)
