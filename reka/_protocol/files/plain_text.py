"""Checking that bytes are plain text in UTF-8, a block at a time."""

import codecs
import re
from typing import Final

from reka._protocol.files.file_kinds import HEAD_BYTES, binary_kind, readable_kind

_CONTROL: Final = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
"""Bytes that no text in an encoding of single bytes has."""


class TextCheck:
    """Checks that a stream of bytes is UTF-8 text, with or without a byte-order mark."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._size = 0
        self._head = b""
        self.has_text = False
        """Whether the bytes so far contain anything but white space."""

    def feed(self, block: bytes) -> str | None:
        """Check the next bytes.

        Returns:
            What the file is instead of text and what to do, to follow its name in a sentence; None if it is text.
        """
        if len(self._head) < HEAD_BYTES:
            self._head += block[: HEAD_BYTES - len(self._head)]
        return self._decode(block, final=False)

    def finish(self) -> str | None:
        """Check that the bytes may end here; returns as `feed` does."""
        if kind := readable_kind(self._head):
            return f"is {kind.name}: {kind.advice}"
        return self._decode(b"", final=True)

    def _decode(self, block: bytes, *, final: bool) -> str | None:
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            position = self._size - pending + error.start
            return self._problem("UTF-8 text", f"invalid byte 0x{error.object[error.start]:02x} at position {position}")
        if "\0" in text:
            return self._problem("a text file", f"NUL byte at position {self._size + block.index(0)}")
        self._size += len(block)
        self.has_text = self.has_text or bool(text.strip())
        return None

    def _problem(self, wanted: str, fault: str) -> str:
        if kind := binary_kind(self._head):
            return f"is {kind.name}, not {wanted}: {fault}; {kind.advice}"
        if _CONTROL.search(self._head):
            return f"is not {wanted}: {fault}; upload UTF-8 text, or a zip of UTF-8 text files"
        return f"is not {wanted}: {fault}; it looks like text in another encoding, save it as UTF-8 and upload it again"
