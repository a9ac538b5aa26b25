"""`/v1/chat`, the generation that `reka-api` 3 speaks, with the rule-based model behind the server."""

import itertools
from typing import Any

import pytest

from tests.support.caller import Caller
from tests.support.protocols import ADD, CHUNK_FIELDS, WEATHER, messages, openai_tool, post_v1_chat, v1_chat_events
from tests.support.rule_model import RuleModel

COUNTED = "one two three four five six seven"


def test_an_answer_has_the_form_of_this_generation(modelled: Caller) -> None:
    answer = post_v1_chat(modelled, "Hi, my name is John.", "Hello!", "What is my name?").json()

    assert isinstance(answer.pop("id"), str)
    assert answer == {
        "model": "reka-flash",
        "responses": [
            {"finish_reason": "stop", "message": {"role": "assistant", "content": "Your name is John."}},
        ],
        "usage": {"input_tokens": 10, "output_tokens": 4},
    }


def test_each_event_of_a_stream_has_the_whole_text_so_far(modelled: Caller) -> None:
    events = v1_chat_events(post_v1_chat(modelled, f"Repeat: {COUNTED}", stream=True))

    texts = [event["responses"][0]["chunk"]["content"] for event in events]
    assert texts[0] == "one "
    assert all(after.startswith(before) for before, after in itertools.pairwise(texts))
    assert len(set(texts)) == 7
    assert texts[-1] == COUNTED
    assert {event["id"] for event in events} == {events[0]["id"]}
    assert [event["responses"][0]["finish_reason"] for event in events] == [None] * (len(events) - 1) + ["stop"]
    assert events[-1]["usage"] == {"input_tokens": 8, "output_tokens": 7}


def test_every_parameter_reaches_the_model(modelled: Caller, rules: RuleModel) -> None:
    given = {
        "max_tokens": 20,
        "temperature": 0.5,
        "top_k": 3,
        "top_p": 0.5,
        "seed": 5,
        "stop": ["END"],
        "frequency_penalty": 0.25,
        "presence_penalty": -0.25,
        "reasoning_effort": "high",
    }

    assert post_v1_chat(modelled, "Hi", **given, use_search_engine=True).ok

    (body,) = rules.requests
    assert {name: body[name] for name in given} == given
    assert "use_search_engine" not in body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("given", "text", "reason"),
    [
        ({"max_tokens": 2}, "one two ", "length"),
        ({"stop": ["three"]}, "one two ", "stop"),
        ({"stop": "two"}, "one ", "stop"),
    ],
)
def test_an_answer_ends_where_it_should(
    modelled: Caller, stream: bool, given: dict[str, Any], text: str, reason: str
) -> None:
    answer = post_v1_chat(modelled, f"Repeat: {COUNTED}", stream=stream, **given)

    if stream:
        response = v1_chat_events(answer)[-1]["responses"][0]
        assert (response["chunk"]["content"], response["finish_reason"]) == (text, reason)
    else:
        response = answer.json()["responses"][0]
        assert (response["message"]["content"], response["finish_reason"]) == (text, reason)


def test_media_of_every_kind_reach_the_model(modelled: Caller) -> None:
    parts = [
        {"type": "image_url", "image_url": "https://example.org/a.png"},
        {"type": "video_url", "video_url": "https://example.org/a.mp4"},
        {"type": "audio_url", "audio_url": "https://example.org/a.mp3"},
        {"type": "pdf_url", "pdf_url": "https://example.org/a.pdf"},
        {"type": "text", "text": "What is this?"},
    ]

    answer = post_v1_chat(modelled, parts).json()

    assert answer["responses"][0]["message"]["content"].startswith("I see 1 image and 1 video and 1 audio and 1 pdf.")


