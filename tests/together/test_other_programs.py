"""Programs that were not written for this server work unchanged against `reka serve`, each of its generations."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.peers import peer_environment
from tests.support.processes import output_of

PROGRAMS = Path(__file__).parent / "programs"
COUNTED = "1 2 3 4 5 6 7 8 9"
EVENT = {"name": "Spring fair", "people": 12}


def _seen_by(program: str, requirement: str, *arguments: str, **variables: str) -> dict[str, Any]:
    """What a program saw that runs with just one package."""
    python = peer_environment(requirement)
    # -I: not with our package, which may have the same name.
    seen: dict[str, Any] = json.loads(output_of(str(python), "-I", str(PROGRAMS / program), *arguments, **variables))
    return seen


@pytest.mark.parametrize(
    ("requirement", "module"),
    [("reka-api==2.0.0", "reka"), ("reka-api==3.2.0", "reka.v2")],
    ids=["reka-api 2", "reka-api 3's older half"],
)
def test_the_vendor_s_package_works_with_every_documented_function(
    requirement: str, module: str, serve: str, alice: Path
) -> None:
    seen = _seen_by("reka_api_2.py", requirement, module, str(alice), REKA_SERVER=serve, REKA_API_KEY=f"key-{module}")

    assert seen["version"] == requirement.rpartition("=")[2]
    assert "reka-flash" in seen["models"]
    assert seen["added"]["name"] == "alice"
    assert sorted(seen["datasets"]) == sorted(["alice", seen["added without description"]["name"]])
    assert seen["complete"] is True
    assert seen["history"][0] == "PENDING"
    assert seen["twice"] == "Retrieval has already been prepared for this dataset."
    assert seen["unknown"] == "Tried to prepare retrieval for non-existent dataset."
    assert "John" in seen["chat"]["text"]
    assert "golden key" in seen["retrieval"]["text"]
    assert seen["retrieval"]["retrieved_chunks"][0]["source"] == "alice.txt"
    assert seen["media"] == "model"
    assert seen["deleted"]["ok"] is True
    assert seen["gone"] == "Unable to delete missing dataset."


@pytest.fixture(scope="module")
def reka_api_3(rules_serve: tuple[str, str]) -> dict[str, Any]:
    return _seen_by("reka_api_3.py", "reka-api==3.2.0", *rules_serve)


def test_reka_api_3_lists_models_and_chats(reka_api_3: dict[str, Any]) -> None:
    (chat,) = reka_api_3["chat"]["responses"]
    (in_words,) = reka_api_3["as dict"]["responses"]
    (with_image,) = reka_api_3["parts"]["responses"]
    (sampled,) = reka_api_3["sampled"]["responses"]

    assert reka_api_3["version"] == "3.2.0"
    assert "reka-flash" in reka_api_3["models"]
    assert chat == {"finish_reason": "stop", "message": {"role": "assistant", "content": COUNTED}}
    assert reka_api_3["chat"]["usage"]["output_tokens"] == 9
    assert in_words["message"]["content"] == "1 2"
    assert "I see 1 image." in with_image["message"]["content"]
    assert sampled["message"]["content"].strip() == "1 2 3"


def test_reka_api_3_streams_the_text_so_far(reka_api_3: dict[str, Any]) -> None:
    texts = reka_api_3["stream"]

    assert texts[-1] == COUNTED
    assert len(texts) >= 9
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert reka_api_3["last chunk"]["responses"][0]["finish_reason"] == "stop"
    assert reka_api_3["last chunk"]["usage"]["output_tokens"] == 9


def test_reka_api_3_calls_tools_and_sends_their_outputs_back(reka_api_3: dict[str, Any]) -> None:
    (call,) = reka_api_3["call"]["message"]["tool_calls"]
    (ended,) = reka_api_3["after tools"]["responses"]
    (last,) = reka_api_3["streamed call"]["responses"]

    assert reka_api_3["call"]["finish_reason"] == "tool_calls"
    assert (call["name"], call["parameters"]) == ("multiply", {"a": 6, "b": 7})
    assert ended["message"]["content"] == "The result is 42."
    assert last["chunk"]["tool_calls"][0]["parameters"] == {"a": 6, "b": 7}
    assert last["finish_reason"] == "tool_calls"
    assert reka_api_3["streamed after tools"][-1] == "The result is 42."


def test_reka_api_3_raises_its_own_errors(reka_api_3: dict[str, Any]) -> None:
    for name in ("wrong key", "wrong key in a stream"):
        assert reka_api_3[name]["status"] == 401
        assert "key" in reka_api_3[name]["body"]
        assert "a-wrong-key" not in reka_api_3[name]["body"]
    for name in ("wrong body", "wrong body in a stream"):
        assert (reka_api_3[name]["class"], reka_api_3[name]["status"]) == ("UnprocessableEntityError", 422)
        assert "messages" in reka_api_3[name]["body"]


def test_reka_api_3_does_the_same_in_its_async_client(reka_api_3: dict[str, Any]) -> None:
    seen = reka_api_3["async"]

    assert seen["models"] == reka_api_3["models"]
    assert seen["answers"] == [" ".join(map(str, range(1, number + 1))) for number in range(1, 11)]
    assert seen["stream"] == reka_api_3["stream"]
    assert seen["after tools"]["responses"][0]["message"]["content"] == "The result is 42."


@pytest.fixture(scope="module")
def openai_sdk(rules_serve: tuple[str, str]) -> dict[str, Any]:
    return _seen_by("openai_sdk.py", "openai==3.54.0", *rules_serve)


def test_the_openai_sdk_lists_models_and_chats(openai_sdk: dict[str, Any]) -> None:
    (choice,) = openai_sdk["chat"]["choices"]
    (sampled,) = openai_sdk["sampled"]["choices"]

    assert "reka-flash" in openai_sdk["models"]
    assert openai_sdk["model"] == "reka-flash"
    assert (choice["message"]["content"], choice["finish_reason"]) == (COUNTED, "stop")
    assert openai_sdk["chat"]["usage"]["completion_tokens"] == 9
    assert openai_sdk["request id"]
    assert sampled["message"]["content"].strip() == "1 2 3"


def test_the_openai_sdk_streams_new_text_with_usage_where_it_asks_for_that(openai_sdk: dict[str, Any]) -> None:
    assert "".join(openai_sdk["stream"]) == "".join(openai_sdk["stream with usage"]) == COUNTED
    assert len(openai_sdk["stream"]) == 9
    assert openai_sdk["stream ends"] == "stop"
    assert openai_sdk["usage"]["choices"] == []
    assert openai_sdk["usage"]["usage"]["completion_tokens"] == 9
    assert openai_sdk["gathered"] == COUNTED
    assert {"chunk", "content.delta", "content.done"} <= set(openai_sdk["events"])


def test_the_openai_sdk_calls_tools_whole_and_streamed_and_sends_results_back(openai_sdk: dict[str, Any]) -> None:
    (call,) = openai_sdk["call"]["message"]["tool_calls"]
    (streamed,) = openai_sdk["streamed call"]["tool_calls"]

    assert openai_sdk["call"]["finish_reason"] == "tool_calls"
    assert call["function"]["name"] == "multiply"
    assert json.loads(call["function"]["arguments"]) == {"a": 6, "b": 7}
    assert openai_sdk["after tools"] == "The result is 42."
    assert json.loads(openai_sdk["forced"]) == {"a": 2, "b": 3}
    assert len(openai_sdk["pieces"]) > 1
    assert "".join(openai_sdk["pieces"]) == streamed["function"]["arguments"] == call["function"]["arguments"]
    assert openai_sdk["streamed after tools"] == "The result is 42."


def test_the_openai_sdk_reads_structured_answers(openai_sdk: dict[str, Any]) -> None:
    assert openai_sdk["parsed"] == openai_sdk["streamed parsed"] == EVENT
    assert list(openai_sdk["json"]) == ["place"]


@pytest.mark.parametrize(
    ("what", "wanted", "said"),
    [
        ("wrong key", ("AuthenticationError", 401, "authentication_error"), "key"),
        ("wrong key in a stream", ("AuthenticationError", 401, "authentication_error"), "key"),
        ("no messages", ("BadRequestError", 400, "invalid_request_error"), "messages"),
        ("unknown role", ("BadRequestError", 400, "invalid_request_error"), "robot"),
        ("unknown model", ("NotFoundError", 404, "not_found_error"), "no-such-model"),
    ],
)
def test_the_openai_sdk_raises_the_class_that_fits_an_error(
    openai_sdk: dict[str, Any], what: str, wanted: tuple[str, int, str], said: str
) -> None:
    refused = openai_sdk[what]

    assert (refused["class"], refused["status"], refused["type"]) == wanted
    assert said in refused["said"]
    assert "a-wrong-key" not in refused["said"]


def test_the_openai_sdk_does_the_same_in_its_async_client(openai_sdk: dict[str, Any]) -> None:
    seen = openai_sdk["async"]

    assert seen["models"] == openai_sdk["models"]
    assert seen["answers"] == [" ".join(map(str, range(1, number + 1))) for number in range(1, 11)]
    assert seen["stream"] == openai_sdk["stream"]
    assert seen["parsed"] == EVENT
