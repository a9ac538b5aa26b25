"""`curl` speaks every generation of the API to `reka serve`."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.processes import output_of, run_reka_serve
from tests.support.rule_model import RuleModel

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")

CURL: Final = ("curl", "--silent", "--show-error", "--no-buffer", "--max-time", "60")
TURNS: Final = {"conversation_history": [{"type": "human", "text": "Please count to 5."}]}
MESSAGES: Final = {"model": "reka-flash", "messages": [{"role": "user", "content": "Please count to 5."}]}


def _request(url: str, key: str, body: dict[str, Any]) -> list[str]:
    headers = ("--header", f"X-Api-Key: {key}", "--header", "Content-Type: application/json")
    return [*CURL, *headers, "--data", json.dumps(body), url]


def _answer(url: str, key: str, body: dict[str, Any]) -> Any:
    return json.loads(output_of(*_request(url, key, body)))


def _events(text: str) -> list[str]:
    return [line.removeprefix("data: ") for line in text.split("\n\n") if line]


def test_each_generation_answers_in_its_own_form(rules_serve: tuple[str, str]) -> None:
    url, key = rules_serve

    documented = _answer(f"{url}/chat", key, TURNS)
    native = _answer(f"{url}/v1/chat", key, MESSAGES)
    completion = _answer(f"{url}/v1/chat/completions", key, MESSAGES)

    assert (documented["type"], documented["text"]) == ("model", "1 2 3 4 5")
    assert native["responses"][0]["message"]["content"] == "1 2 3 4 5"
    assert completion["choices"][0]["message"]["content"] == "1 2 3 4 5"


def test_a_streamed_answer_comes_as_events_with_all_text_so_far_or_the_new_text(rules_serve: tuple[str, str]) -> None:
    url, key = rules_serve
    streamed = {**MESSAGES, "stream": True}

    native = [json.loads(event) for event in _events(output_of(*_request(f"{url}/v1/chat", key, streamed)))]
    *chunks, done = _events(output_of(*_request(f"{url}/v1/chat/completions", key, streamed)))

    so_far = [event["responses"][0]["chunk"]["content"] for event in native]
    deltas = [json.loads(chunk)["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert [text.strip() for text in so_far] == ["1", "1 2", "1 2 3", "1 2 3 4", "1 2 3 4 5", "1 2 3 4 5"]
    assert [delta.strip() for delta in deltas if delta] == ["1", "2", "3", "4", "5"]
    assert done == "[DONE]"


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RuleModel, str]]:
    """A model whose gate a test may close, and the address of a `reka serve` process with it behind."""
    data_dir = tmp_path_factory.mktemp("gated") / "data"
    with RuleModel() as model, run_reka_serve(data_dir, "--upstream", model.url) as url:
        yield model, url


@pytest.mark.parametrize("path", ["/v1/chat", "/v1/chat/completions"])
def test_the_first_words_come_while_the_model_still_writes(path: str, gated: tuple[RuleModel, str]) -> None:
    model, url = gated
    model.gate = threading.Event()
    request = _request(f"{url}{path}", "any", {**MESSAGES, "stream": True})
    with subprocess.Popen(request, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout is not None
        first = next(line for line in curl.stdout if '"content":"1 "' in line)
        is_open = curl.poll() is None and not model.gate.is_set()
        model.gate.set()
        rest = curl.stdout.read()

    assert first.startswith("data: ")
    assert is_open
    assert '"content":"5"' in rest or '"content":"1 2 3 4 5"' in rest
    assert curl.returncode == 0


def test_a_text_is_uploaded_prepared_asked_about_and_deleted(rules_serve: tuple[str, str], alice: Path) -> None:
    url, key = rules_serve
    with_key = [*CURL, "--header", f"X-Api-Key: {key}"]
    form = ["--form", "dataset_name=alice", "--form", "dataset_description=A story", "--form", f"file=@{alice}"]

    added = json.loads(output_of(*with_key, *form, f"{url}/datasets"))
    job = json.loads(output_of(*with_key, "--request", "POST", f"{url}/datasets/alice/prepare-retrieval"))
    status: dict[str, Any] = {"job_status": "PENDING"}
    while status["job_status"] in ("PENDING", "RUNNING"):
        status = json.loads(output_of(*with_key, f"{url}/jobs/prepare-retrieval/{job}/status"))
    asked = {
        "conversation_history": [{"type": "human", "text": "What is on the glass table?"}],
        "retrieval_dataset": "alice",
    }
    answer = _answer(f"{url}/chat", key, asked)
    listed = json.loads(output_of(*with_key, f"{url}/datasets"))
    deleted = json.loads(output_of(*with_key, "--request", "DELETE", f"{url}/datasets/alice"))

    assert (added["name"], added["ok"]) == ("alice", True)
    assert status["job_status"] == "COMPLETE"
    assert "golden key" in answer["text"]
    assert answer["retrieved_chunks"][0]["source"] == "alice.txt"
    assert listed == ["alice"]
    assert deleted["ok"] is True


def test_what_is_wrong_has_a_status_and_a_message_in_its_generation_s_form(rules_serve: tuple[str, str]) -> None:
    url, key = rules_serve
    shown = ("--write-out", "\n%{http_code}")

    documented, documented_status = output_of(*_request(f"{url}/chat", "wrong", TURNS), *shown).rsplit("\n", 1)
    completion, completion_status = output_of(
        *_request(f"{url}/v1/chat/completions", key, {"messages": []}), *shown
    ).rsplit("\n", 1)

    assert documented_status == "401"
    assert "key" in json.loads(documented)["detail"]
    assert completion_status == "400"
    assert "messages" in json.loads(completion)["error"]["message"]
