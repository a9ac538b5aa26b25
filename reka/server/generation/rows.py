"""Rows of tables in plain text: delimited values, JSON lines and logs. Pure functions."""

import csv
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = ["Table", "read_table"]

_DELIMITERS: Final = ("\t", "|", ";", ",")
_MAX_FIELD_CHARS: Final = 40
"""Mean length of the fields up to which lines with equally many commas are rows, not prose."""

_RULE: Final = re.compile(r"[\s|:+-]*-[\s|:+-]*")  # between the head and the rows of a Markdown table
_LOG: Final = re.compile(r"\W?(?:\d{4}-\d\d-\d\d|\d\d:\d\d|[A-Z][a-z]{2} +\d+ \d\d:\d\d|\d+\.\d+\.\d+\.\d+ )")
_DIGIT: Final = re.compile(r"\d")


class Table(NamedTuple):
    """Rows, each one line of a text, and the line that names their columns."""

    columns: str
    """The names of the columns; empty if unknown."""
    rows: Sequence[str]


def read_table(lines: Sequence[str], columns: str = "") -> Table | None:
    """Read lines as the rows of a table.

    Args:
        lines: Lines of a text without empty ones.
        columns: The names of the columns, if the lines do not begin with them.

    Returns:
        The rows; None if the lines are no table.
    """
    if all(line.startswith("{") and line.rstrip().endswith("}") for line in lines):
        return Table(columns, lines)
    if len(lines) > 1 and all(map(_LOG.match, lines)):
        return Table(columns, lines)
    delimiter = next((mark for mark in _DELIMITERS if _is_delimiter(mark, lines, columns)), None)
    if delimiter is None:
        return None
    if len(lines) > 1 and _RULE.fullmatch(lines[1]):
        return Table(lines[0], lines[2:])
    if lines[0] == columns or (not columns and _is_head(lines)):
        return Table(lines[0], lines[1:])
    return Table(columns, lines)


def _is_delimiter(delimiter: str, lines: Sequence[str], columns: str) -> bool:
    """Tell whether a character separates the same number of fields, at least two, in all lines."""
    if delimiter not in lines[0]:
        return False
    count = _field_count(lines[0], delimiter)
    if any(_field_count(line, delimiter) != count for line in lines[1:]):
        return False
    # A heading has spaces after its commas.
    if _field_count(columns, delimiter) == count > 1 and (delimiter == "|" or f"{delimiter} " not in columns):
        return True
    if delimiter == "|" and all(line.startswith("|") for line in lines):
        return True
    # Prose has spaces after its commas, and its lines are long.
    spaces = sum(line.count(f"{delimiter} ") for line in lines)
    is_short = sum(map(len, lines)) <= _MAX_FIELD_CHARS * count * len(lines)
    return len(lines) > 1 and is_short and 2 * spaces < (count - 1) * len(lines)


def _field_count(line: str, delimiter: str) -> int:
    if '"' not in line:
        return line.count(delimiter) + 1
    try:
        return len(next(csv.reader([line], delimiter=delimiter)))
    except csv.Error:
        return 0


def _is_head(lines: Sequence[str]) -> bool:
    """Tell whether the first line has no number where all others have some."""
    return len(lines) > 1 and not _DIGIT.search(lines[0]) and all(map(_DIGIT.search, lines[1:]))
