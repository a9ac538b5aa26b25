"""Which form of the completions endpoint a server is sent: every rule, with scripted and with strict hosts."""

import logging
from typing import Any

import pytest

import reka
from reka.testing import FakeReka, answer
from reka.testing.bodies import DONE, chunk, completion, events
from tests.support.clients import KEY, Connect
from tests.support.completions import HI, TOOL
from tests.support.protocols import ADD
from tests.support.strict_openai import StrictOpenAI
from tests.support.strict_reka import StrictReka

V1 = "POST /v1/chat/completions"
ANSWER = completion(content="Hello")
REFUSAL = {"error": {"message": "messages.0.role: got system", "type": "validation_error", "code": None}}
SYSTEM = [{"role": "system", "content": "Be brief."}, *HI]
IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": "https://x.example/a.png"}]}]
ADD_UP = [{"role": "user", "content": "add 1 and 2"}]


CALL = {"id": "t-1", "name": "weather", "arguments": "{}"}
DIFFERENT: dict[str, dict[str, Any]] = {
    "system": {"messages": SYSTEM},
    "neighbours": {"messages": [*HI, *HI]},
    "assistant first": {"messages": [{"role": "assistant", "content": "Hi"}, *HI]},
    "media": {"messages": IMAGE},
    "tools": {"messages": HI, "tools": [TOOL]},
    "named choice": {"messages": HI, "tools": [TOOL], "tool_choice": "weather"},
    "tool result": {
        "messages": [
            *HI,
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "t-1", "content": "rain"},
        ]
    },
}
"""Requests that the forms write differently, by what makes the difference."""


@pytest.mark.parametrize("request_", DIFFERENT.values(), ids=DIFFERENT)
@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_form_is_replaced_once_by_the_other(
    client: reka.Reka, fake: FakeReka, request_: dict[str, Any], status: int
) -> None:
    fake.will_answer(status, REFUSAL)
    fake.will_answer(200, ANSWER)

    assert client.complete(**request_).text == "Hello"

    assert fake.paths == [V1, V1]
    first, second = (sent.json for sent in fake.requests)
    assert first != second


def test_a_refused_stream_is_asked_for_once_in_the_other_form(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(400, REFUSAL)
    fake.will_stream(events(chunk("stop", content="Hello")), DONE)

    streamed = list(client.stream_messages(SYSTEM))

    assert streamed[0] == reka.TextDelta("Hello")
    assert [request.json["messages"][0]["role"] for request in fake.requests] == ["system", "user"]


def test_what_both_forms_write_alike_is_sent_once(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(400, REFUSAL)

    with pytest.raises(reka.InvalidRequestError, match="got system"):
        client.complete(HI)

    assert fake.paths == [V1]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "context_length_exceeded"),
        (400, "P001"),
        (400, "model_not_found"),
        (401, None),
        (403, None),
        (404, "model_not_found"),
        (413, None),
        (422, "model_not_available"),
        (429, None),
        (429, "P001"),
    ],
)
def test_no_other_error_is_taken_for_a_refused_form(
    connect: Connect, fake: FakeReka, status: int, code: str | None
) -> None:
    fake.will_answer(status, {"error": {"message": f"no: {code}", "type": "x", "code": code}})
    fake.otherwise = answer(500, {"detail": "what happened"})

    with connect(KEY, fake.url, api="v1", max_retries=0) as client, pytest.raises(reka.RekaError) as caught:
        client.complete(SYSTEM, model="named")

    assert caught.value.status_code == status
    assert fake.paths.count(V1) == 1


