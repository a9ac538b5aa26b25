"""Where the bytes of a dataset come from: a file, or a zip made of texts while it is being sent.

A source can be read again from its start, so that a failed upload can be sent again, and never holds more than a block.
"""

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from reka import config
from reka.errors import InvalidArgumentError

# The earliest time a zip can hold. One time for all: equal texts give equal bytes.
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)


class Source(Protocol):
    """Bytes to upload."""

    @property
    def filename(self) -> str:
        """The name that is sent with them."""
        ...

    @property
    def size(self) -> int | None:
        """How many bytes; None if that is known only at the end."""
        ...

    def blocks(self) -> Iterator[bytes]:
        """Give the bytes from the start, a block at a time."""
        ...


@dataclass(frozen=True, slots=True)
class FileSource:
    """One local file, sent as it is."""

    path: Path
    size: int

    @property
    def filename(self) -> str:
        """The file's own name."""
        return self.path.name

    def blocks(self) -> Iterator[bytes]:
        """Give the file's bytes; exactly `size` of them, because that many were announced."""
        left = self.size
        with self.path.open("rb") as file:
            while left and (block := file.read(min(left, config.BLOCK_BYTES))):
                left -= len(block)
                yield block
        if left:
            raise InvalidArgumentError(f"filepath: {str(self.path)!r} became shorter while it was being sent")


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """Texts by name, sent as one zip that is made on the way."""

    filename: str
    entries: Mapping[str, Path | str]
    """Name inside the zip -> the file, or the text itself."""

    @property
    def size(self) -> None:
        """Unknown before the last byte is compressed."""
        return

    def blocks(self) -> Iterator[bytes]:
        """Give the bytes of the zip as they are made."""
        made = _WriteBuffer()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.entries.items():
                with archive.open(zipfile.ZipInfo(name, _ZIP_TIME), "w", force_zip64=True) as entry:
                    for block in _content_blocks(content):
                        entry.write(block)
                        if made.waiting >= config.BLOCK_BYTES:
                            yield made.take()
        yield made.take()

    def digest(self, *words: str) -> str:
        """Hash names and contents (SHA-256, hexadecimal); `words` make it another hash."""
        total = hashlib.sha256()
        for name, content in sorted(self.entries.items()):
            inner = hashlib.sha256()
            for block in _content_blocks(content):
                inner.update(block)
            words += (name, inner.hexdigest())
        for word in words:
            encoded = word.encode()
            total.update(len(encoded).to_bytes(8, "big") + encoded)
        return total.hexdigest()


class _WriteBuffer(io.RawIOBase):
    """A file that is written to at one end and emptied at the other."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.waiting = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # zipfile writes bytes alone
        self._parts.append(bytes(data))
        self.waiting += len(data)
        return len(data)

    def take(self) -> bytes:
        taken, self._parts, self.waiting = b"".join(self._parts), [], 0
        return taken


def file_source(filepath: str | PathLike[str]) -> FileSource:
    """Look at a dataset file before anything is sent.

    Raises:
        InvalidArgumentError: It is missing, a folder, empty, or cannot be read.
    """
    path = _existing(filepath, "filepath")
    if path.is_dir():
        raise InvalidArgumentError(
            f"filepath: {str(path)!r} is a folder; want a text file or a zip of text files (add_folder sends a folder)"
        )
    try:
        with path.open("rb") as file:
            size = _size(file)
    except OSError as error:
        raise InvalidArgumentError(f"filepath: {str(path)!r} cannot be read ({error.strerror})") from error
    if not size:
        raise InvalidArgumentError(f"filepath: {str(path)!r} is empty")
    return FileSource(path, size)


def folder_source(folder: str | PathLike[str], argument: str = "folder") -> ArchiveSource:
    """Take all files below a folder; hidden files and folders (`.git`, `.DS_Store`) stay out.

    Raises:
        InvalidArgumentError: There is no such folder, or nothing in it.
    """
    path = _existing(folder, argument)
    if not path.is_dir():
        raise InvalidArgumentError(f"{argument}: {str(path)!r} is no folder")
    below = {file.relative_to(path): file for file in sorted(path.rglob("*")) if file.is_file()}
    files = {
        inside.as_posix(): file
        for inside, file in below.items()
        if not any(part.startswith(".") for part in inside.parts)
    }
    if not files:
        raise InvalidArgumentError(f"{argument}: {str(path)!r} has no files in it")
    return ArchiveSource(f"{path.resolve().name or 'folder'}.zip", files)


def dataset_source(files: object, texts: object) -> ArchiveSource:
    """Make the source of `ensure_dataset`, which takes either files or texts.

    Raises:
        InvalidArgumentError: Both or none are given, or one of them cannot be sent.
    """
    if (files is None) == (texts is None):
        raise InvalidArgumentError("files, texts: want one of them")
    return _texts_source(texts) if files is None else _files_source(files)


def _texts_source(texts: object) -> ArchiveSource:
    """Take texts by name, or a list of texts, which are named by their place.

    Raises:
        InvalidArgumentError: There are none, or one is no string.
    """
    if isinstance(texts, Mapping):
        named = {str(name): text for name, text in texts.items()}
    elif isinstance(texts, list | tuple):
        named = {f"text-{place:06d}.txt": text for place, text in enumerate(texts, start=1)}
    else:
        raise InvalidArgumentError(
            f"texts: got {type(texts).__name__}, want a list of strings or a dict of name -> text"
        )
    if not named:
        raise InvalidArgumentError("texts: there are none")
    for name, text in named.items():
        if not isinstance(text, str):
            raise InvalidArgumentError(f"texts: {name!r} is {type(text).__name__}, want a string")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidArgumentError(f"texts: {name!r} holds a lone surrogate, which UTF-8 cannot write") from error
    return ArchiveSource("texts.zip", named)


def _files_source(files: object) -> ArchiveSource:
    """Take a folder, a file, or a list of files; files of a list go by their own names.

    Raises:
        InvalidArgumentError: One is missing, or two have one name.
    """
    if isinstance(files, str | PathLike):
        path = _existing(files, "files")
        if path.is_dir():
            return folder_source(path, "files")
        files = [path]
    if not isinstance(files, list | tuple) or not files:
        raise InvalidArgumentError("files: want a folder, a file, or a list of files")
    named: dict[str, Path | str] = {}
    for file in files:
        path = _existing(file, "files")
        if not path.is_file():
            raise InvalidArgumentError(f"files: {str(path)!r} is no file; give a folder alone, not in a list")
        if path.name in named:
            raise InvalidArgumentError(f"files: two are named {path.name!r}; give their folder, or texts by name")
        named[path.name] = path
    return ArchiveSource("files.zip", named)


def _existing(path: object, argument: str) -> Path:
    if not isinstance(path, str | PathLike) or not str(path):
        raise InvalidArgumentError(f"{argument}: got {path!r}, want a path")
    found = Path(path).expanduser()
    try:
        found.stat()
    except (OSError, ValueError) as error:
        raise InvalidArgumentError(f"{argument}: {str(path)!r} does not exist or cannot be reached") from error
    return found


def _size(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)


def _content_blocks(content: Path | str) -> Iterator[bytes]:
    if isinstance(content, str):
        yield content.encode()
        return
    with content.open("rb") as file:
        while block := file.read(config.BLOCK_BYTES):
            yield block
