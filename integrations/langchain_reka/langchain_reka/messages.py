"""LangChain's messages as turns of Reka's documented API, and its answer as a message.

Pure functions: nothing is read from disk or network, and no message that comes in is changed.

A turn of that API is text, and the first one may have one piece of media. So system text becomes human text where it
stands, which puts it in front of the human text that follows; neighbours that then belong to one side are joined by
an empty line; text blocks within a message follow each other with nothing between, as `message.text` has them. A
message's `name` has no counterpart and is not sent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage

import reka

Side: TypeAlias = Literal["human", "model"]
Block: TypeAlias = Mapping[str, Any]

_SIDE_OF_ROLE: Final[Mapping[str, Side]] = {
    "user": "human",
    "human": "human",
    "system": "human",
    "developer": "human",
    "assistant": "model",
    "ai": "model",
    "model": "model",
}
_URL_BLOCKS: Final = ("image_url", "video_url", "audio_url", "pdf_url")
_URL_SCHEMES: Final = ("http://", "https://", "data:")
_PDF: Final = "application/pdf"


@dataclass(frozen=True, slots=True)
class _Content:
    """What one content block adds to a turn: text, or media."""

    text: str = ""
    media_url: str | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    """What one message adds to the conversation."""

    index: int
    side: Side
    text: str
    media_urls: tuple[str, ...]


def turns_from_messages(messages: Sequence[BaseMessage]) -> list[reka.HumanTurn | reka.ModelTurn]:
    """Bring messages to the form of the documented API.

    Args:
        messages: Human, AI, system and chat messages, in order.

    Returns:
        Turns that alternate and begin with human; empty if there are no messages.

    Raises:
        InvalidConversationError: Something in the messages cannot be said in that form (a tool call, a block of an
            unknown type, media anywhere but once in the first human turn). The error names the message's index, and
            the block's type.
    """
    said = [_said(index, message) for index, message in enumerate(messages)]
    if said and said[0].side == "model":
        raise _wrong("message 0", "got an AI message, want a human or system message: Reka's conversations begin there")
    return [_turn(position, side, list(group)) for position, (side, group) in enumerate(groupby(said, _side_of_said))]


def message_from_answer(answer: reka.ModelTurn, model: str) -> AIMessage:
    """Make the message that stands for an answer.

    Args:
        answer: What `reka.chat` returned.
        model: Name of the model that was asked.

    Returns:
        The text as it came. `response_metadata` has `model_name`, `model_provider` and, if a dataset was asked,
        `retrieved_chunks`. A documented turn tells neither token counts nor why it ended, so the message does not.
    """
    metadata: dict[str, Any] = {"model_name": model, "model_provider": "reka"}
    if "retrieved_chunks" in answer:
        metadata["retrieved_chunks"] = answer["retrieved_chunks"]
    return AIMessage(content=answer["text"], response_metadata=metadata)


def _turn(position: int, side: Side, group: Sequence[_Said]) -> reka.HumanTurn | reka.ModelTurn:
    """Join what one side said in a row."""
    text = "\n\n".join(said.text for said in group if said.text)
    if side == "model":
        return {"type": "model", "text": text}
    media = [(said.index, url) for said in group for url in said.media_urls]
    if media and position > 0:
        raise _wrong(f"message {media[0][0]}", "has media; this API takes it in the first human turn alone")
    if len(media) > 1:
        raise _wrong(f"message {media[1][0]}", "has a second piece of media; this API takes one in a conversation")
    return {"type": "human", "text": text, "media_url": media[0][1]} if media else {"type": "human", "text": text}


def _said(index: int, message: BaseMessage) -> _Said:
    side = _side(message)
    if side is None:
        role = f" of role {message.role!r}" if isinstance(message, ChatMessage) else ""
        raise _wrong(f"message {index}", f"got a {message.type} message{role}, want a human, ai or system message")
    if isinstance(message, AIMessage) and _calls_tools(message):
        raise _wrong(f"message {index}", "got an ai message with tool calls (block type 'tool_call'), want text alone")
    blocks = enumerate(message.content_blocks)
    contents = [_content(f"message {index}, block {number}", block) for number, block in blocks]
    media_urls = tuple(content.media_url for content in contents if content.media_url is not None)
    if media_urls and not isinstance(message, HumanMessage | ChatMessage):
        raise _wrong(f"message {index}", f"got media in a {message.type} message, want it in a human message")
    if media_urls and side == "model":
        raise _wrong(f"message {index}", "got media from the model's side, want it in a human message")
    return _Said(index, side, "".join(content.text for content in contents), media_urls)


@singledispatch
def _side(message: BaseMessage) -> Side | None:
    """Tell who speaks; None for a message that this API has no side for."""
    return None


@_side.register
def _(message: HumanMessage) -> Side | None:
    return "human"


@_side.register
def _(message: SystemMessage) -> Side | None:
    return "human"


@_side.register
def _(message: AIMessage) -> Side | None:
    return "model"


@_side.register
def _(message: ChatMessage) -> Side | None:
    return _SIDE_OF_ROLE.get(message.role)


def _side_of_said(said: _Said) -> Side:
    return said.side


def _calls_tools(message: AIMessage) -> bool:
    return bool(message.tool_calls or message.invalid_tool_calls or message.additional_kwargs.get("function_call"))


def _content(where: str, block: Block) -> _Content:
    convert = _CONTENTS.get(block["type"])
    if convert is None:
        raise _wrong(where, f"got type {block['type']!r}, want one of {', '.join((*_STANDARD_BLOCKS, *_URL_BLOCKS))}")
    return convert(where, block)


def _text(where: str, block: Block) -> _Content:
    text = block.get("text")
    if not isinstance(text, str):
        raise _wrong(where, f"got type 'text' with {type(text).__name__} as its text, want a string")
    return _Content(text=text)


def _media(where: str, block: Block) -> _Content:
    if block.get("url"):
        return _Content(media_url=_checked_url(where, block["type"], block["url"]))
    if not block.get("base64"):
        raise _wrong(where, f"got type {block['type']!r} with neither url nor base64; a file_id cannot be sent")
    if not block.get("mime_type"):
        raise _wrong(where, f"got type {block['type']!r} with base64 and no mime_type, want one such as 'image/png'")
    return _Content(media_url=f"data:{block['mime_type']};base64,{block['base64']}")


def _file(where: str, block: Block) -> _Content:
    if block.get("mime_type", _PDF) != _PDF:
        raise _wrong(where, f"got type 'file' of MIME type {block['mime_type']!r}, want {_PDF}")
    return _media(where, block)


def _foreign(where: str, block: Block) -> _Content:
    """Read a block that LangChain has no type for: Reka's own `{"type": "image_url", "image_url": "https://..."}`."""
    value: Block = block["value"]
    kind = value.get("type")
    if kind not in _URL_BLOCKS:
        raise _wrong(where, f"got type {kind!r}, want one of {', '.join((*_STANDARD_BLOCKS, *_URL_BLOCKS))}")
    url = value.get(kind)
    return _Content(media_url=_checked_url(where, kind, url.get("url") if isinstance(url, Mapping) else url))


def _checked_url(where: str, kind: str, url: object) -> str:
    if not isinstance(url, str) or not url.lower().startswith(_URL_SCHEMES):
        raise _wrong(where, f"got type {kind!r} whose URL is no http(s) or data URL; send a local file as base64")
    return url


_STANDARD_BLOCKS: Final[Mapping[str, Callable[[str, Block], _Content]]] = {
    "text": _text,
    "image": _media,
    "video": _media,
    "audio": _media,
    "file": _file,
}
_CONTENTS: Final[Mapping[str, Callable[[str, Block], _Content]]] = {**_STANDARD_BLOCKS, "non_standard": _foreign}


def _wrong(where: str, what: str) -> reka.InvalidConversationError:
    return reka.InvalidConversationError(f"{where}: {what}")
