"""Prompts of frameworks: which part of a message is the question, and which part are texts to answer it from.

LangChain, LlamaIndex, this client and programs like them put retrieved texts into a message, with instructions around
them. The instructions are for a language model and answer nothing. Pure functions.
"""

import json
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from reka.server.generation.types import Message, text_of

__all__ = ["Extract", "Prompt", "read_prompt", "system_extracts"]

_START: Final = r"^[ \t>*#]*(?:[\w'-]+[ \t]){0,5}"
_END: Final = r"[*]*:[*]*[ \t]*"
_QUESTION: Final = re.compile(
    rf"{_START}(?:question|query|input)(?: is as follows)?{_END}", re.IGNORECASE | re.MULTILINE
)
_ANSWER: Final = re.compile(rf"{_START}(?:answer|response|instruction){_END}", re.IGNORECASE | re.MULTILINE)
_CONTEXT: Final = re.compile(
    rf"{_START}(?:context|documents|passages|sources|information){_END}", re.IGNORECASE | re.MULTILINE
)

_TAGS: Final = re.compile(
    r"^[ \t]*<(context|documents?|passages?|sources?)>(.*?)</\1>", re.IGNORECASE | re.MULTILINE | re.DOTALL
)
_RULE: Final = re.compile(r"^[ \t]*([-=*#_])\1{9,}[ \t]*$", re.MULTILINE)
_PASSAGE: Final = re.compile(r'^\{"source": .*\}$', re.MULTILINE)

# The line before the texts, which says that they follow.
_NOUN: Final = re.compile(r"\b(?:context|documents?|passages?|sources?|information|excerpts?)\b", re.IGNORECASE)
_POINTER: Final = re.compile(r"\b(?:following|below|these|this|here|provided|retrieved|using|use)\b", re.IGNORECASE)
_MAX_LEAD_LINES: Final = 12
"""Lines of a message that are searched for that line."""

_INSTRUCTION: Final = re.compile(
    r"\b(?:answer|respond|reply|refine)\b.*\b(?:context|questions?|query|information|knowledge|concise|so)\b|"
    r"\b(?:context|information|passages|texts)\b.*\b(?:answer|assist|question|query|knowledge|user|say so)\b|"
    r"\byou are an? .*\b(?:assistant|system|expert|bot)\b|\b(?:don'?t|do not|does not) know\b|\bmake up an answer\b|"
    r"\bsentences maximum\b",
    re.IGNORECASE | re.DOTALL,
)


class Extract(NamedTuple):
    """A text that a prompt has for answering from."""

    text: str
    source: str = ""
    """Name of the file that it is from; empty if the prompt does not say so."""
    context: str = ""
    """Its headings or the names of its columns; empty if the prompt does not say so."""


class Prompt(NamedTuple):
    """A message that was made from a template."""

    question: str
    extracts: Sequence[Extract]


def read_prompt(text: str) -> Prompt | None:
    """Take the message of a user apart.

    Returns:
        Its parts; None if nothing shows that it was made from a template.
    """
    labels = list(_QUESTION.finditer(text))
    parts = _split(text, is_template=bool(labels))
    if parts is None and not labels:
        return None
    before, inside, after = parts or _before_label(text, labels[-1])
    question = _labelled(after) or _labelled(before) or _without_instructions(f"{before}\n\n{after}")
    return Prompt(question, _extracts(inside))


def system_extracts(messages: Sequence[Message]) -> list[Extract]:
    """Read the texts that system messages announce or mark; all else in them are instructions."""
    texts = [text_of(message) for message in messages if message["role"] in {"system", "developer"}]
    return [extract for text in texts if (parts := _split(text, is_template=True)) for extract in _extracts(parts[1])]


def _split(text: str, *, is_template: bool) -> tuple[str, str, str] | None:
    """Split a message into what is before the texts, the texts, and what is after them; None without any."""
    if tags := list(_TAGS.finditer(text)):
        return text[: tags[0].start()], "\n\n".join(tag[2] for tag in tags), text[tags[-1].end() :]
    for rule in _RULE.finditer(text):
        if _NOUN.search(text, max(0, rule.start() - 300), rule.start()):
            inside, _, after = text[rule.end() :].partition(rule[0].strip())
            return text[: rule.start()], inside, after
        break
    start = _start(text) if is_template else None
    if start is None:
        return None
    end = _end(text, start[1])
    return text[: start[0]], text[start[1] : end], text[end:]


def _start(text: str) -> tuple[int, int] | None:
    """Find the label or the line that announces the texts: where it starts, and where they do."""
    if label := _CONTEXT.search(text):
        return label.start(), label.end()
    offset, is_announced = 0, False
    for line in text.splitlines(keepends=True)[:_MAX_LEAD_LINES]:
        offset += len(line)
        is_announced = is_announced or bool(_NOUN.search(line) and _POINTER.search(line))
        if is_announced and (not line.strip() or line.rstrip().endswith(":")):
            return offset, offset
    return None


def _end(text: str, start: int) -> int:
    """Find where the texts end: at the last label of a question, which may also occur in them, or of an answer."""
    questions = list(_QUESTION.finditer(text, start))
    if questions:
        return questions[-1].start()
    answers = list(_ANSWER.finditer(text, start))
    return answers[-1].start() if answers and not text[answers[-1].end() :].strip() else len(text)


def _before_label(text: str, label: re.Match[str]) -> tuple[str, str, str]:
    """Split a message without marks at the label of its question; what instructs is not part of the texts."""
    paragraphs = text[: label.start()].split("\n\n")
    first, _, others = paragraphs[0].partition("\n")
    if first.rstrip().endswith(":"):
        paragraphs[0] = others
    inside = "\n\n".join(paragraph for paragraph in paragraphs if not _INSTRUCTION.search(paragraph[:1000]))
    return "", inside, text[label.start() :]


def _labelled(text: str) -> str:
    """Return what follows the last label of a question, up to that of the answer; empty without one."""
    labels = list(_QUESTION.finditer(text))
    if not labels:
        return ""
    rest = text[labels[-1].end() :]
    answer = _ANSWER.search(rest)
    return (rest[: answer.start()] if answer else rest).strip()


def _without_instructions(text: str) -> str:
    lines = [line for line in text.split("\n") if not _INSTRUCTION.search(line[:1000]) and not _RULE.match(line)]
    return "\n".join(line for line in lines if not (_NOUN.search(line) and _POINTER.search(line))).strip()


def _extracts(text: str) -> list[Extract]:
    """Read texts, of which this client writes each as a line of JSON."""
    lines = _PASSAGE.findall(text)
    try:
        values = [json.loads(line) for line in lines]
        return [Extract(value["text"], value["source"], value.get("context", "")) for value in values] or [
            Extract(text.strip("\n"))
        ]
    except (ValueError, KeyError):
        return [Extract(text.strip("\n"))]
