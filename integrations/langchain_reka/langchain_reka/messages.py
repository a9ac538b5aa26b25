"""LangChain's messages as messages of Reka's API.

Pure functions: nothing is read from disk or network, and no message that comes in is changed. Each message becomes one
message with a role of the OpenAI protocol, so an index in an error is the caller's. What Reka's host does not take
(system text, tool results, neighbours of one role, a conversation that begins with the assistant) `reka` folds into
what it does take, for the documented API's turns as for the present one.

Not sent, because the API has no place for it: a message's `name`, reasoning and citations of earlier answers, a tool's
`artifact`.
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
_NOT_SENT_OF_ANSWERS: Final = frozenset(
    {
        *("reasoning", "thinking", "redacted_thinking", "citation", "non_standard_annotation"),
        # They are sent, but as the message's calls and not as its content.
        *("tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "function_call", "input_json_delta"),
    }
)


def reka_messages(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Bring messages to the form of the messages API.

    Args:
        messages: Any of LangChain's messages, in order.

    Returns:
        One message for each, for `reka.Reka.complete` and its like; a human message that holds tools' results, as
        Anthropic has them, is several.

    Raises:
        InvalidConversationError: Something cannot be said in that form: a block of an unknown type, media that is
            neither a URL nor base64, a tool's result with no call before it. The error names the message's index and
            the block's type.
    """
    placed = _placed(messages)
    _check_results(placed)
    return [converted for _, converted in placed]


def source_indices(messages: Sequence[BaseMessage]) -> list[int]:
    """For each message that `reka_messages` makes, the index of the one that it is made of."""
    return [index for index, _ in _placed(messages)]


