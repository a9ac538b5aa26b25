"""Tables as text (CSV, TSV): a row is a record, under the names of its columns."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from reka.server.text.blocks import Block, Row, grouped, line_of_columns
from reka.server.text.lines import MAX_LINE_CHARS, lines

_DELIMITERS: Final = ",;\t|"
_SAMPLE_ROWS: Final = 30
_LEAST_SHARE: Final = 0.8
"""Share of the first rows that must have the same number of cells."""

_MAX_NAME_CHARS: Final = 64
_MAX_KEY_CHARS: Final = 60
_NUMBER: Final = re.compile(r"[-+(]?[$€£¥]?\s?\d[\d.,:/\s%-]*\)?")


def find_delimiter(head: str, name: str, rows: int = 1) -> str | None:
    """Find what separates the cells of a table; None if a text is no table.

    Args:
        head: The first characters of the text; a line that is cut off at their end may be the last.
        name: Name of its file.
        rows: Rows that it must have. For more than one, each must have the same number of cells, under names.
    """
    preferred = "\t" if name.lower().endswith((".tsv", ".tab")) else ""
    best: tuple[int, str] | None = None
    whole = head[: head.rfind("\n") + 1] or head
    if whole.count("\n") + 1 < rows:
        return None
    for delimiter in sorted(_DELIMITERS, key=lambda one: one != preferred):
        if delimiter not in whole:
            continue
        records = list(islice(_records([whole], delimiter), _SAMPLE_ROWS))
        counts = Counter(len(cells) for text, _ in records if (cells := _cells(text, delimiter)) != [""])
        columns, count = max(counts.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
        if columns < 2 or count < _LEAST_SHARE * counts.total() or count < rows:
            continue
        if rows > 1 and (count < counts.total() or columns < 3 or not _are_names(_cells(records[0][0], delimiter))):
            continue
        if best is None or columns > best[0]:
            best = (columns, delimiter)
    return best[1] if best else None


def table_blocks(parts: Iterable[str], size: int, delimiter: str) -> Iterator[Block]:
    """Read a table as blocks of whole rows under the names of their columns.

    Args:
        parts: The text, in order, divided at arbitrary points.
        size: Characters of a block. A longer row is divided between cells, each part under the names of its own.
        delimiter: What separates cells; see `find_delimiter`.
    """
    return grouped(_rows(parts, size, delimiter), size)


def _rows(parts: Iterable[str], size: int, delimiter: str) -> Iterator[Row]:
    names: list[str] | None = None
    context = ""
    records = _records(parts, delimiter)
    sample: list[tuple[str, int]] = []
    for record in islice(records, _SAMPLE_ROWS):
        sample.append(record)
        if record[1] > MAX_LINE_CHARS:
            break
    if sample and _are_names(first := _cells(sample[0][0], delimiter)):
        names = [" ".join(name.split()) for name in first]
        context = line_of_columns(names, delimiter)
        if _has_numbers_below(names, [_cells(text, delimiter) for text, _ in sample[1:]]):
            del sample[0]
        # Otherwise the first row may be one like the others: it stays.
    for group in (sample, records):
        for text, position in group:
            if len(text) <= size:
                yield Row(text, position, context)
            else:
                yield from _parts_of_row(text, position, size, _Columns(names or (), delimiter))


@dataclass(frozen=True, slots=True)
class _Columns:
    names: Sequence[str]
    delimiter: str
    starts: dict[str, int] = field(default_factory=dict)

    def context(self, first: int, last: int, key: str) -> str:
        names = self.names[first:last]
        own = [f"{self.names[0]}={key}"] if first and self.names and len(key) <= _MAX_KEY_CHARS else []
        return line_of_columns([*own, *names], self.delimiter)


def _parts_of_row(text: str, position: int, size: int, columns: _Columns) -> Iterator[Row]:
    """Divide a row between cells."""
    cells = _cells(text, columns.delimiter)
    first, start, cursor, length = 0, 0, 0, 0
    for number, cell in enumerate(cells):
        if length and length + 1 + len(cell) > size:
            yield Row(
                columns.delimiter.join(cells[first:number]), position + start, columns.context(first, number, cells[0])
            )
            first, length = number, 0
        found = text.find(cell, cursor, cursor + len(cell) + 2)
        cursor = max(cursor, found)
        if not length:
            start = cursor
        length += len(cell) + 1
        cursor = min(len(text), cursor + len(cell) + 1)
    yield Row(columns.delimiter.join(cells[first:]), position + start, columns.context(first, len(cells), cells[0]))


def _records(parts: Iterable[str], delimiter: str) -> Iterator[tuple[str, int]]:
    """Yield records without their line ends, and their offsets; one in quotes may have several lines."""
    pending: list[tuple[str, int]] = []
    size = 0
    opening = re.compile(rf'(?:^|{re.escape(delimiter)})"')
    is_open = False
    for position, line in lines(parts):
        pending.append((line, position))
        size += len(line)
        if is_open or opening.search(line):
            is_open ^= line.count('"') % 2 == 1
        if is_open and size < MAX_LINE_CHARS:
            continue
        # A quote that never closes is a character like others, and each line a record.
        yield from _whole(pending) if is_open else _whole([("".join(text for text, _ in pending), pending[0][1])])
        pending, size, is_open = [], 0, False
    yield from _whole(pending)


def _whole(records: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    for text, position in records:
        if stripped := text.rstrip("\r\n"):
            yield stripped, position


def _cells(record: str, delimiter: str) -> list[str]:
    if '"' not in record:
        return record.split(delimiter)
    try:
        return next(csv.reader(record.splitlines(keepends=True), delimiter=delimiter), [""])
    except csv.Error:
        return record.split(delimiter)


def _are_names(cells: Sequence[str]) -> bool:
    """Tell whether the cells of a first row may be the names of columns."""
    named = [cell.strip() for cell in cells if cell.strip()]
    return (
        2 * len(named) > len(cells)
        and len(set(named)) == len(named)
        and all(len(cell) <= _MAX_NAME_CHARS and not _NUMBER.fullmatch(cell) for cell in named)
    )


def _has_numbers_below(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether some column has numbers only: its first cell, which is none, is then a name."""
    below = [row for row in rows if len(row) == len(names)]
    return bool(below) and any(
        all(_NUMBER.fullmatch(row[column].strip()) for row in below if row[column].strip())
        and any(row[column].strip() for row in below)
        for column in range(min(len(names), 200))
    )
