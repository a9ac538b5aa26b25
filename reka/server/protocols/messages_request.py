"""Request fields that `/v1/chat` and `/v1/chat/completions` share."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from reka.server.generation.types import GenerationRequest, Snippet, user_texts
from reka.server.protocols.documents import MetadataFilter, as_texts
from reka.server.protocols.normalize import (
    MAX_MESSAGES,
    MAX_TOOLS,
    flatten_tools,
    normalize_messages,
    normalize_tool_choice,
)
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


class MessagesRequest(BaseModel):
    """Base of the v1 request bodies. For optional fields, null is the same as omitting the field."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="ignore", strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    messages: Annotated[list[Any], Field(max_length=MAX_MESSAGES)]
    """The conversation."""
    model: str | None = None
    stream: bool | None = None
    tools: Annotated[list[Any], Field(max_length=MAX_TOOLS)] | None = None
    """Tools, flat or nested as in OpenAI's API."""
    tool_choice: Any = None
    """`auto`, `none`, a forced call of some tool (`tool`, `required`, `any`), or the name of one tool."""
    retrieval_dataset: str | None = None
    """Dataset to answer from; an extension of this server."""
    retrieval_top_k: Chunks | None = None
    retrieval_filter: MetadataFilter = None
    """Filter on the metadata of the documents to answer from."""
    max_tokens: TokenLimit | None = None
    temperature: Temperature | None = None
    seed: Seed | None = None
    top_k: TopK | None = None
    top_p: TopP | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    length_penalty: LengthPenalty | None = None
    reasoning_effort: ReasoningEffort | None = None
    stop: StopWords | None = None

    @field_validator("messages")
    @classmethod
    def _normalize_messages(cls, messages: list[Any]) -> list[Any]:
        return normalize_messages(messages)

    @field_validator("tools")
    @classmethod
    def _flatten_tools(cls, tools: list[Any] | None) -> list[Any] | None:
        return None if tools is None else flatten_tools(tools)

    @field_validator("stop", mode="before")
    @classmethod
    def _stop_to_list(cls, stop: Any) -> Any:
        return None if stop is None else as_texts(stop)

    @model_validator(mode="after")
    def _resolve_tool_choice(self) -> "MessagesRequest":
        self.tool_choice = normalize_tool_choice(self.tool_choice, self.tools or [])
        return self

    def query(self) -> str:
        """Search query for a dataset: the text of the last user message."""
        return user_texts(self.messages)[-1]

    def to_generation_request(self, model: str, snippets: list[Snippet] | None) -> GenerationRequest:
        """Convert the body to a request for the backend.

        Args:
            model: Name of the model.
            snippets: Retrieved chunks; None if no dataset was named.
        """
        return GenerationRequest(
            messages=self.messages,
            snippets=snippets,
            model=model,
            tools=self.tools or (),
            tool_choice=self.tool_choice,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            seed=self.seed,
            top_k=self.top_k,
            top_p=self.top_p,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            length_penalty=self.length_penalty,
            reasoning_effort=self.reasoning_effort,
            stop=self.stop or [],
        )
