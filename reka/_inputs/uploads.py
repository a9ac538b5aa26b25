"""Sources of the bytes of a dataset: a file, or a zip that is made of texts while it is sent.

A source never holds more than a block, and can be read again from its start, so that a failed upload can be retried.
"""

import hashlib
import io
import logging
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Final, Protocol

from reka import config
from reka._protocol.checks import expanded, require_utf8
from reka._protocol.files.litter import is_litter, note_on_skipped
from reka._protocol.files.plain_text import TextCheck
from reka._record import record
from reka.errors import InvalidArgumentError
from reka.errors.combined import file_error

_LOG: Final = logging.getLogger("reka")

_MAX_PROBLEMS: Final = 20
"""Files that an error names (ours)."""

# The earliest time that a zip can hold. It is the same for all entries, so that equal texts give equal bytes.
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)


class Source(Protocol):
    """Bytes to upload."""

    @property
    def filename(self) -> str:
        """Name of the file that is sent."""
        ...

    @property
    def size(self) -> int | None:
        """Size in bytes; None if it is known only at the end."""
        ...

    @property
    def skipped(self) -> Sequence[str]:
        """Names of the files that are left out."""
        ...

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes from the start, a block at a time."""
        ...


@record
class FileSource:
    """One local file, sent as it is."""

    path: Path
    size: int
    skipped: tuple[str, ...] = ()

    @property
    def filename(self) -> str:
        """The file's own name."""
        return self.path.name

    def blocks(self) -> Iterator[bytes]:
        """Yield exactly `size` bytes of the file, because the request announces that many."""
        remaining = self.size
        with self.path.open("rb") as file:
            while remaining and (block := file.read(min(remaining, config.BLOCK_BYTES))):
                remaining -= len(block)
                yield block
        if remaining:
            raise InvalidArgumentError(f"filepath: {str(self.path)!r} became shorter while it was being sent")


@record
class ArchiveSource:
    """Texts by name, sent as one zip that is made while it is sent."""

    filename: str
    entries: Mapping[str, Path | str]
    """Path of the file, or the text itself, by the name inside the zip."""
    skipped: tuple[str, ...] = ()
    """Names of the files of a folder that are left out."""

    @property
    def size(self) -> None:
        """None: it is unknown before the last byte is compressed."""
        return

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes of the zip as they are made."""
        buffer = _WriteBuffer()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.entries.items():
                with archive.open(zipfile.ZipInfo(name, _ZIP_TIME), "w", force_zip64=True) as entry:
                    for block in _content_blocks(content):
                        entry.write(block)
                        if buffer.size >= config.BLOCK_BYTES:
                            yield buffer.take()
        yield buffer.take()

    def digest(self, *words: str) -> str:
        """Hash the names, the contents and `words` (SHA-256, hexadecimal)."""
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
    """A file whose content is taken away as it is written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # zipfile writes bytes alone
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def take(self) -> bytes:
        content, self._parts, self.size = b"".join(self._parts), [], 0
        return content


def file_source(filepath: str | PathLike[str]) -> FileSource:
    """Check the file of a dataset before anything is sent.

    Raises:
        InvalidArgumentError: The file does not exist, is a folder or is empty, or cannot be read.
    """
    path = _existing_path(filepath, "filepath")
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        if path.is_dir():
            problem = "is a folder; want a text file or a zip of text files (add_folder sends a folder)"
        raise file_error(f"filepath: {str(path)!r} {problem}", error) from error
    if not size:
        raise InvalidArgumentError(f"filepath: {str(path)!r} is empty")
    require_utf8(path.name, f"filepath: the name {path.name!r}")
    return FileSource(path, size)


def folder_source(folder: str | PathLike[str], argument: str = "folder") -> ArchiveSource:
    """Collect the text files below a folder.

    Hidden files and folders are left out, as are the files that systems leave behind (`Thumbs.db`) and links that lead
    out of the folder or to a hidden file in it: a folder of somebody else must not make a user's own files a dataset.

    Raises:
        InvalidArgumentError: The folder does not exist, has no files in it, or has files that are not text; the error
            names them.
    """
    path = _existing_path(folder, argument)
    if not path.is_dir():
        raise InvalidArgumentError(f"{argument}: {str(path)!r} is no folder")
    root = path.resolve()
    files: dict[str, Path] = {}
    skipped: dict[str, None] = {}
    for file in sorted(path.rglob("*")):
        inside = file.relative_to(path)
        if (left_out := _left_out(file, inside, root)) is not None:
            skipped[left_out] = None
        elif file.is_file():
            files[inside.as_posix()] = file
    if skipped:
        _LOG.info("%s: %s%s", argument, path, note_on_skipped(list(skipped)))
    if not files:
        raise InvalidArgumentError(f"{argument}: {str(path)!r} has no files in it{note_on_skipped(list(skipped))}")
    _check_texts(files, argument)
    require_utf8(root.name, f"{argument}: the name {root.name!r}")
    return ArchiveSource(f"{root.name or 'folder'}.zip", files, tuple(skipped))