@pytest.mark.parametrize("form", [dict, openai_tool], ids=["flat", "nested"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_with_an_object(modelled: Caller, form: Any, stream: bool) -> None:
    answer = post_v1_chat(modelled, "Please add 2 and 3", tools=[form(ADD), form(WEATHER)], stream=stream)

    response = v1_chat_events(answer)[-1]["responses"][0] if stream else answer.json()["responses"][0]
    message = response["chunk" if stream else "message"]
    assert response["finish_reason"] == "tool_calls"
    (call,) = message["tool_calls"]
    assert isinstance(call.pop("id"), str)
    assert call == {"name": "add", "parameters": {"a": 2, "b": 3}}
    assert message["content"] == ""


@pytest.mark.parametrize("stream", [False, True])
def test_what_tools_put_out_is_answered_with(modelled: Caller, stream: bool) -> None:
    calls = [
        {"id": "call-1", "name": "add", "parameters": {"a": 2, "b": 3}},
        {"id": "call-2", "name": "add", "parameters": {"a": 4, "b": 5}},
    ]
    conversation = [
        {"role": "user", "content": "Please add 2 and 3, and 4 and 5, at once"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {
            "role": "tool_output",
            "content": [{"tool_call_id": "call-1", "output": "5"}, {"tool_call_id": "call-2", "output": {"sum": 9}}],
        },
    ]

    answer = modelled.ask("POST", "/v1/chat", json={"messages": conversation, "tools": [ADD], "stream": stream})

    response = v1_chat_events(answer)[-1]["responses"][0] if stream else answer.json()["responses"][0]
    assert response["chunk" if stream else "message"]["content"] == 'The result is {"sum": 9}.'


@pytest.mark.parametrize(("choice", "is_called"), [(None, False), ("auto", False), ("none", False), ("tool", True)])
def test_a_tool_is_called_when_it_must_be(modelled: Caller, choice: str | None, is_called: bool) -> None:
    answer = post_v1_chat(modelled, "Good morning", tools=[ADD], tool_choice=choice).json()

    assert ("tool_calls" in answer["responses"][0]["message"]) is is_called


def test_chunks_of_a_dataset_come_with_the_answer(modelled: Caller) -> None:
    answer = post_v1_chat(modelled, "When does the owl of the mill hunt?", retrieval_dataset="notes").json()

    assert "The owl of the mill hunts at night." in answer["responses"][0]["message"]["content"]
    (chunk,) = answer["retrieved_chunks"]
    assert chunk["source"] == "notes.txt"
    assert set(chunk) == CHUNK_FIELDS


def test_chunks_of_a_dataset_come_with_the_last_event(modelled: Caller) -> None:
    asked = post_v1_chat(modelled, "When does the owl of the mill hunt?", retrieval_dataset="notes", stream=True)
    *before, last = v1_chat_events(asked)

    assert len(before) > 3
    assert not any("retrieved_chunks" in event for event in before)
    assert last["retrieved_chunks"][0]["source"] == "notes.txt"


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_with_what_a_dataset_says(modelled: Caller, rules: RuleModel, stream: bool) -> None:
    answer = post_v1_chat(
        modelled, "Use add on 12 and 30 eggs of the hen", tools=[ADD], retrieval_dataset="notes", stream=stream
    )

    body = v1_chat_events(answer)[-1] if stream else answer.json()
    message = body["responses"][0]["chunk" if stream else "message"]
    assert message["tool_calls"][0]["parameters"] == {"a": 12, "b": 30}
    assert "12 eggs" in body["retrieved_chunks"][0]["text"]
    assert "<passages>" in rules.requests[0]["messages"][-1]["content"]
    assert rules.requests[0]["tools"]


def test_messages_need_not_alternate(modelled: Caller, rules: RuleModel) -> None:
    conversation = [*messages("My name is Ann."), *messages("I like owls."), *messages("What is my name?", "Your")]

    answer = modelled.ask("POST", "/v1/chat", json={"messages": conversation})

    assert answer.status_code == 200
    assert [message["role"] for message in rules.requests[0]["messages"]] == ["user", "user", "user", "assistant"]


def test_models_are_listed_in_the_form_of_this_generation(modelled: Caller) -> None:
    listed = modelled.ask("GET", "/v1/models", headers={"X-Fern-Language": "Python"}).json()

    assert listed == [{"id": name} for name in ("reka-flash", "reka-core", "org/large", "rules-1")]
