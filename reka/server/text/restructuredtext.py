"""reStructuredText: its text under its headings, without markup.

Read line by line: docutils reads a document whole, runs its directives and tells no positions within a line.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from reka.server.text.blocks import Block, Sections
from reka.server.text.lines import lines

_RULE: Final = re.compile(r"([^\w\s])\1{2,}\s*$")
_TABLE_BORDER: Final = re.compile(r"\s*[+|=-][+|=\s-]*$")
_DIRECTIVE: Final = re.compile(r"\s*\.\.\s+(?:\|[^|]{1,80}\|\s+)?([\w:+.-]{1,60}?)::(?:\s+|$)")
_EXPLICIT: Final = re.compile(r"\s*\.\.(?:\s|$)")
_FOOTNOTE: Final = re.compile(r"\s*\.\.\s+\[[^\]\s]{1,60}\]\s+")
_OPTION: Final = re.compile(r"\s+:[\w-]{1,60}:(?:\s|$)")
_ADMONITIONS: Final = frozenset(
    {"note", "warning", "tip", "important", "caution", "danger", "attention", "hint", "error", "admonition", "seealso"}
    | {"versionadded", "versionchanged", "deprecated", "rubric", "topic", "epigraph", "centered", "glossary", "sidebar"}
    | {"function", "class", "method", "attribute", "data", "exception", "module", "option", "describe", "envvar"}
)
"""Directives whose argument is text."""

_HIDDEN: Final = frozenset({"toctree", "index", "contents", "raw", "include", "image", "only", "highlight", "replace"})
"""Directives that have no text of their own."""

_MARKUP: Final = re.compile(
    r"``(?P<literal>[^`]{1,500})``"
    r"|(?::[\w:+.-]{1,60}:)?`(?P<text>[^`<]{1,500}?)(?:\s*<[^`>]{0,500}>)?`(?:__?\b|__?(?=\W|$))?"
    r"|\*\*(?P<strong>[^*\s][^*]{0,500})\*\*"
    r"|(?<!\*)\*(?P<emphasis>[^*\s][^*]{0,500})\*(?!\*)"
    r"|\b(?P<reference>[^\W_]{1,60})__?(?=[\s.,;:!?)]|$)"
    r"|\\(?P<escaped>\S)|\\\s"
)


def restructuredtext_blocks(parts: Iterable[str]) -> Iterator[Block]:
    """Read reStructuredText as blocks under the path of their headings.

    Args:
        parts: The text, in order, divided at arbitrary points.
    """
    document = _Document()
    paragraph: list[tuple[int, str]] = []
    length = 0
    for position, line in lines(parts):
        if line.strip() and length < _MAX_PARAGRAPH_CHARS:
            paragraph.append((position, line))
            length += len(line)
            continue
        document.paragraph(paragraph)
        paragraph = [(position, line)] if line.strip() else []
        length = len(line)
        yield from document.sections.take()
    document.paragraph(paragraph)
    yield from document.sections.finish()


_MAX_PARAGRAPH_CHARS: Final = 32 * 1024


class _Document:
    """A document that is read paragraph by paragraph."""

    def __init__(self) -> None:
        self.sections = Sections()
        self._styles: list[tuple[str, bool]] = []
        self._hidden_indent: int | None = None  # indentation of a directive whose body is left out

    def paragraph(self, rows: Sequence[tuple[int, str]]) -> None:
        """Add the lines of a paragraph."""
        while rows:
            if taken := self._heading(rows):
                rows = rows[taken:]
                continue
            end = next((number for number in range(1, len(rows)) if self._is_heading(rows[number:])), len(rows))
            self._text(rows[:end])
            rows = rows[end:]

    def _is_heading(self, rows: Sequence[tuple[int, str]]) -> bool:
        return _heading_in([line for _, line in rows[:3]]) is not None

    def _heading(self, rows: Sequence[tuple[int, str]]) -> int:
        """Read a heading at the beginning of lines; return how many of them it takes."""
        found = _heading_in([line for _, line in rows[:3]])
        if found is None:
            return 0
        title_line, style, taken = found
        if style not in self._styles:
            self._styles.append(style)
        position, line = rows[title_line]
        title = "".join(text for text, _ in _plain(line.strip(), 0))
        self.sections.heading(1 + self._styles.index(style), title, position + len(line) - len(line.lstrip()))
        self._hidden_indent = None
        return taken

    def _text(self, rows: Sequence[tuple[int, str]]) -> None:
        kept: list[tuple[int, str]] = []
        for position, line in rows:
            indent = len(line) - len(line.lstrip())
            if self._hidden_indent is not None:
                if indent > self._hidden_indent:
                    continue
                self._hidden_indent = None
            skipped = self._markers(line, indent)
            if skipped is not None and line[skipped:].strip():
                kept.append((position + skipped, line[skipped:]))
        if not kept:
            return
        self.sections.gap()
        text = "".join(line for _, line in kept).rstrip()
        if text.endswith("::"):
            text = text[:-1] if text[:-2].strip() and not text[-3:-2].isspace() else text[:-2]
        offsets = _Offsets(kept)
        for piece, offset in _plain(text, 0):
            self.sections.add(piece, offsets.position(offset))
        self.sections.gap()

    def _markers(self, line: str, indent: int) -> int | None:
        """Return the number of characters of markup that a line begins with; None if it is markup alone."""
        if _TABLE_BORDER.match(line) or _RULE.match(line) or _OPTION.match(line):
            return None
        if found := _DIRECTIVE.match(line):
            name = found[1].rpartition(":")[2]
            if name in _HIDDEN:
                self._hidden_indent = indent
            return found.end() if name in _ADMONITIONS else None
        if found := _FOOTNOTE.match(line):
            return found.end()
        if _EXPLICIT.match(line):
            self._hidden_indent = indent
            return None
        return 0


class _Offsets:
    """Where the text of joined lines stands."""

    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        self._rows = rows
        self._row = 0
        self._before = 0

    def position(self, offset: int) -> int:
        """Return the position of an offset, which must not fall from call to call."""
        while self._row + 1 < len(self._rows) and offset >= self._before + len(self._rows[self._row][1]):
            self._before += len(self._rows[self._row][1])
            self._row += 1
        return self._rows[self._row][0] + offset - self._before


def _heading_in(first: Sequence[str]) -> tuple[int, tuple[str, bool], int] | None:
    """Find a heading in the first three lines of a paragraph: its line, its style, and the number of its lines."""
    rules = [_RULE.match(line) is not None for line in first]
    if rules == [True, False, True] and first[0][0] == first[2][0]:
        return 1, (first[0][0], True), 3
    if rules[:2] != [False, True] or first[0][0].isspace():
        return None
    is_long_enough = len(first[1].strip()) + 2 >= min(len(first[0].strip()), 40)
    return (0, (first[1][0], False), 2) if is_long_enough else None


def _plain(text: str, start: int) -> Iterator[tuple[str, int]]:
    """Yield the pieces of a text without inline markup, with their offsets."""
    place = 0
    for found in _MARKUP.finditer(text):
        if found.start() > place:
            yield text[place : found.start()], start + place
        name = found.lastgroup
        if name:
            yield found[name], start + found.start(name)
        place = found.end()
    if place < len(text):
        yield text[place:], start + place
