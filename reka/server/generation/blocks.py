"""Blocks of a plain text: headings, paragraphs, list items, terms, code and tables. Pure functions.

The text may have hard-wrapped lines, indented paragraphs, headings (underlined, marked by `#`, or short lines of their
own), bullet lists, terms with an indented definition, code (indented, or fenced) and tables.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from reka.server.generation.rows import Table, read_table

__all__ = ["Block", "Kind", "blocks", "indent", "is_complete", "is_question"]

MAX_HEADING_CHARS: Final = 90
"""Characters of a line of its own that may be a heading without a mark for it."""

GUESSED_LEVEL: Final = 9
"""Level of a heading without a mark, below all others."""

_RULE: Final = re.compile(r"\s*([^\w\s])\1{2,}\s*$")  # a row of one character, as under a heading
_MARKED_HEADING: Final = re.compile(r"(#{1,6})[ \t]+(\S.*?)[ \t]*#*$")
_FENCE: Final = re.compile(r" {0,3}(?:```|~~~)")
_BULLET: Final = re.compile(r"\s*(?:[*+•-]|\d{1,3}[.)]|\[\d{1,3}\])\s+\S")
_COMPLETE: Final = re.compile(r"""[.!?…:;,\u061f\u3002\uff01\uff1f\uff1a]["'”\u2019»)\]*_`」』]*$""")
_QUESTION: Final = re.compile(r"""(?:[?\uff1f\u061f\u037e]|か[。]?|[吗呢嗎][。]?)["'”\u2019»)\]*_`」』\s]*$""")

# Frequent in code and rare in prose.
_CODE_SIGN: Final = re.compile(
    r"[{}=<>|;\\]|\w\([^()]*\)$|^\s*(?:def|class|import|from|return|for|while|if|[#@$])[\s\w]"
)


class Kind(Enum):
    """What a block is."""

    HEADING = auto()
    PROSE = auto()
    ITEM = auto()
    TERM = auto()
    """One line that the next block, which is indented, defines."""
    CODE = auto()
    TABLE = auto()


@dataclass(frozen=True, slots=True)
class Block:
    """A few lines of a text that belong together."""

    text: str
    """The lines; of a heading, its words."""
    kind: Kind
    level: int = 0
    """Of a heading, from 1, the highest."""
    table: Table | None = None


def blocks(text: str, columns: str = "") -> list[Block]:
    """Split a text at empty lines, headings, list items and fences.

    Args:
        text: The text.
        columns: The names of the columns, if the text consists of rows of a table.
    """
    found = list(_blocks(text.replace("\r\n", "\n").split("\n"), columns))
    following: list[Block | None] = [*found[1:], None]
    return [_in_place(block, after) for block, after in zip(found, following, strict=False)]


def is_question(sentence: str) -> bool:
    """Tell whether a sentence asks something."""
    return _QUESTION.search(sentence[-8:]) is not None


def is_complete(sentence: str) -> bool:
    """Tell whether a text ends like a sentence."""
    return _COMPLETE.search(sentence[-8:]) is not None


def indent(line: str) -> int:
    """Count the spaces at the beginning of a line."""
    return len(line) - len(line.lstrip())


def _blocks(lines: Sequence[str], columns: str) -> Iterator[Block]:
    group: list[str] = []
    underlines: list[str] = []
    is_fenced = False
    for line in lines:
        heading = None if is_fenced else _MARKED_HEADING.match(line)
        if _FENCE.match(line):
            yield from _group(group, columns, is_fenced=is_fenced)
            group, is_fenced = [], not is_fenced
        elif is_fenced:
            group.append(line)
        elif heading:
            yield from _group(group, columns)
            yield Block(heading[2], Kind.HEADING, len(heading[1]))
            group = []
        elif not line.strip():
            yield from _group(group, columns)
            group = []
        elif len(group) <= 1 and (rule := _RULE.match(line)):
            if group:  # the line above is a heading
                underlines += [rule[1]] if rule[1] not in underlines else []
                yield Block(group[0].strip(), Kind.HEADING, 1 + underlines.index(rule[1]))
            group = []
        elif _BULLET.match(line) and not line.startswith("|"):
            yield from _group(group, columns)
            group = [line]
        else:
            group.append(line)
    yield from _group(group, columns, is_fenced=is_fenced)


def _group(lines: Sequence[str], columns: str, *, is_fenced: bool = False) -> Iterator[Block]:
    """Make a block of lines between two breaks; none of no lines."""
    if not lines:
        return
    if is_fenced:
        yield Block("\n".join(lines).expandtabs(4), Kind.CODE)
    elif table := read_table(lines, columns):
        yield Block("\n".join(lines), Kind.TABLE, table=table)
    else:
        text = "\n".join(lines).expandtabs(4)
        is_item = _BULLET.match(text) is not None
        yield Block(text, Kind.ITEM if is_item else Kind.CODE if _is_code(text) else Kind.PROSE)


def _in_place(block: Block, after: Block | None) -> Block:
    """Tell by the block after it whether a block of one line is a term or a heading."""
    is_line = block.kind in {Kind.PROSE, Kind.CODE} and "\n" not in block.text
    if not is_line or after is None or after.kind is Kind.HEADING:
        return block
    line = block.text.strip()
    if is_question(line):
        return Block(line, Kind.HEADING, GUESSED_LEVEL)
    if is_complete(line):
        return block
    if after.kind is Kind.PROSE and indent(block.text) < indent(after.text):
        return replace(block, kind=Kind.TERM)
    if block.kind is Kind.CODE:
        return block
    # A line such as `Opens: 9:00` says something by itself.
    is_heading = len(line) <= MAX_HEADING_CHARS and ": " not in line and not line[0].islower()
    return Block(line, Kind.HEADING, GUESSED_LEVEL) if is_heading else block


def _is_code(block: str) -> bool:
    """Tell whether a block is code, a grammar or a table rather than prose."""
    lines = textwrap.dedent(block).split("\n")
    if any(line.startswith((">>> ", "+--", "| ")) for line in lines):
        return True
    if is_complete(block.rstrip()) and not any(indent(line) > indent(lines[0]) for line in lines):
        return False
    return 2 * sum(_CODE_SIGN.search(line) is not None for line in lines) >= len(lines)
