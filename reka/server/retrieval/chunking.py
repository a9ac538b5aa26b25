"""Text to chunks: pure functions that keep paragraphs and sentences whole and never hold more than one block."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from semantic_text_splitter import TextSplitter

BLOCK_CHARS: Final = 64 * 1024
"""Characters that are split at a time; the splitter's time grows with the square of a text without any break (ours)."""

_BREAKS: Final = ("\n\n", "\n", ". ", " ")
"""Where a block may end, best first."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a text that retrieval finds as one."""

    text: str
    """The characters, without white space around them."""
    source: str
    """Name of the file that it is from."""
    position: int
    """Characters of that file in front of it."""


def chunks(pieces: Iterable[str], source: str, chunk_chars: int) -> Iterator[Chunk]:
    """Split a text, read piece by piece, into chunks.

    Args:
        pieces: The text, in order, cut anywhere.
        source: Name of the file that the text is from.
        chunk_chars: The most characters of a chunk.

    Yields:
        The chunks in the order of the text; none for a text of white space.
    """
    splitter = _splitter(chunk_chars)
    for start, block in blocks(pieces):
        for offset, text in splitter.chunk_indices(block):
            # The splitter trims what it finds white, which is not all that `str.strip` calls so.
            if text.strip():
                yield Chunk(text, source, start + offset)


def blocks(pieces: Iterable[str], size: int = BLOCK_CHARS) -> Iterator[tuple[int, str]]:
    """Put a text's pieces together to blocks of `size` characters or a little less, cut at the best break.

    Args:
        pieces: The text, in order, cut anywhere.
        size: The most characters of a block.

    Yields:
        Characters in front of the block, and the block; joined, the blocks are the text.
    """
    start, rest = 0, ""
    for piece in pieces:
        rest += piece
        while len(rest) > size:
            end = _cut(rest, size)
            yield start, rest[:end]
            start, rest = start + end, rest[end:]
    if rest:
        yield start, rest


def _cut(text: str, size: int) -> int:
    """Where to end a block: behind the last good break of its second half, else at `size`."""
    for mark in _BREAKS:
        found = text.rfind(mark, size // 2, size)
        if found >= 0:
            return found + len(mark)
    return size


@lru_cache(maxsize=8)
def _splitter(chunk_chars: int) -> "TextSplitter":
    from semantic_text_splitter import TextSplitter

    return TextSplitter(chunk_chars)
