"""JSON: a row is an object of a list or of lines, with the names of its fields."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from reka.server.text.blocks import MAX_CONTEXT_CHARS, Block, Row, grouped, line_of_columns
from reka.server.text.lines import MAX_LINE_CHARS

MAX_OBJECT_CHARS: Final = 1024 * 1024
"""Characters of an object that is read; a longer one is text like any other (ours)."""

_MARK: Final = re.compile(r'["{}\[\]]')
_IN_STRING: Final = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_BETWEEN: Final = re.compile(r"[\s,\[\]]*")
_VALUE: Final = re.compile(r'\s*:\s*"?')
_MAX_FIELD_CHARS: Final = 100
"""Characters of a field that may tell which object the long fields beside it belong to."""


def json_blocks(parts: Iterable[str], size: int) -> Iterator[Block]:
    """Read objects, one after another or in a list, as blocks of whole ones under the names of their fields.

    Args:
        parts: The text, in order, divided at arbitrary points.
        size: Characters of a block. A longer object is divided between fields.
    """
    return grouped(_rows(parts, size), size)


def _rows(parts: Iterable[str], size: int) -> Iterator[Row]:
    objects = _Objects()
    for part in parts:
        for text, position, is_object in objects.feed(part):
            yield from _rows_of(text, position, size) if is_object else [Row(text, position)]
    yield from objects.finish()


class _Objects:
    """Finds where objects begin and end, in one pass."""

    def __init__(self) -> None:
        self._buffer = ""
        self._start = 0  # offset of the buffer in the file
        self._scan = 0  # where in the buffer the pass is
        self._depth = 0
        self._is_in_string = False
        self._is_cut = False  # whether the object is too long to be read

    def feed(self, part: str) -> Iterator[tuple[str, int, bool]]:
        """Yield each object, or text that is none; its offset; and whether it is one."""
        self._buffer += part
        begin = 0
        while True:
            if self._depth == 0:
                begin = self._between(begin)
                if begin == len(self._buffer):
                    break
                if self._buffer[begin] != "{":
                    end = self._buffer.find("\n", begin)
                    if end < 0:
                        break
                    yield self._buffer[begin:end].rstrip(), self._start + begin, False
                    begin = end
                    continue
                self._depth, self._scan = 1, begin + 1
            if not self._find_end():
                break
            yield self._buffer[begin : self._scan], self._start + begin, not self._is_cut
            begin, self._is_cut = self._scan, False
        yield from self._trim(begin)

    def finish(self) -> Iterator[Row]:
        """Yield what is left, which is no object."""
        if text := self._buffer.strip():
            yield Row(text, self._start + self._buffer.index(text[0]))

    def _between(self, begin: int) -> int:
        found = _BETWEEN.match(self._buffer, begin)
        return found.end() if found else begin

    def _trim(self, begin: int) -> Iterator[tuple[str, int, bool]]:
        """Drop what is read; of what is too long to wait for its end, yield the text."""
        limit = MAX_LINE_CHARS if self._is_cut or not self._depth else MAX_OBJECT_CHARS
        if len(self._buffer) - begin > limit:
            yield self._buffer[begin:], self._start + begin, False
            self._is_cut = self._depth > 0
            # A backslash at the end belongs to the character after it.
            begin = self._scan if self._depth else len(self._buffer)
        self._start += begin
        self._buffer = self._buffer[begin:]
        self._scan = max(0, self._scan - begin)

    def _find_end(self) -> bool:
        """Go on to the end of the object; tell whether it is there."""
        buffer = self._buffer
        while self._scan < len(buffer):
            if self._is_in_string:
                found = _IN_STRING.match(buffer, self._scan)
                self._scan = found.end() if found else self._scan
                if not buffer.startswith('"', self._scan):
                    return False
                self._is_in_string = False
                self._scan += 1
                continue
            mark = _MARK.search(buffer, self._scan)
            self._scan = mark.end() if mark else len(buffer)
            if mark is None:
                return False
            if mark[0] == '"':
                self._is_in_string = True
            else:
                self._depth += 1 if mark[0] in "{[" else -1
                if self._depth == 0:
                    return True
        return False


def _rows_of(raw: str, position: int, size: int) -> Iterator[Row]:
    """Read an object as one row or, if it is too long, as several."""
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        yield Row(raw, position)
        return
    text = raw if "\n" not in raw and "\\u" not in raw else _written(fields)
    if len(text) <= size:
        yield Row(text, position, line_of_columns(fields, ", "))
    else:
        yield from _fields_of(fields, raw, position, size)


def _fields_of(fields: Mapping[str, Any], raw: str, position: int, size: int) -> Iterator[Row]:
    """Divide an object: its short fields, then each long one, which stands under the short ones."""
    short: dict[str, Any] = {}
    long: dict[str, str] = {}
    for name, value in fields.items():
        text = value if isinstance(value, str) else _written(value)
        if len(text) <= _MAX_FIELD_CHARS:
            short[name] = value
        else:
            long[name] = text
    group: dict[str, Any] = {}
    length = 0
    for name, value in short.items():
        added = len(name) + len(_written(value)) + 8
        if group and length + added > size:
            yield Row(_written(group), position, line_of_columns(group, ", "))
            group, length = {}, 0
        group[name] = value
        length += added
    if group:
        yield Row(_written(group), position, line_of_columns(group, ", "))
    summary = line_of_columns((f"{name}: {value}" for name, value in short.items()), ", ")
    cursor = 0
    for name, text in long.items():
        key = json.dumps(name)
        cursor = max(cursor, raw.find(key, cursor))
        start = _VALUE.match(raw, cursor + len(key))
        context = f"{summary} > {name}" if summary else name
        yield Row(text, position + (start.end() if start else cursor), context[-2 * MAX_CONTEXT_CHARS :])


def _written(value: object) -> str:
    """Write a value as JSON on one line, in readable characters."""
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
    except RecursionError:
        return ""
