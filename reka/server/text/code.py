"""Programs: a block is one function or several, whole where they fit, under the class that they are in.

What begins a function is told by empty lines and indentation, which nearly all languages have in common.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from reka.server.retrieval.chunking import BLOCK_CHARS
from reka.server.text.blocks import MAX_TITLE_CHARS, Block
from reka.server.text.lines import lines

_MAX_DEPTH: Final = 6
"""Levels of classes and functions in each other that are divided (ours)."""

_MAX_HEAD_CHARS: Final = 1000

_CLOSING: Final = re.compile(r"[\s})\];,]|end\b|else\b|elif\b|except\b|catch\b|finally\b|then\b|do\b|fi\b|done\b")
"""How a line goes on with what is before it."""

_NO_NAME: Final = re.compile(r"\s*(?:@|#|//|/\*|\*|--|;|\"\"\"|'''|%|\[)")
"""How a line before a definition begins: a decorator or a comment."""

_DEFINITION: Final = re.compile(
    r"\b(?:def|class|func|fn|function|fun|struct|impl|interface|trait|enum|module|namespace|object|sub|proc|record)\b"
    r"|\)[^;]{0,200}\{\s*$"
)
_Line = tuple[int, str]


def code_blocks(parts: Iterable[str], size: int) -> Iterator[Block]:
    """Read a program as blocks of whole definitions.

    Args:
        parts: The text, in order, divided at arbitrary points.
        size: Characters of a block. A longer definition is divided, each part under its first line.
    """
    group: list[_Line] = []
    for unit in _units(lines(parts), 0):
        if group and _size(group) + _size(unit) > size:
            yield from _blocks(group, size, ())
            group = []
        group += unit
    yield from _blocks(group, size, ())


def _units(source: Iterable[_Line], indent: int) -> Iterator[list[_Line]]:
    """Divide lines where, after an empty one, a line begins at an indentation; at most at BLOCK_CHARS characters."""
    unit: list[_Line] = []
    size, is_after_blank = 0, False
    for position, line in source:
        is_blank = not line.strip()
        begins = is_after_blank and not is_blank and _indent(line) <= indent and not _CLOSING.match(line.lstrip())
        if unit and (begins or size + len(line) > BLOCK_CHARS):
            yield unit
            unit, size = [], 0
        unit.append((position, line))
        size += len(line)
        is_after_blank = is_blank
    if unit:
        yield unit


def _blocks(unit: Sequence[_Line], size: int, path: Sequence[str]) -> Iterator[Block]:
    """Write lines as a block; if they are too long, as blocks of what they consist of."""
    text = "".join(line for _, line in unit)
    if not text.strip():
        return
    head = _head(unit)
    if len(text.strip()) <= size or len(path) >= _MAX_DEPTH or head is None:
        yield Block(text, [(0, unit[0][0])], " > ".join(path))
        return
    body = unit[head + 1 :]
    indent = min((_indent(line) for _, line in body if line.strip() and not _CLOSING.match(line.lstrip())), default=0)
    if not _DEFINITION.search(unit[head][1][:_MAX_HEAD_CHARS]):
        yield Block(text, [(0, unit[0][0])], " > ".join(path))
        return
    own = [*path, unit[head][1].strip().rstrip("{").rstrip()[:MAX_TITLE_CHARS]]
    parts = list(_units(body, indent)) if indent > _indent(unit[head][1]) else []
    parts = parts if any(_is_definition(part) for part in parts) else []
    if len(parts) < 2:
        yield Block(text, [(0, unit[0][0])], " > ".join(own))
        return
    group = [*unit[: head + 1]]
    for part in parts:
        if _size(group) + _size(part) > size:
            yield from _whole_or_divided(group, size, path if group[0] is unit[0] else own, own)
            group = []
        group += part
    yield from _whole_or_divided(group, size, own, own)


def _whole_or_divided(group: Sequence[_Line], size: int, path: Sequence[str], own: Sequence[str]) -> Iterator[Block]:
    if not group:
        return
    text = "".join(line for _, line in group)
    if len(text.strip()) <= size:
        if text.strip():
            yield Block(text, [(0, group[0][0])], " > ".join(path))
    else:
        yield from _blocks(group, size, own if len(own) < _MAX_DEPTH else own[:_MAX_DEPTH])


def _is_definition(unit: Sequence[_Line]) -> bool:
    head = _head(unit)
    return head is not None and _DEFINITION.search(unit[head][1][:_MAX_HEAD_CHARS]) is not None


def _head(unit: Sequence[_Line]) -> int | None:
    """Return the number of the line that names a definition: the first that is no comment and no decorator."""
    for number, (_, line) in enumerate(unit):
        if line.strip() and not _NO_NAME.match(line):
            return number
    return None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _size(group: Sequence[_Line]) -> int:
    return sum(len(line) for _, line in group)