def test_if_both_forms_are_refused_the_first_error_counts(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(400, REFUSAL)
    fake.will_answer(400, {"error": {"message": "the second", "type": "validation_error"}})

    with pytest.raises(reka.InvalidRequestError, match="got system"):
        client.complete(SYSTEM)

    assert fake.paths == [V1, V1]


def test_a_refusal_of_both_forms_teaches_nothing(client: reka.Reka, fake: FakeReka) -> None:
    for _ in range(2):
        fake.will_answer(400, REFUSAL)
    fake.will_answer(200, ANSWER)

    with pytest.raises(reka.InvalidRequestError):
        client.complete(HI, tools=[TOOL])
    client.complete(SYSTEM)

    assert fake.requests[2].json["messages"][0]["role"] == "system"


def test_the_form_is_remembered_from_media_and_for_its_model_alone(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(400, REFUSAL)
    for _ in range(3):
        fake.will_answer(200, ANSWER)

    client.complete(IMAGE, model="m-1")
    client.complete(SYSTEM, model="m-1")
    client.complete(SYSTEM, model="m-2")

    assert [request.json["messages"][0]["role"] for request in fake.requests[2:]] == ["user", "system"]


def test_the_form_is_remembered_from_tools_and_not_from_text(
    client: reka.Reka, fake: FakeReka, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "reka")
    requests: list[dict[str, Any]] = [{"messages": SYSTEM}, {"messages": SYSTEM}, {"messages": HI, "tools": [TOOL]}]
    for request_ in requests:
        fake.will_answer(400, REFUSAL)
        fake.will_answer(200, ANSWER)
        client.complete(**request_)
    fake.will_answer(200, ANSWER)
    client.complete(SYSTEM)

    assert len(fake.requests) == 7
    assert [record.message for record in caplog.records] == [
        "the server accepts requests to reka-flash in the reka form"
    ]


def test_a_remembered_form_that_is_refused_is_forgotten(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(400, REFUSAL)
    fake.will_answer(200, ANSWER)
    client.complete(HI, tools=[TOOL])
    fake.will_answer(400, REFUSAL)
    fake.will_answer(200, ANSWER)
    client.complete(SYSTEM)
    fake.will_answer(200, ANSWER)

    client.complete(SYSTEM)

    assert [request.json["messages"][0]["role"] for request in fake.requests[2:]] == ["user", "system", "system"]


def test_a_fixed_form_is_never_changed(connect: Connect, fake: FakeReka) -> None:
    for form in ("openai", "reka"):
        fake.will_answer(400, REFUSAL)
        with connect(KEY, fake.url, form=form) as client, pytest.raises(reka.InvalidRequestError):
            client.complete(SYSTEM)

    assert [request.json["messages"][0]["role"] for request in fake.requests] == ["system", "user"]


def test_the_form_of_each_request_is_in_its_event(connect: Connect, fake: FakeReka) -> None:
    fake.will_answer(400, REFUSAL)
    fake.will_answer(200, ANSWER)
    seen: list[reka.RequestEvent] = []

    with connect(KEY, fake.url, on_event=seen.append) as client:
        client.complete(SYSTEM)

    assert [(event.status_code, event.form) for event in seen] == [(400, "openai"), (200, "reka")]


def test_the_environment_sets_the_form_and_a_wrong_one_is_named(
    connect: Connect, fake: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REKA_FORM", "reka")
    fake.will_answer(200, ANSWER)
    with connect(KEY, fake.url) as client:
        client.complete(SYSTEM)
    assert fake.requests[0].json["messages"][0]["role"] == "user"

    monkeypatch.setenv("REKA_FORM", "claude")
    with connect(KEY, fake.url) as client, pytest.raises(reka.InvalidArgumentError, match="REKA_FORM: got 'claude'"):
        client.complete(SYSTEM)
    with pytest.raises(reka.InvalidArgumentError, match="form: got 'x'"):
        connect(KEY, fake.url, form="x")


def test_an_empty_stream_with_tools_is_asked_again_whole_and_that_is_remembered(
    client: reka.Reka, fake: FakeReka
) -> None:
    call = {"id": "t-1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    fake.will_stream(events(chunk(role="assistant", content=""), chunk("stop")), DONE)
    for _ in range(2):
        fake.will_answer(200, completion("tool_calls", content="", tool_calls=[call]))

    first, second = (list(client.stream_messages(HI, tools=[TOOL])) for _ in range(2))

    assert first == second
    assert first[0] == reka.ToolCallDelta(0, "t-1", "weather", "{}")
    assert ["stream" in request.json for request in fake.requests] == [True, False, False]


def test_an_answer_that_is_empty_as_a_whole_too_teaches_nothing(client: reka.Reka, fake: FakeReka) -> None:
    for _ in range(2):
        fake.will_stream(events(chunk("stop", role="assistant", content="")), DONE)
        fake.will_answer(200, completion(content=""))

    for _ in range(2):
        list(client.stream_messages(HI, tools=[TOOL]))

    assert ["stream" in request.json for request in fake.requests] == [True, False, True, False]


@pytest.mark.parametrize(
    ("delta", "tools"), [({"reasoning_content": "Hm."}, [TOOL]), ({"content": ""}, None)], ids=["reasoning", "no tools"]
)
def test_another_stream_without_text_is_the_answer(
    client: reka.Reka, fake: FakeReka, delta: dict[str, str], tools: list[Any] | None
) -> None:
    fake.will_stream(events(chunk("stop", **delta)), DONE)

    ended = list(client.stream_messages(HI, tools=tools))

    assert isinstance(ended[-1], reka.Finish)
    assert fake.paths == [V1]


def test_a_stream_that_its_length_ended_is_not_asked_again(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_stream(events(chunk(role="assistant", content=""), chunk("length")), DONE)

    ended = list(client.stream_messages(HI, tools=[TOOL], max_tokens=1))

    assert isinstance(ended[-1], reka.Finish)
    assert ended[-1].reason == "length"
    assert fake.paths == [V1]


def test_a_cut_stream_with_tools_is_not_paid_twice(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_stream(events(chunk(role="assistant", content="")))

    with pytest.raises(reka.StreamInterruptedError):
        list(client.stream_messages(HI, tools=[TOOL]))

    assert fake.paths == [V1]


def test_a_call_with_all_its_fallbacks_makes_at_most_four_requests(connect: Connect, fake: FakeReka) -> None:
    missing = {"error": {"message": "there is no model reka-flash", "type": "not_found_error", "code": None}}
    fake.will_answer(404, {"detail": "Not Found"})
    fake.will_answer(404, missing)
    fake.will_answer(200, {"data": [{"id": "reka-flash-3"}]})
    fake.will_answer(400, REFUSAL)
    fake.otherwise = answer(400, {"detail": "what happened"})
    seen: list[reka.RequestEvent] = []

    with (
        connect(KEY, fake.url, max_retries=0, on_event=seen.append) as client,
        pytest.raises(reka.InvalidRequestError, match="got system"),
    ):
        client.chat("Hi", media_url="https://x.example/a.png")

    assert fake.paths == ["POST /chat", V1, "GET /v1/models", V1]
    assert [event.status_code for event in seen] == [404, 404, 200, 400]


def test_each_fallback_is_taken_once_in_a_call(connect: Connect, fake: FakeReka) -> None:
    fake.will_answer(404, {"detail": "Not Found"})
    fake.will_answer(400, REFUSAL)
    fake.otherwise = answer(404, {"detail": "what happened"})

    with connect(KEY, fake.url, max_retries=0) as client, pytest.raises(reka.InvalidRequestError, match="got system"):
        client.chat("Hi", media_url="https://x.example/a.png")

    assert fake.paths == ["POST /chat", V1, V1]


def test_a_body_that_names_the_model_as_missing_is_not_a_refused_form(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(400, {"error": {"message": "The model `reka-flash` does not exist"}})
    fake.will_answer(200, {"data": [{"id": "reka-flash-3"}]})
    fake.will_answer(200, ANSWER)

    client.complete(SYSTEM)

    assert fake.paths == [V1, "GET /v1/models", V1]
    assert fake.requests[2].json["messages"][0]["role"] == "system"


@pytest.mark.parametrize("host", [StrictOpenAI, StrictReka])
@pytest.mark.parametrize("api", ["auto", "v1"])
def test_a_host_of_either_form_works_at_the_first_call(connect: Connect, host: type[Any], api: str) -> None:
    model = "reka-edge-2603" if host is StrictOpenAI else "reka-flash"
    with host() as server, connect(KEY, server.url, api=api) as client:
        called = client.complete(ADD_UP, tools=[ADD], model=model)
        result = {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "3"}
        history: list[reka.Message] = [
            *ADD_UP,
            {"role": "assistant", "tool_calls": [_as_dict(call) for call in called.tool_calls]},
            result,
        ]
        streamed = list(client.stream_messages(ADD_UP, tools=[ADD], model=model))

        assert called.tool_calls[0].name == "add"
        assert client.complete(history, tools=[ADD], model=model).text
        assert any(isinstance(event, reka.ToolCallDelta) for event in streamed)
        assert "image" in client.complete([*SYSTEM, *IMAGE], model=model).text
        assert client.chat("Hi")["text"]
        assert "".join(event.text for event in client.stream("Hi"))


def test_in_openais_form_media_of_tool_results_are_the_users_behind_all_results(
    connect: Connect, fake: FakeReka
) -> None:
    fake.will_answer(200, completion())
    picture = {"type": "image_url", "image_url": "https://e.com/a.png"}
    calls = [{"id": call_id, "name": "draw", "arguments": "{}"} for call_id in ("c-1", "c-2", "c-3")]
    history: list[reka.Message] = [
        *HI,
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c-1", "content": [{"type": "text", "text": "A cat."}, picture]},
        {"role": "tool", "tool_call_id": "c-2", "content": "Nothing."},
        {"role": "tool", "tool_call_id": "c-3", "content": [picture]},
    ]

    with connect(KEY, fake.url, api="v1") as client:
        client.complete(history)

    *_, first, second, third, media = fake.requests[0].json["messages"]
    assert [each["content"] for each in (first, second, third)] == [
        "A cat.",
        "Nothing.",
        "(The next user message has the result.)",
    ]
    sent_picture = {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}
    assert media == {
        "role": "user",
        "content": [
            {"type": "text", "text": "[Media of the tool result for c-1]:"},
            sent_picture,
            {"type": "text", "text": "[Media of the tool result for c-3]:"},
            sent_picture,
        ],
    }


def _as_dict(call: reka.ToolCall) -> dict[str, str]:
    return {"id": call.id, "name": call.name, "arguments": call.arguments}
