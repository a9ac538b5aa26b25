"""The stage itself: a file of any kind of text to chunks."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Final

from reka.server.retrieval.chunking import BLOCK_CHARS, Chunk, blocks, chunks, pieces
from reka.server.text.blocks import Block
from reka.server.text.code import code_blocks
from reka.server.text.hypertext import html_blocks
from reka.server.text.json_rows import json_blocks
from reka.server.text.kinds import HEAD_CHARS, Kind, kind_of
from reka.server.text.logs import log_blocks
from reka.server.text.markdown import markdown_blocks
from reka.server.text.restructuredtext import restructuredtext_blocks
from reka.server.text.tables import find_delimiter, table_blocks

_SECTIONS: Final[Mapping[Kind, Callable[[Iterable[str]], Iterator[Block]]]] = {
    "markdown": markdown_blocks,
    "restructuredtext": restructuredtext_blocks,
    "html": html_blocks,
}
_ROWS: Final[Mapping[Kind, Callable[[Iterable[str], int], Iterator[Block]]]] = {
    "json": json_blocks,
    "log": log_blocks,
    "code": code_blocks,
}


def chunks_of_file(parts: Iterable[str], source: str, chunk_chars: int) -> Iterator[Chunk]:
    """Divide a file's text into chunks, as its kind asks for.

    Args:
        parts: The text, in order, divided at arbitrary points.
        source: Name of the file.
        chunk_chars: Maximum length of a chunk in characters, its context not counted.

    Yields:
        The chunks in the order of the text; none for a text of white space.
    """
    head, parts = _with_head(_short_parts(parts))
    kind = kind_of(source, head)
    if kind == "prose":
        yield from chunks(parts, source, chunk_chars)
        return
    is_empty = True
    for block in _blocks(kind, parts, chunk_chars, find_delimiter(head, source) if kind == "table" else None):
        for chunk in _chunks_of_block(block, source, chunk_chars):
            is_empty = False
            yield chunk
    if is_empty:
        # A file of markup alone is text all the same.
        yield from chunks([head], source, chunk_chars)


def _blocks(kind: Kind, parts: Iterable[str], size: int, delimiter: str | None) -> Iterator[Block]:
    if delimiter is not None:
        return table_blocks(parts, size, delimiter)
    return _SECTIONS[kind](parts) if kind in _SECTIONS else _ROWS[kind](parts, size)


def _chunks_of_block(block: Block, source: str, chunk_chars: int) -> Iterator[Chunk]:
    # Not more than BLOCK_CHARS at a time: see there.
    for start, text in blocks([block.text]) if len(block.text) > BLOCK_CHARS else [(0, block.text)]:
        for offset, piece in pieces(text, chunk_chars):
            yield Chunk(piece, source, block.position(start + offset), block.context)


def _short_parts(parts: Iterable[str]) -> Iterator[str]:
    """Divide parts of any length, which readers copy more than once."""
    for part in parts:
        for start in range(0, len(part), BLOCK_CHARS):
            yield part[start : start + BLOCK_CHARS]


def _with_head(parts: Iterator[str]) -> tuple[str, Iterator[str]]:
    """Read the first characters, and return them with all parts."""
    first: list[str] = []
    size = 0
    for part in parts:
        first.append(part)
        size += len(part)
        if size >= HEAD_CHARS:
            break
    return "".join(first)[:HEAD_CHARS], chain(first, parts)
