"""UTF-8 text as a stream of blocks."""

import codecs
from collections.abc import Iterator
from typing import IO, Final

READ_BYTES: Final = 64 * 1024
"""Bytes of a file that are read at a time (ours)."""


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
