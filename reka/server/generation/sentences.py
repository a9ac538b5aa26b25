"""Plain text -> what can be quoted from it on its own: a sentence, or one with the code or list it leads to.

Pure functions. Text comes as people keep it: lines broken at some width, indented paragraphs, headings underlined with
a row of signs, bullet lists, terms with an indented explanation, code. Prose is put on one line; code keeps its lines.
"""

import re
import textwrap
from typing import Final

__all__ = ["passages"]

_LONGEST_LEAD: Final = 700
"""Characters of a passage that a sentence ending in a colon makes with the code or list after it."""

_RULE: Final = re.compile(r"\s*([^\w\s])\1{2,}\s*$")  # a row of signs, as under a heading
_BULLET: Final = re.compile(r"\s*(?:[*+•-]|\d{1,3}[.)]|\[\d{1,3}\])\s+\S")
_WRAPPED_HYPHEN: Final = re.compile(r"(?<=\w-)\n\s*(?=[a-z])")

# The end of a sentence, with the quotes and brackets that close there, and what the next one may start with. Scripts
# that write no spaces between sentences have end marks of their own.
_SENTENCE_END: Final = re.compile(
    r"""[.!?…]["'”\u2019»)\]*_`]*\s+(?=["'“\u2018«(\[*_`¿¡]*[^\W_a-z])|[\u3002\uff01\uff1f]+[」』”]*\s*"""
)
_ABBREVIATION: Final = re.compile(r"\b(?:e\.g|i\.e|[Cc]f|vs|etc|approx|Mr|Mrs|Ms|Dr|Prof|St|No|Nr|Fig|Sec|[A-Z])\.\s*$")
_ENDED: Final = re.compile(r"""[.!?…:\u3002\uff01\uff1f]["'”\u2019»)\]*_`]*$""")

_LONGEST_ABBREVIATION: Final = 10
"""Characters before a full stop that are looked at: all of them would take quadratic time in a hostile text."""

# What programs are full of and prose is not.
_CODE_SIGN: Final = re.compile(
    r"[{}=<>|;\\]|\w\([^()]*\)$|^\s*(?:def|class|import|from|return|for|while|if|[#@$])[\s\w]"
)


def passages(text: str) -> list[str]:
    """Cut a text into what can be quoted from it, in reading order.

    Headings are left out unless there is nothing else. No passage is cut inside a word or inside a line of code.
    """
    found: list[str] = []
    lead: int | None = None  # indentation of a passage that ends in a colon, and to which this block may belong
    term = ""  # a line that the block after it explains
    for block, is_term in _blocks(text):
        if is_term:
            term, lead = textwrap.dedent(block) + "\n", None
            continue
        is_item = _BULLET.match(block) is not None
        is_code = not is_item and (_is_code(block) or (lead is not None and _is_displayed(block, lead)))
        pieces = [textwrap.dedent(block)] if is_code else [_unwrapped(block)] if is_item else _sentences(block)
        if lead is not None and (is_code or is_item) and len(found[-1]) + len(pieces[0]) < _LONGEST_LEAD:
            found[-1] += "\n" + (textwrap.indent(pieces[0], "    ") if is_code else pieces[0])
            continue
        found += [term + pieces[0], *pieces[1:]]
        term = ""
        lead = _indent(block) if pieces[-1].endswith(":") else None
    return found or [line.strip() for line in text.split("\n") if line.strip() and not _RULE.match(line)]


def _blocks(text: str) -> list[tuple[str, bool]]:
    """Cut a text at empty lines, headings and list items.

    Returns:
        Each block, and whether it is a term: one line that ends no sentence, with an indented explanation after it.
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
    full = [block for block in blocks if block]
    after = [*full, []][1:]
    return [("\n".join(block), _is_term(block, following)) for block, following in zip(full, after, strict=True)]


def _is_term(block: list[str], following: list[str]) -> bool:
    if len(block) > 1 or not following or _ENDED.search(block[0].rstrip()) or _BULLET.match(block[0]):
        return False
    return _indent(block[0]) < _indent(following[0]) and not _is_code("\n".join(following))


def _is_code(block: str) -> bool:
    """Tell code, grammar and tables from prose."""
    lines = textwrap.dedent(block).split("\n")
    if _BULLET.match(block):
        return False
    if any(line.startswith((">>> ", "+--", "| ")) for line in lines):
        return True
    if _ENDED.search(block.rstrip()) and not any(_indent(line) > _indent(lines[0]) for line in lines):
        return False
    return 2 * sum(_CODE_SIGN.search(line) is not None for line in lines) >= len(lines)


def _is_displayed(block: str, lead: int) -> bool:
    """Tell whether a block is set off below a sentence with a colon: indented, and no prose of its own."""
    return _indent(block) > lead and not _ENDED.search(block.rstrip())


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _unwrapped(block: str) -> str:
    return " ".join(_WRAPPED_HYPHEN.sub("", block).split())


def _sentences(block: str) -> list[str]:
    prose = _unwrapped(block)
    found: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(prose):
        if not _ABBREVIATION.search(prose, max(start, end.start() - _LONGEST_ABBREVIATION), end.end()):
            found.append(prose[start : end.end()].rstrip())
            start = end.end()
    return [*found, prose[start:]] if prose[start:] else found
