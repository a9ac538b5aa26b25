"""The host of the 2025 form: what it takes, refuses and answers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.protocols import ADD, WEATHER, completion_chunks, deltas, messages, openai_tool
from tests.support.strict_host import StrictHost
from tests.support.strict_reka import V1_ALONE, StrictReka
from tests.support.strict_requests import (
    CALLED,
    DATA_URL,
    FLASH,
    RESEARCHER,
    RESULT,
    RESULT_AS_TEXT,
    SCHEMA,
    URL,
    USER,
    ask,
    chat,
    choice,
    part,
    refusal,
    text,
)


@pytest.fixture(scope="module")
def host() -> Iterator[StrictHost]:
    with StrictReka() as host:
        yield host


@pytest.mark.parametrize(
    "conversation",
    [
        [{"role": "system", "content": "Be brief."}, USER],
        [{"role": "developer", "content": "Be brief."}, USER],
        [USER, CALLED, RESULT],
        [USER, USER],
        [{"role": "assistant", "content": "Hello."}, USER],
        [USER, CALLED, CALLED],
        [{"role": "user", "content": [part("image_url", {"url": URL})]}],
        [{"role": "user", "content": [part("input_audio", {"data": "aGk=", "format": "wav"})]}],
        [{"role": "user", "content": [part("file", {"filename": "a.pdf", "file_data": DATA_URL})]}],
    ],
    ids=[
        "system",
        "developer",
        "tool",
        "two of the user",
        "the assistant first",
        "two of the assistant",
        "an object as a URL",
        "bytes of audio",
        "bytes of a file",
    ],
)
def test_the_2025_form_refuses_what_is_not_user_and_assistant_in_turn_with_bare_urls(
    host: StrictHost, conversation: list[dict[str, Any]]
) -> None:
    assert refusal(chat(host, messages=conversation)) == (400, "validation_error", "messages")


def test_the_2025_form_fails_on_a_user_message_that_names_a_call(host: StrictHost) -> None:
    answer = chat(host, messages=[USER, CALLED, RESULT_AS_TEXT | {"tool_call_id": "c-1"}])

    assert refusal(answer) == (500, "server_error", None)


def test_the_2025_form_takes_media_as_bare_strings(host: StrictHost) -> None:
    kinds = ("image", "video", "audio", "pdf")
    parts = [part(f"{kind}_url", URL) for kind in kinds]

    answer = text(chat(host, [*parts, part("image_url", DATA_URL), part("text", "Hi")]))

    assert answer.startswith("I see 2 images and 1 video and 1 audio and 1 pdf.")


def test_the_2025_form_calls_flat_tools_and_takes_their_results_as_text(host: StrictHost) -> None:
    question = messages("Use add with 3 and 4")
    first = choice(chat(host, messages=question, tools=[ADD]))
    (call,) = first["message"]["tool_calls"]
    result = {"role": "user", "content": f"[Tool result for {call['id']}]: 7"}
    forced = choice(chat(host, tools=[WEATHER], tool_choice="tool"))

    assert call["function"]["name"] == "add"
    assert json.loads(call["function"]["arguments"]) == {"a": 3, "b": 4}
    assert first["finish_reason"] == forced["finish_reason"] == "tool_calls"
    assert text(chat(host, messages=[*question, first["message"], result], tools=[ADD])) == "The result is 7."


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tools": [openai_tool(ADD)]}, "tools"),
        ({"tools": [ADD | {"parameters": {"type": "object", "properties": []}}]}, "tools"),
        ({"tools": [ADD], "tool_choice": "required"}, "tool_choice"),
        ({"tools": [ADD], "tool_choice": {"type": "function", "function": {"name": "add"}}}, "tool_choice"),
        ({"tool_choice": "tool"}, "tool_choice"),
        ({"response_format": SCHEMA}, "response_format"),
        ({"stream": True, "stream_options": {"include_usage": True}}, "stream_options"),
    ],
)
def test_the_2025_form_refuses_what_it_or_the_model_has_not(
    host: StrictHost, fields: dict[str, Any], field: str
) -> None:
    assert refusal(chat(host, **fields)) == (400, "validation_error", field)


def test_the_2025_form_follows_a_schema_with_the_research_model_alone(host: StrictHost) -> None:
    answer = chat(host, "There are 12 people.", model=RESEARCHER, response_format=SCHEMA)

    assert json.loads(text(answer)) == {"n": 12}


def test_the_2025_form_streams_with_usage_in_the_last_chunk(host: StrictHost) -> None:
    events = completion_chunks(chat(host, "count to 3", stream=True))

    assert [delta["content"] for delta in deltas(events) if delta.get("content")] == ["1 ", "2 ", "3"]
    assert events[-1]["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["usage"]["total_tokens"] == 6
    assert not any("usage" in event for event in events[:-1])


@pytest.mark.parametrize("question", ["Use add with 3 and 4", "count to 3"])
def test_the_2025_form_streams_nothing_if_there_are_tools(host: StrictHost, question: str) -> None:
    events = completion_chunks(chat(host, question, tools=[ADD], stream=True))

    assert [delta for delta in deltas(events) if delta] == [{"role": "assistant", "content": ""}]
    assert events[-1]["choices"][0]["finish_reason"] == "stop"


def test_the_2025_form_lists_models_by_id_alone(host: StrictHost) -> None:
    assert {"id": FLASH} in ask(host, "GET", "/v1/models").json()
    assert FLASH in ask(host, "GET", "/models").json()


def turn(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "text": "count to 3", **fields}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (
            {"conversation_history": [turn("human"), turn("model"), turn("human")], "request_output_len": 9},
            200,
            "1 2 3",
        ),
        ({"conversation_history": [turn("human", media_url=DATA_URL)], "stop_words": ["2"]}, 200, "1"),
        ({"conversation_history": [turn("human")], "model_name": "other"}, 404, "other"),
        ({"conversation_history": [turn("human")], "retrieval_dataset": "notes"}, 404, "notes"),
        ({"conversation_history": []}, 422, "conversation_history"),
        ({"conversation_history": [turn("human")], "model": FLASH}, 422, "model"),
        ({"conversation_history": [turn("user")]}, 422, "human"),
        ({"conversation_history": [turn("model")]}, 400, "human"),
        ({"conversation_history": [turn("human"), turn("human")]}, 400, "in turn"),
        ({"conversation_history": [turn("human"), turn("model"), turn("human", media_url=URL)]}, 400, "media_url"),
    ],
)
def test_the_2025_form_has_the_documented_chat_beside_it(
    host: StrictHost, body: dict[str, Any], status: int, said: str
) -> None:
    answer = ask(host, "POST", "/chat", json=body)

    assert answer.status_code == status
    assert set(answer.json()) == ({"type", "text"} if status == 200 else {"detail"})
    assert said in answer.text


def test_the_documented_chat_may_be_off() -> None:
    with StrictReka(endpoints=V1_ALONE) as host:
        answer = ask(host, "POST", "/chat", json={"conversation_history": [turn("human")]})

        assert (answer.status_code, set(answer.json())) == (404, {"detail"})
        assert text(chat(host))
