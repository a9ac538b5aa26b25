"""Results of a model: a complete answer, or the events of a stream."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from reka.types.retrieval import RetrievedChunk

Message: TypeAlias = Mapping[str, Any]
"""One message of the messages API: `role`, `content` and, where there are any, `tool_calls` or a `tool_call_id`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token usage of an answer."""

    input_tokens: int
    """Tokens of the prompt, including what the server adds."""

    output_tokens: int
    """Tokens of the answer, including its reasoning."""

    cached_input_tokens: int | None = None
    """Input tokens that the server read from its cache; None if it does not say."""

    reasoning_tokens: int | None = None
    """Output tokens of the model's reasoning; None if the server does not say."""

    cost: float | None = None
    """Price of the answer as the server reports it, else in US dollars by the prices that it lists for the model, if
    the client has asked for them (`Reka.describe_models`); None if neither is known."""

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The server's usage object, unchanged; empty if it sent none."""

    @property
    def total_tokens(self) -> int:
        """Total as the server counts it, else the sum of input and output."""
        total = self.raw.get("total_tokens")
        return total if isinstance(total, int) else self.input_tokens + self.output_tokens

    @property
    def prompt_tokens_details(self) -> Mapping[str, Any]:
        """Breakdown of the input tokens, unchanged; empty if the server sent none."""
        return _first_object(self.raw, "prompt_tokens_details", "input_tokens_details")

    @property
    def completion_tokens_details(self) -> Mapping[str, Any]:
        """Breakdown of the output tokens, unchanged; empty if the server sent none."""
        return _first_object(self.raw, "completion_tokens_details", "output_tokens_details")


@dataclass(frozen=True, slots=True, init=False)
class ToolCall:
    """A tool call requested by the model.

    Args:
        id: Id to send back with the result.
        name: Name of the tool.
        arguments: JSON text of the arguments.
        parameters: The arguments as a dict, in place of `arguments`, as in `reka-api` 3.
    """

    id: str
    """Id to send back with the result."""

    name: str
    """Name of the tool."""

    arguments: str
    """JSON text of the arguments, as the model wrote it; it may be invalid."""

    def __init__(
        self,
        id: str,  # noqa: A002  # the field's name
        name: str,
        arguments: str = "{}",
        *,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        if parameters is not None:
            arguments = json.dumps(parameters, ensure_ascii=False)
        object.__setattr__(self, "id", id)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "arguments", arguments)

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments as a dict; text that is no JSON object stands under `arguments`."""
        try:
            parsed = json.loads(self.arguments or "{}")
        except (ValueError, RecursionError):
            parsed = None
        return parsed if isinstance(parsed, dict) else {"arguments": self.arguments}


@dataclass(frozen=True, slots=True)
class Citation:
    """Web source of a span of the answer."""

    url: str
    title: str = ""
    start_index: int | None = None
    """Index of the span's first character; None if unknown."""

    end_index: int | None = None
    """Index after the span's last character; None if unknown."""


@dataclass(frozen=True, slots=True)
class ChatCompletion:
    """A complete answer."""

    text: str
    tool_calls: list[ToolCall] = field(default_factory=list)
    finish_reason: str | None = None
    """`stop`, `length`, `context`, `tool_calls`, or another reason of the server; None if it sent none."""

    usage: Usage | None = None
    """None if the server sent none."""

    model: str | None = None
    """Name of the model that answered."""

    id: str | None = None
    """Id of the completion."""

    request_id: str | None = None
    """The server's id of the request (`x-request-id`)."""

    reasoning: str = ""
    """Reasoning text of the model, if it sends any."""

    citations: list[Citation] = field(default_factory=list)
    retrieved_chunks: list[RetrievedChunk] | None = None
    """Retrieved chunks, best first; None if no dataset was named."""

    extra: dict[str, Any] = field(default_factory=dict)
    """All other fields of the response, unchanged; `choices` has the other choices if there are several."""

    logprobs: object = None
    """Log probabilities of the tokens, as the server sent them; None if it sent none."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """New text of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """New text of the model's reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """Part of a tool call; deltas with the same index form one call."""

    index: int
    """Number of the call in the answer, even where the server leaves it out."""

    id: str
    """Set in the first delta only."""

    name: str
    """Set in the first delta only."""

    arguments: str
    """New text of the JSON arguments."""


@dataclass(frozen=True, slots=True)
class Finish:
    """End of a streamed answer; always the last event."""

    reason: str | None
    """As `ChatCompletion.finish_reason`."""

    model: str | None = None
    id: str | None = None
    request_id: str | None = None
    retrieved_chunks: list[RetrievedChunk] | None = None
    logprobs: object = None
    """As `ChatCompletion.logprobs`, of the whole answer."""

    extra: dict[str, Any] = field(default_factory=dict)
    """Other fields of the stream: those of its deltas put together, and those of its last chunks."""


StreamEvent: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta | Citation | Usage | Finish
"""Events of `stream_messages`."""


@dataclass(frozen=True, slots=True)
class ChatEvent:
    """Event of `stream`: new text; the last event also has the other fields."""

    text: str
    """New text only; may be empty in the last event."""

    finish_reason: str | None = None
    """Set in the last event, if the server sends it."""

    usage: Usage | None = None
    """Set in the last event, if the server sends it."""

    retrieved_chunks: list[RetrievedChunk] | None = None
    """Set in the last event, if a dataset was named."""

    request_id: str | None = None
    """Set in the last event, if the server sends it."""


def _first_object(fields: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next((value for name in names if isinstance(value := fields.get(name), Mapping)), {})
