"""What a model answers: a whole completion, or the events of one that is streamed. Plain values, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from reka.types.retrieval import RetrievedChunk

Message: TypeAlias = Mapping[str, Any]
"""One message of the messages API: `role`, `content` and, where there are any, `tool_calls` or a `tool_call_id`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost, in tokens."""

    input_tokens: int
    """Of the conversation, with whatever the server put before it."""

    output_tokens: int
    """Of the answer."""

    @property
    def total_tokens(self) -> int:
        """Both together."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model wants called."""

    id: str
    """What the result is to be labelled with."""

    name: str
    """The tool's name."""

    arguments: str
    """Its arguments, as the JSON text that the model wrote; it need not be valid."""


@dataclass(frozen=True, slots=True)
class Citation:
    """Where on the web a stretch of the answer is from."""

    url: str
    title: str = ""
    start_index: int | None = None
    """First character of the stretch; None if the server does not say."""

    end_index: int | None = None
    """Character behind its last one."""


@dataclass(frozen=True, slots=True)
class ChatCompletion:
    """A whole answer."""

    text: str
    tool_calls: list[ToolCall] = field(default_factory=list)
    finish_reason: str | None = None
    """Why it ended: `stop`, `length`, `context`, `tool_calls`, or what a server adds; None if it does not say."""

    usage: Usage | None = None
    """None if the server does not say."""

    model: str | None = None
    """Name of the model that answered."""

    id: str | None = None
    """The completion's id."""

    request_id: str | None = None
    """What the server calls the request (`x-request-id`)."""

    reasoning: str = ""
    """What the model thought before it answered, where the model shows it."""

    citations: list[Citation] = field(default_factory=list)
    retrieved_chunks: list[RetrievedChunk] | None = None
    """What was retrieved for the answer, best first; None if no dataset was asked."""

    extra: dict[str, Any] = field(default_factory=dict)
    """Every field of the answer that has no place above, as it came."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """New text of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """New text of the model's thoughts."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A new piece of a tool call; pieces with one index make up one call."""

    index: int
    id: str
    """Empty but in the first piece."""

    name: str
    """Empty but in the first piece."""

    arguments: str
    """New text of its JSON arguments."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of a streamed answer; always its last event."""

    reason: str | None
    """As `ChatCompletion.finish_reason`."""

    model: str | None = None
    id: str | None = None
    request_id: str | None = None
    retrieved_chunks: list[RetrievedChunk] | None = None


StreamEvent: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta | Citation | Usage | Finish
"""What `stream_messages` yields."""


@dataclass(frozen=True, slots=True)
class ChatEvent:
    """What `stream` yields: new text; the last one also says how the answer ended."""

    text: str
    """New text only; may be empty in the last event."""

    finish_reason: str | None = None
    """Set in the last event, if the server says."""

    usage: Usage | None = None
    """Set in the last event, if the server says."""

    retrieved_chunks: list[RetrievedChunk] | None = None
    """Set in the last event, if a dataset was asked."""

    request_id: str | None = None
    """Set in the last event, if the server says."""
