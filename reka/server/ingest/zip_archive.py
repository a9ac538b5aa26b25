"""Zip archives of text files: validation and reading. No file is ever extracted to the disk."""

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

from reka._protocol.files.file_kinds import HEAD_BYTES, OFFICE_ARCHIVE, binary_kind
from reka._protocol.files.litter import is_litter
from reka._protocol.files.plain_text import TextCheck
from reka.server.errors import InvalidUploadError
from reka.server.ingest.plaintext import read_blocks
from reka.server.settings import MIB, Settings

MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")
"""First bytes of a zip: the header of a file or, in an empty zip, the end of the central directory."""

_RATIO_EXEMPT_BYTES: Final = 1 * MIB
"""Unpacked bytes that no compression ratio forbids: a short file of one repeated line compresses a hundredfold too."""

_ENTRY_BYTES: Final = 2048
"""Bytes of the central directory allowed per entry: a header of 46, and room for name, extra field and comment."""

_ENTRY_SIGNATURE: Final = b"PK\x01\x02"
"""First bytes of each entry of the central directory."""

_MAX_NAME_CHARS: Final = 255
"""Characters of an entry's name, which is stored and shown with each of its chunks (ours)."""

_MAX_PROBLEMS: Final = 10
"""Files that an error names (ours)."""

_SHOWN_CHARS: Final = 100
"""Characters of a name that an error shows."""

_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Methods that zipfile decompresses incrementally; with any other, one read may expand without bound."""

_ZIP_ERRORS: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, struct.error, RuntimeError)
"""Exceptions that zipfile raises for a malformed zip."""


Members: TypeAlias = tuple[tuple[str, int], ...]
"""Name and unpacked size in bytes of the text files of a zip, in its order."""


def check_zip(path: Path, limits: Settings) -> tuple[Members, tuple[str, ...]]:
    """Check that a zip contains text files and nothing else, by reading it to its end, a block at a time.

    Args:
        path: The zip.
        limits: Maximum number of entries, unpacked bytes and compression ratio.

    Returns:
        Its text files, and the names of the files that are left out, as a system left them behind.

    Raises:
        InvalidUploadError: The zip is damaged, contains anything but text, or exceeds a limit. It names all files
            that do not fit.
    """
    with _open(path, limits) as archive:
        entries = archive.infolist()
        if _is_office(entries):
            raise InvalidUploadError(f"the file is {OFFICE_ARCHIVE.name}: {OFFICE_ARCHIVE.advice}")
        budget = _Budget(path.stat().st_size, limits)
        problems, has_text = [], False
        for entry in entries:
            if not _is_left_out(entry):
                problem, has_entry_text = _check_entry(archive, entry, budget)
                has_text = has_text or has_entry_text
                problems += [f"{_name(entry)[:_SHOWN_CHARS]!r} in the zip {problem}"] if problem else []
        skipped = tuple(_name(entry) for entry in entries if _is_left_out(entry) and not _is_folder(entry))
        members = _members(archive)
    if problems:
        more = f"; and {len(problems) - _MAX_PROBLEMS} more" if len(problems) > _MAX_PROBLEMS else ""
        raise InvalidUploadError("; ".join(problems[:_MAX_PROBLEMS]) + more)
    if not has_text:
        raise InvalidUploadError("the zip contains no text: add at least one UTF-8 text file that is not empty")
    return members, skipped


def text_members(path: Path) -> Members:
    """List the text files of a validated zip."""
    with _open(path) as archive:
        return _members(archive)


def text_files(path: Path) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Iterate over the text files of a validated zip.

    Yields:
        The name of a file in the zip, and its blocks, which must be consumed before the next file.
    """
    with _open(path) as archive:
        for entry in _text_entries(archive):
            with archive.open(entry) as file:
                yield _name(entry), read_blocks(file)


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


