"""Splits plain text into passages that can be quoted on their own: a sentence, with any code or list it introduces.

Pure functions. Hard-wrapped lines are joined; else a passage is as the text has it, without the marks of headings,
bullets and emphasis. Code and rows of tables keep their lines.
"""

import re
import textwrap
from dataclasses import dataclass, field, replace
from typing import Final

from reka.server.generation.blocks import GUESSED_LEVEL, Block, Kind, blocks, indent, is_complete, is_question

__all__ = ["SEPARATOR", "Passage", "passages", "sentences"]

SEPARATOR: Final = " > "
"""Between the headings of a path."""

_MAX_INTRODUCED_CHARS: Final = 700
"""Characters of a passage made of a sentence that ends in a colon and the code or list after it."""

_CJK: Final = "\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
_LINE_END: Final = re.compile(rf"(?<=[{_CJK}])[ \t]*\n[ \t]*(?=[{_CJK}])|(?<=\w-)\n\s*(?=[a-z])")
_WRAP: Final = re.compile(r"[ \t]*\n[ \t]*")

# The end of a sentence with its closing quotes and brackets, followed by what may start the next one. Scripts without
# spaces between sentences have end marks of their own; before a closing bracket they end what is quoted in a sentence.
_SENTENCE_END: Final = re.compile(
    r"""[.!?…\u061f]["'”\u2019»)\]*_`]*\s+(?=["'“\u2018«(\[*_`¿¡]*[^\W_a-z])|[\u3002\uff01\uff1f]+(?![」』”\uff09])\s*"""
)
_ABBREVIATION: Final = re.compile(r"\b(?:e\.g|i\.e|[Cc]f|vs|etc|approx|Mr|Mrs|Ms|Dr|Prof|St|No|Nr|Fig|Sec|[A-Z])\.\s*$")
_MAX_ABBREVIATION_CHARS: Final = 10
"""Characters before a full stop that are searched: all of them would take quadratic time in a hostile text."""

