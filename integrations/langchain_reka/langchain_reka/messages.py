"""Convert LangChain messages to messages of Reka's API.

Pure functions: they do no I/O and do not modify their input. Each message becomes one message with a role of the OpenAI
protocol, so an index in an error is the caller's index. The client writes them in the form that the server accepts: of
the three, only OpenAI's has system messages, tool results, consecutive messages of one role, and conversations that
start with the assistant.

Not sent, because the API has no field for it: a message's `name`, reasoning and citations of earlier answers, and a
tool's `artifact`.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import singledispatch
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias

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
from reka.adapters import MEDIA_KINDS, beyond_turns, is_media_url, part_type

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
_TOOL_BLOCKS: Final = frozenset({"tool_call", "tool_use"})
_SKIPPED_IN_ANSWERS: Final = frozenset(
    {
        *("reasoning", "thinking", "redacted_thinking", "citation", "non_standard_annotation"),
        # Sent as `tool_calls` of the message, not as content.
        *("tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "function_call", "input_json_delta"),
    }
)


def reka_messages(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Convert messages to the form that `reka.Reka.complete` and `stream_messages` take.

    Args:
        messages: LangChain messages, in order.

    Returns:
        One message for each; a human message that contains tool results, as in Anthropic's format, becomes several.

    Raises:
        InvalidConversationError: A message cannot be converted: it has a block of an unknown type, media that is
            neither a URL nor base64, or a tool result without an earlier call. The error names the message's index and
            the block's type.
    """
    indexed = _convert_with_indices(messages)
    _check_tool_results(indexed)
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


def first_v1_only_block(messages: Sequence[BaseMessage]) -> str | None:
    """Name the first block that the documented API (v0) does not support; None if it supports all of them.

    Its turns take one piece of media, in the first turn, and no tool calls.
    """
    converted = reka_messages(messages)
    for beyond in beyond_turns(converted):
        content = converted[beyond.message]["content"]
        block = "tool_call" if beyond.part is None else content[beyond.part]["type"]
        return f"message {source_indices(messages)[beyond.message]}: {block} block"
    return None


def _convert_with_indices(messages: Sequence[BaseMessage]) -> list[tuple[int, dict[str, Any]]]:
    return [
        (index, _convert(part, index))
        for index, message in enumerate(messages)
        for part in _split_tool_results(message)
    ]


def _split_tool_results(message: BaseMessage) -> Sequence[BaseMessage]:
    """Move tool results that are blocks of a human message, as in Anthropic's format, into tool messages."""
    if isinstance(message.content, str) or not isinstance(message, HumanMessage):
        return (message,)
    parts: list[BaseMessage] = []
    for are_results, group in groupby(message.content, _is_tool_result):
        blocks = list(group)
        parts += map(_to_tool_message, blocks) if are_results else [HumanMessage(blocks)]
    return parts or (message,)


def _is_tool_result(block: str | Block) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "tool_result"


def _to_tool_message(block: Any) -> ToolMessage:
    status: Literal["success", "error"] = "error" if block.get("is_error") else "success"
    return ToolMessage(block.get("content") or "", tool_call_id=str(block.get("tool_use_id")), status=status)


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
        "content": _assistant_content(message, index) if role == "assistant" else _content(message, index),
    }


@_convert.register
def _(message: AIMessage, index: int) -> dict[str, Any]:
    converted: dict[str, Any] = {"role": "assistant", "content": _assistant_content(message, index)}
    calls = _tool_calls(message)
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


def _assistant_content(message: BaseMessage, index: int) -> str | list[Part]:
    content = _content(message, index, _SKIPPED_IN_ANSWERS)
    media = [] if isinstance(content, str) else [part["type"] for part in content if part["type"] != "text"]
    if media:
        raise _invalid(index, f"got type {media[0]!r} from the assistant, want media in human or tool messages only")
    return content


def _content(message: BaseMessage, index: int, skipped: frozenset[str] = frozenset()) -> str | list[Part]:
    if isinstance(message.content, str):
        return message.content
    parts: list[Part] = []
    for number, block in enumerate(_standard_blocks(message, index)):
        part = _convert_block(index, number, block, skipped)
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


def _convert_block(index: int, number: int, block: Block, skipped: frozenset[str]) -> Part | None:
    """Convert a content block to a part; None if blocks of its type are skipped."""
    if block["type"] == "non_standard":  # a type that LangChain does not have, such as Reka's image_url with a string
        block = block["value"]
    kind = block.get("type")
    if kind in skipped:
        return None
    convert = _PARTS.get(str(kind))
    if convert is None:
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
    **dict.fromkeys(MEDIA_KINDS, _convert_reka_media),
}


def _tool_calls(message: AIMessage) -> list[dict[str, Any]]:
    """Collect all tool calls of a message: valid ones, invalid ones as the model wrote them, and legacy forms."""
    calls = [_tool_call(call["id"], call["name"], call["args"]) for call in message.tool_calls]
    calls += [_tool_call(call["id"], call["name"], call["args"] or "") for call in message.invalid_tool_calls]
    if isinstance(message.content, list):
        ids = {call["id"] for call in calls}
        blocks = [block for block in message.content if isinstance(block, dict) and block.get("type") in _TOOL_BLOCKS]
        calls += [
            _tool_call(block.get("id"), block.get("name"), block.get("args", block.get("input", {})))
            for block in blocks
            if block.get("id") not in ids
        ]
    function = message.additional_kwargs.get("function_call")
    if isinstance(function, Mapping) and not calls:
        calls = [_tool_call(function.get("name"), function.get("name"), function.get("arguments", "{}"))]
    return calls


def _tool_call(call_id: str | None, name: str | None, arguments: object) -> dict[str, Any]:
    return {"id": call_id or "", "name": name or "", "arguments": arguments}


def _check_tool_results(indexed: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    """Reject a tool result that refers to no earlier call: the model could not interpret it."""
    call_ids: set[str] = set()
    for index, message in indexed:
        call_ids.update(call["id"] for call in message.get("tool_calls", ()))
        if message["role"] == "tool" and message["tool_call_id"] not in call_ids:
            raise _invalid(
                index,
                f"got a tool message for the call {message['tool_call_id']!r}, which no earlier AI message made; "
                "keep the AI message with its tool_calls before it",
            )


def _invalid(index: int, problem: str, block: int | None = None) -> reka.InvalidConversationError:
    return reka.InvalidConversationError(f"message {index}{'' if block is None else f', block {block}'}: {problem}")
