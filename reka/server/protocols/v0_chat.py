"""`POST /chat`, the documented endpoint (v0): request body and response."""

from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from reka._protocol.media import part_of_url
from reka.server.generation.types import Finish, GenerationRequest, GenerationResult, Message, Snippet
from reka.server.protocols.documents import MetadataFilter
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
from reka.types import ReasoningEffort

_MAX_FIELDS: Final = 50
"""Fields of an object that are looked at; none has as many (ours)."""


class Turn(BaseModel):
    """One turn of a conversation."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    type: Literal["human", "model"]
    text: str
    # As `is_media_url` has it, in a form that the API's description can carry.
    media_url: str | None = Field(default=None, pattern=r"^([Hh][Tt][Tt][Pp][Ss]?://|[Dd][Aa][Tt][Aa]:)")
    """http(s) or data URL; in the first turn only."""


class ChatRequest(BaseModel):
    """Body of `POST /chat`. For optional fields, null is the same as omitting the field."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=(), hide_input_in_errors=True
    )

    conversation_history: Annotated[list[Turn], Field(max_length=MAX_MESSAGES)]
    """Alternating turns starting with "human"; a final "model" turn is continued."""
    model_name: str | None = None
    retrieval_dataset: str | None = None
    retrieval_top_k: Chunks | None = None
    retrieval_filter: MetadataFilter = None
    request_output_len: TokenLimit | None = None
    temperature: Temperature | None = None
    random_seed: Seed | None = None
    runtime_top_k: TopK | None = None
    runtime_top_p: TopP | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    length_penalty: LengthPenalty | None = None
    reasoning_effort: ReasoningEffort | None = None
    stop_words: StopWords | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_unknown_nulls(cls, body: Any) -> Any:
        """Drop unknown keys whose value is null: some clients send every parameter they know."""
        if not isinstance(body, Mapping):
            return body
        kept = {name: value for name, value in body.items() if value is not None or name in cls.model_fields}
        turns = kept.get("conversation_history")
        if isinstance(turns, list):
            kept["conversation_history"] = [_with_few_fields(turn) for turn in turns]
        return _with_few_fields(kept)

    @field_validator("conversation_history")
    @classmethod
    def _check_turns(cls, turns: list[Turn]) -> list[Turn]:
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
        """`model_name` under the name that the other API families use."""
        return self.model_name

    def query(self) -> str:
        """Search query for a dataset: the text of the last human turn."""
        return next(turn.text for turn in reversed(self.conversation_history) if turn.type == "human")

    def to_generation_request(self, model: str, snippets: list[Snippet] | None) -> GenerationRequest:
        """Convert the body to a request for the backend.

        Args:
            model: Name of the model.
            snippets: Retrieved chunks; None if no dataset was named.
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
            reasoning_effort=self.reasoning_effort,
            stop=self.stop_words or [],
        )


def _with_few_fields(value: Any) -> Any:
    """Leave the first fields of an object that has too many: pydantic makes an error of 1 KiB for each unknown one."""
    if not isinstance(value, Mapping) or len(value) <= _MAX_FIELDS:
        return value
    return dict(islice(value.items(), _MAX_FIELDS))


def _message(turn: Turn) -> Message:
    if turn.type == "model":
        return {"role": "assistant", "content": turn.text}
    if turn.media_url is None:
        return {"role": "user", "content": turn.text}
    kind, url = part_of_url(turn.media_url)
    return {"role": "user", "content": [{"type": kind, kind: {"url": url}}, {"type": "text", "text": turn.text}]}


def to_response(result: GenerationResult, request: GenerationRequest) -> dict[str, Any]:
    """Build the JSON response."""
    body: dict[str, Any] = {
        "type": "model",
        "text": result.text,
        "finish_reason": result.finish_reason,
        "usage": usage_object(result),
    }
    return body | retrieval_fields(request)


def usage_object(item: GenerationResult | Finish) -> dict[str, Any]:
    """Build the `usage` object: the two counts, and what else the model's server reports, under its names."""
    return {"input_tokens": item.input_tokens, "output_tokens": item.output_tokens, **item.usage_fields}


def retrieval_fields(request: GenerationRequest) -> dict[str, Any]:
    """Build the field `retrieved_chunks`, and `warnings` if there are any; no field if no dataset was named."""
    if request.snippets is None:
        return {}
    chunks = [chunk_object(chunk) for chunk in request.snippets]
    return {"retrieved_chunks": chunks} | ({"warnings": list(request.warnings)} if request.warnings else {})


def chunk_object(chunk: Snippet) -> dict[str, Any]:
    """Build the object of a retrieved chunk."""
    return {
        "id": chunk.id,
        "text": chunk.text,
        "source": chunk.source,
        "document_id": chunk.document_id,
        "metadata": chunk.metadata,
        "position": chunk.position,
        "document_bytes": chunk.document_bytes,
        "score": chunk.score,
        **({} if chunk.similarity is None else {"similarity": chunk.similarity}),
        **({"context": chunk.context} if chunk.context else {}),
    }
