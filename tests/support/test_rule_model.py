"""The test model itself: what it answers by its rules, in both forms of its protocol."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

import reka
from tests.support.rule_model import RuleModel

ADD = {
    "name": "add",
    "description": "Add two numbers.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a place.",
    "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
}
NOTHING = {"name": "magic_function_no_args", "description": "", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture(scope="module")
def model() -> Iterator[RuleModel]:
    with RuleModel() as model:
        yield model


def ask(model: RuleModel, *texts: str, **fields: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    messages = [{"role": roles[index % 2], "content": text} for index, text in enumerate(texts)]
    answered = requests.post(f"{model.url}/v1/chat/completions", json={"messages": messages, **fields}, timeout=10)
    assert answered.status_code == 200, answered.text
    return dict(answered.json())


def said(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


def called(answer: dict[str, Any]) -> list[tuple[str, Any]]:
    calls = answer["choices"][0]["message"].get("tool_calls", [])
    return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]


def nested(*tools: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "function", "function": tool} for tool in tools]


def test_it_echoes_repeats_counts_and_remembers(model: RuleModel) -> None:
    assert "Hello" in said(ask(model, "Hello"))
    assert said(ask(model, "Please repeat: one two")) == "one two"
    assert said(ask(model, "count to 4")) == "1 2 3 4"
    assert said(ask(model, "Hi, my name is John.", "Hi.", "Say my name")) == "Your name is John."


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("What is the weather in San Francisco, CA?", [("get_weather", {"location": "San Francisco, CA"})]),
        ("Use add with 3 and 4", [("add", {"a": 3, "b": 4})]),
        ('use tool add with {"a": 1, "b": 2}', [("add", {"a": 1, "b": 2})]),
        ("What is the value of magic_function_no_args()?", [("magic_function_no_args", {})]),
        (
            "get_weather for 'Paris' and 'Rome' in parallel",
            [("get_weather", {"location": x}) for x in ("Paris", "Rome")],
        ),
        ("Hello", []),
    ],
)
@pytest.mark.parametrize("is_flat", [False, True], ids=["nested", "flat"])
def test_it_calls_the_tools_that_the_text_names(
    model: RuleModel, text: str, wanted: list[tuple[str, Any]], is_flat: bool
) -> None:
    tools = [ADD, WEATHER, NOTHING]

    answer = ask(model, text, tools=tools if is_flat else nested(*tools))

    assert called(answer) == wanted
    assert answer["choices"][0]["finish_reason"] == ("tool_calls" if wanted else "stop")


@pytest.mark.parametrize("choice", ["required", "tool", {"type": "function", "function": {"name": "get_weather"}}])
def test_it_calls_a_tool_when_it_must(model: RuleModel, choice: Any) -> None:
    answer = ask(model, "Hello!", tools=nested(WEATHER), tool_choice=choice)

    assert [name for name, _ in called(answer)] == ["get_weather"]
    assert called(ask(model, "Hello!", tools=nested(WEATHER), tool_choice="none")) == []


def test_it_takes_one_step_after_the_other_and_states_the_last_result(model: RuleModel) -> None:
    multiply = {**ADD, "name": "multiply"}
    client = reka.Reka("any", model.url)
    messages: list[Any] = [{"role": "user", "content": "Please add 3 and 4, then multiply the result by 2."}]

    for result in ("7", "14"):
        completion = client.complete(messages, tools=[ADD, multiply])
        (call,) = completion.tool_calls
        function = {"name": call.name, "arguments": call.arguments}
        messages.append({"role": "assistant", "content": "", "tool_calls": [{"id": call.id, "function": function}]})
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    end = client.complete(messages, tools=[ADD, multiply])
    client.close()

    assert [message["tool_calls"][0]["function"]["name"] for message in messages[1::2]] == ["add", "multiply"]
    assert json.loads(messages[3]["tool_calls"][0]["function"]["arguments"]) == {"a": 7, "b": 2}
    assert (end.text, end.tool_calls, end.finish_reason) == ("The result is 14.", [], "stop")


def test_it_follows_a_schema(model: RuleModel) -> None:
    schema = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "kind": {"enum": ["folk", "rock"]},
            "songs": {"type": "array", "items": {"$ref": "#/$defs/Song"}, "minItems": 2},
            "year": {"anyOf": [{"type": "integer", "minimum": 1900}, {"type": "null"}]},
            "note": {"type": "string"},
        },
        "required": ["title", "kind", "songs", "year"],
        "$defs": {"Song": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "Album", "schema": schema}}

    answer = said(ask(model, "A rock album 'Blue' of 1971 with 'One' and 'Two'", response_format=wanted))

    assert json.loads(answer) == {
        "title": "Blue",
        "kind": "rock",
        "songs": [{"name": "One"}, {"name": "Two"}],
        "year": 1971,
    }
    keys = "A joke about cats. JSON with 'setup' and 'punchline' keys."
    assert set(json.loads(said(ask(model, keys, response_format={"type": "json_object"})))) == {"setup", "punchline"}


def test_it_sees_how_many_media_there_are(model: RuleModel) -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": "https://example.com/b.png"},
        {"type": "pdf_url", "pdf_url": "https://example.com/c.pdf"},
        {"type": "text", "text": "What is this?"},
    ]

    answer = ask(model, messages=[{"role": "user", "content": parts}])

    assert said(answer).startswith("I see 2 images and 1 pdf.")


def test_stop_words_and_the_limit_of_tokens_hold(model: RuleModel) -> None:
    stopped = ask(model, "count to 9", stop=["5"])
    cut = ask(model, "count to 9", max_tokens=3)

    assert (said(stopped), stopped["choices"][0]["finish_reason"]) == ("1 2 3 4 ", "stop")
    assert (said(cut).split(), cut["choices"][0]["finish_reason"]) == (["1", "2", "3"], "length")
    assert cut["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}


def test_a_streamed_answer_comes_word_by_word_and_is_the_whole_one(model: RuleModel) -> None:
    with reka.Reka("any", model.url) as client:
        events = list(client.stream_messages([{"role": "user", "content": "count to 5"}]))
        whole = client.complete([{"role": "user", "content": "count to 5"}])

    texts = [event.text for event in events if isinstance(event, reka.TextDelta)]
    assert len(texts) == 5
    assert "".join(texts) == whole.text == "1 2 3 4 5"
    assert isinstance(events[-1], reka.Finish)


def test_tool_calls_are_streamed_in_pieces_and_not_at_all_in_the_live_form(model: RuleModel) -> None:
    def stream(tools: list[dict[str, Any]]) -> list[Any]:
        message = {"role": "user", "content": "Use add with 3 and 4"}
        body = {"messages": [message], "tools": tools, "stream": True, "stream_options": {"include_usage": True}}
        answered = requests.post(f"{model.url}/v1/chat/completions", json=body, timeout=10)
        lines = [line.removeprefix("data: ") for line in answered.text.split("\n\n") if line]
        assert lines[-1] == "[DONE]"
        return [json.loads(line) for line in lines[:-1]]

    chunks = stream(nested(ADD))
    pieces = [
        call for chunk in chunks if chunk["choices"] for call in chunk["choices"][0]["delta"].get("tool_calls", [])
    ]

    assert pieces[0]["function"] == {"name": "add", "arguments": ""}
    assert json.loads("".join(piece["function"]["arguments"] for piece in pieces)) == {"a": 3, "b": 4}
    assert chunks[-1]["usage"]["total_tokens"] > 0
    assert stream([ADD]) == []


def test_it_reasons_and_acts_as_the_prompt_says(model: RuleModel) -> None:
    prompt = (
        "You have tools:\n> Tool Name: add\nTool Description: Add.\nTool Args: "
        + json.dumps(ADD["parameters"])
        + "\n\nAction Input: the input\n\nBelow is the current conversation consisting of interleaving human and "
        "assistant messages.\n"
    )

    act = said(ask(model, prompt + "\n\nWhat is add of 20 and 22?"))
    end = said(ask(model, prompt + "\n\nWhat is add of 20 and 22?", act, "Observation: 42"))

    assert act.splitlines()[1:] == ["Action: add", 'Action Input: {"a": 20, "b": 22}']
    assert end.splitlines()[1] == "Answer: The result is 42."


@pytest.mark.parametrize("body", [b"no json", b"[]", b'{"messages": []}', b'{"messages": [{"role": "nobody"}]}'])
def test_what_is_no_chat_request_is_a_400(model: RuleModel, body: bytes) -> None:
    answered = requests.post(f"{model.url}/v1/chat/completions", data=body, timeout=10)

    assert (answered.status_code, answered.json()["error"]["type"]) == (400, "invalid_request_error")


def test_a_key_is_asked_for_if_there_is_one() -> None:
    with RuleModel(key="sesame") as model:
        refused = requests.get(f"{model.url}/v1/models", timeout=10)
        let_in = requests.get(f"{model.url}/v1/models", headers={"Authorization": "Bearer sesame"}, timeout=10)

    assert refused.status_code == 401
    assert [one["id"] for one in let_in.json()["data"]] == ["rules-1", "rules-2"]
