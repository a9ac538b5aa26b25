"""UTF-8 text as a stream of blocks: validated during an upload, decoded when it is read again."""

import codecs
from collections.abc import Iterator
from typing import IO, Final

from reka.server.errors import InvalidUploadError

READ_BYTES: Final = 64 * 1024
"""Bytes of a file that are read at a time (ours)."""


class TextCheck:
    """Incrementally checks that a stream of bytes is UTF-8 text, with or without a byte-order mark."""

    def __init__(self, name: str) -> None:
        """Check the content that error messages call `name`."""
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._size = 0
        self.has_text = False
        """Whether the bytes so far contain anything but white space."""

    def feed(self, block: bytes) -> None:
        """Check the next bytes.

        Raises:
            InvalidUploadError: They are not text, or not UTF-8.
        """
        self._decode(block, final=False)

    def finish(self) -> None:
        """Check that the bytes may end here.

        Raises:
            InvalidUploadError: The last character is incomplete.
        """
        self._decode(b"", final=True)

    def _decode(self, block: bytes, *, final: bool) -> None:
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            position = self._size - pending + error.start
            raise InvalidUploadError(
                f"{self._name} is not UTF-8 text: invalid byte 0x{error.object[error.start]:02x} at position "
                f"{position}; save it as UTF-8 and upload it again"
            ) from error
        if "\0" in text:
            raise InvalidUploadError(
                f"{self._name} is not a text file: NUL byte at position {self._size + block.index(0)}; upload UTF-8 "
                "text, or a zip of UTF-8 text files"
            )
        self._size += len(block)
        self.has_text = self.has_text or bool(text.strip())


def read_blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Read a file block by block."""
    while block := file.read(READ_BYTES):
        yield block


def decode(blocks: Iterator[bytes]) -> Iterator[str]:
    """Decode blocks of valid UTF-8, dropping the byte-order mark."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    for block in blocks:
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)
