"""The lines of a text, as a stream of bounded memory."""

from collections.abc import Iterable, Iterator
from typing import Final

MAX_LINE_CHARS: Final = 64 * 1024
"""Characters of a line; a longer one is cut: it is data without line ends (ours)."""


def lines(parts: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield each line, its end included, with its offset in the text.

    Args:
        parts: The text, in order, divided at arbitrary points.
    """
    start, pending = 0, ""
    for part in parts:
        *whole, pending = (pending + part).split("\n")
        for line in whole:
            yield from _cut(start, f"{line}\n")
            start += len(line) + 1
        while len(pending) > MAX_LINE_CHARS:
            yield start, pending[:MAX_LINE_CHARS]
            start, pending = start + MAX_LINE_CHARS, pending[MAX_LINE_CHARS:]
    if pending:
        yield from _cut(start, pending)


def _cut(start: int, line: str) -> Iterator[tuple[int, str]]:
    for offset in range(0, len(line), MAX_LINE_CHARS):
        yield start + offset, line[offset : offset + MAX_LINE_CHARS]
