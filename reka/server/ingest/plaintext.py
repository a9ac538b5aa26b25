"""Text files as streams of blocks."""

from collections.abc import Iterator
from typing import IO, Final

from reka._protocol.files.encodings import TextDecoder

READ_BYTES: Final = 64 * 1024
"""Bytes of a file that are read at a time (ours)."""


def read_blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Read a file block by block."""
    while block := file.read(READ_BYTES):
        yield block


def decode(blocks: Iterator[bytes]) -> Iterator[str]:
    """Decode blocks of valid text, dropping the byte-order mark."""
    decoder = TextDecoder()
    for block in blocks:
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)
