"""Answers on a terminal as they come: laid out as Markdown, block by block."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import SegmentLines

from reka.cli import markdown, show

_FENCE: Final = re.compile(r"^ {0,3}(```|~~~)", re.MULTILINE)
_REFRESH_SECONDS: Final = 0.1
"""Time between two layouts of the last block (ours)."""


class _Tail:
    """The block that is not complete yet, laid out when it is shown: at the width that the terminal has then."""

    def __init__(self) -> None:
        self.text = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield markdown.rendered(self.text, show.clean)


class LiveAnswer:
    """Shows an answer as it grows. What is complete scrolls away as usual; only the last block is drawn anew."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tail = _Tail()
        self._has_printed = False
        # Transient: the last block is printed as the others at its end, however high the terminal is.
        # By no thread of its own: it would draw between the lines of a block that is printed meanwhile.
        self._live = Live(self._tail, console=console, transient=True, auto_refresh=False)
        self._next_refresh = 0.0

    @contextmanager
    def shown(self) -> Iterator["LiveAnswer"]:
        """Show what is fed until the block ends, and leave it on the screen, also if the block is interrupted."""
        try:
            with self._live:
                yield self
        finally:
            self._print(self._tail.text)

    def feed(self, text: str) -> None:
        """Show more of the answer."""
        complete, self._tail.text = split_blocks(self._tail.text + text)
        self._print(complete)
        if (now := time.monotonic()) >= self._next_refresh:
            self._next_refresh = now + _REFRESH_SECONDS
            self._live.refresh()

    def _print(self, text: str) -> None:
        if not text.strip():
            return
        lines = self._console.render_lines(markdown.rendered(text, show.clean), pad=False)
        # Some blocks have empty lines around them, others have none.
        shown = [place for place, line in enumerate(lines) if any(segment.text.strip() for segment in line)]
        if not shown:
            return
        if self._has_printed:
            self._console.print()
        self._console.print(SegmentLines(lines[shown[0] : shown[-1] + 1], new_lines=True), end="")
        self._has_printed = True


def split_blocks(text: str) -> tuple[str, str]:
    """Divide Markdown into complete blocks and a rest, which may go on: at its last blank line that ends a block.

    A blank line inside a fenced block ends nothing, nor does one before an indented line, which may go on with a list.
    """
    for place in reversed([match.end() for match in re.finditer(r"\n[ \t]*\n+(?=\S)", text)]):
        if len(_FENCE.findall(text[:place])) % 2 == 0:
            return text[:place], text[place:]
    return "", text
