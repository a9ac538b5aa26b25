"""Zip archives of text files: validation and reading. No file is ever extracted to the disk."""

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from reka.server.errors import InvalidUploadError
from reka.server.ingest.plaintext import TextCheck, read_blocks
from reka.server.settings import MIB, Settings

MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")
"""First bytes of a zip: the header of a file or, in an empty zip, the end of the central directory."""

_RATIO_EXEMPT_BYTES: Final = 1 * MIB
"""Unpacked bytes that no compression ratio forbids: a short file of one repeated line compresses a hundredfold too."""

_ENTRY_BYTES: Final = 2048
"""Bytes of the central directory allowed per entry: a header of 46, and room for name, extra field and comment."""

_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Methods that zipfile decompresses incrementally; with any other, one read may expand without bound."""

_ZIP_ERRORS: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, struct.error, RuntimeError)
"""Exceptions that zipfile raises for a malformed zip."""


def check_zip(path: Path, limits: Settings) -> None:
    """Check that a zip contains text files and nothing else, by reading it to its end, a block at a time.

    Args:
        path: The zip.
        limits: Maximum number of entries, unpacked bytes and compression ratio.

    Raises:
        InvalidUploadError: The zip is damaged, contains anything but text, or exceeds a limit.
    """
    _check_directory_size(path, limits)
    with _open(path) as archive:
        entries = archive.infolist()
        if len(entries) > limits.max_zip_entries:
            raise _too_many(len(entries), limits)
        for entry in entries:
            _check_entry(entry)
        budget = _Budget(path.stat().st_size, limits)
        has_text = [_check_text(archive, entry, budget) for entry in _text_entries(archive)]
    if not any(has_text):
        raise InvalidUploadError("the zip contains no text: add at least one UTF-8 text file that is not empty")


def text_files(path: Path) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Iterate over the text files of a validated zip.

    Yields:
        The name of a file in the zip, and its blocks, which must be consumed before the next file.
    """
    with _open(path) as archive:
        for entry in _text_entries(archive):
            with archive.open(entry) as file:
                yield _name(entry), read_blocks(file)


def text_bytes(path: Path) -> int:
    """Return the total unpacked size of the text files of a validated zip, in bytes."""
    with _open(path) as archive:
        return sum(entry.file_size for entry in _text_entries(archive))


class _Budget:
    """Limits the bytes that are actually unpacked: the sizes in a zip's headers may be false."""

    def __init__(self, packed: int, limits: Settings) -> None:
        self._limits = limits
        self._max_by_ratio = max(_RATIO_EXEMPT_BYTES, packed * limits.max_compression_ratio)
        self._unpacked_bytes = 0

    def spend(self, size: int) -> None:
        self._unpacked_bytes += size
        if self._unpacked_bytes > self._limits.max_unpacked_bytes:
            raise InvalidUploadError(
                f"the zip unpacks to more than {self._limits.max_unpacked_bytes} bytes, this server's limit: "
                "split it into several datasets"
            )
        if self._unpacked_bytes > self._max_by_ratio:
            raise InvalidUploadError(
                f"the zip unpacks to more than {self._limits.max_compression_ratio} times its size, this "
                "server's limit: store the files uncompressed in the zip, or split it into several datasets"
            )


@contextmanager
def _open(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip, and convert the exceptions for a malformed zip to InvalidUploadError."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _ZIP_ERRORS as error:
        raise InvalidUploadError("the zip is damaged or truncated: create it again and upload it again") from error


def _check_directory_size(path: Path, limits: Settings) -> None:
    """Reject a zip with a huge central directory before zipfile reads the directory into memory."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16) - 22 - 76))
        tail = file.read()
    start = tail.rfind(b"PK\x05\x06")
    if start < 0 or len(tail) - start < 22:
        return  # zipfile rejects it as damaged
    count, size = struct.unpack_from("<HL", tail, start + 10)
    start64 = tail.rfind(b"PK\x06\x06", 0, start)
    if start64 >= 0 and start - start64 >= 56 and (count == 0xFFFF or size == 0xFFFFFFFF):
        count, size = struct.unpack_from("<QQ", tail, start64 + 32)
    if count > limits.max_zip_entries or size > limits.max_zip_entries * _ENTRY_BYTES:
        raise _too_many(count, limits)


def _too_many(count: int, limits: Settings) -> InvalidUploadError:
    return InvalidUploadError(
        f"the zip has {count} entries, and this server's limit is {limits.max_zip_entries}: split it into several "
        "datasets"
    )


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """Reject an entry by its headers."""
    name = entry.orig_filename
    if "\\" in name or name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        problem = "has a path that leads out of the zip; use relative paths, with / between folders and without .."
    elif any(ord(char) < 32 for char in name):
        problem = "has control characters in its name; remove them"
    elif entry.flag_bits & 0x1:
        problem = "is encrypted; create the zip without a password"
    elif stat.S_ISLNK(entry.external_attr >> 16):
        problem = "is a symbolic link; add the file itself to the zip"
    elif entry.compress_type not in _METHODS:
        problem = "has a compression method that this server does not support; use deflate, or none"
    else:
        return
    raise InvalidUploadError(f"{_name(entry)!r} in the zip {problem}")


def _check_text(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: _Budget) -> bool:
    """Read an entry to its end and check it; return whether it has any text."""
    name = _name(entry)
    check = TextCheck(f"{name!r} in the zip")
    with archive.open(entry) as file:
        for number, block in enumerate(read_blocks(file)):
            if number == 0 and block.startswith(MAGIC):
                raise InvalidUploadError(f"{name!r} in the zip is itself a zip; add its text files directly")
            budget.spend(len(block))
            check.feed(block)
    check.finish()
    return check.has_text


def _text_entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """List the entries that belong to the dataset: no folders, and no metadata files that macOS adds to its zips."""
    return [
        entry
        for entry in archive.infolist()
        if not entry.is_dir()
        and not entry.filename.startswith("__MACOSX/")
        and entry.filename.rsplit("/", 1)[-1] != ".DS_Store"
    ]


def _name(entry: zipfile.ZipInfo) -> str:
    """Return an entry's name as UTF-8: many programs write UTF-8 without setting the flag that declares it."""
    if entry.flag_bits & 0x800:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename
