"""Load media that messages refer to by path or open file: the only module here that reads files."""

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from io import IOBase
from os import PathLike
from pathlib import Path
from typing import Any, Final, TypeAlias

from llama_index.core.base.llms.types import ChatMessage, MessageRole

import reka
import reka.media

MAX_DOCUMENT_BYTES: Final = 32 * 2**20
"""Maximum size of a document in a message (ours): its text goes into the prompt."""

_CONTENT: Final[Mapping[str, str]] = {"image": "image", "video": "video", "audio": "audio", "document": "data"}
"""Attribute of a media block that holds its content, by block type."""

_NESTED: Final[Mapping[str, str]] = {"citable": "content", "citation": "cited_content"}
"""Attribute of a block that holds nested blocks, by block type."""


Root: TypeAlias = str | PathLike[str] | None
"""Folder below which messages may name files; None if they may name none."""

_RESULTS: Final = frozenset({MessageRole.TOOL, MessageRole.FUNCTION})
"""Roles of messages with the results of tools, which may have been made of anything."""


def is_read(messages: Sequence[ChatMessage]) -> bool:
    """Whether no message refers to a path or an open file."""
    return not any(_needs_reading(block) for message in messages for block in message.blocks)


def read(messages: Sequence[ChatMessage], root: Root) -> Sequence[ChatMessage]:
    """Replace paths and open files by their content. Messages without any are returned as they are, others copied.

    Args:
        messages: The messages.
        root: Folder below which the files lie that a path may lead to, links included.

    Raises:
        InvalidConversationError: A path leads elsewhere or is in a tool's result; a file cannot be read, is empty, too
            large, or does not match the type of its block. The error names the message's index and the block's type.
    """
    if is_read(messages):
        return messages
    return [_read_message(index, message, root) for index, message in enumerate(messages)]


async def read_async(messages: Sequence[ChatMessage], root: Root) -> Sequence[ChatMessage]:
    """Do as `read` does, with the files read in a worker thread, so that the event loop is not blocked."""
    return messages if is_read(messages) else await asyncio.to_thread(read, messages, root)


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


def _read_message(index: int, message: ChatMessage, root: Root) -> ChatMessage:
    def file_of(path: str | PathLike[str]) -> Path:
        if message.role in _RESULTS:
            raise reka.InvalidArgumentError(
                f"{str(path)!r} is not read: a tool's result names no files; give its content"
            )
        return _file_below(root, path)

    blocks = [
        _read_block(f"message {index}, block {number}", block, file_of) for number, block in enumerate(message.blocks)
    ]
    return message.model_copy(update={"blocks": blocks})


def _file_below(root: Root, path: str | PathLike[str]) -> Path:
    """Follow a path, links included, to a file below a folder."""
    if root is None:
        raise reka.InvalidArgumentError(
            f"{str(path)!r} is not read, as a message may come from others: name the folder with the files that it may "
            "name, RekaLLM(media_root=...), or give the content"
        )
    try:
        file, folder = Path(path).resolve(), Path(root).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise reka.InvalidArgumentError(f"{str(path)!r} cannot be read ({error})") from error
    if not file.is_relative_to(folder):
        raise reka.InvalidArgumentError(f"{str(path)!r} is not below media_root, {str(folder)!r}")
    if file.exists() and not file.is_file():
        raise reka.InvalidArgumentError(f"{str(path)!r} is no file; want the path of one")
    return file


def _read_block(position: str, block: Any, file_of: Callable[[Any], Path]) -> Any:
    if not _needs_reading(block):
        return block
    kind = block.block_type
    if kind in _NESTED:
        nested = [_read_block(position, each, file_of) for each in _nested_blocks(block)]
        return block.model_copy(update={_NESTED[kind]: nested if kind == "citable" else nested[0]})
    content = getattr(block, _CONTENT[kind])
    if content is not None and content.seekable():
        content.seek(0)  # as LlamaIndex does, so that a file can be sent more than once
    try:
        update = _READERS[kind](content or file_of(block.path))
    except reka.InvalidArgumentError as error:
        raise reka.InvalidConversationError(f"{position} (type {kind!r}): {error.message}") from error
    return block.model_copy(update={_CONTENT[kind]: None, "path": None, **update})


def _read_document(file: Any) -> dict[str, Any]:
    """Read a document; the conversion of its block detects from the content whether it is a PDF or text."""
    try:
        if isinstance(file, Path):
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
