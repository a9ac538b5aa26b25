"""Dataset uploads: a multipart body parsed, validated and written to a file, block by block as it arrives."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, Literal
from uuid import uuid4

from reka._protocol.files.plain_text import TextCheck
from reka.server.errors import InvalidUploadError, TooLargeError
from reka.server.ingest.multipart import FILE, MultipartBody
from reka.server.ingest.zip_archive import MAGIC, Members, check_zip
from reka.server.settings import Settings
from reka.server.storage.datasets import StagedFile
from reka.server.store.private_files import create_private

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
        self._on_name = on_name
        self._file = _FilePart(staging / uuid4().hex, limits)
        self._body = MultipartBody(
            content_type,
            {"dataset_name": _MAX_NAME_BYTES, "dataset_description": limits.max_description_bytes},
            self._file,
            "dataset_name, file and optionally dataset_description",
            self._on_field,
        )

    def feed(self, block: bytes) -> None:
        """Parse the next bytes of the body.

        Raises:
            RefusedError: They are malformed, or not part of a dataset upload.
            TooLargeError: The file exceeds the size limit.
        """
        self._body.feed(block)

    def finish(self) -> StagedFile:
        """Validate the complete upload.

        Raises:
            RefusedError: The body is incomplete, or a part is missing.
            InvalidUploadError: The file is not a valid dataset.
        """
        self._body.check_complete("dataset_name", FILE)
        kind = self._file.finish()
        return StagedFile(
            path=self._file.path,
            kind=kind,
            size_bytes=self._file.size,
            name=self._body.text("dataset_name") or "",
            description=self._body.text("dataset_description"),
            filename=self._file.filename,
            skipped=self._file.skipped,
            members=self._file.members,
        )

    def discard(self) -> None:
        """Delete the file if it is still in the staging folder."""
        self._file.discard()

    def _on_field(self, name: str) -> None:
        if name == "dataset_name" and self._on_name is not None:
            self._on_name(self._body.text(name) or "")


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