class _MeasuredFile(io.BufferedReader):
    """A zip whose central directory is measured when zipfile reads it, before it makes an object of each entry.

    What the zip's end says of the directory may be false; what zipfile reads is what counts.
    """

    def __init__(self, path: Path, limits: Settings) -> None:
        super().__init__(io.FileIO(path))
        self._limits = limits
        self.is_open = False

    def read(self, size: int | None = -1, /) -> bytes:
        if self.is_open:
            return super().read(size)
        most = self._limits.max_zip_entries
        if size is not None and size > max(most * _ENTRY_BYTES, 1 * MIB):
            raise _too_many(self._limits)
        data = super().read(size)
        if data.startswith(_ENTRY_SIGNATURE) and data.count(_ENTRY_SIGNATURE) > most:
            raise _too_many(self._limits)
        return data


@contextmanager
def _open(path: Path, limits: Settings | None = None) -> Iterator[zipfile.ZipFile]:
    """Open a zip, and convert the exceptions for a malformed zip to InvalidUploadError.

    Args:
        path: The zip.
        limits: Limits of its directory; None for a zip that has been checked.
    """
    try:
        with (
            path.open("rb") if limits is None else _MeasuredFile(path, limits) as file,
            zipfile.ZipFile(file) as archive,
        ):
            if isinstance(file, _MeasuredFile):
                file.is_open = True
            yield archive
    except _ZIP_ERRORS as error:
        raise InvalidUploadError("the zip is damaged or truncated: create it again and upload it again") from error


def _too_many(limits: Settings) -> InvalidUploadError:
    return InvalidUploadError(
        f"the zip has more than {limits.max_zip_entries} entries, this server's limit: split it into several datasets"
    )


def _check_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: _Budget) -> tuple[str | None, bool]:
    """Check an entry by its headers, then by reading it to its end.

    Returns:
        What is wrong with it, to follow its name; and whether it has any text.
    """
    if (problem := _header_problem(entry)) or _is_folder(entry):
        return problem, False
    check = TextCheck()
    with archive.open(entry) as file:
        for number, block in enumerate(read_blocks(file)):
            if number == 0 and block.startswith(MAGIC):
                return _archive_problem(block), False
            budget.spend(len(block))
            if problem := check.feed(block):
                return problem, False
    return check.finish(), check.has_text


def _archive_problem(head: bytes) -> str:
    kind = binary_kind(head[:HEAD_BYTES])
    is_office = kind is not None and kind.name == OFFICE_ARCHIVE.name
    return f"is {kind.name}: {kind.advice}" if kind and is_office else "is itself a zip; add its text files directly"


def _header_problem(entry: zipfile.ZipInfo) -> str | None:
    if len(_name(entry)) > _MAX_NAME_CHARS:
        return f"has a name of {len(_name(entry))} characters; shorten it to {_MAX_NAME_CHARS}"
    name = entry.orig_filename.replace("\\", "/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        return "has a path that leads out of the zip; use relative paths without .."
    if any(ord(char) < 32 for char in name):
        return "has control characters in its name; remove them"
    if entry.flag_bits & 0x1:
        return "is encrypted; create the zip without a password"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a symbolic link; add the file itself to the zip"
    if entry.compress_type not in _METHODS:
        return "has a compression method that this server does not support; use deflate, or none"
    return None


def _is_office(entries: Sequence[zipfile.ZipInfo]) -> bool:
    """Whether a zip is an office document: one of Microsoft's formats, an OpenDocument or an EPUB."""
    return any(entry.filename == "[Content_Types].xml" for entry in entries) or (
        bool(entries) and entries[0].filename == "mimetype"
    )


def _text_entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """List the entries that belong to the dataset."""
    return [entry for entry in archive.infolist() if not (_is_folder(entry) or _is_left_out(entry))]


def _members(archive: zipfile.ZipFile) -> Members:
    return tuple((_name(entry), entry.file_size) for entry in _text_entries(archive))


def _is_left_out(entry: zipfile.ZipInfo) -> bool:
    return is_litter(_name(entry))


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return _name(entry).endswith("/")


def _name(entry: zipfile.ZipInfo) -> str:
    """Return an entry's name as UTF-8, with / between its parts.

    Many programs write UTF-8 without setting the flag that declares it, and some of Windows' write its own separator.
    """
    name = entry.filename
    if not entry.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")
