"""Convert LlamaIndex messages to messages of `reka.complete`. Pure functions without I/O.

There is one target format: the client writes these messages in the form that the server accepts, and converts them to
turns for the documented endpoint (v0). The client does not know which message and block a part came from, so the limits
of that endpoint are checked here too.
"""

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

import reka
import reka.media
from reka.adapters import beyond_turns, orphan_results, write_arguments

Part: TypeAlias = dict[str, Any]
MakePart: TypeAlias = Callable[[str | bytes], dict[str, str]]

_ROLES: Final[Mapping[MessageRole, str]] = {
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "system",
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.TOOL: "tool",
    MessageRole.FUNCTION: "tool",
}
_UNTITLED: Final = "input_document"
"""Title that LlamaIndex gives a document block without one."""

_PDF: Final = "application/pdf"

_LOG: Final = logging.getLogger("llamaindex_reka")


@dataclass(frozen=True, slots=True)
class _BlockPosition:
    """Position and type of a block, for error messages."""

    index: int
    block: int
    kind: str

    def error(self, problem: str) -> reka.InvalidConversationError:
        return reka.InvalidConversationError(
            f"message {self.index}, block {self.block} (type {self.kind!r}): {problem}"
        )


@dataclass(slots=True)
class _MessageBuilder:
    """A message under construction, with the positions that checks of the whole conversation report."""

    role: str
    parts: list[Part] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    media: dict[int, _BlockPosition] = field(default_factory=dict)
    """Positions of the media blocks, by index in `parts`."""

    call_positions: list[_BlockPosition] = field(default_factory=list)

    left_out: list[str] = field(default_factory=list)
    """Types of what is not sent, for a line in the log."""

    def add_text(self, text: str) -> None:
        """Append text; adjacent texts are joined with a newline, as in `ChatMessage.content`."""
        if self.parts and self.parts[-1]["type"] == "text":
            self.parts[-1]["text"] += f"\n{text}"
        else:
            self.parts.append({"type": "text", "text": text})

    def add_media(self, position: _BlockPosition, part: Part) -> None:
        if self.role == "assistant":  # a provider's own, such as a generated image
            self.left_out.append(position.kind)
            return
        self.media[len(self.parts)] = position
        self.parts.append(part)


def messages_for(messages: Sequence[ChatMessage], *, documented_only: bool = False) -> list[dict[str, Any]]:
    """Convert messages to the form that `reka.complete` takes; the input is not modified.

    Reasoning of earlier answers is not sent, because reasoning models are trained without it; cache points are not
    sent, because the API has none. What else other providers' answers have and Reka's API has not, such as generated
    media and tools that their servers ran, is left out with a line in the log.

    Args:
        messages: Messages without paths and open files; see `llamaindex_reka.media.read`.
        documented_only: Whether the messages must fit the documented endpoint: at most one media block, in the first
            turn, and no tool calls.

    Raises:
        InvalidConversationError: A message cannot be converted; the error names its index and the block's type.
    """
    builders = [_build(index, message) for index, message in enumerate(messages)]
    converted = [_to_dict(message, builder) for message, builder in zip(messages, builders, strict=True)]
    _check_tool_results(converted)
    if left_out := sorted({kind for builder in builders for kind in builder.left_out}):
        _LOG.warning("left out of earlier messages, as Reka's API has no such blocks there: %s", ", ".join(left_out))
    if documented_only:
        _check_v0_limits(builders, converted)
    return converted


def _build(index: int, message: ChatMessage) -> _MessageBuilder:
    role = _ROLES.get(message.role)
    if role is None:
        raise reka.InvalidConversationError(
            f"message {index}: got role {message.role.value!r}, want one of {', '.join(role.value for role in _ROLES)}"
        )
    builder = _MessageBuilder(role)
    for number, block in enumerate(message.blocks):
        _add_block(builder, _BlockPosition(index, number, block.block_type), block)
    if not builder.calls and role == "assistant":
        for call in message.additional_kwargs.get("tool_calls") or ():
            _add_legacy_tool_call(builder, index, call)
        builder.call_positions = [_BlockPosition(index, len(message.blocks), "tool_call")] * len(builder.calls)
    return builder


