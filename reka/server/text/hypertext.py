"""HTML: its text under its headings; tags, scripts, styles and comments left out, entities decoded.

A scanner of our own rather than a parser's tree: it takes a stream in linear time and bounded memory, however deep the
page is nested, and keeps where each text stands, which no parser with wheels for all platforms tells.
"""

import re
from collections.abc import Iterable, Iterator
from html import unescape
from typing import Final

from reka.server.text.blocks import CELL_SEPARATOR, Block, Sections

MAX_TAG_CHARS: Final = 256 * 1024
"""Characters of a tag; what is longer is text: pictures inside attributes are that long (ours)."""

_SKIPPED: Final = frozenset({"script", "style", "svg", "template", "iframe", "noembed", "noframes", "object", "canvas"})
"""Elements whose contents are no text."""

_BLOCKS: Final = frozenset(
    """address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure
    footer form h1 h2 h3 h4 h5 h6 head header hr html legend li main menu nav ol optgroup option p pre section select
    summary table tbody tfoot thead title tr ul""".split()  # noqa: SIM905 - sixty string literals are harder to read
)
_LINES: Final = frozenset({"br", "tr", "tbody", "thead", "tfoot"})
"""Elements that begin a line, not a paragraph."""

_HEADINGS: Final = {"title": 0, "h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_NAME: Final = re.compile(r"</?([a-zA-Z][^\s/><]{0,60})")
_REST: Final = re.compile(r"""[^<>"']*(?:(?:"[^"]*"|'[^']*')[^<>"']*)*([<>])""")
_IRREGULAR: Final = re.compile(r"\s{2,}|[^\S ]|&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});?")
"""White space that is no single space, and entities."""

_MAX_TITLE_CHARS: Final = 1000
_MAX_CELLS: Final = 100


def html_blocks(parts: Iterable[str]) -> Iterator[Block]:
    """Read a page as blocks under the path of their headings.

    Args:
        parts: The text, in order, divided at arbitrary points.
    """
    page = _Page()
    buffer, start = "", 0
    for part in parts:
        buffer += part
        used = page.read(buffer, start, is_last=False)
        buffer, start = buffer[used:], start + used
        yield from page.sections.take()
    page.read(buffer, start, is_last=True)
    page.end_heading()
    yield from page.sections.finish()


def add_html(text: str, position: int, sections: Sections) -> None:
    """Add the text of a piece of HTML that stands inside another document."""
    page = _Page(sections)
    page.read(text, position, is_last=True)
    page.end_heading()


class _Page:
    """Where in a page the scanner is."""

    def __init__(self, sections: Sections | None = None) -> None:
        self.sections = sections or Sections()
        self._skip: re.Pattern[str] | None = None  # end of an element or comment that is being skipped
        self._is_pre = False
        self._ends_with_space = True
        self._title: tuple[str, int] | None = None  # element and position of a heading that is open
        self._title_pieces: list[str] = []
        self._title_size = 0
        self._row: list[str] | None = None  # texts of the cells of a row of headers
        self._row_position = 0
        self._has_cell = False

    def read(self, buffer: str, start: int, *, is_last: bool) -> int:
        """Read as much of a buffer as is certain.

        Args:
            buffer: The next characters.
            start: Their offset in the file.
            is_last: Whether none follow.

        Returns:
            The number of characters read.
        """
        place = 0
        while place < len(buffer):
            if self._skip is not None:
                found = self._skip.search(buffer, place)
                if found is None:
                    return len(buffer) if is_last else max(place, len(buffer) - 16)
                self._skip, place = None, found.start()
                if buffer.startswith("-->", place):
                    place += 3
                continue
            opening = buffer.find("<", place)
            end = len(buffer) if opening < 0 else opening
            if opening < 0 and not is_last:
                end = _last_break(buffer, place)
            self._text(buffer[place:end], start + place)
            if opening < 0:
                return end
            tag_end = self._tag(buffer, opening, start, is_last=is_last)
            if tag_end is None:
                return opening
            place = tag_end
        return place

    def _tag(self, buffer: str, place: int, start: int, *, is_last: bool) -> int | None:
        """Read the tag at a place; return where it ends, or None if more characters are needed to tell."""
        is_short = not is_last and len(buffer) - place < MAX_TAG_CHARS
        if buffer.startswith("<!--", place):
            self._skip = re.compile("-->")
            return place + 4
        if buffer.startswith(("<!", "<?"), place):
            found = buffer.find(">", place, place + MAX_TAG_CHARS)
            if found >= 0:
                return found + 1
            return None if is_short else self._as_text(buffer, place, start)
        name = _NAME.match(buffer, place)
        if name is None:
            return None if is_short and len(buffer) - place < 3 else self._as_text(buffer, place, start)
        rest = _REST.match(buffer, name.end(), place + MAX_TAG_CHARS)
        if rest is None and is_short:
            return None
        # A quote that never closes: the tag ends at the next angle.
        end = rest.end() if rest else buffer.find(">", place) + 1 or len(buffer)
        self._element(name[1].lower(), start + place, is_end=buffer.startswith("</", place))
        return end - 1 if rest and rest[1] == "<" else end

    def _as_text(self, buffer: str, place: int, start: int) -> int:
        self._text(buffer[place], start + place)
        return place + 1

    def _element(self, name: str, position: int, *, is_end: bool) -> None:
        if name in _SKIPPED:
            if not is_end:
                self._skip = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
        elif name in {"td", "th"}:
            self._cell(name, position, is_end=is_end)
        elif name in _HEADINGS:
            self.end_heading()
            if not is_end:
                self._title, self._title_pieces, self._title_size = (name, position), [], 0
        elif name == "br" or name in _BLOCKS:
            self._break(name, is_end=is_end)

    def _break(self, name: str, *, is_end: bool) -> None:
        if self._title is not None and name != "br":
            self.end_heading()
        if name == "br" and self._title is not None:
            self._title_pieces.append(" ")
        if name in {"tr", "table", "thead", "tbody"}:
            self._end_row(is_table_end=name == "table")
        self._is_pre = name == "pre" and not is_end if name != "br" else self._is_pre
        self.sections.gap("\n" if name in _LINES else "\n\n")
        self._ends_with_space = True

    def _cell(self, name: str, position: int, *, is_end: bool) -> None:
        if is_end:
            return
        if name == "th" and not self._has_cell:
            self._row = []
        elif self._row is not None and (name == "td" or len(self._row) == _MAX_CELLS):
            self._row_as_text()
        if self._row is not None:
            self._row.append("")
        elif self._has_cell:
            self.sections.add(CELL_SEPARATOR, position)
        self._has_cell, self._ends_with_space = True, True

    def _end_row(self, *, is_table_end: bool) -> None:
        if is_table_end:
            self.sections.columns(())
        elif self._row:
            self.sections.columns(self._row)
        self._row, self._has_cell = None, False

    def _row_as_text(self) -> None:
        """Take back that a row is one of headers: it only begins with one."""
        cells = [" ".join(cell.split()) for cell in self._row or ()]
        self._row = None
        self.sections.add(CELL_SEPARATOR.join(cells), self._row_position)

    def end_heading(self) -> None:
        """End the heading that is open, if one is."""
        if self._title is None:
            return
        name, position = self._title
        self._title = None
        self.sections.heading(_HEADINGS[name], "".join(self._title_pieces), position)
        self._ends_with_space = True

    def _text(self, text: str, position: int) -> None:
        place = 0
        for match in _IRREGULAR.finditer(text):
            self._piece(text[place : match.start()], position + place)
            found = match[0]
            if found[0] == "&":
                self._piece(_character(found), position + match.start())
            else:
                self._piece(found if self._is_pre else " ", position + match.start())
            place = match.end()
        self._piece(text[place:], position + place)

    def _piece(self, text: str, position: int) -> None:
        if self._title is not None or self._row is not None:
            self._named(text, position)
            return
        if self._ends_with_space and not self._is_pre:
            stripped = text.lstrip(" ")
            text, position = stripped, position + len(text) - len(stripped)
        if text:
            self.sections.add(text, position)
            self._ends_with_space = text[-1] == " "

    def _named(self, text: str, position: int) -> None:
        """Add text to the heading or the header cell that is open; a very long one is none."""
        if self._title is not None:
            self._title_pieces.append(text)
            self._title_size += len(text)
            if self._title_size > _MAX_TITLE_CHARS:
                self.end_heading()
        elif self._row is not None:
            row = self._row
            if row == [""]:
                self._row_position = position
            row[-1] = (row[-1] + text)[:_MAX_TITLE_CHARS]


def _character(entity: str) -> str:
    """Decode an entity; one that only guides the layout is a space, or nothing."""
    return unescape(entity).replace("\u00a0", " ").replace("\u00ad", "")


def _last_break(buffer: str, place: int) -> int:
    """Return where text may be cut without cutting a word or an entity."""
    found = max(buffer.rfind(" ", place), buffer.rfind("\n", place))
    return found if found > place else max(place, len(buffer) - 40)
