"""The encoding of a text file: what its byte-order mark says, else UTF-8; and a guess at what else it may be."""

import codecs
from typing import Final

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
"""Byte-order marks, the longer ones first: one of UTF-32 begins as one of UTF-16 does."""

_MARK_BYTES: Final = 4

_LEAST_BYTES: Final = 24
"""Bytes that tell an encoding from others (ours)."""


class TextDecoder:
    """Decodes a stream of bytes: UTF-8 with or without a byte-order mark, UTF-16 and UTF-32 with one."""

    def __init__(self) -> None:
        self._head = b""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._pending = 0
        self._size = 0
        self.encoding = "UTF-8"
        """Name of the encoding; UTF-8 until the first bytes tell another."""

    def decode(self, block: bytes, *, final: bool = False) -> str:
        """Decode the next bytes.

        Args:
            block: The bytes.
            final: Whether none follow.

        Raises:
            UnicodeDecodeError: They are not in the encoding; `error.reason` tells where in the stream.
        """
        if self._decoder is None:
            self._head += block
            if len(self._head) < _MARK_BYTES and not final:
                return ""
            block = self._head
            self.encoding = next((name for mark, name in _MARKS if block.startswith(mark)), "UTF-8")
            codec = "utf-8-sig" if self.encoding == "UTF-8" else self.encoding
            self._decoder = codecs.getincrementaldecoder(codec)()
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            position = self._size - pending + error.start
            error.reason = f"invalid byte 0x{error.object[error.start]:02x} at position {position}"
            raise
        self._size += len(block)
        return text


def guess_encoding(sample: bytes) -> str | None:
    """Name the encoding that bytes are probably in, such as `cp1251`; None if there is no telling."""
    from charset_normalizer import from_bytes

    # Words of ASCII are the same in most encodings, and would outweigh the others.
    telling = b" ".join(word for word in sample.split() if not word.isascii())
    best = from_bytes(telling).best() if len(telling) >= _LEAST_BYTES else None
    if best is None:
        return None
    return "cp1252" if "cp1252" in best.could_be_from_charset else best.encoding.replace("_", "-")
