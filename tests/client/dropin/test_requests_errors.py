"""Programs that handle the errors of requests, of files and of `reka-api` 2 handle ours without a change."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import requests

import reka
from reka.testing import FakeReka, answer, say_nothing
from tests.support.clients import KEY, Connect

STATUSES = (400, 401, 403, 404, 413, 422, 429, 500, 503)
CALLS: dict[str, tuple[Any, ...]] = {
    "chat": ("Hi",),
    "list_datasets": (),
    "list_models": (),
    "delete_dataset": ("books",),
    "prepare_retrieval": ("books",),
    "retrieval_job_status": ("job-1",),
}


@pytest.fixture
def once(connect: Connect, fake: FakeReka) -> reka.Reka:
    return connect(KEY, fake.url, timeout=2, max_retries=0, api="v0", datasets="host")


def _error(client: reka.Reka, call: str) -> Any:
    with pytest.raises(reka.RekaError) as caught:
        getattr(client, call)(*CALLS[call])
    return caught.value


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("call", CALLS)
def test_an_error_of_a_status_is_an_http_error_of_requests(
    once: reka.Reka, fake: FakeReka, call: str, status: int
) -> None:
    fake.otherwise = answer(status, {"detail": "what happened"}, {"X-Which": "this one"})

    error = _error(once, call)

    assert requests.HTTPError in type(error).__mro__
    assert error.response.status_code == status
    assert error.response.json() == {"detail": "what happened"}
    assert error.response.headers["x-which"] == "this one"
    assert not error.response.ok
    assert error.response.url == error.request.url
    assert f"{error.request.method} {error.request.url.removeprefix(fake.url)}" in fake.paths
    assert KEY not in f"{vars(error)}{vars(error.request)}{error.request.headers}"


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("delete_dataset", reka.DatasetError),
        ("prepare_retrieval", reka.RetrievalError),
        ("retrieval_job_status", reka.RetrievalError),
    ],
)
@pytest.mark.parametrize("status", STATUSES)
def test_any_error_status_of_a_dataset_s_operation_is_the_error_of_that_operation(
    once: reka.Reka, fake: FakeReka, call: str, kind: type[reka.RekaError], status: int
) -> None:
    fake.otherwise = answer(status, {"detail": "what happened"})

    error = _error(once, call)

    assert error.underlying.response.status_code == status
    assert isinstance(error, kind)


@pytest.mark.parametrize(
    ("call", "status", "detail", "reason"),
    [
        ("delete_dataset", 404, "no", "Unable to delete missing dataset."),
        ("prepare_retrieval", 404, "no", "Tried to prepare retrieval for non-existent dataset."),
        (
            "prepare_retrieval",
            400,
            "Retrieval has already been prepared for dataset 'books'",
            "Retrieval has already been prepared for this dataset.",
        ),
        ("retrieval_job_status", 404, "no", "Retrieval job not found."),
        ("chat", 400, "too long", "too long"),
    ],
)
def test_the_reason_is_that_of_reka_api_2_and_the_message_what_the_server_says(
    once: reka.Reka, fake: FakeReka, call: str, status: int, detail: str, reason: str
) -> None:
    fake.will_answer(status, {"detail": detail})
    fake.will_answer(200, ["books"])  # that the host has datasets

    error = _error(once, call)

    assert (error.reason, error.message) == (reason, detail)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (reka.RetrievalError, {"reason": "x"}),
        (reka.DatasetError, {"underlying": ValueError("y"), "reason": "x"}),
        (reka.AuthError, {"reason": "x"}),
        (reka.InvalidConversationError, {"reason": "x"}),
    ],
)
def test_errors_can_be_made_as_reka_api_2_makes_them(kind: type[reka.RekaError], words: dict[str, Any]) -> None:
    error = kind(**words)

    assert (error.reason, error.message, str(error)) == ("x", "x", "x")
    assert error.underlying is words.get("underlying")


def test_a_connection_that_fails_is_an_error_of_requests(connect: Connect, fake: FakeReka) -> None:
    with connect(KEY, "http://127.0.0.1:9", max_retries=0) as client, pytest.raises(requests.ConnectionError):
        client.chat("Hi")

    fake.otherwise = say_nothing
    with connect(KEY, fake.url, timeout=0.2, max_retries=0) as client, pytest.raises(requests.Timeout) as caught:
        client.chat("Hi")
    assert isinstance(caught.value, reka.APITimeoutError)


def test_an_answer_that_is_no_json_is_a_value_error(once: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, b"<html>", {"Content-Type": "text/html"})

    with pytest.raises(ValueError, match="is base_url the address"):
        once.chat("Hi")


def test_a_missing_key_is_no_http_error() -> None:
    with reka.Reka() as client, pytest.raises(reka.AuthError) as caught:
        client.chat("Hi")

    assert not isinstance(caught.value, requests.RequestException)
    assert caught.value.underlying is None


@pytest.mark.parametrize("call", ["chat", "prepare_retrieval"])
@pytest.mark.parametrize("status", [401, 404, 429])
@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy])
def test_errors_of_a_status_survive_copying_with_their_response(
    once: reka.Reka, fake: FakeReka, call: str, status: int, again: Any
) -> None:
    fake.otherwise = answer(status, {"detail": "what happened"})
    error = _error(once, call)

    copied = again(error)

    assert (type(copied), str(copied), copied.args) == (type(error), str(error), error.args)
    assert copied.response.json() == error.response.json()
    assert copied.reason == error.reason


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("chat", {"human": "What is this?", "media_filename": "missing.png"}),
        ("add_dataset", {"filepath": "missing.txt", "name": "books"}),
        ("add_folder", {"folder": "missing", "name": "books"}),
        ("ensure_dataset", {"name": "books", "files": ["missing.txt"]}),
    ],
)
def test_a_missing_file_is_a_file_not_found_error(
    sync_client: reka.Reka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, arguments: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(FileNotFoundError) as caught:
        getattr(sync_client, call)(**arguments)

    assert isinstance(caught.value, reka.InvalidArgumentError)
    assert Path(caught.value.filename).name.startswith("missing")
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), FileNotFoundError)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [("chat", {"human": "Hi", "media_filename": "."}), ("add_dataset", {"filepath": ".", "name": "x"})],
)
def test_a_folder_in_place_of_a_file_is_the_error_that_opening_it_raises(
    sync_client: reka.Reka, call: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(OSError, match="is a folder") as caught:
        getattr(sync_client, call)(**arguments)

    assert isinstance(caught.value, reka.InvalidArgumentError)
