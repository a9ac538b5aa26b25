"""An error that comes with a success status is that error, not an answer that cannot be read."""

import json
from typing import Any

import pytest

import reka
from reka._protocol.errors import detail, error_report
from reka.testing import FakeReka
from reka.testing.bodies import chunk, completion, events
from tests.support.clients import KEY, Connect
from tests.support.completions import HI

REPORTS = [
    pytest.param({"error": {"message": "no"}}, id="top"),
    pytest.param({"error": "no"}, id="text"),
    pytest.param(
        {"error": {"message": "no"}, "choices": [{"delta": {}, "finish_reason": "error"}]}, id="beside-a-choice"
    ),
    pytest.param({"error": {"message": "no"}, "choices": []}, id="beside-no-choice"),
    pytest.param({"choices": [{"message": {"content": "Hel"}, "error": {"message": "no"}}]}, id="choice"),
    pytest.param(
        {"choices": [{"delta": {"content": ""}, "error": "no", "finish_reason": None}]}, id="choice-of-a-chunk"
    ),
    pytest.param({"responses": [{"message": {"content": "Hel"}, "error": {"message": "no"}}]}, id="response"),
    pytest.param({"detail": "no"}, id="detail"),
    pytest.param({"detail": [{"loc": ["body"], "msg": "no"}]}, id="details"),
    pytest.param({"detail": "no", "choices": None}, id="detail-and-null"),
    pytest.param({"object": "error", "message": "no", "type": "BadRequestError", "code": None}, id="object"),
    pytest.param({"object": "error", "message": "no", "choices": []}, id="object-beside-no-choice"),
]
NO_REPORTS = [
    pytest.param({"error": None, "choices": [{"error": None, "message": {}, "finish_reason": "stop"}]}, id="null"),
    pytest.param({"error": {}, "choices": [{"error": "", "message": {}}]}, id="empty"),
    pytest.param({"choices": [{"index": 1, "error": {"message": "no"}}]}, id="another-choice"),
    pytest.param({"detail": "low", "choices": []}, id="detail-beside-no-choice"),
    pytest.param({"detail": "low", "choices": [{"message": {}}]}, id="detail-beside-a-choice"),
    pytest.param({"detail": "low", "responses": [{"chunk": {}}]}, id="detail-beside-a-response"),
    pytest.param({"data": [{"id": "error"}]}, id="list"),
    *(
        pytest.param(document, id=str(document))
        for document in ({"choices": [5]}, {"choices": 5}, ["error"], "no", None)
    ),
]
ERRORS = [
    pytest.param({"message": "no", "code": 429}, reka.RateLimitError, "429", id="status"),
    pytest.param({"message": "no", "code": "502"}, reka.ServerError, "502", id="status-as-text"),
    pytest.param({"message": "no", "code": 1001}, reka.ServerError, "1001", id="another-number"),
    pytest.param({"message": "no", "type": "authentication_error"}, reka.AuthError, None, id="type"),
    pytest.param({"message": "no", "type": "NotFoundError", "code": 404}, reka.NotFoundError, "404", id="vllm"),
    pytest.param(
        {"message": "no", "type": "tokens", "code": "rate_limit_exceeded"},
        reka.RateLimitError,
        "rate_limit_exceeded",
        id="code",
    ),
    pytest.param(
        {"message": "no", "type": None, "code": "context_length_exceeded"},
        reka.InvalidRequestError,
        "context_length_exceeded",
        id="too-long",
    ),
    pytest.param({"message": "no", "code": "P001"}, reka.InsufficientBalanceError, "P001", id="no-balance"),
    pytest.param("no", reka.ServerError, None, id="text"),
]


@pytest.mark.parametrize("document", REPORTS)
def test_an_error_is_found_in_a_document_of_a_success_status(document: dict[str, Any]) -> None:
    report = error_report(document)

    assert "no" in detail(json.dumps(report).encode()).split(": ")


@pytest.mark.parametrize("document", NO_REPORTS)
def test_no_error_is_found_in_another_document(document: object) -> None:
    assert error_report(document) is None


