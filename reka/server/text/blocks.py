"""Blocks: pieces of a file's text without its markup, which know where they stand and what they are read under."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reka.server.retrieval.chunking import BLOCK_CHARS

MAX_TITLE_CHARS: Final = 120
"""Characters of one heading that count (ours)."""

MAX_CONTEXT_CHARS: Final = 300
"""Characters of a context, the last ones of a path and the first ones of columns: more would outweigh a text (ours)."""

CELL_SEPARATOR: Final = " | "
"""What stands between the cells of a table in a document."""

_STEP: Final = " > "


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of text under one context."""

    text: str
    """The text without markup."""

    starts: Sequence[tuple[int, int]]
    """Offsets in the text with those in the file, ascending, wherever their difference changes; the first is 0."""

    context: str = ""
    """See `Chunk.context`."""

    def position(self, offset: int) -> int:
        """Return the offset in the file of an offset in the text."""
        here, there = self.starts[bisect_right(self.starts, (offset, 1 << 62)) - 1]
        return there + offset - here


@dataclass(frozen=True, slots=True)
class Row:
    """A record of a table, a list of objects or a log; where it stands, and what it is read under."""

    text: str
    position: int
    context: str = ""


class Writer:
    """Joins pieces of text to one, and keeps where they stand."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._starts: list[tuple[int, int]] = []
        self.size: int = 0
        """Characters so far."""

    def add(self, text: str, position: int) -> None:
        """Append a piece that stands at a position of the file."""
        if not self._starts or position - self.size != self._starts[-1][1] - self._starts[-1][0]:
            self._starts.append((self.size, position))
        self._pieces.append(text)
        self.size += len(text)

    def take(self, context: str) -> Block:
        """Return what was added, and begin anew."""
        block = Block("".join(self._pieces), self._starts or [(0, 0)], context)
        self._pieces, self._starts, self.size = [], [], 0
        return block


class Sections:
    """Collects the paragraphs under each heading of a document, in reading order."""

    def __init__(self) -> None:
        self._path: list[tuple[int, str]] = []
        self._columns = ""
        self._writer = Writer()
        self._separator = ""
        self._blocks: list[Block] = []
        self._headings: Block | None = None  # the last block of headings alone
        self._bare_heading: int | None = None  # position of the last heading, while nothing stands under it

    def heading(self, level: int, title: str, position: int) -> None:
        """Begin a section.

        Args:
            level: 0 for the document's title, 1 for the highest heading, and so on.
            title: Its text; an empty one is ignored.
            position: Its offset in the file.
        """
        title = " ".join(title.split())[:MAX_TITLE_CHARS]
        if not title:
            return
        self._end_section(level)
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        if self._path and self._path[-1][1] == title:
            self._path.pop()
        self._path.append((level, title))
        self._bare_heading = position

    def columns(self, names: Iterable[str]) -> None:
        """Let what follows stand under the names of columns too, until they change or a section begins."""
        line = line_of_columns((" ".join(name.split()) for name in names), CELL_SEPARATOR)
        if line != self._columns:
            self._flush()
            self._columns = line

    def add(self, text: str, position: int) -> None:
        """Append text to the present paragraph."""
        if self._separator:
            if self._writer.size:
                self._writer.add(self._separator, position - len(self._separator))
            self._separator = ""
        self._writer.add(text, position)
        if self._writer.size >= BLOCK_CHARS:
            self._flush()

    def gap(self, separator: str = "\n\n") -> None:
        """End the present paragraph, or the present line if the separator is a single line's end."""
        self._separator = max(self._separator, separator, key=len)

    def take(self) -> list[Block]:
        """Return the blocks that are complete."""
        blocks, self._blocks = self._blocks, []
        return blocks

    def finish(self) -> list[Block]:
        """Return the blocks that are left."""
        self._end_section(0)
        return self.take()

    def _end_section(self, next_level: int) -> None:
        self._flush()
        self._columns = ""
        if self._bare_heading is not None and self._path and self._path[-1][0] >= next_level:
            # Nothing stands under it, so it is a text itself.
            parents = _joined([title for _, title in self._path[:-1]])
            self._add_heading(Block(self._path[-1][1], [(0, self._bare_heading)], parents))
        self._bare_heading = None

    def _add_heading(self, block: Block) -> None:
        """Add a heading as a text; several in a row, as in a list of contents, make one."""
        last = self._blocks[-1] if self._blocks else None
        if last is not None and last is self._headings and last.context == block.context:
            size = len(last.text) + 1
            starts = [*last.starts, (size, block.starts[0][1])]
            block = Block(f"{last.text}\n{block.text}", starts, block.context)
            self._blocks.pop()
        self._headings = block
        self._blocks.append(block)

    def _flush(self) -> None:
        self._separator = ""
        if not self._writer.size:
            return
        titles = [title for _, title in self._path]
        block = self._writer.take(_joined([*titles, self._columns] if self._columns else titles))
        if block.text.strip():
            self._blocks.append(block)
            self._bare_heading = None


def grouped(rows: Iterable[Row], size: int) -> Iterator[Block]:
    """Join rows of one context to blocks of at most `size` characters, unless one row alone has more."""
    writer, context = Writer(), ""
    for row in rows:
        if writer.size and (row.context != context or writer.size + 1 + len(row.text) > size):
            yield writer.take(context)
        if writer.size:
            writer.add("\n", row.position - 1)
        context = row.context
        writer.add(row.text, row.position)
    if writer.size:
        yield writer.take(context)


def line_of_columns(names: Iterable[str], separator: str) -> str:
    """Write the names of columns as a context, cut at a name."""
    line = ""
    for name in names:
        longer = f"{line}{separator}{name}" if line else name
        if len(longer) > MAX_CONTEXT_CHARS:
            return line or longer[:MAX_CONTEXT_CHARS]
        line = longer
    return line


def _joined(titles: Sequence[str]) -> str:
    path = _STEP.join(titles)
    return path if len(path) <= MAX_CONTEXT_CHARS else path[-MAX_CONTEXT_CHARS:].partition(_STEP)[2] or titles[-1]