def media_in(messages: Iterable[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """Find the media in converted messages: each one's message and part type, in order."""
    return [
        (index, part["type"])
        for index, message in enumerate(messages)
        if not isinstance(message["content"], str)
        for part in message["content"]
        if part["type"] != "text"
    ]


def first_v1_only_block(asked: Sequence[BaseMessage]) -> str | None:
    """Name the first thing in messages that turns of the documented API have no place for; None if all have one.

    Turns take one piece of media, in the first turn, and no tool calls.
    """
    messages = reka_messages(asked)
    for beyond in beyond_turns(messages):
        content = messages[beyond.message]["content"]
        block = "tool_call" if beyond.part is None else content[beyond.part]["type"]
        return f"message {source_indices(asked)[beyond.message]}: {block} block"
    return None


def _placed(messages: Sequence[BaseMessage]) -> list[tuple[int, dict[str, Any]]]:
    return [(index, _converted(part, index)) for index, message in enumerate(messages) for part in _apart(message)]


def _apart(message: BaseMessage) -> Sequence[BaseMessage]:
    """Take tools' results that are blocks of a human message, as Anthropic has them, for messages of their own."""
    if isinstance(message.content, str) or not isinstance(message, HumanMessage):
        return (message,)
    parts: list[BaseMessage] = []
    for are_results, group in groupby(message.content, _is_result):
        blocks = list(group)
        parts += map(_result, blocks) if are_results else [HumanMessage(blocks)]
    return parts or (message,)


def _is_result(block: str | Block) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "tool_result"


def _result(block: Any) -> ToolMessage:
    status: Literal["success", "error"] = "error" if block.get("is_error") else "success"
    return ToolMessage(block.get("content") or "", tool_call_id=str(block.get("tool_use_id")), status=status)


@singledispatch
def _converted(message: BaseMessage, index: int) -> dict[str, Any]:
    raise _wrong(index, f"got a {message.type} message, want a human, ai, system, tool, function or chat message")


@_converted.register
def _(message: HumanMessage, index: int) -> dict[str, Any]:
    return {"role": "user", "content": _content(message, index)}


@_converted.register
def _(message: SystemMessage, index: int) -> dict[str, Any]:
    return {"role": "system", "content": _content(message, index)}


@_converted.register
def _(message: ChatMessage, index: int) -> dict[str, Any]:
    role = _ROLES.get(message.role)
    if role is None:
        raise _wrong(index, f"got a chat message of role {message.role!r}, want one of {', '.join(_ROLES)}")
    return {"role": role, "content": _of_the_model(message, index) if role == "assistant" else _content(message, index)}


@_converted.register
def _(message: AIMessage, index: int) -> dict[str, Any]:
    converted: dict[str, Any] = {"role": "assistant", "content": _of_the_model(message, index)}
    calls = _calls(message)
    return {**converted, "tool_calls": calls} if calls else converted


@_converted.register
def _(message: ToolMessage, index: int) -> dict[str, Any]:
    content = _content(message, index)
    if message.status == "error" and not message.text.lower().startswith("error"):
        content = f"Error: {content}" if isinstance(content, str) else [_text_part("Error: "), *content]
    return {"role": "tool", "tool_call_id": message.tool_call_id, "content": content}


@_converted.register
def _(message: FunctionMessage, index: int) -> dict[str, Any]:
    # The form before tool calls had ids: a function's result names the function.
    return {"role": "tool", "tool_call_id": message.name, "content": _content(message, index)}


def _of_the_model(message: BaseMessage, index: int) -> str | list[Part]:
    content = _content(message, index, _NOT_SENT_OF_ANSWERS)
    media = [] if isinstance(content, str) else [part["type"] for part in content if part["type"] != "text"]
    if media:
        raise _wrong(index, f"got type {media[0]!r} from the model's side, want media in human or tool messages")
    return content


def _content(message: BaseMessage, index: int, not_sent: frozenset[str] = frozenset()) -> str | list[Part]:
    if isinstance(message.content, str):
        return message.content
    parts: list[Part] = []
    for number, block in enumerate(_standard_blocks(message, index)):
        part = _part(index, number, block, not_sent)
        if part is None:
            continue
        if parts and part["type"] == parts[-1]["type"] == "text":
            # With nothing between, as `message.text` has them.
            parts[-1] = _text_part(parts[-1]["text"] + part["text"])
        else:
            parts.append(part)
    return parts or ""


def _standard_blocks(message: BaseMessage, index: int) -> Sequence[Block]:
    older = {"source_type", "type"}
    if any(isinstance(block, dict) and older <= block.keys() for block in message.content):
        content = [_newer(block) if isinstance(block, dict) else block for block in message.content]
        message = message.model_copy(update={"content": content})
    try:
        return message.content_blocks
    except KeyError as missing:
        raise _wrong(index, f"got a block of LangChain's older form without its {missing}") from missing


def _newer(block: dict[str, Any]) -> dict[str, Any]:
    """A block of LangChain's older form in the present one, where LangChain itself does not know to bring it there."""
    match block.get("type"), block.get("source_type"):
        case "file", "text":
            return {**block, "type": "text-plain"}
        case "video", _:
            return {**block, "base64": block.get("data")}
    return block


def _part(index: int, number: int, block: Block, not_sent: frozenset[str]) -> Part | None:
    """One content block as a part; None if it is not sent."""
    if block["type"] == "non_standard":  # what LangChain has no type for, such as Reka's own image_url with a string
        block = block["value"]
    kind = block.get("type")
    if kind in not_sent:
        return None
    convert = _PARTS.get(str(kind))
    if convert is None:
        raise _wrong(index, f"got type {kind!r}, want one of {', '.join(_PARTS)}", number)
    try:
        return convert(block)
    except _UnsendableError as error:
        raise _wrong(index, f"got type {kind!r} {error}", number) from None


class _UnsendableError(Exception):
    """What is wrong with a block, without its place, which its converter does not know."""


def _text(block: Block) -> Part:
    if not isinstance(block.get("text"), str):
        raise _UnsendableError(f"with {type(block.get('text')).__name__} as its text, want a string")
    return _text_part(block["text"])


def _plain_text(block: Block) -> Part:
    text = block.get("text")
    if text is None and block.get("base64"):
        text = _decoded(block["base64"])
    if not isinstance(text, str):
        raise _UnsendableError("with neither text nor base64; a text's URL or file id cannot be sent")
    told = {**block.get("extras", {}), **block}  # where LangChain puts the title of Anthropic's document
    return _text_part("\n".join(str(each) for each in (told.get("title"), told.get("context"), text) if each))


def _file(block: Block) -> Part:
    """A file is what its MIME type says; one that does not say is taken for a PDF, the only one that a URL may be."""
    mime_type = str(block.get("mime_type") or "application/pdf")
    if mime_type.startswith("text/") and block.get("base64"):
        return _text_part(_decoded(block["base64"]))
    kind = part_type(mime_type)
    if kind is None:
        raise _UnsendableError(f"of MIME type {mime_type!r}, want application/pdf, an image, a video, audio or text")
    return {"type": kind, kind: _url({**block, "mime_type": mime_type})}


def _media(kind: str) -> Callable[[Block], Part]:
    """Make the converter of a standard block: `{"type": "image", "url": ...}` or `{..., "base64", "mime_type"}`."""

    def convert(block: Block) -> Part:
        return {"type": kind, kind: _url(block)}

    return convert


def _reka(block: Block) -> Part:
    """Convert a block in Reka's own form, or OpenAI's: `{"type": "image_url", "image_url": "https://..."}`."""
    kind = block["type"]
    url = block.get(kind)
    return {"type": kind, kind: _checked(url.get("url") if isinstance(url, Mapping) else url)}


def _url(block: Block) -> str:
    if block.get("url"):
        return _checked(block["url"])
    if not block.get("base64"):
        raise _UnsendableError("with neither url nor base64; a file id cannot be sent")
    if not isinstance(block["base64"], str):
        raise _UnsendableError(f"with {type(block['base64']).__name__} as its base64, want a string")
    if not block.get("mime_type"):
        raise _UnsendableError("with base64 and no mime_type, want one such as 'image/png'")
    return f"data:{block['mime_type']};base64,{block['base64']}"


def _checked(url: object) -> str:
    if not isinstance(url, str) or not is_media_url(url):
        raise _UnsendableError("whose URL is no http(s) or data URL; send a local file as base64")
    return url


def _decoded(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError, TypeError):
        raise _UnsendableError("whose base64 is no UTF-8 text") from None


def _text_part(text: str) -> Part:
    return {"type": "text", "text": text}


_PARTS: Final[Mapping[str, Callable[[Block], Part]]] = {
    "text": _text,
    "image": _media("image_url"),
    "video": _media("video_url"),
    "audio": _media("audio_url"),
    "file": _file,
    "text-plain": _plain_text,
    **dict.fromkeys(MEDIA_KINDS, _reka),
}


def _calls(message: AIMessage) -> list[dict[str, Any]]:
    """All that the model called, in order: valid calls, invalid ones as it wrote them, and those of older forms."""
    calls = [_call(call["id"], call["name"], call["args"]) for call in message.tool_calls]
    calls += [_call(call["id"], call["name"], call["args"] or "") for call in message.invalid_tool_calls]
    if isinstance(message.content, list):
        known = {call["id"] for call in calls}
        blocks = [block for block in message.content if isinstance(block, dict) and block.get("type") in _TOOL_BLOCKS]
        calls += [
            _call(block.get("id"), block.get("name"), block.get("args", block.get("input", {})))
            for block in blocks
            if block.get("id") not in known
        ]
    function = message.additional_kwargs.get("function_call")
    if isinstance(function, Mapping) and not calls:
        calls = [_call(function.get("name"), function.get("name"), function.get("arguments", "{}"))]
    return calls


def _call(call_id: str | None, name: str | None, arguments: object) -> dict[str, Any]:
    return {"id": call_id or "", "name": name or "", "arguments": arguments}


def _check_results(placed: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    """Refuse a tool's result that answers no call: the model could make nothing of it."""
    called: set[str] = set()
    for index, message in placed:
        called.update(call["id"] for call in message.get("tool_calls", ()))
        if message["role"] == "tool" and message["tool_call_id"] not in called:
            raise _wrong(
                index,
                f"got a tool message for the call {message['tool_call_id']!r}, which no AI message before it made; "
                "keep the AI message with its tool_calls in front of it",
            )


def _wrong(index: int, what: str, block: int | None = None) -> reka.InvalidConversationError:
    return reka.InvalidConversationError(f"message {index}{'' if block is None else f', block {block}'}: {what}")