def _add_block(builder: _MessageBuilder, position: _BlockPosition, block: Any) -> None:
    add = _BLOCKS.get(position.kind)
    if add is None:
        raise position.error(f"got an unsupported block, want one of {', '.join(_BLOCKS)}")
    add(builder, position, block)


def _add_text(builder: _MessageBuilder, position: _BlockPosition, block: TextBlock) -> None:
    builder.add_text(block.text)


def _add_image(builder: _MessageBuilder, position: _BlockPosition, block: ImageBlock) -> None:
    builder.add_media(
        position, _media_part(position, reka.media.image, "image/", block.image, block.url, block.image_mimetype)
    )


def _add_video(builder: _MessageBuilder, position: _BlockPosition, block: VideoBlock) -> None:
    builder.add_media(
        position, _media_part(position, reka.media.video, "video/", block.video, block.url, block.video_mimetype)
    )


def _add_audio(builder: _MessageBuilder, position: _BlockPosition, block: AudioBlock) -> None:
    mime_type = _AUDIO_TYPES.get(block.format, f"audio/{block.format}") if block.format else None
    builder.add_media(position, _media_part(position, reka.media.audio, "audio/", block.audio, block.url, mime_type))


_AUDIO_TYPES: Final[Mapping[str, str]] = {"mp3": "audio/mpeg", "wav": "audio/x-wav", "m4a": "audio/mp4"}
"""MIME types of audio formats where it is not `audio/` and the format's name."""


def _add_document(builder: _MessageBuilder, position: _BlockPosition, block: DocumentBlock) -> None:
    """Add a PDF as media, and a text document as text: the API has no other types of documents."""
    url = str(block.url or "")
    if not block.data and not url.lower().startswith("data:"):
        if block.document_mimetype not in (None, _PDF):
            raise position.error(
                f"got the URL of a document of type {block.document_mimetype}, want its bytes or its path; "
                "only a PDF can be sent by URL"
            )
        builder.add_media(position, _media_part(position, reka.media.pdf, _PDF, None, url, None))
        return
    content = block.resolve_document().read()
    if content.startswith(b"%PDF-"):
        builder.add_media(position, _media_part(position, reka.media.pdf, _PDF, base64.b64encode(content), None, _PDF))
        return
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        mime_type = block.document_mimetype or "unknown type"
        raise position.error(f"got a document of {mime_type}, want a PDF or text in UTF-8") from error
    builder.add_text(text if block.title in (None, "", _UNTITLED) else f"{block.title}:\n{text}")


def _add_thinking(builder: _MessageBuilder, position: _BlockPosition, block: ThinkingBlock) -> None:
    """Skip the reasoning of an earlier answer."""
    if builder.role != "assistant":
        builder.left_out.append(position.kind)


def _add_tool_call(builder: _MessageBuilder, position: _BlockPosition, block: ToolCallBlock) -> None:
    if builder.role != "assistant":
        raise position.error(f"got a tool call in a {builder.role} message, want it in assistant messages only")
    builder.calls.append(_call(block.tool_call_id, block.tool_name, block.tool_kwargs))
    builder.call_positions.append(position)


def _skip_cache_point(builder: _MessageBuilder, position: _BlockPosition, block: CachePoint) -> None:
    """Skip a caching hint: it does not affect the answer."""


def _add_citable(builder: _MessageBuilder, position: _BlockPosition, block: CitableBlock) -> None:
    builder.add_text(_reference(block.title, block.source))
    for nested in block.content:
        _add_block(builder, _BlockPosition(position.index, position.block, nested.block_type), nested)


def _add_citation(builder: _MessageBuilder, position: _BlockPosition, block: CitationBlock) -> None:
    """Add a citation's source, and its content unless the message has it: citations of answers quote their text."""
    builder.add_text(_reference(block.title, block.source))
    content = block.cited_content
    text = "".join(part["text"] for part in builder.parts if part["type"] == "text")
    if not isinstance(content, TextBlock) or content.text not in text:
        _add_block(builder, _BlockPosition(position.index, position.block, content.block_type), content)


