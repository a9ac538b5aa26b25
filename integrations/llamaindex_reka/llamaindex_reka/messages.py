"""LlamaIndex's messages as messages of `reka.complete`. Pure functions: nothing is read from a disk or a network.

There is one target: the client folds these messages to what Reka's host takes, and makes turns of the documented
endpoint out of them where a request goes there. What it cannot know is which message and block a part came from, so the
documented endpoint's limits are checked here too.
"""

import base64
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
from reka.adapters import beyond_turns

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
"""LlamaIndex's title of a document block that was given none."""

_PDF: Final = "application/pdf"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a block stands, for errors."""

    index: int
    block: int
    kind: str

    def wrong(self, what: str) -> reka.InvalidConversationError:
        return reka.InvalidConversationError(f"message {self.index}, block {self.block} (type {self.kind!r}): {what}")


@dataclass(slots=True)
class _Message:
    """A message on its way, with what the checks of the whole conversation need."""

    role: str
    parts: list[Part] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    media: dict[int, _Place] = field(default_factory=dict)
    """Where media among the parts come from."""

    call_places: list[_Place] = field(default_factory=list)

    def add_text(self, text: str) -> None:
        """Put text behind what there is; texts that meet are joined as `ChatMessage.content` joins them."""
        if self.parts and self.parts[-1]["type"] == "text":
            self.parts[-1]["text"] += f"\n{text}"
        else:
            self.parts.append({"type": "text", "text": text})

    def add_media(self, place: _Place, part: Part) -> None:
        if self.role == "assistant":
            raise place.wrong("media in an assistant's message, which this API does not take; put it into a user's")
        self.media[len(self.parts)] = place
        self.parts.append(part)


def messages_for(messages: Sequence[ChatMessage], *, documented_only: bool = False) -> list[dict[str, Any]]:
    """Write messages as `reka.complete` takes them; the given ones are not changed.

    Thoughts of earlier answers are left out, as models that reason are trained to be asked; so are cache points, which
    this API has none of. Everything else is sent.

    Args:
        messages: With everything in them already read: see `llamaindex_reka.media`.
        documented_only: Whether they must fit the documented endpoint, which takes one medium, in the first turn, and
            no tool calls.

    Raises:
        InvalidConversationError: They cannot be sent; the error names the message's index and the block's type.
    """
    written = [_written(index, message) for index, message in enumerate(messages)]
    _check_results(messages, written)
    sent = [_sent(given, message) for given, message in zip(messages, written, strict=True)]
    if documented_only:
        _check_documented(written, sent)
    return sent


def _written(index: int, given: ChatMessage) -> _Message:
    role = _ROLES.get(given.role)
    if role is None:
        raise reka.InvalidConversationError(
            f"message {index}: got role {given.role.value!r}, want one of {', '.join(role.value for role in _ROLES)}"
        )
    message = _Message(role)
    for number, block in enumerate(given.blocks):
        _add(message, _Place(index, number, block.block_type), block)
    if not message.calls and role == "assistant":
        message.calls = [_older_call(index, call) for call in given.additional_kwargs.get("tool_calls") or ()]
        message.call_places = [_Place(index, len(given.blocks), "tool_call")] * len(message.calls)
    return message


def _add(message: _Message, place: _Place, block: Any) -> None:
    add = _BLOCKS.get(place.kind)
    if add is None:
        raise place.wrong(f"want one of {', '.join(_BLOCKS)}")
    add(message, place, block)


def _add_text(message: _Message, place: _Place, block: TextBlock) -> None:
    message.add_text(block.text)


def _add_image(message: _Message, place: _Place, block: ImageBlock) -> None:
    message.add_media(
        place, _media_part(place, reka.media.image, "image/", block.image, block.url, block.image_mimetype)
    )


def _add_video(message: _Message, place: _Place, block: VideoBlock) -> None:
    message.add_media(
        place, _media_part(place, reka.media.video, "video/", block.video, block.url, block.video_mimetype)
    )


def _add_audio(message: _Message, place: _Place, block: AudioBlock) -> None:
    mime_type = _AUDIO_TYPES.get(block.format, f"audio/{block.format}") if block.format else None
    message.add_media(place, _media_part(place, reka.media.audio, "audio/", block.audio, block.url, mime_type))


_AUDIO_TYPES: Final[Mapping[str, str]] = {"mp3": "audio/mpeg", "wav": "audio/x-wav", "m4a": "audio/mp4"}
"""MIME types of formats whose type is not just `audio/` and their name."""


def _add_document(message: _Message, place: _Place, block: DocumentBlock) -> None:
    """Add a PDF as a medium, and a document of text as text: the API has no other documents."""
    url = str(block.url or "")
    if not block.data and not url.lower().startswith("data:"):
        if block.document_mimetype not in (None, _PDF):
            raise place.wrong(
                f"got the URL of a document of type {block.document_mimetype}, want its bytes or its path"
            )
        message.add_media(place, _media_part(place, reka.media.pdf, _PDF, None, url, None))
        return
    content = block.resolve_document().read()
    if content.startswith(b"%PDF-"):
        message.add_media(place, _media_part(place, reka.media.pdf, _PDF, base64.b64encode(content), None, _PDF))
        return
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        kind = block.document_mimetype or "an unknown type"
        raise place.wrong(f"got a document of {kind}, want a PDF or text in UTF-8") from error
    message.add_text(text if block.title in (None, "", _UNTITLED) else f"{block.title}:\n{text}")


def _add_thinking(message: _Message, place: _Place, block: ThinkingBlock) -> None:
    """Leave out the thoughts of an earlier answer; the user's side has none."""
    if message.role != "assistant":
        raise place.wrong(f"in a {message.role} message; only an assistant's message has thoughts")


