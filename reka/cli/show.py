"""Output of answers and chunks: untrusted text, cleaned and laid out for the terminal's width."""

import logging
import os
import re
from collections.abc import Sequence
from typing import Final, NoReturn

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reka import Model, RetrievedChunk
from reka.cli import markdown
from reka.cli.terms import in_commands

# What ECMA-48 calls control sequences (CSI ... final byte) and control strings (OSC, DCS, SOS, PM, APC ... ST or BEL),
# in their 7-bit and 8-bit forms, and every other escape. A string that is never ended loses its introducer alone. None
# holds another introducer: else a text of introducers would be read to its end from each of them.
_ESCAPES: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]?"
)
_RULES: Final = re.compile(r"(?<!\S)[=*~^#_+|-]{4,}(?!\S)")
"""Lines drawn below headings or in tables; left out of excerpts."""

# With the marks and embeddings by which a text shows in another order than it is written in.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_EXCERPT_LINES: Final = 3
_SOURCE_WIDTH: Final = 24
_PIPE_WIDTH: Final = 100
NARROW: Final = 60
"""Width in columns below which what is beside each other elsewhere is one below the other, or left out (ours)."""

_MAX_SIZE: Final = 10_000
"""Columns, or lines, of the largest terminal that an environment variable may name (ours)."""

_FRAME_WIDTH: Final = 12
"""Columns of a chunk table besides source and text."""


def forget_odd_sizes() -> None:
    """Leave the terminal's size to the terminal where the environment names what is none: rich and typer fail on it."""
    for name in ("COLUMNS", "LINES", "TERMINAL_WIDTH"):
        size = os.environ.get(name, "")
        if not (size.isdecimal() and len(size) <= len(str(_MAX_SIZE)) and 0 < int(size) <= _MAX_SIZE):
            os.environ.pop(name, None)


class LogLines(logging.Handler):
    """Prints the log of the client, which repeats what servers call their models, on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        notes().print(Text(in_commands(one_line(record.getMessage())), style="yellow"), soft_wrap=True)


class _Output(Console):
    """A console that raises on a closed pipe; rich would exit with a code of its own."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise BrokenPipeError."""
        raise BrokenPipeError


def results(*, quiet: bool = False) -> Console:
    """Console on the current standard output, for results; a quiet one prints nothing."""
    return _console(stderr=False, quiet=quiet)


def notes() -> Console:
    """Console on the current standard error, for progress, hints and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool, quiet: bool = False) -> Console:
    # Text from a model may hold [brackets] and :names: that rich would read as markup and emoji.
    console = _Output(stderr=stderr, quiet=quiet, markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH
    return console


def warn(text: str) -> None:
    """Print a warning on standard error."""
    notes().print(Text(f"warning: {text}", style="yellow"), soft_wrap=True)


def result_line(text: str) -> None:
    """Print a name, or what else a server says, as one line of the results."""
    results().print(Text(one_line(text)), soft_wrap=True)


def plain_table() -> Table:
    """Make an empty table, whose only line is the one below its head."""
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False, padding=(0, 1, 0, 0))


def clean(text: str) -> str:
    """Remove escape sequences and control characters other than tab and newline, those of direction included.

    Otherwise an answer could move the cursor, change the window's title, write to the clipboard, or show a name as
    another one.
    """
    return _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n")))


def one_line(text: str) -> str:
    """Clean a text and collapse its white space."""
    return " ".join(clean(text).split())


def excerpt(text: str, longest: int) -> str:
    """Beginning of a text on one line, cut between words to at most `longest` characters, ellipsis included."""
    line = one_line(_RULES.sub(" ", clean(text)))
    if len(line) <= longest:
        return line
    head, _, rest = line[:longest].rpartition(" ")
    # A text without spaces (Japanese, a hash) is cut inside a word.
    return (head if len(head) > longest // 2 else line[: longest - 1]).rstrip(" ,;:") + "…" if rest else head + "…"


def indented(body: RenderableType, columns: int) -> Padding:
    """Indent a renderable and wrap it within the remaining width."""
    return Padding(body, (0, 0, 0, columns), expand=False)


def answer(console: Console, text: str, indent: int = 0) -> None:
    """Print an answer: as Markdown on a terminal, elsewhere as it is, wrapped only where it is indented."""
    if console.is_terminal:
        console.print(indented(markdown.rendered(text, clean), indent))
        return
    body = clean(text).strip("\n")
    if indent:
        console.print(indented(Group(*map(_answer_line, body.split("\n"))), indent))
    else:
        console.print(Text(body), soft_wrap=True)


def _answer_line(line: str) -> RenderableType:
    """One line of an answer; the wrapped part of a quotation is indented below its text."""
    if not line.startswith("> "):
        return Text(line)
    quotation = Table.grid()
    quotation.add_row(Text("> ", style="dim"), Text(line[2:]))
    return quotation


def chunk_table(chunks: Sequence[RetrievedChunk], width: int) -> Table:
    """Table of retrieved chunks, best first, for a width in columns; a missing score stays empty."""
    longest_source = max((len(_source(chunk)) for chunk in chunks), default=0)
    source_width = min(max(longest_source, len("source")), _SOURCE_WIDTH, width // 3)
    table = plain_table()
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
    return one_line(str(chunk.get("source", "")))  # untrusted: need not match its declared type


def chunks(console: Console, found: Sequence[RetrievedChunk], indent: int = 0) -> None:
    """Print a table of retrieved chunks, or a line that says there are none."""
    if not found:
        console.print(indented(Text("no chunks were retrieved", style="dim"), indent))
        return
    console.print(indented(chunk_table(found, console.width - indent), indent))


def models(console: Console, described: Sequence[Model]) -> None:
    """Print a table of models, on a narrow terminal one below the other; what is unknown stays empty."""
    headings = ("context", "output", "$/M in", "$/M out", "takes", "supports")
    if console.width < NARROW:
        for model in described:
            console.print(Text(one_line(model.id), style="green"), soft_wrap=True)
            for heading, value in zip(headings, _details(model), strict=True):
                if value:
                    console.print(indented(Text(f"{heading}: {value}"), 2))
        return
    table = plain_table()
    table.add_column("model", style="green", overflow="fold")
    for heading in headings[:4]:
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in headings[4:]:
        table.add_column(heading)
    for model in described:
        table.add_row(Text(one_line(model.id)), *map(Text, _details(model)))
    console.print(table)


def _details(model: Model) -> tuple[str, ...]:
    pricing = model.pricing
    return (
        _length(model.context_length),
        _length(model.max_output_length),
        _per_million(None if pricing is None else pricing.prompt),
        _per_million(None if pricing is None else pricing.completion),
        one_line(", ".join(model.input_modalities or ())),
        one_line(", ".join(model.supported_features or ())),
    )


def _length(tokens: int | None) -> str:
    return "" if tokens is None else f"{tokens:,}"


def _per_million(price: float | None) -> str:
    return "" if price is None else f"{price * 1_000_000:.6g}"
