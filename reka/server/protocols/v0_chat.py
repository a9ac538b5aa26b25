"""What `POST /chat` may be asked, checked; as the question for an answerer; and its answer as JSON."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from reka._protocol.media import part_of_url
from reka.server.generation.types import GenerationRequest, GenerationResult, Message, Snippet
from reka.server.protocols.normalize import MAX_MESSAGES
from reka.server.protocols.sampling import (
    Chunks,
    LengthPenalty,
    Penalty,
    Seed,
    StopWords,
    Temperature,
    TokenLimit,
    TopK,
    TopP,
)


class Turn(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: Literal["human", "model"]
    text: str
    # As `is_media_url` has it, in a form that stands in the API's description too.
    media_url: str | None = Field(default=None, pattern=r"^([Hh][Tt][Tt][Pp][Ss]?://|[Dd][Aa][Tt][Aa]:)")
    """On the first turn only: http(s), or the media itself as a data URL."""


class ChatRequest(BaseModel):
    """The body of a chat. None, for whatever may be left out, is the same as leaving it out."""

    model_config = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=(), hide_input_in_errors=True
    )

    conversation_history: Annotated[list[Turn], Field(max_length=MAX_MESSAGES)]
    """Begins with human, then model and human by turns. If it ends with model, that text is continued."""
    model_name: str | None = None
    retrieval_dataset: str | None = None
    retrieval_top_k: Chunks | None = None
    request_output_len: TokenLimit | None = None
    temperature: Temperature | None = None
    random_seed: Seed | None = None
    runtime_top_k: TopK | None = None
    runtime_top_p: TopP | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    length_penalty: LengthPenalty | None = None
    stop_words: StopWords | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_unused(cls, body: Any) -> Any:
        """Leave out unknown keys that are None: a client that names all it knows asks for nothing by them."""
        if not isinstance(body, Mapping):
            return body
        return {name: value for name, value in body.items() if value is not None or name in cls.model_fields}

    @field_validator("conversation_history")
    @classmethod
    def _alternates(cls, turns: list[Turn]) -> list[Turn]:
        if not turns:
            raise PydanticCustomError("conversation", "the conversation is empty: it needs at least one human turn")
        for index, turn in enumerate(turns):
            wanted = "model" if index % 2 else "human"
            if turn.type != wanted:
                raise PydanticCustomError(
                    "conversation",
                    "turn {index} is of type '{got}', expected '{wanted}': human begins, model and human alternate",
                    {"index": index, "got": turn.type, "wanted": wanted},
                )
            if index and turn.media_url is not None:
                raise PydanticCustomError(
                    "conversation",
                    "turn {index} has media_url, which only the first turn (0) may have",
                    {"index": index},
                )
        return turns

    @property
    def model(self) -> str | None:
        """Name of the model, under the name that the other generations give it."""
        return self.model_name

    def query(self) -> str:
        """What to look for in a dataset: the last human turn."""
        return next(turn.text for turn in reversed(self.conversation_history) if turn.type == "human")

    def question(self, model: str, snippets: list[Snippet] | None) -> GenerationRequest:
        """The question for an answerer.

        Args:
            model: The model that answers.
            snippets: What was found for it; None if no dataset was named.
        """
        return GenerationRequest(
            messages=[_message(turn) for turn in self.conversation_history],
            snippets=snippets,
            model=model,
            max_tokens=self.request_output_len,
            temperature=self.temperature,
            seed=self.random_seed,
            top_k=self.runtime_top_k,
            top_p=self.runtime_top_p,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            length_penalty=self.length_penalty,
            stop=self.stop_words or [],
        )


def _message(turn: Turn) -> Message:
    if turn.type == "model":
        return {"role": "assistant", "content": turn.text}
    if turn.media_url is None:
        return {"role": "user", "content": turn.text}
    kind, url = part_of_url(turn.media_url)
    return {"role": "user", "content": [{"type": kind, kind: {"url": url}}, {"type": "text", "text": turn.text}]}


def to_response(answer: GenerationResult, snippets: Sequence[Snippet] | None) -> dict[str, Any]:
    """An answer as JSON."""
    body: dict[str, Any] = {
        "type": "model",
        "text": answer.text,
        "finish_reason": answer.finish_reason,
        "usage": {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens},
    }
    return body | retrieved(snippets)


def retrieved(snippets: Sequence[Snippet] | None) -> dict[str, Any]:
    """What an answer tells of the chunks that were found for it: nothing, if no dataset was named."""
    if snippets is None:
        return {}
    return {
        "retrieved_chunks": [
            {"text": found.text, "source": found.source, "score": found.score, "similarity": found.similarity}
            for found in snippets
        ]
    }