@pytest.mark.parametrize(("error", "kind", "code"), ERRORS)
@pytest.mark.parametrize("api", ["v0", "v1"])
def test_an_error_in_place_of_an_answer_is_raised(
    connect: Connect, fake: FakeReka, api: str, error: object, kind: type[reka.RekaError], code: str | None
) -> None:
    fake.will_answer(200, {"error": error, "user_id": "u"}, {"x-request-id": "r-1"})

    with connect(KEY, fake.url, api=api) as client, pytest.raises(reka.RekaError, match="no") as caught:
        client.complete(HI)

    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.request_id) == (code, "r-1")
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param({"choices": [{"error": {"message": "no"}, "finish_reason": "error"}]}, "no", id="choice"),
        pytest.param({"choices": [{"error": {"message": "no"}, "message": None}]}, "no", id="choice-without-a-reason"),
        pytest.param(completion("error", content="Hel"), "ended the answer with an error", id="reason-alone"),
        pytest.param(completion(content="Hel") | {"error": {"message": "no"}}, "no", id="beside-an-answer"),
        pytest.param({"choices": [], "error": {"message": "no"}}, "no", id="no-choice"),
        pytest.param({"detail": "no"}, "no", id="detail"),
        pytest.param({"object": "error", "message": "no", "type": "X"}, "no", id="object"),
        pytest.param({"object": "error", "message": "no", "choices": []}, "no", id="object-beside-no-choice"),
    ],
)
def test_an_error_is_found_wherever_it_stands(
    sync_client: reka.Reka, fake: FakeReka, document: dict[str, Any], message: str
) -> None:
    fake.will_answer(200, document)
    fake.will_stream(events(chunk(content="Hel"), document))

    with pytest.raises(reka.ServerError, match=message):
        sync_client.complete(HI)
    with pytest.raises(reka.ServerError, match=message):
        list(sync_client.stream("Hi"))


@pytest.mark.parametrize("error", [None, {}, "", False])
def test_an_empty_error_is_none(client: reka.Reka, fake: FakeReka, error: object) -> None:
    document, streamed = completion(content="Hello"), chunk("stop", content="Hello")
    for answer in (document, streamed):
        answer["error"] = answer["choices"][0]["error"] = error
    fake.will_answer(200, document)
    fake.will_stream(events(streamed))

    assert client.complete(HI) == reka.ChatCompletion("Hello", [], "stop", reka.Usage(3, 5), "reka-flash", "c-1")
    assert "".join(event.text for event in client.stream("Hi")) == "Hello"


def test_text_before_an_error_in_the_same_chunk_is_given_first(client: reka.Reka, fake: FakeReka) -> None:
    last = chunk("error", content="lo")
    last["choices"][0]["error"] = {"message": "overloaded", "code": 503}
    fake.will_stream(events(chunk(content="Hel"), last))
    got: list[str] = []

    with pytest.raises(reka.ServerError, match="overloaded"):
        got.extend(event.text for event in client.stream("Hi"))

    assert got == ["Hel", "lo"]


def test_an_error_of_another_choice_is_not_the_answers(client: reka.Reka, fake: FakeReka) -> None:
    document = completion(content="Hello")
    document["choices"].append({"index": 1, "error": {"message": "no"}, "finish_reason": "error"})
    fake.will_answer(200, document)

    assert client.complete(HI).text == "Hello"


def test_an_error_that_utf_8_cannot_hold_is_readable(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, {"error": {"message": "bad \ud800"}})
    fake.will_answer(400, {"error": {"message": "bad \ud800"}})

    for kind in (reka.ServerError, reka.InvalidRequestError):
        with pytest.raises(kind) as caught:
            client.complete(HI)
        assert "bad \ufffd".encode() in str(caught.value).encode()


def test_a_detail_beside_the_usage_of_a_stream_is_none(client: reka.Reka, fake: FakeReka) -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}, "detail": "low"}
    fake.will_stream(events(chunk("stop", content="Hello"), usage))

    assert "".join(event.text for event in client.stream("Hi")) == "Hello"


def test_an_answer_with_a_detail_is_an_answer(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, {"job_status": "ERROR", "detail": "no text in it"})

    assert client.retrieval_job_status("job-1").detail == "no text in it"
