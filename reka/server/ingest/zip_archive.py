"""Zips of text files: which are refused, and what is read from the others. Nothing is ever unpacked to the disk."""

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
"""How a zip begins: with a file's header, or, if it is empty, with the end of its directory."""

_SMALL: Final = 1 * MIB
"""Unpacked bytes that no ratio makes suspicious: a short file of one repeated line compresses a hundredfold too."""

_ENTRY_BYTES: Final = 2048
"""Bytes of directory allowed for each entry: a header of 46 and, generously, its name, extra field and comment."""

_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Compressions that zipfile unpacks in bounded steps; of the others it unpacks whatever one read brings."""

_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, struct.error, RuntimeError)
"""What zipfile raises when a zip is not what it says."""


def check_zip(path: Path, limits: Settings) -> None:
    """See to it that a zip holds text files and nothing else, by reading all of it once, a block at a time.

    Args:
        path: The zip.
        limits: How many entries and unpacked bytes there may be, and how far it may be compressed.

    Raises:
        InvalidUploadError: It is damaged, holds something else, or exceeds a limit.
    """
    _check_directory_size(path, limits)
    with _opened(path) as archive:
        entries = archive.infolist()
        if len(entries) > limits.max_zip_entries:
            raise _too_many(len(entries), limits)
        for entry in entries:
            _check_entry(entry)
        budget = _Budget(path.stat().st_size, limits)
        has_text = [_check_text(archive, entry, budget) for entry in _with_text(archive)]
    if not any(has_text):
        raise InvalidUploadError("the zip holds no text: put at least one UTF-8 text file that is not empty into it")


def text_files(path: Path) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """Go through the text files of a checked zip.

    Yields:
        A file's name in the zip, its bytes unpacked, and its blocks, which must be read before the next file.
    """
    with _opened(path) as archive:
        for entry in _with_text(archive):
            with archive.open(entry) as file:
                yield _name(entry), entry.file_size, read_blocks(file)


def text_bytes(path: Path) -> int:
    """Bytes of all text files of a checked zip, unpacked."""
    with _opened(path) as archive:
        return sum(entry.file_size for entry in _with_text(archive))


class _Budget:
    """Counts what is really unpacked: a zip's own figures may lie."""

    def __init__(self, packed: int, limits: Settings) -> None:
        self._limits = limits
        self._by_ratio = max(_SMALL, packed * limits.max_compression_ratio)
        self._spent = 0

    def spend(self, size: int) -> None:
        self._spent += size
        if self._spent > self._limits.max_unpacked_bytes:
            raise InvalidUploadError(
                f"the zip unpacks to more than {self._limits.max_unpacked_bytes} bytes, the most this server takes: "
                "split it into several datasets"
            )
        if self._spent > self._by_ratio:
            raise InvalidUploadError(
                f"the zip unpacks to more than {self._limits.max_compression_ratio} times its size, as text does not: "
                "upload it with less compression, or split it"
            )


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip, and have whatever is wrong with it raised as InvalidUpload."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGED as error:
        raise InvalidUploadError("the zip is damaged or cut short: make it anew and upload it again") from error


def _check_directory_size(path: Path, limits: Settings) -> None:
    """Refuse a zip with a huge directory before zipfile reads that into memory."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16) - 22 - 76))
        tail = file.read()
    start = tail.rfind(b"PK\x05\x06")
    if start < 0 or len(tail) - start < 22:
        return  # zipfile calls it damaged
    count, size = struct.unpack_from("<HL", tail, start + 10)
    start64 = tail.rfind(b"PK\x06\x06", 0, start)
    if start64 >= 0 and start - start64 >= 56 and (count == 0xFFFF or size == 0xFFFFFFFF):
        count, size = struct.unpack_from("<QQ", tail, start64 + 32)
    if count > limits.max_zip_entries or size > limits.max_zip_entries * _ENTRY_BYTES:
        raise _too_many(count, limits)


def _too_many(count: int, limits: Settings) -> InvalidUploadError:
    return InvalidUploadError(
        f"the zip has {count} entries, and this server takes {limits.max_zip_entries}: split it into several datasets"
    )


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """Refuse an entry for what it says of itself."""
    name = entry.orig_filename
    if "\\" in name or name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        wrong = "has a name that leads out of the zip; names must be relative, with / between folders and without .."
    elif any(ord(char) < 32 for char in name):
        wrong = "has control characters in its name; leave them out"
    elif entry.flag_bits & 0x1:
        wrong = "is encrypted; make the zip without a password"
    elif stat.S_ISLNK(entry.external_attr >> 16):
        wrong = "is a symbolic link; put the file itself into the zip"
    elif entry.compress_type not in _METHODS:
        wrong = "is compressed in a way this server does not read; use the usual one (deflate), or none"
    else:
        return
    raise InvalidUploadError(f"{_name(entry)!r} in the zip {wrong}")


def _check_text(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: _Budget) -> bool:
    """Read an entry to its end; tell whether it has any text."""
    name = _name(entry)
    check = TextCheck(f"{name!r} in the zip")
    with archive.open(entry) as file:
        for number, block in enumerate(read_blocks(file)):
            if number == 0 and block.startswith(MAGIC):
                raise InvalidUploadError(f"{name!r} in the zip is itself a zip; put its text files in directly")
            budget.spend(len(block))
            check.feed(block)
    check.finish()
    return check.has_text


def _with_text(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The entries that are for the dataset: no folders, and not what macOS adds to every zip it makes."""
    return [
        entry
        for entry in archive.infolist()
        if not entry.is_dir()
        and not entry.filename.startswith("__MACOSX/")
        and entry.filename.rsplit("/", 1)[-1] != ".DS_Store"
    ]


def _name(entry: zipfile.ZipInfo) -> str:
    """The entry's name as its author sees it: many programs write UTF-8 without saying so, as the format asks."""
    if entry.flag_bits & 0x800:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename
