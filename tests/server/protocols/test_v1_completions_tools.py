"""`POST /v1/chat/completions`: tools, and answers that follow a schema."""

import json
from typing import Any

import pytest

from tests.support.caller import Caller
from tests.support.protocols import (
    ADD,
    WEATHER,
    completion_chunks,
    completion_text,
    deltas,
    merge_tool_calls,
    messages,
    openai_tool,
    post_completion,
)
from tests.support.rule_model import RuleModel

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


@pytest.mark.parametrize("form", [dict, openai_tool], ids=["live", "openai"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_with_json_text(modelled: Caller, form: Any, stream: bool) -> None:
    answer = post_completion(modelled, "Please add 2 and 3", tools=[form(ADD), form(WEATHER)], stream=stream)

    if stream:
        events = completion_chunks(answer)
        (call,) = merge_tool_calls(events)
        assert sum("tool_calls" in delta for delta in deltas(events)) > 2  # passed on as they come
        assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"
    else:
        (choice,) = answer.json()["choices"]
        assert choice["finish_reason"] == "tool_calls"
        assert choice["message"]["content"] is None
        (whole,) = choice["message"]["tool_calls"]
        assert whole["type"] == "function"
        call = {"id": whole["id"], **whole["function"]}
    assert call["id"]
    assert call["name"] == "add"
    assert json.loads(call["arguments"]) == {"a": 2, "b": 3}


@pytest.mark.parametrize("stream", [False, True])
def test_several_tools_are_called_at_once(modelled: Caller, stream: bool) -> None:
    answer = post_completion(modelled, "At once: add 1 and 2; get_weather in Oslo", tools=[ADD, WEATHER], stream=stream)

    calls = (
        merge_tool_calls(completion_chunks(answer))
        if stream
        else [call["function"] for call in answer.json()["choices"][0]["message"]["tool_calls"]]
    )
    assert [call["name"] for call in calls] == ["add", "get_weather"]


RESULT_FORMS = {
    "live": [{"role": "user", "content": "[Tool result for call-1]: 5"}],
    "openai": [{"role": "tool", "tool_call_id": "call-1", "content": "5"}],
    "openai parts": [{"role": "tool", "tool_call_id": "call-1", "content": [{"type": "text", "text": "5"}]}],
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("result", RESULT_FORMS.values(), ids=RESULT_FORMS)
@pytest.mark.parametrize("content", [None, ""])
def test_a_tools_result_is_answered_with(
    modelled: Caller, result: list[Any], stream: bool, content: str | None
) -> None:
    call = {"id": "call-1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2, "b": 3}'}}
    conversation = [*messages("Please add 2 and 3"), {"role": "assistant", "content": content, "tool_calls": [call]}]

    answer = modelled.ask(
        "POST",
        "/v1/chat/completions",
        json={"messages": [*conversation, *result], "tools": [openai_tool(ADD)], "stream": stream},
    )

    assert completion_text(answer, stream) == ("The result is 5.", "stop")


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        (None, None),
        ("auto", None),
        ("none", None),
        ("tool", "add"),
        ("required", "add"),
        ("any", "add"),
        ("get_weather", "get_weather"),
        ({"type": "function", "function": {"name": "get_weather"}}, "get_weather"),
        ({"type": "tool", "name": "get_weather"}, "get_weather"),
    ],
    ids=str,
)
def test_a_tool_is_called_when_it_must_be(modelled: Caller, choice: Any, called: str | None) -> None:
    answer = post_completion(modelled, "Good morning", tools=[ADD, WEATHER], tool_choice=choice).json()

    calls = answer["choices"][0]["message"].get("tool_calls", [])
    assert [call["function"]["name"] for call in calls] == ([called] if called else [])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", ["auto", "none", "tool", "add"])
def test_a_model_that_takes_reka_forms_alone_is_asked_in_them(
    rules: RuleModel, reka_formed: Caller, stream: bool, choice: str
) -> None:
    conversation = [{"role": "system", "content": "Be kind."}, *messages("add 1 and 2")]

    answer = reka_formed.ask(
        "POST",
        "/v1/chat/completions",
        json={
            "messages": conversation,
            "tools": [openai_tool(ADD), openai_tool(WEATHER)],
            "tool_choice": choice,
            "stream": stream,
        },
    )

    calls = (
        merge_tool_calls(completion_chunks(answer))
        if stream
        else answer.json()["choices"][0]["message"].get("tool_calls", [])
    )
    assert len(calls) == (0 if choice == "none" else 1)
    (body,) = rules.requests
    assert body["messages"] == [{"role": "user", "content": "Be kind.\n\nadd 1 and 2"}]
    assert body["tools"] == ([ADD] if choice == "add" else [ADD, WEATHER])
    assert body["tool_choice"] == ("tool" if choice == "add" else choice)
    assert "stream" not in body  # it would be answered with nothing


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_follows_a_schema(modelled: Caller, stream: bool) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}

    answer = post_completion(modelled, 'Describe "Ann", who is 42', response_format=wanted, stream=stream)

    assert json.loads(completion_text(answer, stream)[0]) == {"name": "Ann", "age": 42}


def test_an_answer_is_json_if_no_more_is_asked_for(modelled: Caller) -> None:
    answer = post_completion(modelled, "Hi", response_format={"type": "json_object"})

    assert isinstance(json.loads(completion_text(answer, stream=False)[0]), dict)


def test_an_answer_is_text_if_that_is_asked_for(modelled: Caller, rules: RuleModel) -> None:
    assert (
        completion_text(post_completion(modelled, "Repeat: x", response_format={"type": "text"}), stream=False)[0]
        == "x"
    )
    assert "response_format" not in rules.requests[0]


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_with_what_a_dataset_says(modelled: Caller, rules: RuleModel, stream: bool) -> None:
    answer = post_completion(
        modelled, "Use add on 12 and 30 eggs of the hen", tools=[ADD], retrieval_dataset="notes", stream=stream
    )

    if stream:
        events = completion_chunks(answer)
        call, found = merge_tool_calls(events)[0], events[-1]["retrieved_chunks"]
    else:
        call, found = (
            answer.json()["choices"][0]["message"]["tool_calls"][0]["function"],
            answer.json()["retrieved_chunks"],
        )
    assert json.loads(call["arguments"]) == {"a": 12, "b": 30}
    assert "12 eggs" in found[0]["text"]
    assert "<passages>" in rules.requests[0]["messages"][-1]["content"]


def test_an_answer_of_a_schema_is_made_from_a_dataset(modelled: Caller, rules: RuleModel) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}

    answer = post_completion(modelled, 'The hen "Berta" has 12', response_format=wanted, retrieval_dataset="notes")

    assert json.loads(completion_text(answer, stream=False)[0]) == {"name": "Berta", "age": 12}
    assert answer.json()["retrieved_chunks"]
