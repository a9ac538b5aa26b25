"""LlamaIndex's messages as turns of Reka's documented API, and its answer as a response.

Pure functions: nothing is read from disk or network, and no message that comes in is changed.

A turn of that API is text, and the first one may have one piece of media. So system text becomes human text where it
stands, which puts it in front of the human text that follows; neighbours that then belong to one side are joined by
an empty line; text blocks within a message follow each other on lines of their own, as `message.content` has them.
"""

import mimetypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias

from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    VideoBlock,
)

import reka

Side: TypeAlias = Literal["human", "model"]

_SIDES: Final[Mapping[MessageRole, Side]] = {
    MessageRole.USER: "human",
    MessageRole.SYSTEM: "human",
    MessageRole.DEVELOPER: "human",
    MessageRole.ASSISTANT: "model",
    MessageRole.CHATBOT: "model",
    MessageRole.MODEL: "model",
}
_URL_SCHEMES: Final = ("http://", "https://", "data:")
_PDF: Final = "application/pdf"


@dataclass(frozen=True, slots=True)
class _Said:
    """What one message adds to the conversation."""

    index: int
    side: Side
    text: str
    media_urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Media:
    """The media of a block, whatever its kind."""

    url: object
    content: object
    """Base64, which LlamaIndex's blocks bring bytes to."""
    mime_type: str | None


def turns_from_messages(messages: Sequence[ChatMessage]) -> list[reka.HumanTurn | reka.ModelTurn]:
    """Bring messages to the form of the documented API.

    Args:
        messages: User, system and assistant messages, in order.

    Returns:
        Turns that alternate and begin with human; empty if there are no messages.

    Raises:
        InvalidConversationError: Something in the messages cannot be said in that form (a tool call, a block of an
            unknown type, media anywhere but once in the first human turn). The error names the message's index, and
            the block's type.
    """
    said = [_said(index, message) for index, message in enumerate(messages)]
    if said and said[0].side == "model":
        raise _wrong("message 0", "got an assistant message, want a user or system message: conversations begin there")
    return [_turn(position, side, list(group)) for position, (side, group) in enumerate(groupby(said, _side_of))]


def chat_response(answer: reka.ModelTurn, delta: str | None = None) -> ChatResponse:
    """Make the response that stands for an answer.

    Args:
        answer: What `reka.chat` returned.
        delta: For a stream: the text that is new in this item.

    Returns:
        The text as it came; `raw` is the whole answer, and if a dataset was asked, `additional_kwargs` has
        `retrieved_chunks`. A documented turn tells neither token counts nor why it ended, so the response does not.
    """
    message = ChatMessage(role=MessageRole.ASSISTANT, content=answer["text"])
    return ChatResponse(message=message, raw=dict(answer), delta=delta, additional_kwargs=_besides_text(answer))


def completion_response(answer: reka.ModelTurn, delta: str | None = None) -> CompletionResponse:
    """Make the completion that stands for an answer; see `chat_response`."""
    return CompletionResponse(
        text=answer["text"], raw=dict(answer), delta=delta, additional_kwargs=_besides_text(answer)
    )


def _besides_text(answer: reka.ModelTurn) -> dict[str, Any]:
    return {"retrieved_chunks": answer["retrieved_chunks"]} if "retrieved_chunks" in answer else {}


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


def _said(index: int, message: ChatMessage) -> _Said:
    where = f"message {index}"
    side = _SIDES.get(message.role)
    if side is None:
        raise _wrong(where, f"got a {message.role.value} message, want a user, system or assistant message")
    if message.additional_kwargs.get("tool_calls"):
        raise _wrong(where, "got tool calls (block type 'tool_call'), want text alone")
    texts: list[str] = []
    media_urls: list[str] = []
    for number, block in enumerate(message.blocks):
        if isinstance(block, TextBlock):
            texts.append(block.text)
        else:
            media_urls.append(_media_url(f"{where}, block {number}", block))
    if media_urls and message.role != MessageRole.USER:
        raise _wrong(where, f"got media in a {message.role.value} message, want it in a user message")
    return _Said(index, side, "\n".join(texts), tuple(media_urls))


def _side_of(said: _Said) -> Side:
    return said.side


def _media_url(where: str, block: Any) -> str:
    read = _MEDIA.get(block.block_type)
    if read is None:
        raise _wrong(where, f"got type {block.block_type!r}, want one of text, {', '.join(_MEDIA)}")
    kind, media = block.block_type, read(block)
    if kind == "document" and media.mime_type != _PDF:
        raise _wrong(where, f"got type 'document' of MIME type {media.mime_type}, want {_PDF}")
    if isinstance(media.content, bytes) and media.content:
        if not media.mime_type:
            raise _wrong(where, f"got type {kind!r} with bytes of an unknown MIME type, want it set in the block")
        return f"data:{media.mime_type};base64,{media.content.decode('ascii')}"
    url = "" if media.url is None else str(media.url)
    if not url.lower().startswith(_URL_SCHEMES):
        raise _wrong(where, f"got type {kind!r} with neither bytes nor an http(s) or data URL; read a file into bytes")
    return url


def _image(block: ImageBlock) -> _Media:
    return _Media(block.url, block.image, block.image_mimetype)


def _video(block: VideoBlock) -> _Media:
    return _Media(block.url, block.video, block.video_mimetype)


def _audio(block: AudioBlock) -> _Media:
    return _Media(block.url, block.audio, mimetypes.guess_type(f"audio.{block.format}")[0])


def _document(block: DocumentBlock) -> _Media:
    return _Media(block.url, block.data, block.document_mimetype)


_MEDIA: Final[Mapping[str, Callable[[Any], _Media]]] = {
    "image": _image,
    "video": _video,
    "audio": _audio,
    "document": _document,
}


def _wrong(where: str, what: str) -> reka.InvalidConversationError:
    return reka.InvalidConversationError(f"{where}: {what}")
