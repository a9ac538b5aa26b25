"""Uploads of single text files as OpenAI's `POST /v1/files` has them, checked and held in memory."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from reka._protocol.files.plain_text import TextCheck
from reka.server.errors import InvalidUploadError, RefusedError, TooLargeError
from reka.server.ingest.multipart import FILE, MultipartBody

PURPOSES: Final = ("assistants", "user_data", "batch", "fine-tune", "vision", "evals")
"""Purposes of files in OpenAI's API; to this server they are words."""

_LIFETIME: Final = range(3_600, 30 * 86_400 + 1)
"""Seconds after which a file may be deleted (OpenAI's)."""

_FIELD_BYTES: Final = 100
_MAX_NAME_CHARS: Final = 255
_PURPOSE: Final = "purpose"
_ANCHOR: Final = "expires_after[anchor]"
_SECONDS: Final = "expires_after[seconds]"
_WANTED: Final = f"{FILE}, {_PURPOSE} and optionally {_ANCHOR} with {_SECONDS}"


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A validated file."""

    filename: str
    """A name that is safe to display."""
    purpose: str
    content: bytes
    lifetime: int | None
    """Seconds after which it is deleted; None for never."""


class FileUpload:
    """One upload. `feed` it the body, then `finish` it."""

    def __init__(self, content_type: str, max_bytes: int) -> None:
        """Prepare to parse a body.

        Args:
            content_type: The Content-Type header of the request: multipart/form-data with a boundary.
            max_bytes: Maximum size of the file.

        Raises:
            RefusedError: The body has another type.
        """
        self._file = _Content(max_bytes)
        fields: dict[str, int] = dict.fromkeys((_PURPOSE, _ANCHOR, _SECONDS), _FIELD_BYTES)
        self._body = MultipartBody(content_type, fields, self._file, _WANTED)

    def feed(self, block: bytes) -> None:
        """Parse the next bytes of the body.

        Raises:
            RefusedError: They are malformed, or not part of a file's upload.
            TooLargeError: The file exceeds the size limit.
        """
        self._body.feed(block)

    def finish(self) -> ReceivedFile:
        """Validate the complete upload.

        Raises:
            RefusedError: The body is incomplete, or a part is missing or has a wrong value.
            InvalidUploadError: The file is no text.
        """
        self._body.check_complete(FILE, _PURPOSE)
        purpose = self._body.text(_PURPOSE)
        if purpose not in PURPOSES:
            raise RefusedError(f"purpose: got {purpose!r}, want one of {', '.join(PURPOSES)}")
        lifetime = self._lifetime()
        content = bytes(self._file.content)
        _check_text(content)
        return ReceivedFile(_display_name(self._file.filename), purpose, content, lifetime)

    def _lifetime(self) -> int | None:
        anchor, seconds = self._body.text(_ANCHOR), self._body.text(_SECONDS)
        if anchor is None and seconds is None:
            return None
        if anchor != "created_at":
            raise RefusedError(f"{_ANCHOR}: got {anchor!r}, want 'created_at'")
        is_number = seconds is not None and seconds.isascii() and seconds.isdecimal()
        if seconds is None or not is_number or int(seconds) not in _LIFETIME:
            raise RefusedError(f"{_SECONDS}: got {seconds!r}, want {_LIFETIME[0]} to {_LIFETIME[-1]}")
        return int(seconds)


class _Content:
    """Holds the file of an upload."""

    def __init__(self, max_bytes: int) -> None:
        self.filename = ""
        self.content = bytearray()
        self._max_bytes = max_bytes

    def write(self, block: bytes) -> None:
        if len(self.content) + len(block) > self._max_bytes:
            raise TooLargeError(
                f"the file has more than {self._max_bytes} bytes, this server's limit: split it, or upload it as a "
                "dataset by POST /datasets, which takes larger ones"
            )
        self.content += block


def _check_text(content: bytes) -> None:
    check = TextCheck()
    problem = check.feed(content) or check.finish()
    if problem is not None:
        raise InvalidUploadError(f"the file {problem}", "unsupported_file")
    if not check.has_text:
        raise InvalidUploadError("the file has no text: upload UTF-8 text", "unsupported_file")


def _display_name(filename: str) -> str:
    """Return the last part of a path, without characters that are not shown."""
    last = re.split(r"[/\\]", filename)[-1]
    shown = "".join(char for char in last if unicodedata.category(char)[0] != "C").strip()
    return shown[-_MAX_NAME_CHARS:] or "file"
