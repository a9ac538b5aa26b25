"""Dataset uploads: a multipart body parsed, validated and written to a file, block by block as it arrives."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal
from uuid import uuid4

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from reka._protocol.files.plain_text import TextCheck
from reka.server.errors import InvalidUploadError, RefusedError, TooLargeError
from reka.server.ingest.zip_archive import MAGIC, Members, check_zip
from reka.server.settings import Settings
from reka.server.storage.datasets import StagedFile
from reka.server.store.private_files import create_private

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_MAX_NAME_BYTES: Final = 4096
"""Bytes of a name: a longer one is rejected; up to here it is shortened (ours)."""

_MAGIC_BYTES: Final = 4
"""Bytes that tell a zip from a text."""


class Upload:
    """One upload. `feed` it the body, then `finish` it; `discard` it unless its file became a dataset.

    It is not thread-safe, and it writes to the disk, so it must not run on an event loop.
    """

    def __init__(
        self, content_type: str, staging: Path, limits: Settings, on_name: Callable[[str], object] | None = None
    ) -> None:
        """Prepare to parse a body.

        Args:
            content_type: The Content-Type header of the request: multipart/form-data with a boundary.
            staging: Folder to write the file to.
            limits: Size limits.
            on_name: Called with the dataset's name once it is received; an exception it raises ends the upload early.

        Raises:
            RefusedError: The body has another type.
        """
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise RefusedError(
                "the body must be multipart/form-data, with the parts dataset_name, file and optionally "
                f"dataset_description; its Content-Type is {content_type[:100]!r}"
            )
        self._on_name = on_name
        self._file = _FilePart(staging / uuid4().hex, limits)
        self._fields: dict[str, bytearray] = {}
        self._max_bytes = {"dataset_name": _MAX_NAME_BYTES, "dataset_description": limits.max_description_bytes}
        self._header = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        self._part = ""
        self._is_complete = False
        try:
            self._parser = MultipartParser(boundary, self._callbacks())
        except FormParserError as error:
            raise RefusedError(
                "the body's boundary is too long, see its Content-Type: use one of 70 characters"
            ) from error

    def feed(self, block: bytes) -> None:
        """Parse the next bytes of the body.

        Raises:
            RefusedError: They are malformed, or not part of a dataset upload.
            TooLargeError: The file exceeds the size limit.
        """
        try:
            self._parser.write(block)
        except MultipartParseError as error:
            raise RefusedError("the body is not well-formed multipart/form-data") from error

    def finish(self) -> StagedFile:
        """Validate the complete upload.

        Raises:
            RefusedError: The body is incomplete, or a part is missing.
            InvalidUploadError: The file is not a valid dataset.
        """
        if not self._is_complete:
            raise RefusedError("the upload is truncated: its closing boundary is missing")
        missing = [part for part in ("dataset_name", "file") if part not in self._fields]
        if missing:
            raise RefusedError(f"the upload has no part named {' and none named '.join(missing)}")
        kind = self._file.finish()
        return StagedFile(
            path=self._file.path,
            kind=kind,
            size_bytes=self._file.size,
            name=self._text("dataset_name"),
            description=self._text("dataset_description") if "dataset_description" in self._fields else None,
            filename=self._file.filename,
            skipped=self._file.skipped,
            members=self._file.members,
        )

    def discard(self) -> None:
        """Delete the file if it is still in the staging folder."""
        self._file.discard()

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def _on_part_begin(self) -> None:
        self._headers = {}

    def _on_header_end(self) -> None:
        field, value = self._header
        self._headers[bytes(field).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._part = options.get(b"name", b"").decode("utf-8", "replace")
        if self._part in self._fields:
            raise RefusedError(f"the upload has two parts named {self._part[:100]!r}; send one")
        if self._part != "file" and self._part not in self._max_bytes:
            raise RefusedError(
                f"the upload has a part named {self._part[:100]!r}; supported are dataset_name, dataset_description "
                "and file"
            )
        self._fields[self._part] = bytearray()
        if self._part == "file":
            self._file.filename = options.get(b"filename", b"").decode("utf-8", "replace")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        block = data[start:end]
        if self._part == "file":
            self._file.write(block)
            return
        field, limit = self._fields[self._part], self._max_bytes[self._part]
        if len(field) + len(block) > limit:
            raise RefusedError(f"{self._part} has more than {limit} bytes: shorten it")
        field.extend(block)

    def _on_part_end(self) -> None:
        if self._part == "dataset_name" and self._on_name is not None:
            self._on_name(self._text("dataset_name"))

    def _on_end(self) -> None:
        self._is_complete = True

    def _text(self, field: str) -> str:
        try:
            return self._fields[field].decode("utf-8")
        except UnicodeDecodeError as error:
            raise RefusedError(f"{field} is not UTF-8 text") from error


class _FilePart:
    """The file of an upload."""

    def __init__(self, path: Path, limits: Settings) -> None:
        self.path = path
        self.size = 0
        self.filename = ""
        self.members: Members = ()
        self.skipped: tuple[str, ...] = ()
        self._limits = limits
        self._handle: BinaryIO | None = None
        self._head = b""
        self._text = TextCheck()

    def write(self, block: bytes) -> None:
        self.size += len(block)
        if self.size > self._limits.max_upload_bytes:
            raise TooLargeError(
                f"the file has more than {self._limits.max_upload_bytes} bytes, this server's limit: split it into "
                "several datasets"
            )
        if self._handle is None:
            self._handle = create_private(self.path)
        self._handle.write(block)
        # The first bytes tell a zip from a text, and may arrive one at a time.
        missing = _MAGIC_BYTES - len(self._head)
        if missing > 0:
            self._head += block[:missing]
            if len(self._head) < _MAGIC_BYTES:
                return
            block = self._head + block[missing:]
        if not self._is_zip:
            self._require(self._text.feed(block))

    def finish(self) -> Literal["text", "zip"]:
        if self._handle is None:
            raise InvalidUploadError("the file is empty: upload UTF-8 text, or a zip of UTF-8 text files")
        self._handle.flush()
        os.fsync(self._handle.fileno())
        self._handle.close()
        if self._is_zip:
            self.members, self.skipped = check_zip(self.path, self._limits)
            return "zip"
        if len(self._head) < _MAGIC_BYTES:
            self._require(self._text.feed(self._head))
        self._require(self._text.finish())
        if not self._text.has_text:
            raise InvalidUploadError("the file contains only white space: upload UTF-8 text")
        return "text"

    @staticmethod
    def _require(problem: str | None) -> None:
        if problem:
            raise InvalidUploadError(f"the file {problem}")

    def discard(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self.path.unlink(missing_ok=True)

    @property
    def _is_zip(self) -> bool:
        return self._head in MAGIC
