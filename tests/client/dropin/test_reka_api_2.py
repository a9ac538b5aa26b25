"""What programs for `reka-api` 2.0.0 import, set and call is here, under the same names, with the same results."""

import importlib
import inspect
import json
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import reka
import reka.api
from reka.testing import FakeReka, says
from tests.support.media_samples import PNG

NAMES = {
    "api.chat": ("HumanTurn", "MediaType", "ModelTurn", "chat"),
    "api.dataset": ("add_dataset", "delete_dataset", "list_datasets"),
    "api.driver": ("make_request",),
    "api.job": ("JobStatus", "job_status"),
    "api.models": ("list_models",),
    "api.retrieval": ("PrepareRetrievalStatusResponse", "prepare_retrieval", "retrieval_job_status"),
    "errors": ("AuthError", "DatasetError", "InvalidConversationError", "RekaError", "RetrievalError"),
}
FUNCTIONS = (
    "add_dataset",
    "chat",
    "delete_dataset",
    "list_datasets",
    "list_models",
    "prepare_retrieval",
    "retrieval_job_status",
)


@pytest.fixture
def server(fake: FakeReka, monkeypatch: pytest.MonkeyPatch) -> FakeReka:
    """A server that the environment names, as for `reka-api` 2."""
    monkeypatch.setenv("REKA_API_KEY", "a-key")
    monkeypatch.setenv("REKA_SERVER", fake.url)
    return fake


@pytest.mark.parametrize("package", ["reka", "reka.v2"])
@pytest.mark.parametrize("module", NAMES)
def test_the_modules_have_what_programs_import_from_them(package: str, module: str) -> None:
    imported = importlib.import_module(f"{package}.{module}")

    assert [name for name in NAMES[module] if not hasattr(imported, name)] == []


@pytest.mark.parametrize("package", ["reka", "reka.v2"])
def test_what_the_modules_have_is_what_the_package_has(package: str) -> None:
    imported = importlib.import_module(package)

    for name in FUNCTIONS:
        assert getattr(imported, name) is getattr(reka, name)
    assert importlib.import_module(f"{package}.errors").RetrievalError is reka.RetrievalError
    assert importlib.import_module(f"{package}.api.chat").chat is reka.chat
    assert importlib.import_module(f"{package}.api.job").JobStatus is reka.JobStatus


@pytest.mark.parametrize("package", ["reka", "reka.v2"])
def test_key_and_server_are_read_and_set_as_module_attributes(
    package: str, fake: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(package)
    monkeypatch.setenv("REKA_API_KEY", "of-the-environment")
    monkeypatch.setenv("REKA_SERVER", "http://127.0.0.1:9")
    assert (module.API_KEY, module._SERVER) == ("of-the-environment", "http://127.0.0.1:9")

    monkeypatch.setattr(module, "API_KEY", "of-the-program")
    monkeypatch.setattr(module, "_SERVER", fake.url)
    fake.will_answer(200, ["reka-flash"])

    assert module.list_models() == ["reka-flash"]
    assert fake.requests[0].headers["x-api-key"] == "of-the-program"


def test_without_a_key_the_attribute_is_none() -> None:
    assert reka.API_KEY is None
    assert reka._SERVER == "https://api.reka.ai"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_functions_are_plain_and_picklable(name: str) -> None:
    function = getattr(reka, name)

    assert inspect.isfunction(function)
    assert (function.__module__, function.__qualname__) == ("reka", function.__name__)
    assert pickle.loads(pickle.dumps(function)) is function


def test_a_process_pool_takes_the_functions(server: FakeReka) -> None:
    server.otherwise = says("hi")

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        answers = list(pool.map(reka.chat, ["a", "b"]))

    assert [answer["text"] for answer in answers] == ["hi", "hi"]
    assert [request.json["conversation_history"][0]["text"] for request in server.requests] == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "field", "sent"),
    [
        ({"model_name": None}, "model_name", "reka-flash"),
        ({"request_output_len": 256.0}, "request_output_len", 256),
        ({"random_seed": 7.0}, "random_seed", 7),
        ({"runtime_top_k": 5.0}, "runtime_top_k", 5),
        ({"runtime_top_p": 1.5}, "runtime_top_p", 1.5),
    ],
)
def test_arguments_that_reka_api_2_leaves_to_the_server_are_sent(
    server: FakeReka, arguments: dict[str, Any], field: str, sent: object
) -> None:
    server.will_answer(200, {"type": "model", "text": "hi"})

    reka.chat("Hi", **arguments)

    assert repr(server.requests[0].json[field]) == repr(sent)


def test_texts_with_lone_surrogates_are_sent_and_read(server: FakeReka) -> None:
    server.will_answer(200, rb'{"type": "model", "text": "caf\udce9"}', {"Content-Type": "application/json"})

    answer = reka.chat("caf\udce9 €")

    assert server.requests[0].json["conversation_history"][0]["text"] == "caf\udce9 €"
    assert answer["text"] == "caf\ufffd"


def test_a_media_file_over_32_mib_is_sent(server: FakeReka, tmp_path: Path) -> None:
    server.will_answer(200, {"type": "model", "text": "a picture"})
    path = tmp_path / "large.png"
    path.write_bytes(PNG)
    with path.open("r+b") as file:
        file.truncate(33 * 2**20)

    assert reka.chat("What is this?", media_filename=str(path))["text"] == "a picture"
    assert len(server.requests[0].body) > 33 * 2**20


def test_a_job_s_status_is_a_plain_object(server: FakeReka) -> None:
    body = {"job_status": "RUNNING", "detail": "d", "history": [{"job_status": "PENDING"}]}
    server.will_answer(200, body)

    status = reka.retrieval_job_status("job-1")

    assert vars(status) == body
    assert reka.PrepareRetrievalStatusResponse.from_dict({**body, "more": 1}) == status
    with pytest.raises(TypeError, match="job_status"):
        reka.PrepareRetrievalStatusResponse.from_dict({"detail": "d"})


def test_a_job_s_status_can_be_had_as_a_dict(server: FakeReka) -> None:
    body = {"job_status": "RUNNING", "detail": "d", "history": []}
    server.will_answer(200, body)

    assert json.dumps(reka.api.job.job_status("job-1", "prepare-retrieval")) == json.dumps(body)
    with pytest.raises(reka.InvalidArgumentError, match="job_type: got 'finetune'"):
        reka.api.job.job_status("job-1", "finetune")


def test_what_is_not_kept_says_what_to_write_instead() -> None:
    with pytest.raises(reka.UnsupportedRequestError, match=r"write the function of the endpoint"):
        reka.api.driver.make_request(method="get", endpoint="models")
