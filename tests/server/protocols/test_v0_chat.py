from typing import Any

import pytest

from reka.server.generation.types import GenerationError
from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from tests.support.backends import EchoBackend
from tests.support.caller import Caller
from tests.support.servers import Call, Start

HUMAN = {"type": "human", "text": "hi"}
MODEL = {"type": "model", "text": "hello"}


@pytest.fixture
def echo() -> EchoBackend:
    return EchoBackend()


@pytest.fixture
def echoing(start: Start, call: Call, echo: EchoBackend) -> Caller:
    return call(start(backend=echo))


def test_an_answer_has_text_finish_reason_and_usage(echoing: Caller) -> None:
    answer = echoing.chat("hello there")

    assert answer.json() == {
        "type": "model",
        "text": "hello there",
        "finish_reason": "stop",
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }


def test_each_parameter_reaches_the_answerer(echoing: Caller, echo: EchoBackend) -> None:
    turns = [{**HUMAN, "media_url": "data:image/png;base64,AAAA"}, MODEL, HUMAN]
    body = {
        "conversation_history": turns,
        "model_name": "reka-core",
        "request_output_len": 7,
        "temperature": 1,
        "random_seed": -5,
        "runtime_top_k": 3,
        "runtime_top_p": 0.5,
        "frequency_penalty": 0.1,
        "presence_penalty": -0.2,
        "length_penalty": 1.5,
        "reasoning_effort": "high",
        "stop_words": ["END"],
    }

    assert echoing.ask("POST", "/chat", json=body).ok

    (request,) = echo.requests
    assert request.messages == [
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "text", "text": "hi"},
            ],
        },
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "hi"},
    ]
    assert request.snippets is None
    assert (request.model, request.max_tokens, request.temperature, request.seed) == ("reka-core", 7, 1.0, -5)
    assert (request.top_k, request.top_p, request.stop) == (3, 0.5, ["END"])
    assert (request.frequency_penalty, request.presence_penalty, request.length_penalty) == (0.1, -0.2, 1.5)
    assert request.reasoning_effort == "high"


def test_what_is_left_out_or_none_is_left_to_the_answerer(echoing: Caller, echo: EchoBackend) -> None:
    assert echoing.chat("hi", temperature=None, stop_words=None, retrieval_dataset=None, some_new_key=None).ok

    (request,) = echo.requests
    assert request.model == "reka-flash"
    assert (request.max_tokens, request.temperature, request.seed, request.top_k) == (None, None, None, None)
    assert request.stop == []


def test_a_conversation_may_end_with_the_model(echoing: Caller, echo: EchoBackend) -> None:
    assert echoing.ask("POST", "/chat", json={"conversation_history": [HUMAN, MODEL]}).json()["text"] == "hello"


