"""Convert LangChain messages to messages of Reka's API.

Pure functions: they do no I/O and do not modify their input. Each message becomes one message with a role of the OpenAI
protocol, so an index in an error is the caller's index. The client writes them in the form that the server accepts: of
the three, only OpenAI's has system messages, tool results, consecutive messages of one role, and conversations that
start with the assistant.

Not sent, because the API has no field for it: a message's `name`, reasoning and citations of earlier answers, and a
tool's `artifact`. What else other providers' answers contain, such as tools that their servers ran or generated images,
is left out with a line in the log.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import singledispatch
from logging import getLogger
from typing import Any, Final, TypeAlias

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

import reka
from langchain_reka import tool_history
from reka.adapters import MEDIA_KINDS, is_media_url, part_type

Block: TypeAlias = Mapping[str, Any]
Part: TypeAlias = dict[str, str]

_ROLES: Final[Mapping[str, str]] = {
    "user": "user",
    "human": "user",
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
    "ai": "assistant",
    "model": "assistant",
}
_NOT_SENT: Final = frozenset(
    {
        *("reasoning", "reasoning_content", "thinking", "redacted_thinking", "citation", "non_standard_annotation"),
        # Sent as `tool_calls` of the message, not as content.
        *("tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "function_call", "custom_tool_call"),
        "input_json_delta",
    }
)
"""Blocks of answers that need no note when they are left out."""

_TEXT_KEYS: Final[Mapping[str, str]] = {"text": "text", "output_text": "text", "refusal": "refusal"}
"""The key of the text in blocks of answers, by type, of any provider."""

_LOG: Final = getLogger("langchain_reka")


def reka_messages(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Convert messages to the form that `reka.Reka.complete` and `stream_messages` take.

    Args:
        messages: LangChain messages, in order.

    Returns:
        One message for each; a human message that contains tool results, as in Anthropic's format, becomes several.

    Raises:
        InvalidConversationError: A message cannot be converted: a human or system message has a block of an unknown
            type, media is neither a URL nor base64, or a tool result has no earlier call. The error names the message's
            index and the block's type.
    """
    indexed = _convert_with_indices(messages)
    if foreign := {kind for message in messages for kind in _foreign_blocks(message)}:
        _LOG.warning("left out of earlier answers, as Reka's API has no such blocks: %s", ", ".join(sorted(foreign)))
    return [converted for _, converted in indexed]


def source_indices(messages: Sequence[BaseMessage]) -> list[int]:
    """Return, for each message of `reka_messages`, the index of the message that it was made from."""
    return [index for index, _ in _convert_with_indices(messages)]


