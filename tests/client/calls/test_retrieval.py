"""Preparing, waiting, retrieving, and making sure that a dataset is there."""

import inspect
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

import reka
from reka._protocol.datasets import name_with_digest
from reka.testing import FakeReka

RUNNING = {"job_status": "RUNNING", "detail": "", "history": [{"job_status": "PENDING"}]}
COMPLETE = {"job_status": "COMPLETE", "detail": "done", "history": []}
PREPARED = {"detail": "Retrieval has already been prepared for dataset x"}
PREPARING = {"detail": "Retrieval is already being prepared for dataset 'x' by job 7"}
ABOUT_OURS = {"name": "reka", "features": ["retrieval_top_k"]}


def _chunks(count: int) -> dict[str, object]:
    return {"type": "model", "text": "", "retrieved_chunks": [{"text": f"chunk {n}"} for n in range(count)]}


def test_a_job_is_made_and_looked_at(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, "job-1")
    fake.will_answer(200, RUNNING)

    job_id = client.prepare_retrieval("alice")
    status = client.retrieval_job_status(job_id)

    assert fake.paths == ["POST /datasets/alice/prepare-retrieval", "GET /jobs/prepare-retrieval/job-1/status"]
    assert (job_id, status.job_status, status.detail) == ("job-1", reka.JobStatus.RUNNING, "")
    assert status.history == [{"job_status": "PENDING"}]


@pytest.mark.parametrize(
    ("status", "claims"),
    [
        ("PENDING", set()),
        ("RUNNING", {"is_running"}),
        ("COMPLETE", {"is_complete", "is_done"}),
        ("ERROR", {"is_error", "is_done"}),
        ("INVENTED_LATER", set()),
    ],
)
def test_a_status_answers_the_four_documented_questions(status: str, claims: set[str]) -> None:
    response = reka.PrepareRetrievalStatusResponse(status, "", [])  # type: ignore[arg-type]  # bare

    assert {
        name for name in ("is_complete", "is_done", "is_error", "is_running") if getattr(response, name)()
    } == claims
    assert response.job_status == status
    assert str(response.job_status) == f"{response.job_status}" == status
    assert pickle.loads(pickle.dumps(response)) == response


def test_a_status_class_takes_the_documented_arguments_in_their_order() -> None:
    assert list(inspect.signature(reka.PrepareRetrievalStatusResponse).parameters) == [
        "job_status",
        "detail",
        "history",
    ]


def test_a_status_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="7 is not a valid JobStatus"):
        reka.PrepareRetrievalStatusResponse(7, "", [])  # type: ignore[arg-type]  # on purpose


def test_new_fields_and_missing_ones_do_not_hurt(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, {"job_status": "QUEUED", "detail": None, "eta": 7})

    status = client.retrieval_job_status("j")

    assert (status.job_status, status.detail, status.history) == ("QUEUED", "", [])


@pytest.mark.parametrize(("status", "body"), [(404, {"detail": "no dataset 'alice'"}), (400, PREPARED)])
def test_what_cannot_be_prepared_is_a_retrieval_error(
    client: reka.Reka, fake: FakeReka, status: int, body: dict[str, str]
) -> None:
    fake.will_answer(status, body)

    with pytest.raises(reka.RetrievalError) as caught:
        client.prepare_retrieval("alice")

    assert body["detail"] in str(caught.value)


def test_an_unknown_job_is_a_retrieval_error(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(404, {"detail": "no job 'j'"})

    with pytest.raises(reka.RetrievalError, match="no job 'j'"):
        client.retrieval_job_status("j")


def test_waiting_tells_each_new_status_once_and_returns_the_last(client: reka.Reka, fake: FakeReka) -> None:
    for status in (RUNNING, RUNNING, COMPLETE):
        fake.will_answer(200, status)
    seen: list[str] = []

    last = client.wait_for_retrieval("j", on_update=lambda status: seen.append(status.job_status))

    assert seen == ["RUNNING", "COMPLETE"]
    assert last.is_complete()


def test_waiting_for_a_job_that_fails_raises_its_detail(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, {"job_status": "ERROR", "detail": "out of disk", "history": []})

    with pytest.raises(reka.RetrievalError, match="job j failed: out of disk"):
        client.wait_for_retrieval("j")


def test_waiting_ends_in_time_and_shows_the_last_status(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, RUNNING)

    with pytest.raises(reka.WaitTimeoutError) as caught:
        client.wait_for_retrieval("j", timeout=0)

    assert caught.value.last_status is not None
    assert caught.value.last_status.is_running()
    assert isinstance(caught.value, TimeoutError)
    assert pickle.loads(pickle.dumps(caught.value)).last_status == caught.value.last_status


@pytest.mark.parametrize("timeout", [-1, "5", True, float("nan")])
def test_a_wait_must_be_a_number_of_seconds(client: reka.Reka, fake: FakeReka, timeout: Any) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="timeout: got"):
        client.wait_for_retrieval("j", timeout=timeout)

    assert fake.requests == []


