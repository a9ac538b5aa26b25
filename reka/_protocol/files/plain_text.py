"""Checking that bytes are plain text, a block at a time."""

import re
from typing import Final

from reka._protocol.files.encodings import TextDecoder, guess_encoding
from reka._protocol.files.file_kinds import HEAD_BYTES, binary_kind, readable_kind

_CONTROL: Final = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
"""Bytes that no text in an encoding of single bytes has."""


class TextCheck:
    """Checks that a stream of bytes is text: UTF-8, or UTF-16 or UTF-32 with a byte-order mark."""

    def __init__(self) -> None:
        self._decoder = TextDecoder()
        self._chars = 0
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
        try:
            text = self._decoder.decode(block, final=final)
        except UnicodeDecodeError as error:
            return self._problem(
                f"{self._decoder.encoding} text", error.reason, error.object[max(0, error.start - 4096) :]
            )
        if "\0" in text:
            # In UTF-8 the position in bytes, as long as it is ASCII.
            return self._problem("a text file", f"NUL byte at position {self._chars + text.index(chr(0))}", block)
        self._chars += len(text)
        self.has_text = self.has_text or bool(text.strip())
        return None

    def _problem(self, wanted: str, fault: str, around: bytes) -> str:
        if kind := binary_kind(self._head):
            return f"is {kind.name}, not {wanted}: {fault}; {kind.advice}"
        if _CONTROL.search(self._head):
            return f"is not {wanted}: {fault}; upload UTF-8 text, or a zip of UTF-8 text files"
        sample = around[:HEAD_BYTES] if self._head.isascii() else self._head
        guess = guess_encoding(sample)
        encoding = f"another encoding ({guess}, by its bytes)" if guess else "another encoding"
        return f"is not {wanted}: {fault}; it looks like text in {encoding}, save it as UTF-8 and upload it again"
