"""`/v1/chat/completions` with the rule-based model behind the server, in the live host's form and OpenAI's full one."""

from typing import Any

import pytest

from tests.support.caller import Caller
from tests.support.protocols import (
    CHUNK_FIELDS,
    completion_chunks,
    completion_text,
    deltas,
    event_data,
    messages,
    post_completion,
)
from tests.support.rule_model import RuleModel

COUNTED = "one two three four five six seven"


def test_an_answer_has_the_form_of_this_generation(modelled: Caller) -> None:
    answer = post_completion(modelled, "Hi, my name is John.", "Hello!", "What is my name?").json()

    assert answer.pop("id").startswith("chatcmpl-")
    assert answer.pop("created") > 1_700_000_000
    assert answer == {
        "object": "chat.completion",
        "model": "reka-flash",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Your name is John."},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
    }


def test_each_chunk_of_a_stream_has_the_new_text_alone(modelled: Caller) -> None:
    events = completion_chunks(post_completion(modelled, f"Repeat: {COUNTED}", stream=True))

    assert deltas(events)[0] == {"role": "assistant", "content": ""}
    assert [delta["content"] for delta in deltas(events)[1:-1]] == [f"{word} " for word in COUNTED.split()[:-1]] + [
        "seven"
    ]
    assert {(event["id"], event["object"], event["model"]) for event in events} == {
        (events[0]["id"], "chat.completion.chunk", "reka-flash")
    }
    assert [event["choices"][0]["finish_reason"] for event in events] == [None] * (len(events) - 1) + ["stop"]


def test_usage_is_told_in_the_last_chunk_if_nothing_is_said(modelled: Caller) -> None:
    *before, last = completion_chunks(post_completion(modelled, "Repeat: a b", stream=True))

    assert not any("usage" in event for event in before)
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def test_usage_is_told_in_a_chunk_of_its_own_if_it_is_asked_for(modelled: Caller) -> None:
    *before, last = completion_chunks(
        post_completion(modelled, "Repeat: a b", stream=True, stream_options={"include_usage": True})
    )

    assert not any("usage" in event for event in before)
    assert before[-1]["choices"][0]["finish_reason"] == "stop"
    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


@pytest.mark.parametrize("options", [{"include_usage": False}, {}])
def test_usage_is_not_told_in_a_stream_that_asks_for_none(modelled: Caller, options: dict[str, bool]) -> None:
    events = completion_chunks(post_completion(modelled, "Repeat: a b", stream=True, stream_options=options))

    assert not any("usage" in event for event in events)


def test_every_parameter_reaches_the_model_and_so_does_what_the_server_does_not_know(
    modelled: Caller, rules: RuleModel
) -> None:
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
        "logit_bias": {"50": 1},
        "research": {"web_search": {"enabled": True}},
    }

    assert post_completion(modelled, "Hi", **given, n=1, user=None).ok

    (body,) = rules.requests
    assert {name: body[name] for name in given} == given
    assert body["model"] == "rules-1"
    assert "user" not in body
    assert "retrieval_dataset" not in body


def test_what_is_left_out_is_left_to_the_model(modelled: Caller, rules: RuleModel) -> None:
    post_completion(modelled, "Hi", temperature=None, stop=None, tools=None, tool_choice=None, response_format=None)

    assert rules.requests[0].keys() == {"model", "messages"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("given", "text", "reason"),
    [
        ({"max_tokens": 2}, "one two ", "length"),
        ({"max_completion_tokens": 2}, "one two ", "length"),
        ({"max_completion_tokens": 2, "max_tokens": 5}, "one two ", "length"),
        ({"stop": ["three"]}, "one two ", "stop"),
        ({"stop": "two"}, "one ", "stop"),
    ],
)
def test_an_answer_ends_where_it_should(
    modelled: Caller, stream: bool, given: dict[str, Any], text: str, reason: str
) -> None:
    assert completion_text(post_completion(modelled, f"Repeat: {COUNTED}", stream=stream, **given), stream) == (
        text,
        reason,
    )


