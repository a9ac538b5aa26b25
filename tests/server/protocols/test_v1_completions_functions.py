"""`POST /v1/chat/completions`: functions, OpenAI's older form of tools, and fields that the model alone knows."""

import json
from typing import Any

import pytest

from reka.testing import FakeReka
from reka.testing.bodies import DONE, chunk, completion, events
from tests.support.caller import Caller
from tests.support.protocols import ADD, completion_chunks, completion_text, deltas, messages, post_completion
from tests.support.rule_model import RuleModel

CALL = {"name": "add", "arguments": '{"a": 2, "b": 3}'}
CALLED = {"role": "assistant", "content": None, "function_call": CALL}
RESULT = {"role": "function", "name": "add", "content": "5"}


def post_messages(api: Caller, *sent: Any, **fields: Any) -> Any:
    return api.ask("POST", "/v1/chat/completions", json={"messages": sent, **fields})


def test_a_function_is_called_and_its_result_sent_back(proxy: Caller, upstream: FakeReka) -> None:
    upstream.will_answer(200, completion("function_call", content=None, function_call=CALL))
    upstream.will_answer(200, completion(content="5"))
    fields = {"functions": [ADD], "function_call": {"name": "add"}}

    (choice,) = post_completion(proxy, "add 2 and 3", **fields).json()["choices"]
    answer = post_messages(proxy, *messages("add 2 and 3"), choice["message"], RESULT, functions=[ADD])

    assert choice["message"] == CALLED
    assert choice["finish_reason"] == "function_call"
    assert completion_text(answer, stream=False) == ("5", "stop")
    first, second = (request.json for request in upstream.requests)
    assert {name: first[name] for name in fields} == fields
    assert second["messages"] == [*messages("add 2 and 3"), CALLED, RESULT]
    assert second["functions"] == [ADD]


def test_a_function_is_called_in_a_stream(proxy: Caller, upstream: FakeReka) -> None:
    pieces = [{"name": "add", "arguments": ""}, {"arguments": '{"a": 2'}, {"arguments": ', "b": 3}'}]
    upstream.will_stream(
        events(*(chunk(function_call=piece) for piece in pieces), chunk("function_call")) + DONE,
    )

    streamed = completion_chunks(post_completion(proxy, "add 2 and 3", functions=[ADD], stream=True))

    assert [delta["function_call"] for delta in deltas(streamed)[:-1]] == pieces
    assert streamed[-1]["choices"][0]["finish_reason"] == "function_call"


@pytest.mark.parametrize("stream", [False, True])
def test_arguments_that_come_as_an_object_become_text(proxy: Caller, upstream: FakeReka, stream: bool) -> None:
    call = {"name": "add", "arguments": {"a": 2}}
    if stream:
        upstream.will_stream(events(chunk(function_call=call), chunk("function_call")) + DONE)
        streamed = completion_chunks(post_completion(proxy, "add", functions=[ADD], stream=True))
        answered = deltas(streamed)[0]["function_call"]
    else:
        upstream.will_answer(200, completion("function_call", content=None, function_call=call))
        answered = post_completion(proxy, "add", functions=[ADD]).json()["choices"][0]["message"]["function_call"]

    assert json.loads(answered["arguments"]) == {"a": 2}


def test_a_result_may_be_nothing(proxy: Caller, upstream: FakeReka) -> None:
    upstream.will_answer(200, completion(content="Done."))

    assert post_messages(proxy, *messages("add"), CALLED, {**RESULT, "content": None}).ok
    assert upstream.requests[0].json["messages"][-1] == {**RESULT, "content": None}


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ({"role": "function", "content": "5"}, "messages.1.name"),
        ({"role": "user", "content": "Hi", "function_call": CALL}, "messages.1.function_call"),
        ({"role": "assistant", "content": None, "function_call": {"arguments": "{}"}}, "messages.1.function_call.name"),
        ({"role": "assistant", "content": None, "function_call": "add"}, "messages.1.function_call"),
    ],
    ids=["no name", "of a user", "no function", "a name alone"],
)
def test_what_is_no_call_and_no_result_is_refused_with_its_place(proxy: Caller, message: Any, place: str) -> None:
    answer = post_messages(proxy, *messages("add"), message)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(f"{place}: ")


def test_fields_of_messages_and_parts_that_the_server_does_not_know_reach_the_model(
    modelled: Caller, rules: RuleModel
) -> None:
    sent: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "assistant",
            "content": "Hello",
            "reasoning_content": "A greeting.",
            "annotations": [],
            "prefix": True,
        },
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "user", "content": "Repeat: x"},
    ]

    assert post_messages(modelled, *[{**message, "audio": None} for message in sent]).ok
    assert rules.requests[0]["messages"] == sent


def test_further_fields_of_a_past_call_reach_the_model(proxy: Caller, upstream: FakeReka) -> None:
    upstream.will_answer(200, completion(content="5"))
    call = {"id": "c-1", "type": "function", "function": CALL, "extra_content": {"signature": "s"}}
    called = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "c-1", "content": "5"}

    assert post_messages(proxy, *messages("add"), called, result).ok
    assert upstream.requests[0].json["messages"][1:] == [called, result]


def test_reasoning_that_got_a_second_name_goes_back_under_its_first(proxy: Caller, upstream: FakeReka) -> None:
    upstream.will_answer(200, completion(content="4", reasoning="2 + 2"))
    upstream.will_answer(200, completion(content="5"))

    message = post_completion(proxy, "2 + 2?").json()["choices"][0]["message"]
    post_messages(proxy, *messages("2 + 2?"), message, *messages("And 1 more?"))

    assert upstream.requests[1].json["messages"][1] == {"role": "assistant", "content": "4", "reasoning": "2 + 2"}