_MARK: Final = re.compile(r"^\s*(?:[*+•-]\s+(?:\[[ xX]\]\s+)?|>\s+)")
_ANSWER: Final = re.compile(r"^(?:A|Answer)[.:]\s+")
_ASK: Final = re.compile(r"^(?:Q|Question)[.:]\s+")
_LINK: Final = re.compile(r"!?\[([^\[\]]{1,300})\]\([^()\s]{1,500}\)")
_STRONG: Final = re.compile(r"\*\*(?=\S)([^*\n]{1,300}?)(?<=\S)\*\*")
_EMPHASIS: Final = re.compile(r"(?<![\w*])\*(?=\w)([^*\n]{1,300}?)(?<=[\w.!?])\*(?![\w*])")
_LITERAL: Final = re.compile(r"(?<!`)(`{1,2})(?=[^`\s])([^`\n]{1,300}?)(?<=[^`\s])\1(?!`)")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a text that can be quoted on its own."""

    text: str
    context: tuple[str, ...] = ()
    """What it is read under: its headings from the highest down and the question it answers, or the names of its
    columns."""
    position: int | None = 0
    """How many passages are before it under the same heading; None for a row of a table."""
    is_heading: bool = False
    """Whether it may be a heading rather than a statement."""


@dataclass(slots=True)
class _Reader:
    """Where in a text the next passage is."""

    found: list[Passage] = field(default_factory=list)
    path: list[tuple[int, str]] = field(default_factory=list)
    question: str = ""
    position: int = 0
    intro: int | None = None
    """Indentation of the last sentence, if it ends in a colon."""
    intro_at: int = 0
    """Index of that sentence."""
    term: str = ""
    """A line that the next block defines."""

    def add(self, text: str, under: str = "") -> None:
        headings = [heading for _, heading in self.path]
        context = tuple(heading for heading in [*headings, self.question, under] if heading)
        self.found.append(Passage(text, context, self.position))
        self.position += 1

    def enter(self, heading: str, level: int) -> None:
        self.path = [*(part for part in self.path if part[0] < level), (level, _ASK.sub("", _clean(heading)))]
        self.question, self.position = "", 0


def passages(text: str, columns: str = "") -> list[Passage]:
    """Split a text into passages, in reading order.

    Headings, and questions that the text itself answers, are the context of what follows them. No passage ends inside
    a word or a line of code.

    Args:
        text: The text.
        columns: The names of the columns, if the text consists of rows of a table.

    Returns:
        The passages. A line that only looks like a heading is one too; headings with a mark are, if there is nothing
        else.
    """
    reader = _Reader()
    parts = blocks(text, columns)
    for block in parts:
        if block.kind is Kind.HEADING:
            if block.level == GUESSED_LEVEL and not is_question(block.text):
                reader.found.append(Passage(_clean(block.text), is_heading=True))
            reader.enter(block.text, block.level)
        elif block.kind is Kind.TERM:
            reader.term = block.text.strip() + "\n"
        elif block.table:
            reader.found += [
                Passage(row, (block.table.columns,) if block.table.columns else (), None) for row in block.table.rows
            ]
        else:
            _read(block, reader)
            continue
        reader.intro = None
    return reader.found or [
        Passage(_clean(block.text), is_heading=True) for block in parts if not is_question(block.text)
    ]


def sentences(text: str) -> list[str]:
    """Split a text into its sentences and other lines, without more understanding than that."""
    paragraphs = [_unwrap(block) for block in text.replace("\r\n", "\n").split("\n\n") if block.strip()]
    return [sentence for paragraph in paragraphs for sentence in _sentences(paragraph)]


def _read(block: Block, reader: _Reader) -> None:
    """Add the passages of a paragraph, a list item or code."""
    is_code = block.kind is Kind.CODE or (
        block.kind is Kind.PROSE and reader.intro is not None and _is_displayed(block.text, reader.intro)
    )
    if reader.intro is not None and (is_code or block.kind is Kind.ITEM):
        _introduce(block, reader, is_code=is_code)
        return
    reader.intro = indent(block.text) if not is_code and block.text.rstrip().endswith((":", "\uff1a")) else None
    if is_code:
        reader.add(reader.term + textwrap.dedent(block.text))
    else:
        parts = _sentences(_MARK.sub("", _unwrap(block.text)))
        for number, sentence in enumerate(parts):
            if is_question(sentence):
                reader.question = _ASK.sub("", _clean(sentence))
                reader.position = 0
            else:
                reader.add(reader.term + _ANSWER.sub("", _clean(sentence)))
                reader.term = ""
                if number + 1 == len(parts):
                    reader.question = ""
    reader.term, reader.intro_at = "", len(reader.found) - 1


def _introduce(block: Block, reader: _Reader, *, is_code: bool) -> None:
    """Add code or a list item to the sentence that introduces it; an item is a passage of its own, too."""
    part = textwrap.indent(textwrap.dedent(block.text), "    ") if is_code else _clean(_unwrap(block.text))
    intro = reader.found[reader.intro_at]
    if not is_code:
        reader.add(_MARK.sub("", part), under=intro.text.split("\n", 1)[0].rstrip(":\uff1a"))
    if len(intro.text) + len(part) < _MAX_INTRODUCED_CHARS:
        reader.found[reader.intro_at] = replace(intro, text=f"{intro.text}\n{part}")
    elif is_code:
        reader.add(textwrap.dedent(block.text))


def _is_displayed(block: str, intro_indent: int) -> bool:
    """Tell whether a block after a colon is displayed text: indented more than the introduction, and no sentence."""
    return indent(block) > intro_indent and not is_complete(block.rstrip())


def _unwrap(block: str) -> str:
    """Join hard-wrapped lines, with a space where the script has spaces."""
    return _WRAP.sub(" ", _LINE_END.sub("", block.strip()))


def _clean(text: str) -> str:
    """Take the marks of emphasis, literals and links out of a sentence."""
    for pattern in (_LINK, _STRONG, _EMPHASIS):
        text = pattern.sub(r"\1", text)
    return _LITERAL.sub(r"\2", text).strip()


def _sentences(prose: str) -> list[str]:
    sentences: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(prose):
        if not _ABBREVIATION.search(prose, max(start, end.start() - _MAX_ABBREVIATION_CHARS), end.end()):
            sentences.append(prose[start : end.end()].rstrip())
            start = end.end()
    return [*sentences, prose[start:]] if prose[start:] else sentences
