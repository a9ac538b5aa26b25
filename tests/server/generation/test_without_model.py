"""A server with no language model behind it, asked through each generation: it quotes, or says what is missing."""

from typing import Any

import pytest

from tests.support.caller import Caller
from tests.support.protocols import (
    ADD,
    completion_chunks,
    deltas,
    openai_tool,
    post_completion,
    post_v1_chat,
    v1_chat_events,
)

JSON = {"type": "json_object"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"tools": [ADD]}, "tools"),
        ({"tools": [openai_tool(ADD)], "tool_choice": "required"}, "tools"),
        ({"response_format": JSON}, "response_format"),
        ({"tools": [ADD], "response_format": JSON}, "tools, response_format"),
        ({"research": {"web_search": {"enabled": True}}}, "research"),
        ({"functions": [ADD]}, "functions"),
        ({"tools": [ADD], "retrieval_dataset": "notes"}, "tools"),
    ],
    ids=["tools", "must call", "format", "both", "research", "functions", "with a dataset"],
)
def test_what_takes_a_model_is_refused_and_named(
    quoting: Caller, given: dict[str, Any], missing: str, stream: bool
) -> None:
    answer = post_completion(quoting, "add 1 and 2", stream=stream, **given)

    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith(f"{missing}: no language model is attached")
    assert "reka serve --upstream URL" in error["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_tools_are_refused_in_the_form_of_the_older_generation(quoting: Caller, stream: bool) -> None:
    answer = post_v1_chat(quoting, "add 1 and 2", tools=[ADD], stream=stream)

    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("tools: no language model is attached")


def test_its_features_do_not_promise_what_takes_a_model(quoting: Caller, modelled: Caller) -> None:
    without, with_one = quoting.ask("GET", "/").json(), modelled.ask("GET", "/").json()

    assert {"tools", "response_format"} & set(without["features"]) == set()
    assert {"tools", "response_format", "v1_chat", "v1_completions"} <= set(with_one["features"])
    assert (without["language_model"], with_one["language_model"]) == (None, "rules-1")


def test_it_quotes_in_each_generation_whole_and_streamed(quoting: Caller) -> None:
    asked = "When does the owl of the mill hunt?"
    given = {"retrieval_dataset": "notes"}

    documented = quoting.chat(asked, **given).json()["text"]
    whole = post_v1_chat(quoting, asked, **given).json()
    streamed = v1_chat_events(post_v1_chat(quoting, asked, stream=True, **given))
    completed = post_completion(quoting, asked, **given).json()
    pieces = completion_chunks(post_completion(quoting, asked, stream=True, **given))

    assert "> The owl of the mill hunts at night." in documented
    assert whole["responses"][0]["message"]["content"] == documented
    assert streamed[-1]["responses"][0]["chunk"]["content"] == documented
    assert completed["choices"][0]["message"]["content"] == documented
    assert "".join(delta.get("content", "") for delta in deltas(pieces)) == documented
    assert len(streamed) > 3
    assert len(pieces) > 3
    found = whole["retrieved_chunks"]
    assert found
    assert streamed[-1]["retrieved_chunks"] == completed["retrieved_chunks"] == pieces[-1]["retrieved_chunks"] == found


def test_a_tool_that_may_not_be_called_is_no_reason_to_refuse(quoting: Caller) -> None:
    assert post_completion(quoting, "My owl is called Ann. What is my owl called?", tools=[], tool_choice="none").ok
