"""The types of `reka-api` 3, for programs that import them from `reka` or `reka.types`.

They are pydantic models that keep further fields, with `dict` and `json` as `reka-api` 3 has them. Its `ToolCall` and
`Usage` are those of `reka` where a program makes them, and these where an answer has them.
"""

import json as json_module
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict
from typing_extensions import TypedDict

from reka.types.completion import ToolCall as ReceivedToolCall

__all__ = [
    "ChatMessage",
    "ChatMessageChunk",
    "ChatMessageChunkContentItem",
    "ChatMessageInputContentItem",
    "ChatMessageOutputContentItem",
    "ChatResponse",
    "ChatRole",
    "ChunkChatResponse",
    "ChunkMessageResponse",
    "Content",
    "FinishReason",
    "HttpValidationError",
    "MediaType",
    "MessageResponse",
    "Tool",
    "ToolChoice",
    "ToolOutput",
    "TypedMediaContent",
    "TypedText",
    "ValidationError",
    "ValidationErrorLocItem",
]

ChatRole: TypeAlias = Literal["user", "assistant", "system", "tool_output"] | Any
FinishReason: TypeAlias = Literal["stop", "length", "context"] | Any
MediaType: TypeAlias = Literal["image_url", "video_url", "audio_url", "pdf_url"] | Any
ToolChoice: TypeAlias = Literal["auto", "tool", "none"] | Any
ValidationErrorLocItem: TypeAlias = str | int

_DUMP_OPTIONS = frozenset({"include", "exclude", "by_alias", "exclude_unset", "exclude_defaults", "exclude_none"})


class Sdk3Model(BaseModel):
    """A value that cannot be changed, and keeps fields that it does not know."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", frozen=True)

    def dict(self, **options: Any) -> dict[str, Any]:
        """Return the fields that are set, nested models as dicts."""
        return self.model_dump(**{"by_alias": True, "exclude_unset": True, **options})

    def json(self, **options: Any) -> str:
        """Return `dict` as JSON; options that are not of `dict` are those of `json.dumps`."""
        of_dict = {name: options.pop(name) for name in _DUMP_OPTIONS & options.keys()}
        return json_module.dumps(self.dict(**of_dict), **options)


class TypedText(Sdk3Model):
    """A text in a message's content."""

    text: str
    type: Any = "text"


class TypedMediaContent(Sdk3Model):
    """Media in a message's content: the field that `type` names has its URL."""

    type: MediaType
    image_url: str | None = None
    video_url: str | None = None
    audio_url: str | None = None
    pdf_url: str | None = None


class ToolOutput(Sdk3Model):
    """What a tool returned."""

    tool_call_id: str
    output: str


class ToolCall(Sdk3Model):
    """A tool call of an answer."""

    id: str
    name: str
    parameters: dict[str, Any]

    @property
    def arguments(self) -> str:
        """The parameters as JSON, as in `reka.ToolCall`."""
        return json_module.dumps(self.parameters, ensure_ascii=False)


class Tool(Sdk3Model):
    """A tool that the model may call; `parameters` is a JSON schema."""

    name: str
    parameters: dict[str, Any]
    description: str | None = None


class Usage(Sdk3Model):
    """Token counts of an answer."""

    input_tokens: int
    output_tokens: int


ChatMessageChunkContentItem: TypeAlias = TypedText | TypedMediaContent
ChatMessageInputContentItem: TypeAlias = TypedText | TypedMediaContent
ChatMessageOutputContentItem: TypeAlias = TypedText | TypedMediaContent
Content: TypeAlias = str | list[ChatMessageChunkContentItem] | list[ToolOutput]


def _tool_call(call: object) -> object:
    """Read a tool call that is one of `reka`, too."""
    if isinstance(call, ReceivedToolCall):
        return {"id": call.id, "name": call.name, "parameters": call.parameters}
    return call


class ChatMessage(Sdk3Model):
    """A message of a conversation."""

    role: ChatRole
    content: Content | None = None
    tool_calls: list[Annotated[ToolCall, BeforeValidator(_tool_call)]] | None = None


class ChatMessageChunk(ChatMessage):
    """A message of a streamed answer, so far."""


class MessageResponse(Sdk3Model):
    """An answer."""

    message: ChatMessage
    finish_reason: FinishReason | None = None


class ChunkMessageResponse(Sdk3Model):
    """A streamed answer, so far."""

    chunk: ChatMessageChunk
    finish_reason: FinishReason | None = None


class ChatResponse(Sdk3Model):
    """What `client.chat.create` returns."""

    id: str
    model: str
    responses: list[MessageResponse]
    usage: Usage


class ChunkChatResponse(Sdk3Model):
    """What `client.chat.create_stream` yields."""

    id: str
    model: str
    responses: list[ChunkMessageResponse]
    usage: Usage


class Model(Sdk3Model):
    """A model that the server offers."""

    id: str


class ValidationError(Sdk3Model):
    """Where a request is invalid."""

    loc: list[ValidationErrorLocItem]
    msg: str
    type: str


class HttpValidationError(Sdk3Model):
    """Body of an `UnprocessableEntityError`."""

    detail: list[ValidationError] | None = None


class RequestOptions(TypedDict, total=False):
    """Options of one call of `client.chat.create`."""

    timeout_in_seconds: float | None
    max_retries: int | None
    additional_body_parameters: Mapping[str, Any] | None
    additional_headers: Mapping[str, Any] | None
    """Refused: headers are set for a client, `Reka(headers=...)`."""

    additional_query_parameters: Mapping[str, Any] | None
    """Refused: no endpoint of Reka's API takes any."""


class CreateOptions(TypedDict, total=False):
    """Options of `client.chat.create`, besides messages and model; those of `CompletionOptions` are as there."""

    frequency_penalty: float | None
    max_tokens: int | None
    presence_penalty: float | None
    seed: int | None
    stop: Sequence[str] | None
    temperature: float | None
    tool_choice: ToolChoice | None
    tools: Sequence[Tool | Mapping[str, Any]] | None
    top_k: int | None
    top_p: float | None
    use_search_engine: bool | None
    """Sent to the server as it is."""

    request_options: RequestOptions | None


def plain(value: object) -> Any:
    """Convert a value of this module, or a list of them, to dicts, without fields that are None."""
    if isinstance(value, Sdk3Model):
        return value.dict(exclude_none=True)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return dict(value) if isinstance(value, Mapping) else value