@pytest.mark.parametrize(
    ("body", "location", "message"),
    [
        ({}, ["conversation_history"], "required"),
        ([], [], "an object"),
        ({"conversation_history": []}, ["conversation_history"], "empty"),
        ({"conversation_history": "hi"}, ["conversation_history"], "array"),
        ({"conversation_history": [MODEL]}, ["conversation_history"], "turn 0 is of type 'model', expected 'human'"),
        ({"conversation_history": [HUMAN, HUMAN]}, ["conversation_history"], "turn 1 is of type 'human', expected"),
        (
            {"conversation_history": [HUMAN, MODEL, {**HUMAN, "media_url": "http://x.y"}]},
            ["conversation_history"],
            "turn 2 has media_url",
        ),
        ({"conversation_history": [{**HUMAN, "x": 1}]}, ["conversation_history", 0, "x"], "not permitted"),
        ({"conversation_history": [{"type": "human"}]}, ["conversation_history", 0, "text"], "required"),
        ({"conversation_history": [{"type": "human", "text": 5}]}, ["conversation_history", 0, "text"], "string"),
        ({"conversation_history": [{"type": "user", "text": "x"}]}, ["conversation_history", 0, "type"], "human"),
        (
            {"conversation_history": [{**HUMAN, "media_url": "file:///etc/passwd"}]},
            ["conversation_history", 0, "media_url"],
            "pattern",
        ),
        ({"temperature": -0.1}, ["temperature"], "greater"),
        ({"temperature": "hot"}, ["temperature"], "number"),
        ({"temperature": True}, ["temperature"], "number"),
        ({"request_output_len": 0}, ["request_output_len"], "greater"),
        ({"request_output_len": 1.5}, ["request_output_len"], "integer"),
        ({"random_seed": 1.5}, ["random_seed"], "integer"),
        ({"runtime_top_k": -1}, ["runtime_top_k"], "greater"),
        ({"runtime_top_p": 1.1}, ["runtime_top_p"], "less than"),
        ({"frequency_penalty": "3"}, ["frequency_penalty"], "number"),
        ({"presence_penalty": True}, ["presence_penalty"], "number"),
        ({"length_penalty": []}, ["length_penalty"], "number"),
        ({"stop_words": "END"}, ["stop_words"], "array"),
        ({"stop_words": [""]}, ["stop_words"], "empty stop word"),
        ({"retrieval_top_k": 0}, ["retrieval_top_k"], "greater"),
        ({"retrieval_top_k": 101}, ["retrieval_top_k"], "less than"),
        ({"retrieval_dataset": 1}, ["retrieval_dataset"], "string"),
        ({"model_name": 1}, ["model_name"], "string"),
        ({"temprature": 1}, ["temprature"], "not permitted"),
    ],
)
def test_a_wrong_body_is_refused_and_the_fault_located(
    api: Caller, body: Any, location: list[Any], message: str
) -> None:
    if isinstance(body, dict) and body and "conversation_history" not in body:
        body = {"conversation_history": [HUMAN], **body}

    answer = api.ask("POST", "/chat", json=body)

    assert answer.status_code == 422
    (fault,) = answer.json()["detail"]
    assert set(fault) == {"loc", "msg", "type"}
    assert fault["loc"] == ["body", *location]
    assert message in fault["msg"]


@pytest.mark.parametrize("body", [b"", b"{", b"hello", b"\xff\xfe", b'{"conversation_history": [NaN]}', b"[" * 50_000])
def test_a_body_that_is_no_json_is_refused(api: Caller, body: bytes) -> None:
    answer = api.ask("POST", "/chat", data=body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][0] == "body"


def test_a_body_that_is_too_large_is_refused(api: Caller) -> None:
    told = api.chat("x" * 100_001)
    untold = api.ask("POST", "/chat", data=iter([b"x" * 60_000, b"x" * 60_000]))

    for answer in (told, untold):
        assert answer.status_code == 413
        assert "more than 100000 bytes" in answer.json()["detail"]


def test_faults_are_told_without_the_text_that_was_sent_and_not_by_the_thousand(api: Caller) -> None:
    answer = api.ask("POST", "/chat", json={"conversation_history": [{"type": "human", "text": ["secret"]}] * 1000})

    assert answer.status_code == 422
    assert "secret" not in answer.text
    assert len(answer.json()["detail"]) == 20


def test_an_unknown_model_is_refused_and_the_known_ones_named(api: Caller) -> None:
    answer = api.chat("hi", model_name="gpt-9")

    assert answer.status_code == 400
    assert answer.json()["detail"] == f"There is no model 'gpt-9': this server has {', '.join(Settings().models)}"


def test_the_model_behind_the_server_is_among_its_models(echoing: Caller) -> None:
    assert echoing.ask("GET", "/models").json() == [*Settings().models, "echo-1"]
    assert echoing.ask("GET", "/").json()["language_model"] == "echo-1"
    assert echoing.ask("GET", "/").json()["note"] is None


def test_retrieved_chunks_come_with_the_answer_best_first_and_go_to_the_answerer(
    echoing: Caller, echo: EchoBackend
) -> None:
    texts = [f"word{number} in paragraph {number}. " + "Some more words. " * 45 for number in range(20)]
    echoing.add_prepared("notes", "\n\n".join(texts), "a.txt")

    default = echoing.chat("paragraph word7", retrieval_dataset="notes").json()["retrieved_chunks"]
    three = echoing.chat("paragraph word7", retrieval_dataset="notes", retrieval_top_k=3).json()["retrieved_chunks"]

    assert len(default) == 8
    assert three == default[:3]
    fields = {"id", "text", "source", "document_id", "metadata", "position", "document_bytes", "score", "similarity"}
    assert all(set(chunk) == fields for chunk in default)
    assert default[0]["text"].startswith("word7 ")
    snippets = echo.requests[-1].snippets
    assert snippets is not None
    assert [(found.text, found.score) for found in snippets] == [(chunk["text"], chunk["score"]) for chunk in three]


