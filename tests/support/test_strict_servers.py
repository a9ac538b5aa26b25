"""What the strict hosts of both forms have in common, and what a test can set."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
import requests

from tests.support.peers import UnavailableError, peer_environment
from tests.support.processes import output_of, run_program
from tests.support.protocols import completion_chunks, deltas
from tests.support.strict_host import CHAT, StrictHost
from tests.support.strict_models import Model
from tests.support.strict_openai import StrictOpenAI
from tests.support.strict_reka import StrictReka
from tests.support.strict_requests import (
    CALL,
    EDGE,
    FLASH,
    RESEARCHER,
    RESULT,
    RESULT_AS_TEXT,
    SEARCH,
    URL,
    USER,
    ask,
    chat,
    choice,
    refusal,
    text,
)
from tests.support.strict_wire import error_body

PROGRAM: Final = Path(__file__).parents[1] / "together" / "programs" / "openai_sdk_host.py"


@pytest.fixture(scope="module", params=[StrictOpenAI, StrictReka], ids=["openai", "reka"])
def either(request: pytest.FixtureRequest) -> Iterator[StrictHost]:
    with request.param() as host:
        yield host


def test_text_of_user_and_assistant_in_turn_is_taken_by_both_in_the_same_bytes(either: StrictHost) -> None:
    answer = chat(either, "My name is John.", "Hi.", "Say my name")

    assert text(answer) == "Your name is John."
    assert choice(answer)["finish_reason"] == "stop"
    assert answer.json()["object"] == "chat.completion"


def test_every_request_field_of_the_api_is_taken(either: StrictHost) -> None:
    sampling = {
        "temperature": 1,
        "top_p": 0.9,
        "top_k": 5,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.1,
        "seed": 7,
    }
    further = {"logprobs": False, "reasoning_effort": "xhigh", "stream": False, "max_tokens": 3, "stop": ["9"]}

    answer = chat(either, "count to 5", **sampling, **further, response_format={"type": "text"})

    assert text(answer).split() == ["1", "2", "3"]
    assert choice(answer)["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user", "somebody"),
        ("max_completion_tokens", 5),
        ("max_tokens", 0),
        ("max_tokens", 1_000_000),
        ("temperature", "hot"),
        ("top_k", 1.5),
        ("stop", [1]),
        ("stream", "yes"),
        ("reasoning_effort", "extreme"),
        ("response_format", {"type": "xml"}),
        ("response_format", {"type": "json_schema", "schema": {}}),
        ("response_format", {"type": "json_object"}),
        ("research", SEARCH),
        ("messages", []),
        ("messages", [{"role": "robot", "content": "Hi"}]),
        ("messages", [{"role": "user", "content": "Hi", "name": "Ann"}]),
        ("messages", [{"role": "user", "content": None}]),
        ("messages", [{"role": "user", "content": [{"type": "picture", "picture": URL}]}]),
        ("messages", [USER, {"role": "assistant", "content": None}, USER]),
        ("messages", [{"role": "user", "content": "Hi", "tool_calls": [CALL]}]),
        ("tool_choice", "any"),
    ],
)
def test_what_neither_form_has_is_a_400_that_names_the_field(either: StrictHost, field: str, value: object) -> None:
    answer = chat(either, **{field: value})

    assert refusal(answer) == (400, "validation_error", field)
    assert field in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "call",
    [
        {"id": "c-1", "name": "add", "parameters": {"a": 1}},
        {"type": "function", "function": {"name": "add", "arguments": "{}"}},
        {"id": "c-1", "type": "function", "function": {"name": "add", "arguments": {"a": 1}}},
        {"id": "c-1", "type": "function", "function": {"name": "add", "arguments": "a = 1"}},
        {"id": "c-1", "type": "function", "function": {"name": "add", "arguments": "[1]"}},
    ],
    ids=["flat", "no id", "arguments as an object", "arguments that are no JSON", "arguments that are a list"],
)
def test_a_past_tool_call_in_another_form_than_the_answers_is_refused(either: StrictHost, call: object) -> None:
    result = RESULT if isinstance(either, StrictOpenAI) else RESULT_AS_TEXT

    answer = chat(either, messages=[USER, {"role": "assistant", "content": "", "tool_calls": [call]}, result])

    assert refusal(answer) == (400, "validation_error", "messages")


@pytest.mark.parametrize("body", [b"no json", b"[]", b"{}", b'"text"', b"\xff"])
def test_a_body_that_is_no_chat_is_refused(either: StrictHost, body: bytes) -> None:
    answer = ask(either, "POST", "/v1/chat/completions", data=body)

    assert refusal(answer)[:2] == (400, "validation_error")


def test_a_model_that_is_not_there_is_a_404_that_names_it(either: StrictHost) -> None:
    answer = chat(either, model="no-such-model")

    assert refusal(answer) == (404, "not_found_error", "model")
    assert "no-such-model" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/", "/v1/chat", "/v1/responses", "/v1/messages", "/v1/embeddings", "/datasets"])
def test_other_paths_are_a_404(either: StrictHost, path: str) -> None:
    is_documented_form = isinstance(either, StrictReka) and not path.startswith("/v1/")
    for method in ("GET", "POST"):
        answer = ask(either, method, path)

        assert answer.status_code == 404
        assert set(answer.json()) == {"detail" if is_documented_form else "error"}


def test_a_get_of_the_chat_address_is_a_405_with_a_detail(either: StrictHost) -> None:
    answer = ask(either, "GET", "/v1/chat/completions")

    assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})
    assert answer.headers["allow"] == "POST"


def test_answers_and_refusals_have_a_request_id_and_the_rate_limit(either: StrictHost) -> None:
    answers = [chat(either), chat(either, stream=True), chat(either, user="somebody")]

    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    for answer in answers:
        assert int(answer.headers["x-ratelimit-limit"]) >= int(answer.headers["x-ratelimit-remaining"])
        assert float(answer.headers["x-ratelimit-reset"]) > time.time()


def test_an_answer_ends_after_1024_tokens_if_the_request_sets_no_limit(either: StrictHost) -> None:
    short = chat(either, "count to 1024")
    cut = chat(either, "count to 1025")

    assert choice(short)["finish_reason"] == "stop"
    assert (text(cut), choice(cut)["finish_reason"]) == (text(short) + " ", "length")
    assert cut.json()["usage"]["completion_tokens"] == 1024


def test_a_prompt_and_an_answer_have_to_fit_into_the_context() -> None:
    with StrictReka(models=[Model(FLASH, context_length=10, max_output_length=10)]) as host:
        at_end = chat(host, "count to 20")
        too_long = chat(host, "one two three four five six seven eight nine ten")

    assert (text(at_end).split()[-1], choice(at_end)["finish_reason"]) == ("7", "context")
    assert refusal(too_long) == (400, "validation_error", "messages")
    assert too_long.json()["error"]["code"] == "context_length_exceeded"


def test_usage_has_its_details(either: StrictHost) -> None:
    usage = chat(either, "Hi, my name is John.", "Hi.", "Say my name").json()["usage"]

    assert usage == {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 6},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def test_research_gives_citations_thoughts_and_steps_whole_and_streamed(either: StrictHost) -> None:
    answer = chat(either, "What is new?", model=RESEARCHER, research=SEARCH)
    streamed = deltas(completion_chunks(chat(either, "What is new?", model=RESEARCHER, research=SEARCH, stream=True)))
    plain = choice(chat(either, "What is new?", model=RESEARCHER))

    (citation,) = choice(answer)["message"]["annotations"]
    assert set(citation["url_citation"]) == {"url", "title", "start_index", "end_index"}
    assert answer.json()["reasoning_steps"]
    assert [delta["annotations"] for delta in streamed if "annotations" in delta] == [[citation]]
    assert plain["message"]["reasoning_content"]
    assert "annotations" not in plain["message"]


@pytest.mark.parametrize(
    ("host_class", "headers", "is_let_in"),
    [
        (StrictOpenAI, {"Authorization": "Bearer sesame"}, True),
        (StrictOpenAI, {"X-Api-Key": "sesame"}, True),
        (StrictOpenAI, {"Authorization": "Basic sesame"}, False),
        (StrictOpenAI, {"Authorization": "Bearer other"}, False),
        (StrictOpenAI, {}, False),
        (StrictReka, {"X-Api-Key": "sesame"}, True),
        (StrictReka, {"Authorization": "Bearer sesame", "X-Api-Key": "sesame"}, True),
        (StrictReka, {"Authorization": "Bearer sesame"}, False),
        (StrictReka, {"X-Api-Key": "other"}, False),
    ],
)
def test_a_key_goes_in_the_headers_of_its_form(
    host_class: type[StrictHost], headers: dict[str, str], is_let_in: bool
) -> None:
    with host_class(key="sesame") as host:
        answer = ask(host, "GET", "/v1/models", key=None, headers=headers)

    assert answer.ok == is_let_in
    assert is_let_in or refusal(answer) == (401, "authentication_error", None)


def test_a_host_without_a_key_of_its_own_still_wants_one_and_may_want_it_in_one_header(either: StrictHost) -> None:
    with StrictOpenAI(key_headers=["authorization"]) as host:
        assert refusal(ask(host, "GET", "/v1/models"))[0] == 401
        assert ask(host, "GET", "/v1/models", key=None, headers={"Authorization": "Bearer any"}).ok
    assert refusal(ask(either, "GET", "/v1/models", key=None))[0] == 401


def test_failures_come_first_and_requests_are_kept() -> None:
    busy = error_body(429, "P001: Insufficient Balance", code="P001")
    with StrictOpenAI(failures=[(429, busy), (503, b"<html>busy</html>")]) as host:
        host.will_answer(500, error_body(500, "oops"), {"Retry-After": "1"})
        answers = [chat(host, "Hi") for _ in range(4)]

        assert [answer.status_code for answer in answers] == [429, 503, 500, 200]
        assert refusal(answers[0]) == (429, "rate_limit_error", None)
        assert answers[1].text == "<html>busy</html>"
        assert host.paths == [CHAT] * 4
        assert host.requests[0].json["messages"] == [USER]
        assert host.requests[0].headers["x-api-key"] == "a-key"


def test_a_host_may_offer_other_models_and_take_further_fields() -> None:
    with StrictReka(models=[Model("small", has_tools=True)], extra_fields=["stream_options"]) as host:
        assert ask(host, "GET", "/v1/models").json() == [{"id": "small"}]
        assert refusal(chat(host))[0] == 404
        assert completion_chunks(chat(host, model="small", stream=True, stream_options={"include_usage": True}))


def test_many_clients_are_answered_at_once(either: StrictHost) -> None:
    together = threading.Barrier(8, timeout=30)

    def count(number: int) -> list[str]:
        together.wait()
        return [text(chat(either, f"count to {number}")) for _ in range(5)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(count, range(1, 9)))

    assert [set(own) for own in answers] == [{" ".join(map(str, range(1, n + 1)))} for n in range(1, 9)]


@pytest.mark.parametrize("name", ["strict_openai", "strict_reka"])
def test_a_host_runs_as_a_program_too(name: str) -> None:
    with run_program(sys.executable, "-m", f"tests.support.{name}", "--key", "sesame") as url:
        answer = requests.get(f"{url}/v1/models", headers={"X-Api-Key": "sesame"}, timeout=10)

    assert answer.ok


def test_the_openai_sdk_works_on_the_openai_form() -> None:
    try:
        python = peer_environment("openai==3.54.0")
    except UnavailableError as error:
        pytest.skip(f"no OpenAI SDK for this Python and machine: {error}")
    with StrictOpenAI(key="sesame") as host:
        seen = json.loads(output_of(str(python), "-I", str(PROGRAM), host.url, "sesame"))

    assert seen["models"][:2] == ["reka-flash-3", EDGE]
    assert seen["stream"] == seen["chat"]["choices"][0]["message"]["content"] == "1 2 3 4 5 6 7 8 9"
    assert seen["chat"]["choices"][0]["message"]["reasoning_content"]
    assert seen["stream's usage"] == seen["chat"]["usage"]
    assert seen["request id"]
    assert seen["image"].startswith("I see 1 image.")
    assert json.loads(seen["streamed call"]) == json.loads(seen["call"]["arguments"]) == {"a": 6, "b": 7}
    assert seen["after the call"] == "The result is 42."
    assert seen["parsed"] == {"name": "Spring fair", "people": 12}
    assert seen["no such model"] == ["NotFoundError", 404, "not_found_error", "model"]
    assert seen["no such field"] == ["BadRequestError", 400, "validation_error", "user"]
    assert seen["no json_object"] == ["BadRequestError", 400, "validation_error", "response_format"]