def _reference(title: str, source: str) -> str:
    return f"[Source: {title} <{source}>]" if title and title != source else f"[Source: {title or source}]"


_BLOCKS: Final[Mapping[str, Callable[[_MessageBuilder, _BlockPosition, Any], None]]] = {
    "text": _add_text,
    "image": _add_image,
    "video": _add_video,
    "audio": _add_audio,
    "document": _add_document,
    "thinking": _add_thinking,
    "tool_call": _add_tool_call,
    "cache": _skip_cache_point,
    "citable": _add_citable,
    "citation": _add_citation,
}


def _media_part(
    position: _BlockPosition, make: MakePart, family: str, content: object, url: object, mime_type: str | None
) -> dict[str, str]:
    """Make a media part from content, which LlamaIndex stores as base64, or from a URL."""
    try:
        if isinstance(content, bytes) and content:
            if mime_type is not None and mime_type.startswith(family):
                return make(f"data:{mime_type};base64,{content.decode('ascii')}")
            return make(base64.b64decode(content))
        if url:
            return make(str(url))
    except reka.InvalidArgumentError as error:
        raise position.error(error.message) from error
    raise position.error("got neither content nor a URL")


def _call(call_id: object, name: str, arguments: object) -> dict[str, Any]:
    return {"id": str(call_id or ""), "name": name, "arguments": write_arguments(arguments)}


def _add_legacy_tool_call(builder: _MessageBuilder, index: int, call: Any) -> None:
    """Add a tool call of `additional_kwargs`, from before tool call blocks: a dict, or an object of a provider's SDK.

    OpenAI has `function`, or `name` beside `arguments` and `call_id`, and Anthropic `name` beside `input`. A call of
    another type without a name is of a tool that the provider ran.
    """
    fields = call.model_dump() if hasattr(call, "model_dump") else call
    function = fields.get("function", fields) if isinstance(fields, Mapping) else None
    if not isinstance(fields, Mapping) or not isinstance(function, Mapping) or not function.get("name"):
        kind = fields.get("type") if isinstance(fields, Mapping) else None
        if isinstance(kind, str) and kind not in ("function", "function_call", "tool_use"):
            builder.left_out.append(kind)
            return
        raise reka.InvalidConversationError(
            f"message {index}: got {type(call).__name__} without a function name in additional_kwargs['tool_calls'], "
            'want {"id", "function": {"name", "arguments"}}'
        )
    arguments = function.get("arguments", function.get("input", {}))
    builder.calls.append(_call(fields.get("call_id") or fields.get("id"), function["name"], arguments))


def _check_tool_results(converted: Sequence[Mapping[str, Any]]) -> None:
    """Check that each tool result has the id of an earlier call."""
    for index in orphan_results(converted):
        call_id = converted[index]["tool_call_id"]
        if call_id is None:
            raise reka.InvalidConversationError(
                f"message {index}: got a tool result without additional_kwargs['tool_call_id'], want the id of its call"
            )
        raise reka.InvalidConversationError(
            f"message {index}: got a tool result for the call {call_id!r}, which no earlier message made; keep the "
            "assistant message with its tool calls before it"
        )


def _check_v0_limits(builders: Sequence[_MessageBuilder], converted: Sequence[Mapping[str, Any]]) -> None:
    """Check that messages fit the turns of the documented endpoint."""
    for beyond in beyond_turns(converted):
        builder = builders[beyond.message]
        position = builder.call_positions[0] if beyond.part is None else builder.media[beyond.part]
        raise position.error(
            f"got {beyond.feature}; the documented endpoint takes one media block, in the first turn, and does not "
            "support tools; remove api='v0'"
        )


def _to_dict(message: ChatMessage, builder: _MessageBuilder) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": builder.role, "content": builder.parts if builder.calls else builder.parts or ""}
    if builder.calls:
        fields["tool_calls"] = builder.calls
    if builder.role == "tool":
        fields["tool_call_id"] = _call_id(message)
    return fields


def _call_id(message: ChatMessage) -> str | None:
    call_id = message.additional_kwargs.get("tool_call_id", message.additional_kwargs.get("call_id"))
    return call_id if isinstance(call_id, str) else None
