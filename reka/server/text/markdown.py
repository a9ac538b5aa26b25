"""Markdown: its text under its headings, without markup."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from reka.server.text.blocks import CELL_SEPARATOR, Block, Sections
from reka.server.text.hypertext import add_html
from reka.server.text.lines import lines

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

PIECE_CHARS: Final = 16 * 1024
"""Characters that are parsed at a time, to the next empty line: some inputs take the parser quadratic time (ours)."""

MAX_PIECE_CHARS: Final = 2 * PIECE_CHARS

MAX_INLINE_CHARS: Final = 8 * 1024
"""Characters of a paragraph whose markup is removed; a longer one is data (ours)."""

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX: Final = re.compile(r" {0,3}#{1,6}[ \t]")
_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_FRONT_MATTER: Final = re.compile(r"---[ \t]*\r?\n(.{0,4000}?)^---[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)
_FRONT_TITLE: Final = re.compile(r"^title:[ \t]*[\"']?(.{1,200}?)[\"']?[ \t]*\r?$", re.MULTILINE)
_MAX_COLUMNS: Final = 200
"""Bars in a line of a table that is read: the parser fills rows up to the number of columns (ours)."""

_WINDOW: Final = 4096
"""Characters in which the source of a text without markup is looked for."""


def markdown_blocks(parts: Iterable[str]) -> Iterator[Block]:
    """Read Markdown as blocks under the path of their headings.

    Args:
        parts: The text, in order, divided at arbitrary points.
    """
    sections = Sections()
    for start, piece in _pieces(parts):
        skipped = _front_matter(piece, sections) if start == 0 else 0
        _Piece(piece[skipped:], start + skipped, sections).read()
        yield from sections.take()
        sections.gap()
    yield from sections.finish()


def _front_matter(piece: str, sections: Sections) -> int:
    """Read the title in the metadata before a document; return where the document begins."""
    found = _FRONT_MATTER.match(piece)
    if found is None:
        return 0
    if title := _FRONT_TITLE.search(found[1]):
        sections.heading(0, title[1], found.start(1) + title.start(1))
    return found.end()


def _pieces(parts: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Divide a document before headings and after empty lines, outside of fences."""
    pending: list[str] = []
    start, size, fence, is_after_blank = 0, 0, "", False
    for position, line in lines(parts):
        is_break = not fence and (_ATX.match(line) is not None or is_after_blank)
        if (size >= PIECE_CHARS and is_break) or size + len(line) > MAX_PIECE_CHARS:
            if pending:
                yield start, "".join(pending)
            pending, start, size = [], position, 0
            if fence:
                pending = [f"{fence}\n"]
                start -= len(fence) + 1
        marker = _FENCE.match(line)
        if marker and not fence:
            fence = marker[1]
        elif marker and marker[1].startswith(fence) and not line.strip(f" \t\r\n{fence[0]}"):
            fence = ""
        is_after_blank = not line.strip()
        pending.append(line)
        size += len(line)
    if pending:
        yield start, "".join(pending)


