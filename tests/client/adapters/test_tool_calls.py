"""A tool is run with arguments that the model wrote completely, and that can be sent again."""

import json
from datetime import date
from typing import Any

import pytest

from reka.adapters import add_delta, parse_arguments, parse_calls, write_arguments
from reka.adapters.tool_calls import MAX_DEPTH
from reka.errors import InvalidConversationError
from reka.types import ToolCall, ToolCallDelta


def nested(depth: int) -> str:
    return '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('{"a": 1, "b": [true, null, "c"]}', {"a": 1, "b": [True, None, "c"]}),
        ("{}", {}),
        ("", {}),
        (" \n", {}),
        ('{"a": 1e308}', {"a": 1e308}),
        ('{"a": "NaN"}', {"a": "NaN"}),
        ('{"a": "\\ud83d\\ude00 \\\\ud800"}', {"a": "😀 \\ud800"}),
        ('{"a": "x\\uD800y"}', {"a": "x�y"}),
        (nested(MAX_DEPTH), json.loads(nested(MAX_DEPTH))),
        (f'{{"a": {json.dumps([[]] * 200)}}}', {"a": [[]] * 200}),
    ],
)
def test_arguments_are_an_object_in_json(text: str, arguments: object) -> None:
    assert parse_arguments(text) == arguments


@pytest.mark.parametrize(
    "text",
    [
        *('{"a": NaN}', '{"a": [Infinity]}', '{"a": -Infinity}', '{"a": 1e999}', '{"a": -1e999}'),
        *('{"a": 1', '{"a"', "{", "[1]", "1", '"a"', "null", "no JSON", '{"a": 1} and more', "{'a': 1}"),
        *(nested(MAX_DEPTH + 1), nested(5_000), "[" * 1_000_000, '{"a":' * 100_000, f'{{"a": {"9" * 5_000}}}'),
    ],
    ids=lambda text: text[:20],
)
def test_anything_else_is_no_arguments(text: str) -> None:
    assert parse_arguments(text) is None


@pytest.mark.parametrize("reason", ["length", "context"])
def test_the_last_call_of_an_answer_that_a_limit_cut_off_has_no_arguments(reason: str) -> None:
    calls = [ToolCall("1", "add", '{"a": 1}'), ToolCall("2", "add", '{"a": 2}')]

    assert [arguments for _, arguments in parse_calls(calls, reason)] == [{"a": 1}, None]
    assert [arguments for _, arguments in parse_calls(calls[1:], "tool_calls")] == [{"a": 2}]
    assert parse_calls([], reason) == []


def test_deltas_of_one_index_add_up_to_a_call() -> None:
    calls: dict[int, ToolCall] = {}

    for delta in (
        ToolCallDelta(0, "1", "add", ""),
        ToolCallDelta(2, "2", "now", "{}"),
        ToolCallDelta(0, "", "", '{"a"'),
        ToolCallDelta(0, "", "", ": 1}"),
    ):
        add_delta(calls, delta)

    assert calls == {0: ToolCall("1", "add", '{"a": 1}'), 2: ToolCall("2", "now", "{}")}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"a": 1, "b": "ü"}, '{"a": 1, "b": "ü"}'),
        ('{"a":1}', '{"a":1}'),
        ("", "{}"),
        ('{"a": NaN', '{"invalid_arguments": "{\\"a\\": NaN"}'),
        ({"a": float("nan")}, '{"invalid_arguments": "{\\"a\\": NaN}"}'),
        ([1], '{"invalid_arguments": "[1]"}'),
        ({"a": "x\ud800y"}, '{"a": "x�y"}'),
        ({"a": date(2026, 1, 2)}, '{"a": "2026-01-02"}'),
    ],
)
def test_arguments_of_an_earlier_call_are_sent_as_an_object_whatever_they_are(arguments: object, text: str) -> None:
    assert write_arguments(arguments) == text
    assert parse_arguments(text) is not None


def test_arguments_without_an_end_are_refused() -> None:
    endless: dict[str, Any] = {}
    endless["a"] = endless

    with pytest.raises(InvalidConversationError, match="cannot be written"):
        write_arguments(endless)