@pytest.mark.parametrize("form", [lambda url: url, lambda url: {"url": url}], ids=["live", "openai"])
def test_media_reach_the_model_in_either_form(modelled: Caller, rules: RuleModel, form: Any) -> None:
    parts = [
        {"type": "image_url", "image_url": form("https://example.org/a.png")},
        {"type": "video_url", "video_url": form("https://example.org/a.mp4")},
        {"type": "audio_url", "audio_url": form("data:audio/wav;base64,AAAA")},
        {"type": "pdf_url", "pdf_url": form("data:application/pdf;base64,AAAA")},
        {"type": "text", "text": "What is this?"},
    ]

    answer = post_completion(modelled, parts).json()["choices"][0]["message"]["content"]

    assert answer.startswith("I see 1 image and 1 video and 1 audio and 1 pdf.")
    image, *_, pdf, _text = rules.requests[0]["messages"][0]["content"]
    assert image == {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    assert pdf["type"] == "file"  # as OpenAI's API has it


def test_openais_own_kinds_of_media_reach_the_model_as_they_are(modelled: Caller, rules: RuleModel) -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
    ]

    post_completion(modelled, parts)

    assert rules.requests[0]["messages"][0]["content"] == parts


@pytest.mark.parametrize("role", ["system", "developer"])
def test_what_the_system_says_reaches_the_model(modelled: Caller, rules: RuleModel, role: str) -> None:
    conversation = [{"role": role, "content": "My name is Ann."}, *messages("What is my name?")]

    answer = modelled.ask("POST", "/v1/chat/completions", json={"messages": conversation})

    assert completion_text(answer, stream=False)[0] == "Your name is Ann."
    assert rules.requests[0]["messages"] == conversation


def test_chunks_of_a_dataset_come_with_the_answer(modelled: Caller) -> None:
    answer = post_completion(
        modelled, "When does the owl of the mill hunt?", retrieval_dataset="notes", retrieval_top_k=1
    )

    assert "The owl of the mill hunts at night." in completion_text(answer, stream=False)[0]
    (chunk,) = answer.json()["retrieved_chunks"]
    assert chunk["source"] == "notes.txt"
    assert set(chunk) == CHUNK_FIELDS


@pytest.mark.parametrize("options", [None, {"include_usage": True}, {"include_usage": False}])
def test_chunks_of_a_dataset_come_with_the_last_chunk_of_a_stream(modelled: Caller, options: Any) -> None:
    asked = post_completion(
        modelled, "When does the owl hunt?", retrieval_dataset="notes", stream=True, stream_options=options
    )
    *before, last = completion_chunks(asked)

    assert not any("retrieved_chunks" in event for event in before)
    assert last["retrieved_chunks"][0]["source"] == "notes.txt"


def test_messages_need_not_alternate(modelled: Caller) -> None:
    conversation = [*messages("My name is Ann."), *messages("I like owls."), *messages("What is my name?")]

    answer = modelled.ask("POST", "/v1/chat/completions", json={"messages": conversation})

    assert completion_text(answer, stream=False)[0] == "Your name is Ann."


def test_a_conversation_may_end_with_the_assistant(modelled: Caller, rules: RuleModel) -> None:
    assert post_completion(modelled, "What is my name?", "Your name").ok
    assert [message["role"] for message in rules.requests[0]["messages"]] == ["user", "assistant"]


def test_any_text_comes_back_as_it_was_sent(modelled: Caller) -> None:
    text = (
        "NUL \0 RTL \u202eabc\u202c \u05e9\u05dc\u05d5\u05dd emoji \U0001f469\u200d\U0001f680 CJK \U00020000 "
        "\u2028 \ufeff \\u0041"
    )

    whole = post_completion(modelled, f"Repeat: {text}")
    streamed = post_completion(modelled, f"Repeat: {text}", stream=True)

    assert completion_text(whole, stream=False)[0] == text
    assert completion_text(streamed, stream=True)[0] == text


def test_models_are_listed_and_told_one_by_one(modelled: Caller) -> None:
    names = ["reka-flash", "reka-core", "org/large", "rules-1"]

    listed = modelled.ask("GET", "/v1/models").json()

    assert modelled.ask("GET", "/models").json() == names
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == names
    assert all(set(model) == {"id", "object", "created", "owned_by"} for model in listed["data"])
    for name, path in zip(names, ["reka-flash", "reka-core", "org%2Flarge", "rules-1"], strict=True):
        assert modelled.ask("GET", f"/v1/models/{path}").json()["id"] == name


def test_a_model_that_is_not_there_is_an_error_of_this_generation(modelled: Caller) -> None:
    one = modelled.ask("GET", "/v1/models/gpt-9")
    asked = post_completion(modelled, "Hi", model="gpt-9")

    assert (one.status_code, asked.status_code) == (404, 400)
    for answer in (one, asked):
        assert "reka-flash" in answer.json()["error"]["message"]


def test_a_stream_ends_with_one_mark_and_nothing_behind_it(modelled: Caller) -> None:
    assert event_data(post_completion(modelled, "Repeat: a", stream=True)).count("[DONE]") == 1
