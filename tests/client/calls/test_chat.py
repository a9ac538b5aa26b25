"""`chat`: what goes out and what comes back."""

from typing import Any

import pytest

import reka
from reka.testing import FakeReka
from reka.testing.bodies import completion, tool_call

TURN = {"type": "model", "text": "Your name is John.\n\n"}


def test_a_question_alone_sends_the_documented_defaults_and_nothing_more(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, TURN)

    answer = client.chat("What was my name?")

    assert answer == TURN
    assert fake.paths == ["POST /chat"]
    assert fake.requests[0].headers["x-api-key"] == "secret-key-f3a9"
    assert fake.requests[0].json == {
        "conversation_history": [{"type": "human", "text": "What was my name?"}],
        "model_name": "reka-flash",
        "stop_words": [],
    }


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("retrieval_dataset", "alice"),
        ("model_name", "reka-core"),
        ("request_output_len", 20),
        ("temperature", 0.0),
        ("random_seed", 0),
        ("runtime_top_k", 5),
        ("runtime_top_p", 0.5),
        ("frequency_penalty", -0.5),
        ("presence_penalty", 0.25),
        ("length_penalty", 1.0),
        ("stop_words", ["stop", "halt"]),
    ],
)
def test_each_parameter_is_sent_under_its_own_name(
    sync_client: reka.Reka, fake: FakeReka, argument: str, value: object
) -> None:
    fake.will_answer(200, TURN)

    sync_client.chat("Hi", **{argument: value})  # type: ignore[arg-type]  # by name

    assert fake.requests[0].json[argument] == value


def test_extra_arguments_are_sent_and_override_the_others(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, TURN)

    client.chat("Hi", temperature=0.1, extra_request_args={"temperature": 0.9, "new_feature": {"on": True}})

    assert fake.requests[0].json["temperature"] == 0.9
    assert fake.requests[0].json["new_feature"] == {"on": True}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": -1}, "temperature: got -1"),
        ({"temperature": float("nan")}, "temperature: got nan"),
        ({"temperature": "0.5"}, "temperature: got '0.5'"),
        ({"temperature": True}, "temperature: got True"),
        ({"request_output_len": 0}, "request_output_len: got 0, want a whole number of at least 1"),
        ({"request_output_len": 1.5}, "request_output_len: got 1.5"),
        ({"random_seed": "7"}, "random_seed: got '7'"),
        ({"runtime_top_k": -1}, "runtime_top_k: got -1"),
        ({"runtime_top_p": -0.1}, "runtime_top_p: got -0.1, want a number of at least 0"),
        ({"frequency_penalty": float("inf")}, "frequency_penalty: got inf"),
        ({"stop_words": "stop"}, "stop_words: got 'stop', want a list of strings"),
        ({"stop_words": [1]}, "stop_words: got"),
        ({"model_name": ""}, "model_name: got ''"),
        ({"retrieval_dataset": ""}, "retrieval_dataset: got ''"),
        ({"extra_request_args": [1]}, "extra_request_args: got list"),
        ({"extra_request_args": {"x": object()}}, "cannot be written as JSON"),
        ({"extra_request_args": {"x": float("nan")}}, "cannot be written as JSON"),
        ({"media_url": "https://x/a.png", "media_filename": "a.png"}, "media_url, media_filename: got both"),
        ({"human": None, "media_url": "https://x/a.png"}, "media_url, media_filename: they belong to the human turn"),
    ],
)
def test_a_bad_argument_is_named_and_nothing_is_sent(
    sync_client: reka.Reka, fake: FakeReka, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(reka.InvalidArgumentError) as caught:
        sync_client.chat(**{"human": "Hi", **arguments})

    assert message in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert fake.requests == []


def test_a_bad_argument_is_refused_by_both_kinds_of_client(client: reka.Reka, fake: FakeReka) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="temperature: got -1"):
        client.chat("Hi", temperature=-1)

    assert fake.requests == []


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        pytest.param("bare text", {"text": "bare text"}, id="string"),
        pytest.param({"text": "t", "score": 0.1}, {"text": "t", "score": 0.1}, id="text"),
        pytest.param({"chunk": "t", "sourceDocument": "a.txt"}, {"text": "t", "source": "a.txt"}, id="camel-case"),
        pytest.param({"content": "t", "file_name": "a", "page": 3}, {"text": "t", "source": "a"}, id="more"),
        pytest.param({"text": None, "chunk": "t"}, {"text": "t"}, id="no-text-under-our-name"),
        pytest.param({"source": {"page": 3}, "document": "a"}, {"text": "", "source": "a"}, id="no-source-either"),
        pytest.param({"source": {"page": 3}}, {"text": ""}, id="a-source-that-is-no-name"),
        pytest.param({"id": 7}, {"text": ""}, id="no-text"),
        pytest.param(7, {"text": "7"}, id="number"),
    ],
)
def test_retrieved_chunks_have_our_names_beside_the_servers_own(
    sync_client: reka.Reka, fake: FakeReka, sent: Any, read: dict[str, object]
) -> None:
    fake.will_answer(200, TURN | {"retrieved_chunks": [sent]})

    chunks = sync_client.chat("Hi", retrieval_dataset="alice").get("retrieved_chunks")

    assert chunks == [(sent if isinstance(sent, dict) else {}) | read]


