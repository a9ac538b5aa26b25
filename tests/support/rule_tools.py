"""Which tools the rule-based test model calls for a text, and with which arguments. Pure."""

import json
import re
from collections.abc import Sequence
from typing import Final

from tests.support.rule_conversation import Call, Tool
from tests.support.schema_instances import instance, numbers, quoted

# Words of tools' names that say nothing about what the tool is for.
_EMPTY: Final = frozenset(
    {"get", "set", "my", "the", "tool", "function", "call", "use", "fetch", "find", "query", "run"}
)


def next_calls(text: str, tools: Sequence[Tool], results: Sequence[str]) -> list[Call]:
    """The calls to make next, after `results`: the tools that a text names, in that order.

    One call at a time, so that it may build on the result before it, unless the text says `in parallel` or `at once`.
    """
    mentions = _mentions(text, tools)
    if not mentions and len(tools) == 1 and re.search(r"(?i)\bus(e|ing) (the|a|your) tool", text):
        mentions = [(0, tools[0])]
    clauses = [
        (tool, text[start if index else 0 : mentions[index + 1][0] if index + 1 < len(mentions) else None])
        for index, (start, tool) in enumerate(mentions)
    ]
    if re.search(r"(?i)\bin parallel\b|\bat once\b", text):
        return [] if results else [call for tool, clause in clauses for call in _one_each(tool, clause)]
    if len(results) >= len(clauses):
        return []
    tool, clause = clauses[len(results)]
    if results:
        before = _plain_result(results[-1])
        clause = re.sub(r"(?i)\b(the|that|its) (result|sum|answer|product)\b|\b(it|that)\b", lambda _: before, clause)
    return [call_for(tool, clause)]


def _mentions(text: str, tools: Sequence[Tool]) -> list[tuple[int, Tool]]:
    """Where a text names tools: by name, or else by a word of a name."""
    found = []
    for tool in tools:
        name = re.search(rf"(?i)(?<!\w){re.escape(tool.name)}(?!\w)", text)
        at = name.start() if name else _word_of_name(tool.name, text)
        if at is not None:
            found.append((at, tool))
    return sorted(found, key=lambda mention: mention[0])


def _word_of_name(name: str, text: str) -> int | None:
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name)} - _EMPTY
    places = [found.start() for word in words if len(word) > 2 and (found := re.search(rf"(?i)\b{word}", text))]
    return min(places, default=None)


def _one_each(tool: Tool, clause: str) -> list[Call]:
    """One call for each quoted text, or number, of a clause, for a tool that takes one value."""
    values = [f"'{value}'" for value in quoted(clause)] or [f"{value:g}" for value in numbers(clause)]
    takes_one = len(tool.parameters.get("required", ())) == 1
    return [call_for(tool, value) for value in values] if takes_one and values else [call_for(tool, clause)]


def call_for(tool: Tool, text: str) -> Call:
    """Call a tool with the JSON that the text gives for it, or with values from the text."""
    given = re.search(r"\{.*\}", text, re.S)
    if given:
        try:
            return Call(tool.name, json.loads(given[0]))
        except ValueError:
            pass
    return Call(tool.name, instance({"type": "object", **tool.parameters}, text))


def _plain_result(result: str) -> str:
    """The value of a result, from JSON such as `{"result": 3}` too."""
    try:
        value = json.loads(result)
    except ValueError:
        return result
    if isinstance(value, dict):
        value = next(iter(value.values()), "")
    return str(value)
