"""The interface of chat backends: requests, results, streams and errors."""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from reka._protocol.messages import text_of as content_text

__all__ = [
    "AnswerStream",
    "ChatBackend",
    "Delta",
    "Finish",
    "GenerationError",
    "GenerationRequest",
    "GenerationResult",
    "Message",
    "Snippet",
    "ToolCall",
    "stream_result",
    "text_of",
    "user_texts",
]


@dataclass(frozen=True, slots=True)
class Snippet:
    """A chunk that retrieval found for a request."""

    text: str
    """The text, verbatim from the dataset."""
    source: str
    """Name of the file that the text is from."""
    score: float
    """Score of its rank, 0 to 1."""
    similarity: float | None
    """Cosine similarity of its embedding and the query's, -1 to 1; None if keywords alone were compared."""
    context: str = ""
    """What the text is read under: the path of its headings, or the names of its columns."""
    id: str = ""
    """Its id, which stays as long as its document does."""
    document_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The document's metadata."""
    position: int = 0
    """Offset of the text in the document, in characters."""
    document_bytes: int = 0
    """Size of the document's text in UTF-8: that of a chunk that is the whole document."""


Message: TypeAlias = Mapping[str, Any]
"""A message in the form of OpenAI's chat API: `role` (system, developer, user, assistant, tool or function), `content`
(a string, a list of parts, or None) and optionally `tool_calls` in the nested form, the `tool_call_id` of a tool's
result, the older `function_call`, and fields that only the model knows."""

_EXTRA_CAPABILITIES: Final = ("functions", "research")
"""Extra arguments that require a language model: tools by their old name, and web search."""


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A validated conversation, its retrieved chunks and generation options. None means the caller did not set it."""

    messages: Sequence[Message]
    """The conversation; at least one message has the role user."""
    model: str
    """Name of the model, as the response repeats it."""
    snippets: Sequence[Snippet] | None = None
    """The retrieved chunks, best first; empty if nothing was found, None if the request names no dataset."""
    tools: Sequence[Mapping[str, Any]] = ()
    """The tools in the flat form: `name`, `description` and `parameters`, a JSON schema."""
    tool_choice: str | None = None
    """`auto`, `none`, `required`, or `named:` followed by the name of the tool that must be called."""
    response_format: Mapping[str, Any] | None = None
    """The response format in the form of OpenAI's API; None for plain text."""
    max_tokens: int | None = None
    """Maximum number of generated tokens."""
    temperature: float | None = None
    seed: int | None = None
    top_k: int | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    length_penalty: float | None = None
    reasoning_effort: str | None = None
    stop: Sequence[str] = ()
    """Texts that end the generation; they are not part of the result."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments, passed through to the model."""
    warnings: Sequence[str] = ()
    """What was left out of the request, for whoever reads the response."""

    def required_capabilities(self) -> list[str]:
        """List the capabilities of this request that only a language model has."""
        values: dict[str, object] = {"tools": self.tools, "response_format": self.response_format}
        values |= {name: self.extra.get(name) for name in _EXTRA_CAPABILITIES}
        return [name for name, value in values.items() if value]


def text_of(message: Message) -> str:
    """Return the text of a message: its content if that is a string, else the text of its text parts."""
    return content_text(message.get("content"), "\n")


def user_texts(messages: Sequence[Message]) -> list[str]:
    """Return the texts of the user's messages, in order."""
    return [text_of(message) for message in messages if message["role"] == "user"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call requested by the model."""

    id: str
    name: str
    arguments: str
    """JSON text as the model wrote it, possibly invalid."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the call."""

    def nested(self) -> dict[str, Any]:
        """Convert the call to the nested form of OpenAI's API."""
        function = {"name": self.name, "arguments": self.arguments}
        return {**self.fields, "id": self.id, "type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """A complete response of a backend."""

    text: str
    finish_reason: str
    """`stop`, `length` (cut off at `max_tokens`), `tool_calls`, or another reason from the model."""
    input_tokens: int
    output_tokens: int
    tool_calls: Sequence[ToolCall] = ()
    message_fields: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the model's message, such as `reasoning_content` and `annotations`."""
    choice_fields: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the choice, such as `logprobs`."""
    response_fields: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the response, such as `reasoning_steps`."""
    usage_fields: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the usage, such as `prompt_tokens_details`."""


@dataclass(frozen=True, slots=True)
class Delta:
    """An increment of a streamed response."""

    fields: Mapping[str, Any]
    """A delta in the form of OpenAI's API: `content`, `tool_calls` (each with an `index`), `reasoning_content`, ..."""
    choice_fields: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the choice; see `GenerationResult`."""
    response_fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event of a streamed response."""

    finish_reason: str
    input_tokens: int
    output_tokens: int
    usage_fields: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the usage; see `GenerationResult`."""


AnswerStream: TypeAlias = AsyncGenerator[Delta | Finish, None]
"""A streamed response: deltas, then a finish. Closing it stops the generation."""


async def stream_result(result: GenerationResult, words_per_delta: int | None = None) -> AnswerStream:
    """Convert a complete result to a stream.

    Args:
        result: The result.
        words_per_delta: Maximum number of words in a delta; None for the whole text in one.
    """
    first = {"role": "assistant", "content": "", **result.message_fields}
    yield Delta(first, result.choice_fields, result.response_fields)
    words = re.findall(r"\s*\S+|\s+$", result.text)
    step = words_per_delta or len(words) or 1
    for start in range(0, len(words), step):
        yield Delta({"content": "".join(words[start : start + step])})
    for index, call in enumerate(result.tool_calls):
        yield Delta({"tool_calls": [{"index": index, **call.nested()}]})
    yield Finish(result.finish_reason, result.input_tokens, result.output_tokens, result.usage_fields)


class ChatBackend(Protocol):
    """Generates the responses of chats: a language model, or an extractive backend that quotes texts."""

    @property
    def language_model(self) -> str | None:
        """Name of the language model; None if the backend has none."""
        ...

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of the backend's own models that a request may always select."""
        ...

    @property
    def known_models(self) -> Mapping[str, Mapping[str, Any]]:
        """What `models` returned last; empty if it has not been called."""
        ...

    async def models(self) -> Mapping[str, Mapping[str, Any]]:
        """List the models that can answer under their own names, with what their server says of each.

        A request that names another model is answered by the first of them.

        Raises:
            GenerationError: Their server does not list them.
        """
        ...

    async def generate(self, request: GenerationRequest) -> GenerationResult:
        """Generate a complete response.

        Raises:
            GenerationError: The generation failed.
        """
        ...

    def stream(self, request: GenerationRequest) -> AnswerStream:
        """Generate a response as a stream.

        Raises:
            GenerationError: The generation failed, or the stream is interrupted.
        """
        ...

    async def check(self) -> None:
        """Check that the backend is ready.

        Raises:
            GenerationError: It is not.
        """

    async def close(self) -> None:
        """Close all connections; the backend must not be used afterwards."""


class GenerationError(Exception):
    """A generation failed.

    Args:
        status: HTTP status of the server's response.
        detail: What happened and how to fix it. Never contains a key.
        retry_after: Seconds after which a retry may succeed; None if unknown.
        code: The error code of the model's API, such as `context_length_exceeded`; None if it has none.
        limits: The rate limit headers of the model's API (`x-ratelimit-...`).
    """

    def __init__(
        self,
        status: int,
        detail: str,
        retry_after: float | None = None,
        code: str | None = None,
        limits: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, retry_after, code, limits)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after
        self.code = code
        self.limits: Mapping[str, str] = limits or {}

    def __str__(self) -> str:
        """Return the detail."""
        return self.detail