def media_in(messages: Iterable[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """List the media of converted messages, in order: the index of the message and the type of the part."""
    return [
        (index, part["type"])
        for index, message in enumerate(messages)
        if not isinstance(message["content"], str)
        for part in message["content"]
        if part["type"] != "text"
    ]


def _convert_with_indices(messages: Sequence[BaseMessage]) -> list[tuple[int, dict[str, Any]]]:
    parts = tool_history.with_results_in_place(messages)
    indexed = [(index, _convert(message, index)) for index, message in parts]
    tool_history.check_results(indexed)
    return indexed


@singledispatch
def _convert(message: BaseMessage, index: int) -> dict[str, Any]:
    raise _invalid(index, f"got a {message.type} message, want a human, ai, system, tool, function or chat message")


@_convert.register
def _(message: HumanMessage, index: int) -> dict[str, Any]:
    return {"role": "user", "content": _content(message, index)}


@_convert.register
def _(message: SystemMessage, index: int) -> dict[str, Any]:
    return {"role": "system", "content": _content(message, index)}


@_convert.register
def _(message: ChatMessage, index: int) -> dict[str, Any]:
    role = _ROLES.get(message.role)
    if role is None:
        raise _invalid(index, f"got a chat message of role {message.role!r}, want one of {', '.join(_ROLES)}")
    return {
        "role": role,
        "content": _assistant_content(message) if role == "assistant" else _content(message, index),
    }


@_convert.register
def _(message: AIMessage, index: int) -> dict[str, Any]:
    converted: dict[str, Any] = {"role": "assistant", "content": _assistant_content(message)}
    try:
        calls = tool_history.tool_calls(message)
    except reka.InvalidConversationError as error:
        raise _invalid(index, error.message) from error
    return {**converted, "tool_calls": calls} if calls else converted


@_convert.register
def _(message: ToolMessage, index: int) -> dict[str, Any]:
    content = _content(message, index)
    if message.status == "error" and not message.text.lower().startswith("error"):
        content = f"Error: {content}" if isinstance(content, str) else [_text_part("Error: "), *content]
    return {"role": "tool", "tool_call_id": message.tool_call_id, "content": content}


@_convert.register
def _(message: FunctionMessage, index: int) -> dict[str, Any]:
    # The legacy form, in which calls have no ids and a result names its function.
    return {"role": "tool", "tool_call_id": message.name, "content": _content(message, index)}


def _assistant_content(message: BaseMessage) -> str | list[Part]:
    """Convert what an answer says. Its other blocks are those of a provider, which no other can be sent."""
    if isinstance(message.content, str):
        return message.content or str(message.additional_kwargs.get("refusal") or "")
    texts = [text for block in message.content if (text := _answer_text(block)) is not None]
    return [_text_part("".join(texts))] if texts else ""


def _answer_text(block: str | Block) -> str | None:
    """Return the text of a block of an answer; None if it has none."""
    if isinstance(block, str):
        return block
    text = block.get(_TEXT_KEYS.get(str(block.get("type")), ""))
    return text if isinstance(text, str) else None


def _foreign_blocks(message: BaseMessage) -> Iterator[str]:
    """List the types of an answer's blocks that are lost by sending it."""
    if isinstance(message.content, str) or not _is_assistants(message):
        return
    for block in message.content:
        if _answer_text(block) is None and isinstance(block, Mapping):
            value = block.get("value") if block.get("type") == "non_standard" else block
            kind = value.get("type") if isinstance(value, Mapping) else "non_standard"
            if kind not in _NOT_SENT:
                yield repr(kind)


def _is_assistants(message: BaseMessage) -> bool:
    return isinstance(message, AIMessage) or (
        isinstance(message, ChatMessage) and _ROLES.get(message.role) == "assistant"
    )


def _content(message: BaseMessage, index: int) -> str | list[Part]:
    if isinstance(message.content, str):
        return message.content
    parts: list[Part] = []
    for number, block in enumerate(_standard_blocks(message, index)):
        part = _convert_block(message, index, number, block)
        if part is None:
            continue
        if parts and part["type"] == parts[-1]["type"] == "text":
            # Without a separator, as in `message.text`.
            parts[-1] = _text_part(parts[-1]["text"] + part["text"])
        else:
            parts.append(part)
    return parts or ""


def _standard_blocks(message: BaseMessage, index: int) -> Sequence[Block]:
    legacy_keys = {"source_type", "type"}
    if any(isinstance(block, dict) and legacy_keys <= block.keys() for block in message.content):
        content = [_from_legacy(block) if isinstance(block, dict) else block for block in message.content]
        message = message.model_copy(update={"content": content})
    try:
        return message.content_blocks
    except KeyError as missing:
        raise _invalid(index, f"got a block in LangChain's legacy form without the key {missing}") from missing


def _from_legacy(block: dict[str, Any]) -> dict[str, Any]:
    """Convert a block in LangChain's legacy form to the current one, for the types that LangChain does not convert."""
    match block.get("type"), block.get("source_type"):
        case "file", "text":
            return {**block, "type": "text-plain"}
        case "video", _:
            return {**block, "base64": block.get("data")}
    return block


def _convert_block(message: BaseMessage, index: int, number: int, block: Block) -> Part | None:
    """Convert a content block to a part; None for one that only marks a position, for the cache of another provider."""
    if block["type"] == "non_standard":  # a type that LangChain does not have, such as Reka's image_url with a string
        block = block["value"]
    if "cachePoint" in block:
        return None
    kind = block.get("type")
    convert = _PARTS.get(str(kind))
    if convert is None:
        if isinstance(message, ToolMessage | FunctionMessage):
            return _text_part(json.dumps(block, ensure_ascii=False, default=str))
        raise _invalid(index, f"got type {kind!r}, want one of {', '.join(_PARTS)}", number)
    try:
        return convert(block)
    except _BlockError as error:
        raise _invalid(index, f"got type {kind!r} {error}", number) from None


class _BlockError(Exception):
    """Why a block cannot be converted; `_convert_block` adds its position."""


def _convert_text(block: Block) -> Part:
    if not isinstance(block.get("text"), str):
        raise _BlockError(f"with {type(block.get('text')).__name__} as its text, want a string")
    return _text_part(block["text"])


def _convert_plain_text(block: Block) -> Part:
    text = block.get("text")
    if text is None and block.get("base64"):
        text = _decode_text(block["base64"])
    if not isinstance(text, str):
        raise _BlockError("with neither text nor base64; text cannot be sent as a URL or file id")
    fields = {**block.get("extras", {}), **block}  # LangChain keeps the title of Anthropic's documents in `extras`
    return _text_part("\n".join(str(each) for each in (fields.get("title"), fields.get("context"), text) if each))


def _convert_search_result(block: Block) -> Part:
    """Convert a passage in Anthropic's form: title, source and texts."""
    content = block.get("content")
    texts = [_answer_text(each) for each in content] if isinstance(content, list) else [content]
    lines = [block.get("title"), block.get("source"), *texts]
    return _text_part("\n".join(str(line) for line in lines if line))


def _convert_file(block: Block) -> Part:
    """Convert a file by its MIME type. Without one it counts as a PDF, the only file type that may be sent as a URL."""
    mime_type = str(block.get("mime_type") or "application/pdf")
    if mime_type.startswith("text/") and block.get("base64"):
        return _text_part(_decode_text(block["base64"]))
    kind = part_type(mime_type)
    if kind is None:
        raise _BlockError(f"of MIME type {mime_type!r}, want application/pdf, an image, a video, audio or text")
    return {"type": kind, kind: _media_url({**block, "mime_type": mime_type})}


def _media_converter(kind: str) -> Callable[[Block], Part]:
    """Return the converter of a standard block: `{"type": "image", "url": ...}` or `{..., "base64", "mime_type"}`."""

    def convert(block: Block) -> Part:
        return {"type": kind, kind: _media_url(block)}

    return convert


def _convert_reka_media(block: Block) -> Part:
    """Convert a block in Reka's form, or OpenAI's: `{"type": "image_url", "image_url": "https://..."}`."""
    kind = block["type"]
    url = block.get(kind)
    return {"type": kind, kind: _check_url(url.get("url") if isinstance(url, Mapping) else url)}


def _media_url(block: Block) -> str:
    if block.get("url"):
        return _check_url(block["url"])
    if not block.get("base64"):
        raise _BlockError("with neither url nor base64; a file id cannot be sent")
    if not isinstance(block["base64"], str):
        raise _BlockError(f"with {type(block['base64']).__name__} as its base64, want a string")
    if not block.get("mime_type"):
        raise _BlockError("with base64 but no mime_type, want one such as 'image/png'")
    return f"data:{block['mime_type']};base64,{block['base64']}"


def _check_url(url: object) -> str:
    if not isinstance(url, str) or not is_media_url(url):
        raise _BlockError("whose URL is not an http(s) or data URL; send a local file as base64")
    return url


def _decode_text(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError, TypeError):
        raise _BlockError("whose base64 is not UTF-8 text") from None


def _text_part(text: str) -> Part:
    return {"type": "text", "text": text}


_PARTS: Final[Mapping[str, Callable[[Block], Part]]] = {
    "text": _convert_text,
    "image": _media_converter("image_url"),
    "video": _media_converter("video_url"),
    "audio": _media_converter("audio_url"),
    "file": _convert_file,
    "text-plain": _convert_plain_text,
    "search_result": _convert_search_result,
    **dict.fromkeys(MEDIA_KINDS, _convert_reka_media),
}


def _invalid(index: int, problem: str, block: int | None = None) -> reka.InvalidConversationError:
    return reka.InvalidConversationError(f"message {index}{'' if block is None else f', block {block}'}: {problem}")
