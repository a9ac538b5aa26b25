"""Splits plain text into passages that can be quoted on their own: a sentence, with any code or list it introduces.

Pure functions. The text may have hard-wrapped lines, indented paragraphs, underlined headings, bullet lists, terms with
an indented definition, and code. Prose is joined to one line; code keeps its lines.
"""

import re
import textwrap
from typing import Final

__all__ = ["passages", "rows_under"]

_MAX_INTRODUCED_CHARS: Final = 700
"""Characters of a passage made of a sentence that ends in a colon and the code or list after it."""

_DELIMITERS: Final = (" | ", "\t", ";", "|", ",")
"""What stands between the cells of a row."""

_RULE: Final = re.compile(r"\s*([^\w\s])\1{2,}\s*$")  # a row of one character, as under a heading
_BULLET: Final = re.compile(r"\s*(?:[*+•-]|\d{1,3}[.)]|\[\d{1,3}\])\s+\S")
_WRAPPED_HYPHEN: Final = re.compile(r"(?<=\w-)\n\s*(?=[a-z])")

# The end of a sentence with its closing quotes and brackets, followed by what may start the next one. Scripts without
# spaces between sentences have end marks of their own.
_SENTENCE_END: Final = re.compile(
    r"""[.!?…]["'”\u2019»)\]*_`]*\s+(?=["'“\u2018«(\[*_`¿¡]*[^\W_a-z])|[\u3002\uff01\uff1f]+[」』”]*\s*"""
)
_ABBREVIATION: Final = re.compile(r"\b(?:e\.g|i\.e|[Cc]f|vs|etc|approx|Mr|Mrs|Ms|Dr|Prof|St|No|Nr|Fig|Sec|[A-Z])\.\s*$")
_COMPLETE: Final = re.compile(r"""[.!?…:\u3002\uff01\uff1f]["'”\u2019»)\]*_`]*$""")

_MAX_ABBREVIATION_CHARS: Final = 10
"""Characters before a full stop that are searched: all of them would take quadratic time in a hostile text."""

# Frequent in code and rare in prose.
_CODE_SIGN: Final = re.compile(
    r"[{}=<>|;\\]|\w\([^()]*\)$|^\s*(?:def|class|import|from|return|for|while|if|[#@$])[\s\w]"
)


def rows_under(context: str, text: str) -> list[str]:
    """Return the rows of a chunk of a table, verbatim; none for another text.

    Args:
        context: What the chunk is read under: the names of its columns, after the path of its headings if it has one.
        text: The chunk.
    """
    lines = [line for line in text.split("\n") if line.strip()]
    if lines and all(line.startswith("{") and line.endswith("}") for line in lines):
        return lines  # objects, which have the names in them
    names = context.rpartition(" > ")[2]
    for delimiter in _DELIMITERS:
        # A heading has a space after its comma.
        count = 0 if f"{delimiter} " in names else names.count(delimiter)
        if count and all(line.count(delimiter) >= count for line in lines):
            return lines
    return []


def passages(text: str) -> list[str]:
    """Split a text into passages, in reading order.

    Headings are left out unless there is nothing else. No passage ends inside a word or a line of code.
    """
    result: list[str] = []
    intro_indent: int | None = None  # indentation of the last passage, if it ends in a colon
    term = ""  # a line that the next block defines
    for block, is_term in _blocks(text):
        if is_term:
            term, intro_indent = textwrap.dedent(block) + "\n", None
            continue
        is_item = _BULLET.match(block) is not None
        is_code = not is_item and (_is_code(block) or (intro_indent is not None and _is_displayed(block, intro_indent)))
        parts = [textwrap.dedent(block)] if is_code else [_unwrap(block)] if is_item else _sentences(block)
        is_introduced = intro_indent is not None and (is_code or is_item)
        if is_introduced and len(result[-1]) + len(parts[0]) < _MAX_INTRODUCED_CHARS:
            result[-1] += "\n" + (textwrap.indent(parts[0], "    ") if is_code else parts[0])
            continue
        result += [term + parts[0], *parts[1:]]
        term = ""
        intro_indent = _indent(block) if parts[-1].endswith(":") else None
    return result or [line.strip() for line in text.split("\n") if line.strip() and not _RULE.match(line)]


def _blocks(text: str) -> list[tuple[str, bool]]:
    """Split a text at empty lines, headings and list items.

    Returns:
        Each block, and whether it is a term: one line that is no sentence, followed by an indented definition.
    """
    blocks: list[list[str]] = [[]]
    for line in text.replace("\r\n", "\n").expandtabs(4).split("\n"):
        if not line.strip():
            blocks.append([])
        elif _RULE.match(line) and len(blocks[-1]) <= 1:
            blocks[-1] = []  # the line above was a heading
        elif _BULLET.match(line):
            blocks.append([line])
        else:
            blocks[-1].append(line)
    blocks = [block for block in blocks if block]
    following = [*blocks, []][1:]
    return [
        ("\n".join(block), _is_term(block, next_block)) for block, next_block in zip(blocks, following, strict=True)
    ]


def _is_term(block: list[str], next_block: list[str]) -> bool:
    if len(block) > 1 or not next_block or _COMPLETE.search(block[0].rstrip()) or _BULLET.match(block[0]):
        return False
    return _indent(block[0]) < _indent(next_block[0]) and not _is_code("\n".join(next_block))


def _is_code(block: str) -> bool:
    """Tell whether a block is code, a grammar or a table rather than prose."""
    lines = textwrap.dedent(block).split("\n")
    if _BULLET.match(block):
        return False
    if any(line.startswith((">>> ", "+--", "| ")) for line in lines):
        return True
    if _COMPLETE.search(block.rstrip()) and not any(_indent(line) > _indent(lines[0]) for line in lines):
        return False
    return 2 * sum(_CODE_SIGN.search(line) is not None for line in lines) >= len(lines)


def _is_displayed(block: str, intro_indent: int) -> bool:
    """Tell whether a block after a colon is displayed text: indented more than the introduction, and no sentence."""
    return _indent(block) > intro_indent and not _COMPLETE.search(block.rstrip())


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _unwrap(block: str) -> str:
    return " ".join(_WRAPPED_HYPHEN.sub("", block).split())


def _sentences(block: str) -> list[str]:
    prose = _unwrap(block)
    sentences: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(prose):
        if not _ABBREVIATION.search(prose, max(start, end.start() - _MAX_ABBREVIATION_CHARS), end.end()):
            sentences.append(prose[start : end.end()].rstrip())
            start = end.end()
    return [*sentences, prose[start:]] if prose[start:] else sentences