def test_retrieve_asks_chat_for_one_token_and_our_server_for_k_chunks(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, ABOUT_OURS)
    fake.will_answer(200, _chunks(3))
    fake.will_answer(200, _chunks(3))

    chunks = client.retrieve("Who?", "alice", k=3)
    client.retrieve("Who?", "alice")

    assert [chunk["text"] for chunk in chunks] == ["chunk 0", "chunk 1", "chunk 2"]
    assert fake.paths == ["GET /", "POST /chat", "POST /chat"]
    assert fake.requests[1].json == {
        "conversation_history": [{"type": "human", "text": "Who?"}],
        "model_name": "reka-flash",
        "stop_words": [],
        "retrieval_dataset": "alice",
        "request_output_len": 1,
        "retrieval_top_k": 3,
    }
    assert fake.requests[2].json["retrieval_top_k"] == 8


@pytest.mark.parametrize(
    ("status", "about"),
    [(404, {"detail": "Not Found"}), (200, b"<html>hello</html>"), (200, {"name": "x", "features": None}), (200, [])],
)
def test_retrieve_cuts_the_list_itself_where_the_server_cannot_be_told(
    client: reka.Reka, fake: FakeReka, status: int, about: object
) -> None:
    fake.will_answer(status, about)
    fake.will_answer(200, _chunks(5))

    assert len(client.retrieve("Who?", "alice", 2)) == 2
    assert "retrieval_top_k" not in fake.requests[1].json


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "alice", 8), "query: got ''"),
        (("Who?", "", 8), "dataset: got ''"),
        (("Who?", "alice", 0), "k: got 0, want a whole number from 1 to 1000"),
        (("Who?", "alice", 1001), "k: got 1001"),
        (("Who?", "alice", True), "k: got True"),
        (("Who?", "alice", "3"), "k: got '3'"),
        (("Who?", "alice", None), "k: got None"),
    ],
)
def test_retrieve_names_a_bad_argument(
    client: reka.Reka, fake: FakeReka, arguments: tuple[Any, Any, Any], message: str
) -> None:
    with pytest.raises(reka.InvalidArgumentError) as caught:
        client.retrieve(*arguments)

    assert message in str(caught.value)
    assert fake.requests == []


def _stored_name(client: reka.Reka, fake: FakeReka, **content: Any) -> str:
    """Ensure a dataset on a server that has none, and give the name it was uploaded under."""
    begun = len(fake.requests)
    fake.will_answer(200, [])
    fake.will_answer(200, {"name": "stored", "ok": True, "info": ""})
    fake.will_answer(200, "job-1")
    fake.will_answer(200, COMPLETE)
    assert client.ensure_dataset("alice", **content) == "stored"
    assert fake.paths[begun:] == [
        "GET /datasets",
        "POST /datasets",
        "POST /datasets/stored/prepare-retrieval",
        "GET /jobs/prepare-retrieval/job-1/status",
    ]
    name = fake.requests[begun + 1].form["dataset_name"].get_payload(decode=True)
    assert isinstance(name, bytes)
    return name.decode()


def test_a_dataset_that_is_not_there_is_uploaded_prepared_and_waited_for(client: reka.Reka, fake: FakeReka) -> None:
    name = _stored_name(client, fake, texts={"a.txt": "one", "b/c.txt": "two"})

    content = fake.requests[1].form["file"].get_payload(decode=True)
    assert isinstance(content, bytes)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {entry: archive.read(entry) for entry in archive.namelist()} == {"a.txt": b"one", "b/c.txt": b"two"}
    assert name.startswith("alice-")


