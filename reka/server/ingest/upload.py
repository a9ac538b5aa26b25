"""A dataset as it streams in: taken out of its multipart body, checked and written to a file, block by block."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal
from uuid import uuid4

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from reka.server.errors import InvalidUploadError, RefusedError, TooLargeError
from reka.server.ingest.plaintext import TextCheck
from reka.server.ingest.zip_archive import MAGIC, check_zip
from reka.server.settings import Settings
from reka.server.storage.datasets import StagedFile

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_MAX_NAME_BYTES: Final = 4096
"""Bytes of a name as it comes in: a long one is shortened, not refused, up to here (ours)."""


class Upload:
    """One upload. Feed it the body's bytes, then `finish` it; `discard` it in any case but after a success.

    Works on one thread at a time, and writes to the disk: not for an event loop.
    """

    def __init__(
        self, content_type: str, staging: Path, limits: Settings, on_name: Callable[[str], object] | None = None
    ) -> None:
        """Await a body of `content_type`.

        Args:
            content_type: The request's header; must be multipart/form-data with a boundary.
            staging: The folder to write to.
            limits: How large things may be.
            on_name: Called with the dataset's name as soon as it is known; what it raises ends the upload early.

        Raises:
            RefusedError: It is some other type.
        """
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise RefusedError(
                "the body must be multipart/form-data, with the parts dataset_name, file and perhaps "
                f"dataset_description; its Content-Type is {content_type[:100]!r}"
            )
        self._limits = limits
        self._on_name = on_name
        self._file = _FilePart(staging / uuid4().hex, limits)
        self._fields: dict[str, bytearray] = {}
        self._max_bytes = {"dataset_name": _MAX_NAME_BYTES, "dataset_description": limits.max_description_bytes}
        self._header = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        self._part = ""
        self._is_whole = False
        self._parser = MultipartParser(boundary, self._callbacks())

    def feed(self, block: bytes) -> None:
        """Take the body's next bytes.

        Raises:
            RefusedError: They do not belong to a dataset; TooLarge if there are too many.
        """
        try:
            self._parser.write(block)
        except MultipartParseError as error:
            raise RefusedError("the body is not well-formed multipart/form-data") from error

    def finish(self) -> StagedFile:
        """Say that the body has ended, and check what only the whole shows.

        Raises:
            RefusedError: A part is missing or the body is cut short; InvalidUpload if the file is no dataset.
        """
        if not self._is_whole:
            raise RefusedError("the upload is cut short: its last boundary is missing")
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
        )

    def discard(self) -> None:
        """Remove what was written."""
        self._file.discard()

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._name_part,
            "on_part_data": self._take,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._headers = {}

    def _end_header(self) -> None:
        field, value = self._header
        self._headers[bytes(field).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _name_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._part = options.get(b"name", b"").decode("utf-8", "replace")
        if self._part in self._fields:
            raise RefusedError(f"the upload has two parts named {self._part[:100]!r}; send one")
        if self._part != "file" and self._part not in self._max_bytes:
            known = "dataset_name, dataset_description and file"
            raise RefusedError(f"the upload has a part named {self._part[:100]!r}; known are {known}")
        self._fields[self._part] = bytearray()
        if self._part == "file":
            self._file.filename = options.get(b"filename", b"").decode("utf-8", "replace")

    def _take(self, data: bytes, start: int, end: int) -> None:
        block = data[start:end]
        if self._part == "file":
            self._file.write(block)
            return
        field, limit = self._fields[self._part], self._max_bytes[self._part]
        if len(field) + len(block) > limit:
            raise RefusedError(f"{self._part} has more than {limit} bytes: shorten it")
        field.extend(block)

    def _end_part(self) -> None:
        if self._part == "dataset_name" and self._on_name is not None:
            self._on_name(self._text("dataset_name"))

    def _end(self) -> None:
        self._is_whole = True

    def _text(self, field: str) -> str:
        try:
            return self._fields[field].decode("utf-8")
        except UnicodeDecodeError as error:
            raise RefusedError(f"{field} is not UTF-8 text") from error


class _FilePart:
    """The file inside an upload."""

    def __init__(self, path: Path, limits: Settings) -> None:
        self.path = path
        self.size = 0
        self.filename = ""
        self._limits = limits
        self._handle: BinaryIO | None = None
        self._head = b""
        self._text = TextCheck("the file")

    def write(self, block: bytes) -> None:
        self.size += len(block)
        if self.size > self._limits.max_upload_bytes:
            raise TooLargeError(
                f"the file has more than {self._limits.max_upload_bytes} bytes, the most this server takes: "
                "split it into several datasets"
            )
        if self._handle is None:
            self._handle = self.path.open("xb")
        self._handle.write(block)
        # The first four bytes tell a zip from a text, and they may come one by one.
        if len(self._head) < 4:
            known = len(self._head)
            self._head += block[: 4 - known]
            if len(self._head) < 4:
                return
            block = self._head + block[4 - known :]
        if not self._is_zip:
            self._text.feed(block)

    def finish(self) -> Literal["text", "zip"]:
        if self._handle is None:
            raise InvalidUploadError("the file is empty: upload UTF-8 text, or a zip of UTF-8 text files")
        self._handle.flush()
        os.fsync(self._handle.fileno())
        self._handle.close()
        if self._is_zip:
            check_zip(self.path, self._limits)
            return "zip"
        if len(self._head) < 4:
            self._text.feed(self._head)
        self._text.finish()
        if not self._text.has_text:
            raise InvalidUploadError("the file holds nothing but white space: upload UTF-8 text")
        return "text"

    def discard(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self.path.unlink(missing_ok=True)

    @property
    def _is_zip(self) -> bool:
        return self._head in MAGIC