class _Piece:
    """A piece of a document that is parsed at once."""

    def __init__(self, text: str, start: int, sections: Sections) -> None:
        self._text = text
        self._start = start
        self._sections = sections
        self._line_starts = [0, *(match.end() for match in _LINE_END.finditer(text)), len(text)]
        self._cursor = 0
        self._references: dict[str, Any] = {}
        self._cells: list[str] | None = None  # texts of the cells of a table's head
        self._is_first_cell = True

    def read(self) -> None:
        """Add the text to the sections."""
        is_wide = any(line.count("|") > _MAX_COLUMNS for line in self._text.split("\n"))
        tokens = _parser(has_tables=not is_wide).parse(self._text, self._references)
        level = 0
        for token in tokens:
            if token.map is not None:
                self._cursor = max(self._cursor, self._line_starts[min(token.map[0], len(self._line_starts) - 1)])
            if token.type == "heading_open":
                level = int(token.tag[1])
            elif token.type == "heading_close":
                level = 0
            elif token.type == "inline" and level:
                pieces = self._inline(token)
                if pieces:
                    self._sections.heading(level, "".join(text for text, _ in pieces), pieces[0][1])
            else:
                self._token(token)

    def _token(self, token: "Token") -> None:
        sections = self._sections
        kind = token.type
        if kind == "inline":
            if self._cells is not None:
                self._cells[-1] = "".join(text for text, _ in self._inline(token))
                return
            for text, position in self._inline(token):
                sections.add(text, position)
        elif kind in {"fence", "code_block"}:
            sections.gap()
            self._verbatim(token.content)
            sections.gap()
        elif kind == "html_block":
            sections.gap()
            add_html(token.content, self._at(self._cursor), sections)
            sections.gap()
        elif kind.endswith(("_open", "_close")):
            self._boundary(token)

    def _boundary(self, token: "Token") -> None:
        if token.type.startswith(("table_", "thead_", "tbody_", "tr_", "th_", "td_")):
            self._table(token.type)
        elif token.type == "list_item_open" and token.info:
            self._sections.gap()
            self._sections.add(f"{token.info}{token.markup} ", self._at(self._cursor))
        elif not token.hidden:  # a paragraph in a tight list: its item is apart already
            self._sections.gap()

    def _table(self, kind: str) -> None:
        if kind == "thead_open":
            self._cells = []
        elif kind == "thead_close":
            cells, self._cells = self._cells or [], None
            self._sections.columns(cells)
        elif kind == "th_open" and self._cells is not None:
            self._cells.append("")
        elif kind == "tr_open":
            self._is_first_cell = True
            self._sections.gap("\n")
        elif kind == "td_open":
            if not self._is_first_cell:
                self._sections.add(CELL_SEPARATOR, self._at(self._cursor))
            self._is_first_cell = False
        elif kind in {"table_open", "table_close"}:
            self._sections.columns(())
            self._sections.gap()

    def _verbatim(self, content: str) -> None:
        for line in content.rstrip("\n").splitlines(keepends=True):
            self._sections.add(line, self._find(line.rstrip("\n")))

    def _inline(self, token: "Token") -> list[tuple[str, int]]:
        """Return the texts of a paragraph, and where they stand."""
        if len(token.content) > MAX_INLINE_CHARS:
            return [(token.content, self._find(token.content))]
        children: list[Token] = []
        parser = _parser()
        parser.inline.parse(token.content, parser, self._references, children)
        return [(text, self._find(text)) for text in _texts(children) if text]

    def _find(self, text: str) -> int:
        """Return where the next text without markup stands, or at least where it may."""
        found = self._text.find(text, self._cursor, self._cursor + len(text) + _WINDOW) if text.strip() else -1
        place = self._cursor if found < 0 else found
        self._cursor = min(place + len(text), len(self._text))
        return self._at(place)

    def _at(self, place: int) -> int:
        return self._start + place


def _texts(children: Sequence["Token"]) -> Iterator[str]:
    for child in children:
        if child.type == "text_special" and child.markup.startswith("&"):
            yield child.content.replace("\u00a0", " ").replace("\u00ad", "")
        elif child.type in {"text", "text_special", "code_inline"}:
            yield child.content
        elif child.type == "image":
            yield from _texts(child.children or [])
        elif child.type in {"softbreak", "hardbreak"}:
            yield "\n"


@lru_cache(maxsize=2)
def _parser(*, has_tables: bool = True) -> "MarkdownIt":
    from markdown_it import MarkdownIt

    # The inline rule is run for paragraphs of bounded size only.
    extensions = ["strikethrough", "table"] if has_tables else ["strikethrough"]
    parser = MarkdownIt("commonmark").enable(extensions).disable("inline")
    # Its rules are put together at first use, where another thread would find them in part.
    parser.parse("text")
    parser.inline.parse("text", parser, {}, [])
    return parser
