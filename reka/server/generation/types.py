"""What an answerer is asked, what it gives back, and which one a server uses."""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

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
    """A piece of text that retrieval found for a question."""

    text: str
    """The text, as it stands in the dataset."""
    source: str
    """The file of the dataset that it is from."""
    score: float
    """How well it ranks, from 0 to 1."""
    similarity: float
    """Cosine of its embedding and the question's, from -1 to 1."""


Message: TypeAlias = Mapping[str, Any]
"""One message as OpenAI's chat API has it: `role` (system, developer, user, assistant or tool), `content` (a string, a
list of parts, or None) and, where there are any, `tool_calls` in the nested form, or the `tool_call_id` of a result."""


_MORE: Final = ("functions", "research")
"""What else takes a language model: tools by their old name, and web search."""


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A checked conversation, what retrieval found for it, and how it is to be answered. None: not asked for."""

    messages: Sequence[Message]
    """The conversation; at least one of the messages is a user's."""
    model: str
    """The model that the caller named."""
    snippets: Sequence[Snippet] | None = None
    """What was found, best first; None if no dataset was named, which differs from one that holds nothing."""
    tools: Sequence[Mapping[str, Any]] = ()
    """What the model may call, in the flat form: `name`, `description`, `parameters`, a JSON schema."""
    tool_choice: str | None = None
    """`auto`, `none`, `required`, or `named:` and the name of the tool that must be called."""
    response_format: Mapping[str, Any] | None = None
    """As OpenAI's API has it; None for plain text."""
    max_tokens: int | None = None
    """The longest answer, in tokens."""
    temperature: float | None = None
    seed: int | None = None
    top_k: int | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    length_penalty: float | None = None
    stop: Sequence[str] = ()
    """Texts that end the answer before they appear in it."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What else the caller sent, for a model that knows it."""

    def required_capabilities(self) -> list[str]:
        """Name what only a language model can do for this question."""
        wants = {"tools": self.tools, "response_format": self.response_format}
        return [name for name, wanted in wants.items() if wanted] + [name for name in _MORE if self.extra.get(name)]


def text_of(message: Message) -> str:
    """Give the text of a message: its content if that is a string, the text of its parts, or nothing."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content or () if part.get("type") == "text")


def user_texts(messages: Sequence[Message]) -> list[str]:
    """Give the texts of the user's messages, in order."""
    return [text_of(message) for message in messages if message["role"] == "user"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants called."""

    id: str
    name: str
    arguments: str
    """JSON text, as the model wrote it; it need not be valid."""

    def nested(self) -> dict[str, Any]:
        """Write it as OpenAI's API does."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """What came of a question."""

    text: str
    finish_reason: str
    """`stop`, `length` (the answer was cut at `max_tokens`), `tool_calls`, or whatever else a model says."""
    input_tokens: int
    output_tokens: int
    tool_calls: Sequence[ToolCall] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the model's message, such as `reasoning_content` and `annotations`."""
    logprobs: object = None


@dataclass(frozen=True, slots=True)
class Delta:
    """What is new in an answer under way."""

    fields: Mapping[str, Any]
    """As OpenAI's API has it: `content`, `tool_calls` (pieces with an `index`), `reasoning_content`, ..."""
    logprobs: object = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of an answer that came in pieces; always the last of them."""

    finish_reason: str
    input_tokens: int
    output_tokens: int


AnswerStream: TypeAlias = AsyncGenerator[Delta | Finish, None]
"""An answer as it is written. To close it is to let go of whatever writes it."""


async def stream_result(answer: GenerationResult, size: int | None = None) -> AnswerStream:
    """Give a whole answer as pieces.

    Args:
        answer: What to give.
        size: The most words in a piece of text; None for all at once.
    """
    yield Delta({"role": "assistant", "content": "", **answer.extra})
    words = re.findall(r"\s*\S+|\s+$", answer.text)
    step = size or len(words) or 1
    for start in range(0, len(words), step):
        yield Delta({"content": "".join(words[start : start + step])})
    for index, call in enumerate(answer.tool_calls):
        yield Delta({"tool_calls": [{"index": index, **call.nested()}]})
    yield Finish(answer.finish_reason, answer.input_tokens, answer.output_tokens)


class ChatBackend(Protocol):
    """Whatever answers questions: a language model, or a quoter of texts."""

    @property
    def language_model(self) -> str | None:
        """What to call the language model behind it; None if there is none."""
        ...

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of its own that a caller may name it by, as far as they are known."""
        ...

    async def answer(self, question: GenerationRequest) -> GenerationResult:
        """Answer a question.

        Raises:
            GenerationError: There is no answer.
        """
        ...

    def stream(self, question: GenerationRequest) -> AnswerStream:
        """Answer a question bit by bit.

        Raises:
            GenerationError: There is no answer, or it broke off.
        """
        ...

    async def check(self) -> None:
        """See whether questions can be answered now.

        Raises:
            GenerationError: They cannot.
        """

    async def close(self) -> None:
        """Let go of connections. A closed answerer is not asked again."""


class GenerationError(Exception):
    """A question could not be answered.

    Args:
        status: HTTP status that the server's own answer should have.
        detail: What happened and the way out. Never holds a key.
        retry_after: Seconds after which another try may succeed; None if nobody said.
        code: What a model's API calls this error, such as `context_length_exceeded`; None if it does not say.
        limits: Headers that tell how much the model's API still takes (`x-ratelimit-...`).
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
        self.limits = limits or {}

    def __str__(self) -> str:
        """Say what happened."""
        return self.detail