def _left_out(file: Path, inside: Path, root: Path) -> str | None:
    """Return the name of what is left out with a file of a folder; None if the file is sent."""
    for depth, part in enumerate(inside.parts, start=1):
        if part.startswith("."):
            return "/".join(inside.parts[:depth])
    if is_litter(inside.as_posix()):
        return inside.as_posix()
    if not file.is_symlink():
        return None
    target = file.resolve()
    stays_inside = target.is_file() and target.is_relative_to(root)
    if stays_inside and not any(part.startswith(".") for part in target.relative_to(root).parts):
        return None
    _LOG.warning("%s is a link out of the folder, or to a hidden file or a folder in it, and is left out", file)
    return f"{inside.as_posix()} (a link)"


def _check_texts(files: Mapping[str, Path], argument: str) -> None:
    """Require that files are text, before any of them is sent.

    Raises:
        InvalidArgumentError: Some are not; the error names them, and what they are.
    """
    for name in files:
        require_utf8(name, f"{argument}: the name {name!r}")
    problems = [f"{name!r} {problem}" for name, file in files.items() if (problem := _text_problem(file))]
    if problems:
        more = f"; and {len(problems) - _MAX_PROBLEMS} more" if len(problems) > _MAX_PROBLEMS else ""
        raise InvalidArgumentError(
            f"{argument}: {len(problems)} of {len(files)} files cannot be in a dataset, which is made of text. "
            f"{'; '.join(problems[:_MAX_PROBLEMS])}{more}"
        )


def _text_problem(file: Path) -> str | None:
    check = TextCheck()
    try:
        for block in _content_blocks(file):
            if problem := check.feed(block):
                return problem
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return check.finish()


def dataset_source(files: object, texts: object) -> ArchiveSource:
    """Make the source of `ensure_dataset`, which takes either files or texts.

    Raises:
        InvalidArgumentError: Both or none are given, or one of them cannot be sent.
    """
    if (files is None) == (texts is None):
        raise InvalidArgumentError("files, texts: want one of them")
    return _texts_source(texts) if files is None else _files_source(files)


def _texts_source(texts: object) -> ArchiveSource:
    """Collect texts by name, or a list of texts, which get names by their position."""
    if isinstance(texts, Mapping):
        texts_by_name = {str(name): text for name, text in texts.items()}
    elif isinstance(texts, list | tuple):
        texts_by_name = {f"text-{place:06d}.txt": text for place, text in enumerate(texts, start=1)}
    else:
        raise InvalidArgumentError(
            f"texts: got {type(texts).__name__}, want a list of strings or a dict of name -> text"
        )
    if not texts_by_name:
        raise InvalidArgumentError("texts: there are none")
    for name, text in texts_by_name.items():
        if not isinstance(text, str):
            raise InvalidArgumentError(f"texts: {name!r} is {type(text).__name__}, want a string")
        require_utf8(name, f"texts: the name {name!r}")
        require_utf8(text, f"texts: {name!r}")
    return ArchiveSource("texts.zip", texts_by_name)


def _files_source(files: object) -> ArchiveSource:
    """Collect the files of a folder, one file, or a list of files, which keep their own names."""
    if isinstance(files, str | PathLike):
        path = _existing_path(files, "files")
        if path.is_dir():
            return folder_source(path, "files")
        files = [path]
    if not isinstance(files, list | tuple) or not files:
        raise InvalidArgumentError("files: want a folder, a file, or a list of files")
    paths: dict[str, Path] = {}
    for file in files:
        path = _existing_path(file, "files")
        if not path.is_file():
            raise InvalidArgumentError(f"files: {str(path)!r} is no file; give a folder alone, not in a list")
        if path.name in paths:
            raise InvalidArgumentError(f"files: two are named {path.name!r}; give their folder, or texts by name")
        paths[path.name] = path
    _check_texts(paths, "files")
    return ArchiveSource("files.zip", paths)


def _existing_path(path: object, argument: str) -> Path:
    if not isinstance(path, str | PathLike) or not str(path):
        raise InvalidArgumentError(f"{argument}: got {path!r}, want a path")
    existing = expanded(path, argument)
    try:
        existing.stat()
    except OSError as error:
        raise file_error(f"{argument}: {str(path)!r} does not exist or cannot be reached", error) from error
    except ValueError as error:
        raise InvalidArgumentError(f"{argument}: {str(path)!r} does not exist or cannot be reached") from error
    return existing


def _content_blocks(content: Path | str) -> Iterator[bytes]:
    if isinstance(content, str):
        yield content.encode()
        return
    with content.open("rb") as file:
        while block := file.read(config.BLOCK_BYTES):
            yield block
