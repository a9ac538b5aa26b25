"""Logs: a row is an entry with the lines that belong to it, such as those of a stack trace."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from reka.server.text.blocks import Block, Row, grouped, line_of_columns
from reka.server.text.lines import lines

_DATE: Final = r"\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/. ](?:\d\d|[A-Z][a-z]{2})[-/. ]\d{2,4}|[A-Z][a-z]{2} +\d\d?"
_LEVEL: Final = r"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|CRITICAL|FATAL)\b"
_ENTRY: Final = re.compile(
    rf"[\[(<]?(?:(?:[A-Z][a-z]{{2}},? +)?(?:{_DATE})[T ,_:]+\d\d?:\d\d|\d\d:\d\d:\d\d|\d{{10,13}}[.: ]|{_LEVEL}"
    rf"|[IWEF]\d{{4}} \d\d:)|\S{{1,60}} \S{{1,60}} \S{{1,60}} \[\d\d/[A-Z][a-z]{{2}}/\d{{4}}"
)
"""How an entry begins: a date and a time, a time, seconds since 1970, a level; or a web server's line."""

_FIELDS: Final = re.compile(r"#Fields:\s*(\S.*)")
_SAMPLE_LINES: Final = 40
_LEAST_SHARE: Final = 0.5


def is_log(head: str, least: int) -> bool:
    """Tell whether a text is a log.

    Args:
        head: Its first characters.
        least: Entries that it must have.
    """
    sample = [line for line in head.split("\n")[:_SAMPLE_LINES] if line.strip() and line[0] != "#"]
    flush = [line for line in sample if not line[0].isspace()]
    entries = sum(_ENTRY.match(line) is not None for line in sample)
    return entries >= least and entries >= _LEAST_SHARE * len(flush)


def log_blocks(parts: Iterable[str], size: int) -> Iterator[Block]:
    """Read a log as blocks of whole entries.

    Args:
        parts: The text, in order, divided at arbitrary points.
        size: Characters of a block; only an entry of more is a larger one.
    """
    return grouped(_entries(parts, size), size)


def _entries(parts: Iterable[str], size: int) -> Iterator[Row]:
    entry, start, context = "", 0, ""
    for position, line in lines(parts):
        fields = _FIELDS.match(line)
        if entry and (fields or context or _ENTRY.match(line) or len(entry) + len(line) > size):
            yield from _row(entry, start, context)
            entry = ""
        if fields:
            context = line_of_columns(fields[1].split(), " ")
        if not entry:
            start = position
        entry += "" if fields else line
    yield from _row(entry, start, context)


def _row(entry: str, start: int, context: str) -> Iterator[Row]:
    text = entry.rstrip()
    if text:
        yield Row(text, start, context)
