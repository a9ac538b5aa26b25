"""Text to chunks: streaming functions that keep paragraphs and sentences intact and buffer one block at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from semantic_text_splitter import TextSplitter

BLOCK_CHARS: Final = 64 * 1024
"""Characters that are split at a time: the splitter takes quadratic time for a text without any break (ours)."""

_BREAKS: Final = ("\n\n", "\n", ". ", " ")
"""Texts after which a block may end, best first."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a text, the unit of retrieval."""

    text: str
    """The text, without surrounding white space."""
    source: str
    """Name of the file that the text is from."""
    position: int
    """Offset of the text in that file, in characters."""
    context: str = ""
    """What it is read under: the path of its headings, or the names of its columns; it is searched, not quoted."""
    document: int = 0
    """Number of its document."""
    about: str = ""
    """Lines about its document, such as its metadata: searched with the text, and no part of it."""


def chunks(parts: Iterable[str], source: str, chunk_chars: int) -> Iterator[Chunk]:
    """Split a text into chunks.

    Args:
        parts: The text, in order, divided at arbitrary points.
        source: Name of the file that the text is from.
        chunk_chars: Maximum length of a chunk in characters.

    Yields:
        The chunks in text order; none for a text of white space.
    """
    for start, block in blocks(parts):
        for offset, text in pieces(block, chunk_chars):
            yield Chunk(text, source, start + offset)


_WHITE_SPACE: Final = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What the splitter removes at both ends of a text: Unicode's white space."""


def pieces(block: str, chunk_chars: int) -> Iterator[tuple[int, str]]:
    """Split a text of at most BLOCK_CHARS characters between paragraphs or sentences; yield offsets and texts."""
    if len(block) <= chunk_chars:  # which the splitter leaves whole, too, in a hundred times the time
        text = block.strip(_WHITE_SPACE)
        if text.strip():
            yield block.index(text), text
        return
    for offset, text in _splitter(chunk_chars).chunk_indices(block):
        # The splitter's definition of white space is narrower than that of `str.strip`.
        if text.strip():
            yield offset, text


def blocks(parts: Iterable[str], size: int = BLOCK_CHARS) -> Iterator[tuple[int, str]]:
    """Regroup the parts of a text into blocks of `size` characters or a little less, each ending at the best break.

    Args:
        parts: The text, in order, divided at arbitrary points.
        size: Maximum length of a block in characters.

    Yields:
        The offset of a block in the text, and the block; concatenated, the blocks are the text.
    """
    start, buffer = 0, ""
    for part in parts:
        buffer += part
        while len(buffer) > size:
            end = _block_end(buffer, size)
            yield start, buffer[:end]
            start, buffer = start + end, buffer[end:]
    if buffer:
        yield start, buffer


def _block_end(text: str, size: int) -> int:
    """Return where a block ends: after the last occurrence of the best break in its second half, else at `size`."""
    for separator in _BREAKS:
        start = text.rfind(separator, size // 2, size)
        if start >= 0:
            return start + len(separator)
    return size


@lru_cache(maxsize=8)
def _splitter(chunk_chars: int) -> "TextSplitter":
    from semantic_text_splitter import TextSplitter

    return TextSplitter(chunk_chars)
