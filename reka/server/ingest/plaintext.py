"""UTF-8 text in blocks: checked as it comes in, read again later, never held as a whole."""

import codecs
from collections.abc import Iterator
from typing import IO, Final

from reka.server.errors import InvalidUploadError

READ_BYTES: Final = 64 * 1024
"""Bytes of a file that are held at a time (ours)."""


class TextCheck:
    """Sees to it that bytes, fed block by block, are UTF-8 text, with or without a byte-order mark."""

    def __init__(self, what: str) -> None:
        """Check `what`, which is how messages call it."""
        self._what = what
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._read = 0
        self.has_text = False
        """Whether there was anything but white space so far."""

    def feed(self, block: bytes) -> None:
        """Look at the next bytes.

        Raises:
            InvalidUploadError: They are no text, or not in UTF-8.
        """
        self._decode(block, final=False)

    def finish(self) -> None:
        """Say that there are no more bytes.

        Raises:
            InvalidUploadError: The last character is cut short.
        """
        self._decode(b"", final=True)

    def _decode(self, block: bytes, *, final: bool) -> None:
        held = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            position = self._read - held + error.start
            raise InvalidUploadError(
                f"{self._what} is not UTF-8 text: the byte 0x{error.object[error.start]:02x} at position {position} "
                "does not fit; save it as UTF-8 and upload it again"
            ) from error
        if "\0" in text:
            raise InvalidUploadError(
                f"{self._what} is not a text file: it has a NUL byte at position {self._read + block.index(0)}; upload "
                "UTF-8 text, or a zip of UTF-8 text files"
            )
        self._read += len(block)
        self.has_text = self.has_text or bool(text.strip())


def read_blocks(file: IO[bytes]) -> Iterator[bytes]:
    """The bytes of a file, in blocks."""
    while block := file.read(READ_BYTES):
        yield block


def decode(blocks: Iterator[bytes]) -> Iterator[str]:
    """The text in blocks of checked bytes, without its byte-order mark."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    for block in blocks:
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)