def test_a_retrieved_chunk_tells_its_context_if_it_has_one(echoing: Caller, echo: EchoBackend) -> None:
    echoing.add_prepared("ports", "Ports\n\n# Bergen\n\n## Fees\n\nThe fee is 12 crowns.\n", "ports.md")

    chunks = echoing.chat("What is the fee in the ports of Bergen?", retrieval_dataset="ports").json()[
        "retrieved_chunks"
    ]

    assert [(chunk["text"], chunk.get("context")) for chunk in chunks] == [
        ("The fee is 12 crowns.", "Bergen > Fees"),
        ("Ports", None),
    ]
    assert [snippet.context for snippet in echo.requests[-1].snippets or ()] == ["Bergen > Fees", ""]


def test_what_is_retrieved_is_for_the_last_human_turn(echoing: Caller) -> None:
    echoing.add_prepared("notes", "A cat meows. " * 50 + "\n\n" + "A dog barks. " * 50)
    turns = [{"type": "human", "text": "cat meows"}, MODEL, {"type": "human", "text": "dog barks"}, MODEL]

    answer = echoing.ask("POST", "/chat", json={"conversation_history": turns, "retrieval_dataset": "notes"})

    assert answer.json()["retrieved_chunks"][0]["text"].startswith("A dog barks.")


def test_an_empty_question_retrieves_nothing_and_is_answered(echoing: Caller) -> None:
    echoing.add_prepared("notes", "A cat meows.")

    assert echoing.chat("", retrieval_dataset="notes").json()["retrieved_chunks"] == []


def test_an_unknown_and_an_unprepared_dataset_are_named(echoing: Caller, echo: EchoBackend) -> None:
    assert echoing.add("notes", "text").ok

    unknown, unprepared = echoing.chat("x", retrieval_dataset="none"), echoing.chat("x", retrieval_dataset="notes")

    assert (unknown.status_code, unprepared.status_code) == (404, 400)
    assert "no dataset 'none'" in unknown.json()["detail"]
    assert "call prepare_retrieval('notes')" in unprepared.json()["detail"]
    assert echo.requests == []


@pytest.mark.parametrize(("retry_after", "header"), [(None, None), (7.0, "7"), (0.5, "0.5")])
def test_an_answerer_that_fails_is_answered_with_its_status(
    start: Start, call: Call, retry_after: float | None, header: str | None
) -> None:
    api = call(start(backend=EchoBackend(GenerationError(503, "the model is busy", retry_after))))

    answer = api.chat("hi")

    assert (answer.status_code, answer.json()) == (503, {"detail": "the model is busy"})
    assert answer.headers.get("Retry-After") == header


def test_an_error_that_nobody_foresaw_names_no_inside_and_is_found_in_the_log(
    start: Start, call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    api = call(start(backend=EchoBackend(KeyError("/secret/path"))))

    answer = api.chat("hi")

    request_id = answer.headers["x-request-id"]
    assert answer.status_code == 500
    assert request_id in answer.json()["detail"]
    assert "secret" not in answer.text
    assert f"request {request_id} (POST /chat) failed" in caplog.text
    assert "/secret/path" in caplog.text


def test_a_server_that_stops_closes_its_answerer(start: Start, echo: EchoBackend) -> None:
    server: BackgroundServer = start(backend=echo)

    server.stop()

    assert echo.is_closed


def test_without_a_model_the_server_says_so_and_quotes(start: Start, call: Call) -> None:
    api = call(start())

    about = api.ask("GET", "/").json()
    turns = [{"type": "human", "text": "Hi, my name is John."}, MODEL, {"type": "human", "text": "What was my name?"}]
    answer = api.ask("POST", "/chat", json={"conversation_history": turns}).json()

    assert about["language_model"] is None
    assert "No language model is attached" in about["note"]
    assert "retrieval_top_k" in about["features"]
    assert "my name is John" in answer["text"]