def _add_tool_call(message: _Message, place: _Place, block: ToolCallBlock) -> None:
    if message.role != "assistant":
        raise place.wrong(f"in a {message.role} message; only an assistant calls tools")
    message.calls.append({"id": block.tool_call_id or "", "name": block.tool_name, "arguments": block.tool_kwargs})
    message.call_places.append(place)


def _add_nothing(message: _Message, place: _Place, block: CachePoint) -> None:
    """Leave out a hint to caches: the answer is the same without it."""


def _add_citable(message: _Message, place: _Place, block: CitableBlock) -> None:
    message.add_text(_reference(block.title, block.source))
    for cited in block.content:
        _add(message, _Place(place.index, place.block, cited.block_type), cited)


def _add_citation(message: _Message, place: _Place, block: CitationBlock) -> None:
    """Add what was cited, unless the message has said it: a citation of an answer repeats a stretch of its text."""
    message.add_text(_reference(block.title, block.source))
    cited = block.cited_content
    said = "".join(part["text"] for part in message.parts if part["type"] == "text")
    if not isinstance(cited, TextBlock) or cited.text not in said:
        _add(message, _Place(place.index, place.block, cited.block_type), cited)


def _reference(title: str, source: str) -> str:
    return f"[Source: {title} <{source}>]" if title and title != source else f"[Source: {title or source}]"


_BLOCKS: Final[Mapping[str, Callable[[_Message, _Place, Any], None]]] = {
    "text": _add_text,
    "image": _add_image,
    "video": _add_video,
    "audio": _add_audio,
    "document": _add_document,
    "thinking": _add_thinking,
    "tool_call": _add_tool_call,
    "cache": _add_nothing,
    "citable": _add_citable,
    "citation": _add_citation,
}


def _media_part(
    place: _Place, make: MakePart, family: str, content: object, url: object, mime_type: str | None
) -> dict[str, str]:
    """Make a part of a medium's content, which LlamaIndex keeps as base64, or of its address."""
    try:
        if isinstance(content, bytes) and content:
            if mime_type is not None and mime_type.startswith(family):
                return make(f"data:{mime_type};base64,{content.decode('ascii')}")
            return make(base64.b64decode(content))
        if url:
            return make(str(url))
    except reka.InvalidArgumentError as error:
        raise place.wrong(error.message) from error
    raise place.wrong("has neither content nor a URL")


def _older_call(index: int, call: Any) -> dict[str, Any]:
    """Read a tool call as it was kept before LlamaIndex had blocks for them: OpenAI's dict, or its SDK's object."""
    plain = call.model_dump() if hasattr(call, "model_dump") else call
    function = plain.get("function", plain) if isinstance(plain, Mapping) else None
    if not isinstance(plain, Mapping) or not isinstance(function, Mapping) or not function.get("name"):
        raise reka.InvalidConversationError(
            f"message {index}: additional_kwargs['tool_calls'] has one that is not "
            '{"id", "function": {"name", "arguments"}}'
        )
    arguments = function.get("arguments", {})
    return {"id": str(plain.get("id") or ""), "name": function["name"], "arguments": arguments}


def _check_results(given: Sequence[ChatMessage], written: Sequence[_Message]) -> None:
    """See to it that each tool's result has the id of a call before it: the model could not tell what it is of."""
    called: set[str] = set()
    for index, (message, result) in enumerate(zip(written, given, strict=True)):
        called.update(call["id"] for call in message.calls)
        if message.role != "tool":
            continue
        call_id = _call_id(result)
        if call_id is None:
            raise reka.InvalidConversationError(
                f"message {index}: a tool's result, and no additional_kwargs['tool_call_id'] tells which call it is of"
            )
        if call_id not in called:
            raise reka.InvalidConversationError(
                f"message {index}: a tool's result for the call {call_id!r}, which no message before it makes"
            )


def _check_documented(written: Sequence[_Message], sent: Sequence[Mapping[str, Any]]) -> None:
    """See to it that messages fit the documented endpoint's turns."""
    for beyond in beyond_turns(sent):
        message = written[beyond.message]
        place = message.call_places[0] if beyond.part is None else message.media[beyond.part]
        raise place.wrong(
            f"{beyond.feature}: the documented endpoint takes one medium, in the first turn, and no tools; "
            "leave out api='v0'"
        )


def _sent(given: ChatMessage, message: _Message) -> dict[str, Any]:
    sent: dict[str, Any] = {"role": message.role, "content": message.parts if message.calls else message.parts or ""}
    if message.calls:
        sent["tool_calls"] = message.calls
    if message.role == "tool":
        sent["tool_call_id"] = _call_id(given)
    return sent


def _call_id(message: ChatMessage) -> str | None:
    call_id = message.additional_kwargs.get("tool_call_id")
    return call_id if isinstance(call_id, str) else None