def test_equal_texts_have_one_name_and_other_texts_another(client: reka.Reka, fake: FakeReka, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text("two")
    texts = {"a.txt": "one", "b.txt": "two"}

    name = _stored_name(client, fake, texts=texts)

    assert _stored_name(client, fake, texts=dict(reversed(texts.items()))) == name
    assert _stored_name(client, fake, files=tmp_path) == name
    assert _stored_name(client, fake, files=[tmp_path / "b.txt", str(tmp_path / "a.txt")]) == name
    assert _stored_name(client, fake, texts={"a.txt": "one", "b.txt": "too"}) != name
    assert _stored_name(client, fake, texts={"a.txt": "one"}) != name
    assert _stored_name(client, fake, texts=["one", "two"]) != name


def test_a_dataset_that_is_there_and_prepared_costs_two_questions_and_no_upload(
    client: reka.Reka, fake: FakeReka
) -> None:
    name = _stored_name(client, fake, texts=["one"])
    fake.will_answer(200, ["other", name])
    fake.will_answer(400, PREPARED)

    assert client.ensure_dataset("alice", texts=["one"]) == name
    assert fake.paths[4:] == ["GET /datasets", f"POST /datasets/{name}/prepare-retrieval"]


@pytest.mark.parametrize("change", ["{}", "dataset_of_{}", "{}.zip"])
def test_a_dataset_is_found_whatever_the_server_has_made_of_the_name_around_the_hash(
    client: reka.Reka, fake: FakeReka, change: str
) -> None:
    name = _stored_name(client, fake, texts=["one"])
    stored = change.format(name.replace("-", "_"))
    fake.will_answer(200, ["other", stored])
    fake.will_answer(400, PREPARED)

    assert client.ensure_dataset("alice", texts=["one"]) == stored


def test_the_name_that_is_asked_for_is_short_and_ends_in_the_hash(client: reka.Reka, fake: FakeReka) -> None:
    name = name_with_digest("n" * 500, "0123456789abcdef" * 4)

    assert len(name) == 63
    assert name.endswith("-0123456789abcdef")


def test_a_dataset_that_another_process_prepares_is_waited_for(client: reka.Reka, fake: FakeReka) -> None:
    name = _stored_name(client, fake, texts=["one"])
    fake.will_answer(200, [name])
    fake.will_answer(400, PREPARING)
    fake.will_answer(400, PREPARED)

    assert client.ensure_dataset("alice", texts=["one"]) == name


def test_why_a_dataset_is_not_prepared_is_told_by_the_code_and_not_by_the_words(
    client: reka.Reka, fake: FakeReka
) -> None:
    name = _stored_name(client, fake, texts=["one"])
    fake.will_answer(200, [name])
    fake.will_answer(409, {"detail": "in Arbeit", "code": "being_prepared"})
    fake.will_answer(409, {"detail": "schon fertig", "code": "already_prepared"})

    assert client.ensure_dataset("alice", texts=["one"]) == name
    assert fake.all_answers_sent


def test_the_code_of_a_refusal_is_at_hand(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(400, {"detail": "no", "code": "being_prepared"})

    with pytest.raises(reka.RetrievalError) as caught:
        client.prepare_retrieval("alice")

    assert caught.value.code == "being_prepared"


def test_a_dataset_that_another_process_uploads_at_the_same_time_is_used(client: reka.Reka, fake: FakeReka) -> None:
    name = _stored_name(client, fake, texts=["one"])
    fake.will_answer(200, [])
    fake.will_answer(400, {"detail": f"dataset {name} exists"})
    fake.will_answer(200, [name])
    fake.will_answer(400, PREPARED)

    assert client.ensure_dataset("alice", texts=["one"]) == name


def test_texts_that_the_server_refuses_are_a_dataset_error(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, [])
    fake.will_answer(413, {"detail": "too large"})
    fake.will_answer(200, [])

    with pytest.raises(reka.DatasetError, match="too large"):
        client.ensure_dataset("alice", texts=["one"])


def test_a_dataset_that_cannot_be_prepared_is_a_retrieval_error(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, [])
    fake.will_answer(200, {"name": "stored", "ok": True, "info": ""})
    fake.will_answer(422, {"detail": "not today"})

    with pytest.raises(reka.RetrievalError, match="not today"):
        client.ensure_dataset("alice", texts=["one"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "files, texts: want one of them"),
        ({"files": "a", "texts": ["b"]}, "files, texts: want one of them"),
        ({"texts": []}, "texts: there are none"),
        ({"texts": "one"}, "texts: got str"),
        ({"texts": ["one", 2]}, "texts: 'text-000002.txt' is int"),
        ({"texts": {"a": "\ud800"}}, "lone surrogate"),
        ({"files": "missing"}, "files: 'missing' does not exist"),
        ({"files": []}, "files: want a folder, a file, or a list of files"),
    ],
)
def test_what_cannot_be_a_dataset_is_named_before_anything_is_sent(
    client: reka.Reka, fake: FakeReka, content: Any, message: str
) -> None:
    with pytest.raises(reka.InvalidArgumentError) as caught:
        client.ensure_dataset("alice", **content)

    assert message in str(caught.value)
    assert fake.requests == []


def test_files_of_one_name_and_folders_in_a_list_are_refused(client: reka.Reka, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.txt").write_text("x")

    with pytest.raises(reka.InvalidArgumentError, match=r"two are named 'same\.txt'"):
        client.ensure_dataset("n", files=[tmp_path / "a" / "same.txt", tmp_path / "b" / "same.txt"])
    with pytest.raises(reka.InvalidArgumentError, match="give a folder alone"):
        client.ensure_dataset("n", files=[tmp_path / "a"])
    with pytest.raises(reka.InvalidArgumentError, match="name: got ''"):
        client.ensure_dataset("", texts=["one"])
