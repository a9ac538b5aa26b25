"""Messages as callers write them become messages as the live host takes them; each of its limits is a pass."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reka
from reka._protocol.messages import (
    OPENING,
    alternating,
    beyond_turns,
    concat_parts,
    fold,
    normalize_messages,
    system_into_user,
    to_reka_messages,
    tool_results_as_text,
    user_first,
)
from reka._protocol.tools import flat_tools, for_reka, normalized_choice

LOOK = {"type": "image_url", "image_url": "https://x.example/a.png"}
FLAT = {"name": "weather", "description": "Tells it", "parameters": {"type": "object", "properties": {}}}
OTHER = {"name": "time", "description": "", "parameters": {"type": "object", "properties": {}}}
CALL = {"id": "t-1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}}


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def said(role: str, *content: str | dict[str, Any], **more: Any) -> dict[str, Any]:
    """A message in the form that the passes work on."""
    return {"role": role, "content": [text(part) if isinstance(part, str) else part for part in content], **more}


@pytest.mark.parametrize(
    ("content", "becomes"),
    [
        (["4 °C"], ["[Tool result for t-1]: 4 °C"]),
        ([], ["[Tool result for t-1]: "]),
        ([LOOK, "a map"], ["[Tool result for t-1]: ", LOOK, "a map"]),
    ],
)
def test_the_role_tool_is_refused_so_a_result_goes_as_text_that_names_its_call(
    content: list[Any], becomes: list[Any]
) -> None:
    result = said("tool", *content, tool_call_id="t-1")

    assert tool_results_as_text([said("user", "Hi"), result]) == [said("user", "Hi"), said("user", *becomes)]


@pytest.mark.parametrize(
    ("messages", "becomes"),
    [
        ([said("system", "S"), said("user", "U")], [said("user", "S\n\nU")]),
        ([said("developer", "S"), said("user", "U")], [said("user", "S\n\nU")]),
        ([said("system", "S"), said("system", "T"), said("user", "U")], [said("user", "S", "T\n\nU")]),
        ([said("system", "S"), said("user", LOOK, "U")], [said("user", "S", LOOK, "U")]),
        (
            [said("user", "U"), said("system", "S"), said("assistant", "A"), said("user", "V")],
            [said("user", "U"), said("assistant", "A"), said("user", "S\n\nV")],
        ),
        ([said("user", "U"), said("system", "S")], [said("user", "U"), said("user", "S")]),
        ([said("system", "S")], [said("user", "S")]),
    ],
)
def test_there_is_no_role_system_so_its_text_goes_before_the_next_user_text(
    messages: list[dict[str, Any]], becomes: list[dict[str, Any]]
) -> None:
    assert system_into_user(messages) == becomes


@pytest.mark.parametrize(
    ("messages", "becomes"),
    [
        ([said("user", "a"), said("user", "b")], [said("user", "a\n\nb")]),
        ([said("user", "a"), said("user", "b"), said("user", "c")], [said("user", "a\n\nb\n\nc")]),
        ([said("user", LOOK), said("user", LOOK, "b")], [said("user", LOOK, LOOK, "b")]),
        (
            [said("assistant", tool_calls=[CALL]), said("assistant", "b", tool_calls=[CALL])],
            [said("assistant", "b", tool_calls=[CALL, CALL])],
        ),
        ([said("user", "a"), said("assistant", "b")], [said("user", "a"), said("assistant", "b")]),
    ],
)
def test_roles_must_alternate_so_neighbours_of_one_role_become_one(
    messages: list[dict[str, Any]], becomes: list[dict[str, Any]]
) -> None:
    assert alternating(messages) == becomes


def test_the_user_begins_so_an_assistant_that_would_is_given_an_opening() -> None:
    assert user_first([said("assistant", "Hello!")]) == [said("user", OPENING), said("assistant", "Hello!")]
    assert user_first([said("user", "Hi")]) == [said("user", "Hi")]
    assert user_first([]) == []


@pytest.mark.parametrize(
    ("first", "second", "becomes"),
    [
        (["a"], ["b"], ["a\n\nb"]),
        (["a"], [""], ["a"]),
        ([""], ["b"], ["b"]),
        ([], ["b"], ["b"]),
        (["a"], [], ["a"]),
        (["a", LOOK], ["b"], ["a", LOOK, "b"]),
        (["a"], [LOOK], ["a", LOOK]),
    ],
)
def test_texts_that_meet_become_one_with_an_empty_line_between(
    first: list[Any], second: list[Any], becomes: list[Any]
) -> None:
    parts = [said("user", *contents)["content"] for contents in (first, second, becomes)]

    assert concat_parts(parts[0], parts[1]) == parts[2]


def test_a_whole_conversation_with_tools_comes_out_as_the_live_host_takes_it() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather in Ulm and Bonn?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "t-1", "name": "weather", "arguments": {"c": 1}}]},
        {"role": "tool", "tool_call_id": "t-1", "content": "4 °C"},
        {"role": "tool", "tool_call_id": "t-2", "content": "6 °C"},
        {"role": "user", "content": [{"type": "text", "text": "So?"}, {**LOOK, "image_url": {"url": "https://x/b"}}]},
    ]

    assert to_reka_messages(normalize_messages(messages)) == [
        {"role": "user", "content": "Be brief.\n\nWeather in Ulm and Bonn?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "t-1", "type": "function", "function": {"name": "weather", "arguments": '{"c": 1}'}}],
        },
        {
            "role": "user",
            "content": [
                text("[Tool result for t-1]: 4 °C\n\n[Tool result for t-2]: 6 °C\n\nSo?"),
                {"type": "image_url", "image_url": "https://x/b"},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ("Hi", "got str, want a dict"),
        ({"content": "Hi"}, "got role None, want one of system, developer, user, assistant, tool"),
        ({"role": ["user"], "content": "Hi"}, "got role ['user']"),
        ({"role": "user"}, "has no content"),
        ({"role": "assistant", "content": None, "tool_calls": []}, "has no content"),
        ({"role": "user", "content": 7}, "has content of type int"),
        ({"role": "user", "content": b"Hi"}, "has content of type bytes"),
        ({"role": "user", "content": {"type": "text", "text": "Hi"}}, "has content of type dict"),
        ({"role": "user", "content": ["Hi"]}, "part 0: got str"),
        ({"role": "user", "content": [text("a"), {"type": "sound"}]}, "part 1: got type 'sound', want one of text"),
        ({"role": "user", "content": [{"type": ["text"]}]}, "part 0: got type ['text']"),
        ({"role": "user", "content": [{"type": "text"}]}, "part 0: text is NoneType, want a string"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, "part 0: image_url is NoneType"),
        ({"role": "user", "content": "Hi", "tool_calls": [CALL]}, "has tool_calls, and only an assistant's"),
        ({"role": "assistant", "tool_calls": [{"id": "t-1"}]}, "has a tool call that is not"),
        ({"role": "assistant", "tool_calls": ["weather"]}, "has a tool call that is not"),
        ({"role": "assistant", "tool_calls": CALL}, "has tool_calls that are no list"),
        ({"role": "assistant", "tool_calls": 7}, "has tool_calls that are no list"),
        (
            {"role": "assistant", "tool_calls": [{"id": "t-1", "name": "weather", "arguments": {"at": object()}}]},
            "has a tool call whose arguments cannot be written as JSON",
        ),
        ({"role": "tool", "content": "4 °C"}, "is a tool's and has no tool_call_id"),
    ],
)
def test_a_wrong_message_is_named_by_its_index(message: Any, what: str) -> None:
    with pytest.raises(reka.InvalidConversationError) as caught:
        normalize_messages([{"role": "user", "content": "Hi"}, message])

    assert str(caught.value).startswith("message 1 ")
    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("messages", "what"),
    [
        ([], "there are none"),
        ("Hi", "got str, want a list"),
        ({"role": "user", "content": "Hi"}, "got dict, want a list"),
        (None, "got NoneType"),
        (iter([{"role": "user", "content": "Hi"}]), "want a list"),
    ],
)
def test_messages_are_a_list(messages: Any, what: str) -> None:
    with pytest.raises(reka.InvalidConversationError, match=what):
        normalize_messages(messages)


@pytest.mark.parametrize(
    ("tool", "flat"),
    [
        (FLAT, FLAT),
        ({"type": "function", "function": FLAT}, FLAT),
        ({"name": "time"}, OTHER),
        ({"name": "time", "description": None, "parameters": None}, OTHER),
        ({"type": "function", "function": FLAT | {"strict": True}}, FLAT | {"strict": True}),
    ],
)
def test_tools_are_brought_to_the_flat_form(tool: dict[str, Any], flat: dict[str, Any]) -> None:
    assert flat_tools([tool]) == [flat]


@pytest.mark.parametrize(
    ("tools", "what"),
    [
        (FLAT, "tools: got an object, want a list"),
        ("weather", "tools: got a string, want a list"),
        ([{"description": "x"}], "tools.0.name: got nothing, want a string"),
        ([FLAT, {"name": ""}], "tools.1.name: is empty"),
        (["weather"], "tools.0: got a string, want an object"),
        (
            [FLAT | {"parameters": {"type": "string"}}],
            "tools.0.parameters: got a schema of type 'string'",
        ),
        ([FLAT | {"parameters": [1]}], "tools.0.parameters: got a list, want an object"),
        ([FLAT, FLAT], "tools: two tools have the name 'weather'"),
    ],
)
def test_a_wrong_tool_is_named(tools: Any, what: str) -> None:
    with pytest.raises(reka.InvalidArgumentError) as caught:
        flat_tools(tools)

    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("choice", "tools", "sent"),
    [
        (None, [FLAT, OTHER], None),
        ("auto", [FLAT, OTHER], "auto"),
        ("none", [FLAT, OTHER], "none"),
        ("tool", [FLAT, OTHER], "tool"),
        ("required", [FLAT, OTHER], "tool"),
        ("any", [FLAT, OTHER], "tool"),
        ("weather", [FLAT], "tool"),
        ({"type": "function", "function": {"name": "time"}}, [OTHER], "tool"),
        ({"type": "tool", "name": "time"}, [OTHER], "tool"),
        ({"type": "auto"}, [FLAT, OTHER], "auto"),
        ({"type": "none"}, [FLAT, OTHER], "none"),
        ({"type": "any", "disable_parallel_tool_use": True}, [FLAT, OTHER], "tool"),
        ({"type": "tool"}, [FLAT, OTHER], "tool"),
    ],
)
def test_a_tool_choice_becomes_one_of_three_and_a_named_tool_is_sent_alone(
    choice: Any, tools: list[dict[str, Any]], sent: str | None
) -> None:
    assert for_reka([FLAT | {"strict": True}, OTHER], normalized_choice(choice, [FLAT, OTHER])) == (tools, sent)


@pytest.mark.parametrize(
    "choice",
    ["news", {"function": {"name": "news"}}, {}, {"function": "news"}, {"type": "news"}, {"type": 7}, 7, ["weather"]],
)
def test_a_tool_choice_that_is_none_names_the_choices(choice: Any) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=r"tool_choice: got .*weather, time"):
        normalized_choice(choice, [FLAT, OTHER])


def test_a_tool_cannot_be_forced_where_there_is_none() -> None:
    with pytest.raises(reka.InvalidArgumentError, match="there are no tools"):
        normalized_choice("required", [])


@pytest.mark.parametrize(
    ("messages", "beyond"),
    [
        ([said("user", LOOK, text("Hi")), said("assistant", text("Hello"))], []),
        ([said("system", text("Be brief.")), said("user", text("Look:")), said("user", LOOK)], []),
        ([said("user", LOOK, LOOK)], [("several media", 0, 1)]),
        ([said("user"), said("assistant"), said("user", text("Look:"), LOOK)], [("media after the first turn", 2, 1)]),
        ([said("user"), said("assistant", tool_calls=[CALL]), said("user")], [("tool calls", 1, None)]),
        (
            [said("user", LOOK), said("assistant", tool_calls=[CALL]), said("user", LOOK)],
            [("tool calls", 1, None), ("several media", 2, 0), ("media after the first turn", 2, 0)],
        ),
        ([{"role": "user", "content": "a string"}, said("assistant"), said("user", text("b"))], []),
    ],
)
def test_what_turns_cannot_hold_is_found_with_its_place(
    messages: list[Any], beyond: list[tuple[str, int, int | None]]
) -> None:
    assert list(beyond_turns(messages)) == beyond


_CONTENT = st.text() | st.lists(st.text().map(text) | st.just(LOOK), min_size=1)
_MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "developer", "user", "assistant"]), "content": _CONTENT})
    | st.fixed_dictionaries({"role": st.just("tool"), "content": _CONTENT, "tool_call_id": st.text()})
    | st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": st.none() | st.text(), "tool_calls": st.just([CALL])}
    ),
    min_size=1,
)


@given(_MESSAGES)
def test_whatever_goes_in_user_and_assistant_alternate_nothing_is_lost_and_the_input_stays(messages: list[Any]) -> None:
    before = deepcopy(messages)

    result = fold(normalize_messages(messages))

    assert messages == before
    assert [message["role"] for message in result] == [("user", "assistant")[n % 2] for n in range(len(result))]
    assert all(set(message) <= {"role", "content", "tool_calls"} for message in result)
    given_parts = [part for message in messages for part in _parts(message["content"])]
    kept = "".join(part.get("text", "") for message in result for part in message["content"])
    assert all(part["text"] in kept for part in given_parts if part["type"] == "text")
    assert sum(part is not None for part in given_parts if part["type"] != "text") == sum(
        part["type"] != "text" for message in result for part in message["content"]
    )


def _parts(content: Any) -> list[dict[str, Any]]:
    if content is None:
        return []
    return [text(content)] if isinstance(content, str) else content