def test_a_turn_has_every_field_that_the_server_sent(client: reka.Reka, fake: FakeReka) -> None:
    sent = TURN | {
        "finish_reason": "length",
        "usage": {"input_tokens": 5, "output_tokens": 7, "billed": 12},
        "metadata": {"input_tokens": 5, "generated_tokens": 7},
        "retrieved_chunks": [{"text": "t"}],
        "seed": 3,
    }
    fake.will_answer(200, sent)

    turn = client.chat("What was my name?")

    assert turn == sent
    assert list(turn)[:2] == ["type", "text"]


@pytest.mark.parametrize(
    ("sent", "usage"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"usage": None}, None, id="null"),
        pytest.param({"usage": {"tokens": 12}}, {"tokens": 12}, id="unreadable"),
        pytest.param(
            {"usage": {"prompt_tokens": 5, "completion_tokens": 7}},
            {"prompt_tokens": 5, "completion_tokens": 7, "input_tokens": 5, "output_tokens": 7},
            id="other-names",
        ),
        pytest.param({"metadata": {"input_tokens": 5, "generated_tokens": 7}}, None, id="metadata-alone"),
    ],
)
def test_the_usage_of_a_turn_has_our_names_beside_the_servers_own(
    sync_client: reka.Reka, fake: FakeReka, sent: dict[str, Any], usage: object
) -> None:
    fake.will_answer(200, TURN | sent)

    assert sync_client.chat("What was my name?").get("usage") == usage


def test_a_turn_of_the_completions_endpoint_has_what_it_sent_beside_the_text(client: reka.Reka, fake: FakeReka) -> None:
    citation = {"url": "https://x", "title": "X", "start_index": 1, "end_index": 4}
    fake.will_answer(404)
    fake.will_answer(
        200,
        completion(
            "tool_calls",
            content="Cold.",
            reasoning="It is winter.",
            annotations=[{"type": "url_citation", "url_citation": citation}],
            tool_calls=[tool_call("t-1", "weather")],
            reasoning_steps=[{"step": 1}],
        ),
    )

    assert client.chat("Hi") == {
        "type": "model",
        "text": "Cold.",
        "finish_reason": "tool_calls",
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 5,
            "total_tokens": 8,
            "input_tokens": 3,
            "output_tokens": 5,
        },
        "model": "reka-flash",
        "id": "c-1",
        "reasoning": "It is winter.",
        "tool_calls": [{"id": "t-1", "name": "weather", "arguments": "{}"}],
        "citations": [citation],
        "reasoning_steps": [{"step": 1}],
    }


@pytest.mark.parametrize(("status", "raised"), [(404, "RetrievalError"), (400, "RetrievalError")])
def test_an_unknown_or_unprepared_dataset_is_a_retrieval_error(
    client: reka.Reka, fake: FakeReka, status: int, raised: str
) -> None:
    fake.will_answer(status, {"detail": "dataset 'alice' is not there"})

    with pytest.raises(reka.RetrievalError, match="alice") as caught:
        client.chat("Hi", retrieval_dataset="alice")

    assert type(caught.value).__name__ == raised
    assert caught.value.status_code == status


def test_a_400_that_does_not_name_the_dataset_is_an_invalid_request(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(400, {"detail": "temperature too high"})

    with pytest.raises(reka.InvalidRequestError, match="temperature too high"):
        client.chat("Hi", retrieval_dataset="alice", temperature=9)
