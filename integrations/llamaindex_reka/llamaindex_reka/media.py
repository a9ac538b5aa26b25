"""Reads what messages hold as paths or open files: the one place where messages meet the disk."""

import base64
from collections.abc import Callable, Mapping, Sequence
from io import IOBase
from pathlib import Path
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage

import reka
import reka.media

_CONTENT: Final[Mapping[str, str]] = {"image": "image", "video": "video", "audio": "audio", "document": "data"}
"""Where a block of a medium keeps its content, by the block's type."""

_NESTED: Final[Mapping[str, str]] = {"citable": "content", "citation": "cited_content"}
"""Where a block keeps blocks of its own, by the block's type."""


def is_read(messages: Sequence[ChatMessage]) -> bool:
    """Whether there is nothing in messages that has to be read first."""
    return not any(_is_unread(block) for message in messages for block in message.blocks)


def read(messages: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
    """Read paths and open files into the blocks; messages without any are given back, the others copied.

    Raises:
        InvalidConversationError: One cannot be read, is empty, too large, or not what its block says; the error names
            the message's index and the block's type.
    """
    if is_read(messages):
        return messages
    return [_message_read(index, message) for index, message in enumerate(messages)]


def _is_unread(block: Any) -> bool:
    kind = block.block_type
    if kind == "text":
        return False
    if kind in _NESTED:
        return any(_is_unread(inner) for inner in _inner(block))
    attribute = _CONTENT.get(kind)
    if attribute is None:
        return False
    content = getattr(block, attribute)
    return isinstance(content, IOBase) or bool(not content and block.path)


def _inner(block: Any) -> list[Any]:
    inner = getattr(block, _NESTED[block.block_type])
    return inner if isinstance(inner, list) else [inner]


def _message_read(index: int, message: ChatMessage) -> ChatMessage:
    blocks = [_block_read(f"message {index}, block {number}", block) for number, block in enumerate(message.blocks)]
    return message.model_copy(update={"blocks": blocks})


def _block_read(where: str, block: Any) -> Any:
    if not _is_unread(block):
        return block
    kind = block.block_type
    if kind in _NESTED:
        inner = [_block_read(where, each) for each in _inner(block)]
        return block.model_copy(update={_NESTED[kind]: inner if kind == "citable" else inner[0]})
    content = getattr(block, _CONTENT[kind])
    if content is not None and content.seekable():
        content.seek(0)  # as LlamaIndex does: a file may be sent more than once
    try:
        update = _READ[kind](content or Path(block.path))
    except reka.InvalidArgumentError as error:
        raise reka.InvalidConversationError(f"{where} (type {kind!r}): {error.message}") from error
    return block.model_copy(update={_CONTENT[kind]: None, "path": None, **update})


def _document(file: Any) -> dict[str, Any]:
    """Read a document into its block's content: whether it is a PDF or text is seen later, by what is in it."""
    try:
        content = file.read_bytes() if isinstance(file, Path) else file.read()
    except OSError as error:
        raise reka.InvalidArgumentError(f"{str(file)!r} cannot be read ({error.strerror})") from error
    if not content:
        raise reka.InvalidArgumentError(f"{str(file)!r} is empty")
    return {"data": base64.b64encode(content)}


_READ: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = {
    "image": lambda file: {"url": reka.media.image(file)["image_url"]},
    "video": lambda file: {"url": reka.media.video(file)["video_url"]},
    "audio": lambda file: {"url": reka.media.audio(file)["audio_url"]},
    "document": _document,
}
