"""How answers, chunks and jobs look: text that came from elsewhere, made safe and laid out for the width at hand."""

import os
import re
from collections.abc import Sequence
from typing import Final, NoReturn

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reka import RetrievedChunk

# What ECMA-48 calls control sequences (CSI ... final byte) and control strings (OSC, DCS, SOS, PM, APC ... ST or BEL),
# in their 7-bit and 8-bit forms, and every other escape. A string that is never ended loses its introducer alone.
_ESCAPES: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]?"
)
_RULES: Final = re.compile(r"(?<!\S)[=*~^#_+|-]{4,}(?!\S)")
"""A line drawn below a heading or in a table: worth nothing in an excerpt."""

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_EXCERPT_LINES: Final = 3
_SOURCE_WIDTH: Final = 24
_PIPE_WIDTH: Final = 100
_FRAME_WIDTH: Final = 12
"""Columns of a chunk table that hold neither source nor text."""


class _Output(Console):
    """A console that leaves a closed pipe to its caller; rich's own would exit with a code of its choice."""

    def on_broken_pipe(self) -> NoReturn:
        """Say that whoever read the output has gone."""
        raise BrokenPipeError


def results(*, quiet: bool = False) -> Console:
    """The console of results: standard output, as it stands now; a quiet one writes nothing."""
    return _console(stderr=False, quiet=quiet)


def notes() -> Console:
    """The console of everything else (progress, hints, errors): standard error, as it stands now."""
    return _console(stderr=True)


def _console(*, stderr: bool, quiet: bool = False) -> Console:
    # Text from a model or a server may hold [brackets] and :names: that rich would take for markup, emoji and numbers.
    console = _Output(stderr=stderr, quiet=quiet, markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH
    return console


def clean(text: str) -> str:
    """Take out of a text what a terminal would obey: escape sequences and control characters, but for tab and newline.

    Otherwise an answer could move the cursor, change the window's title or write to the clipboard.
    """
    return _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n")))


def one_line(text: str) -> str:
    """Clean a text and bring its white space to single spaces."""
    return " ".join(clean(text).split())


def excerpt(text: str, longest: int) -> str:
    """Give a text's beginning on one line, cut between words, at most `longest` characters with its ellipsis.

    The lines that plain text draws below headings and in tables are left out.
    """
    line = one_line(_RULES.sub(" ", clean(text)))
    if len(line) <= longest:
        return line
    head, _, rest = line[:longest].rpartition(" ")
    # A text without spaces (Japanese, a hash) is cut where it must be.
    return (head if len(head) > longest // 2 else line[: longest - 1]).rstrip(" ,;:") + "…" if rest else head + "…"


def indented(body: RenderableType, columns: int) -> Padding:
    """Move something to the right, wrapping it within what is left of the width."""
    return Padding(body, (0, 0, 0, columns), expand=False)


def answer(console: Console, text: str, indent: int = 0) -> None:
    """Write an answer: wrapped between words on a terminal, in its own lines elsewhere."""
    body = clean(text).strip("\n")
    if console.is_terminal or indent:
        console.print(indented(Group(*map(_answer_line, body.split("\n"))), indent))
    else:
        console.print(Text(body), soft_wrap=True)


def _answer_line(line: str) -> RenderableType:
    """One line of an answer; what wraps of a quotation stays to the right of its mark."""
    if not line.startswith("> "):
        return Text(line)
    quotation = Table.grid()
    quotation.add_row(Text("> ", style="dim"), Text(line[2:]))
    return quotation


def chunk_table(chunks: Sequence[RetrievedChunk], width: int) -> Table:
    """Lay retrieved chunks out, best first, for a width in columns; a score that was not sent stays empty."""
    longest_source = max((len(_source(chunk)) for chunk in chunks), default=0)
    source_width = min(max(longest_source, len("source")), _SOURCE_WIDTH, width // 3)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("score", justify="right", style="cyan", no_wrap=True)
    table.add_column("source", style="green", width=source_width, overflow="ellipsis", no_wrap=True)
    table.add_column("text", ratio=1, overflow="fold")
    longest = max(20, _EXCERPT_LINES * (width - source_width - _FRAME_WIDTH - 4))
    for chunk in chunks:
        score = chunk.get("score")
        table.add_row(
            f"{score:.3f}" if isinstance(score, int | float) else "",
            Text(_source(chunk)),
            Text(excerpt(chunk["text"], longest)),
        )
    return table


def _source(chunk: RetrievedChunk) -> str:
    return one_line(str(chunk.get("source", "")))  # outside data: it need not be what its type says


def chunks(console: Console, found: Sequence[RetrievedChunk], indent: int = 0) -> None:
    """Write a table of retrieved chunks, or one line that there are none."""
    if not found:
        console.print(indented(Text("no chunks were retrieved", style="dim"), indent))
        return
    console.print(indented(chunk_table(found, console.width - indent), indent))
