"""Load media that messages refer to by path or open file: the only module here that reads files."""

import base64
from collections.abc import Callable, Mapping, Sequence
from io import IOBase
from pathlib import Path
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage

import reka
import reka.media

MAX_DOCUMENT_BYTES: Final = 32 * 2**20
"""Maximum size of a document in a message (ours): its text goes into the prompt."""

_CONTENT: Final[Mapping[str, str]] = {"image": "image", "video": "video", "audio": "audio", "document": "data"}
"""Attribute of a media block that holds its content, by block type."""

_NESTED: Final[Mapping[str, str]] = {"citable": "content", "citation": "cited_content"}
"""Attribute of a block that holds nested blocks, by block type."""


def is_read(messages: Sequence[ChatMessage]) -> bool:
    """Whether no message refers to a path or an open file."""
    return not any(_needs_reading(block) for message in messages for block in message.blocks)


def read(messages: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
    """Replace paths and open files by their content. Messages without any are returned as they are, others copied.

    Raises:
        InvalidConversationError: A file cannot be read, is empty, too large, or does not match the type of its block;
            the error names the message's index and the block's type.
    """
    if is_read(messages):
        return messages
    return [_read_message(index, message) for index, message in enumerate(messages)]


def _needs_reading(block: Any) -> bool:
    kind = block.block_type
    if kind == "text":
        return False
    if kind in _NESTED:
        return any(_needs_reading(nested) for nested in _nested_blocks(block))
    attribute = _CONTENT.get(kind)
    if attribute is None:
        return False
    content = getattr(block, attribute)
    return isinstance(content, IOBase) or bool(not content and block.path)


def _nested_blocks(block: Any) -> list[Any]:
    nested = getattr(block, _NESTED[block.block_type])
    return nested if isinstance(nested, list) else [nested]


def _read_message(index: int, message: ChatMessage) -> ChatMessage:
    blocks = [_read_block(f"message {index}, block {number}", block) for number, block in enumerate(message.blocks)]
    return message.model_copy(update={"blocks": blocks})


def _read_block(position: str, block: Any) -> Any:
    if not _needs_reading(block):
        return block
    kind = block.block_type
    if kind in _NESTED:
        nested = [_read_block(position, each) for each in _nested_blocks(block)]
        return block.model_copy(update={_NESTED[kind]: nested if kind == "citable" else nested[0]})
    content = getattr(block, _CONTENT[kind])
    if content is not None and content.seekable():
        content.seek(0)  # as LlamaIndex does, so that a file can be sent more than once
    try:
        update = _READERS[kind](content or Path(block.path))
    except reka.InvalidArgumentError as error:
        raise reka.InvalidConversationError(f"{position} (type {kind!r}): {error.message}") from error
    return block.model_copy(update={_CONTENT[kind]: None, "path": None, **update})


def _read_document(file: Any) -> dict[str, Any]:
    """Read a document; the conversion of its block detects from the content whether it is a PDF or text."""
    try:
        if isinstance(file, Path):
            if not file.is_file() and file.exists():
                raise reka.InvalidArgumentError(f"{str(file)!r} is no file; want the path of a text or PDF file")
            with file.open("rb") as opened:
                content = opened.read(MAX_DOCUMENT_BYTES + 1)
        else:
            content = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise reka.InvalidArgumentError(f"{str(file)!r} cannot be read ({error.strerror})") from error
    if not content:
        raise reka.InvalidArgumentError(f"{str(file)!r} is empty")
    if len(content) > MAX_DOCUMENT_BYTES:
        raise reka.InvalidArgumentError(f"{str(file)!r} is larger than {MAX_DOCUMENT_BYTES // 2**20} MiB")
    return {"data": base64.b64encode(content)}


_READERS: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = {
    "image": lambda file: {"url": reka.media.image(file)["image_url"]},
    "video": lambda file: {"url": reka.media.video(file)["video_url"]},
    "audio": lambda file: {"url": reka.media.audio(file)["audio_url"]},
    "document": _read_document,
}
