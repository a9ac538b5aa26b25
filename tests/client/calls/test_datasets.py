"""Datasets: what is uploaded, byte for byte, and what is refused before it is."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

import reka
from reka.testing import FakeReka, reset

STORED = {"name": "alice", "ok": True, "info": "stored"}


def _text_file(folder: Path, size: int = 1_000_000) -> Path:
    path = folder / "alice.txt"
    path.write_bytes(b"x" * size)
    return path


def test_a_file_is_uploaded_whole_under_the_documented_form_names(
    client: reka.Reka, fake: FakeReka, tmp_path: Path
) -> None:
    fake.will_answer(200, STORED)
    path = _text_file(tmp_path)

    result = client.add_dataset(str(path), "alice", "A story")

    form = fake.requests[0].form
    assert result == STORED
    assert fake.paths == ["POST /datasets"]
    assert sorted(form) == ["dataset_description", "dataset_name", "file"]
    assert form["dataset_name"].get_payload(decode=True) == b"alice"
    assert form["dataset_description"].get_payload(decode=True) == b"A story"
    assert form["file"].get_filename() == "alice.txt"
    assert form["file"].get_content_type() == "text/plain"
    assert form["file"].get_payload(decode=True) == path.read_bytes()
    assert int(fake.requests[0].headers["content-length"]) == len(fake.requests[0].body)


def test_without_a_description_none_is_sent(client: reka.Reka, fake: FakeReka, tmp_path: Path) -> None:
    fake.will_answer(200, STORED)

    client.add_dataset(_text_file(tmp_path), "alice")

    assert sorted(fake.requests[0].form) == ["dataset_name", "file"]


def test_progress_rises_to_the_size_of_the_file(client: reka.Reka, fake: FakeReka, tmp_path: Path) -> None:
    fake.will_answer(200, STORED)
    seen: list[tuple[int, int | None]] = []

    client.add_dataset(_text_file(tmp_path), "alice", on_progress=lambda sent, total: seen.append((sent, total)))

    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] == (1_000_000, 1_000_000)


def test_an_upload_whose_connection_breaks_is_sent_again_from_its_start(
    client: reka.Reka, fake: FakeReka, tmp_path: Path
) -> None:
    fake.will_give(reset)
    fake.will_answer(200, STORED)
    path = _text_file(tmp_path)

    client.add_dataset(path, "alice")

    assert fake.requests[1].form["file"].get_payload(decode=True) == path.read_bytes()


def test_a_folder_is_zipped_on_the_way_without_its_hidden_files(
    client: reka.Reka, fake: FakeReka, tmp_path: Path
) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "ä.txt").write_text("deep text")
    (tmp_path / "top.txt").write_text("top text" * 100_000)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("hidden")
    (tmp_path / ".DS_Store").write_bytes(b"\0")
    fake.will_answer(200, STORED)
    seen: list[tuple[int, int | None]] = []

    client.add_folder(tmp_path, "alice", on_progress=lambda sent, total: seen.append((sent, total)))

    part = fake.requests[0].form["file"]
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["deep/er/ä.txt", "top.txt"]
        assert archive.read("deep/er/ä.txt").decode() == "deep text"
    assert fake.requests[0].headers["transfer-encoding"] == "chunked"
    assert seen[-1] == (len(content), None)


@pytest.mark.parametrize(
    ("arrange", "message"),
    [
        pytest.param(lambda folder: folder / "missing.txt", "does not exist", id="missing"),
        pytest.param(lambda folder: folder, "is a folder", id="folder"),
        pytest.param(lambda folder: _text_file(folder, 0), "is empty", id="empty"),
        pytest.param(lambda folder: "", "want a path", id="no-path"),
        pytest.param(lambda folder: None, "want a path", id="none"),
        pytest.param(lambda folder: "nul\0", "does not exist or cannot be reached", id="nul"),
    ],
)
def test_a_file_that_cannot_be_uploaded_is_refused_before_anything_is_sent(
    client: reka.Reka, fake: FakeReka, tmp_path: Path, arrange: Any, message: str
) -> None:
    with pytest.raises(reka.InvalidArgumentError) as caught:
        client.add_dataset(arrange(tmp_path), "alice")

    assert message in str(caught.value)
    assert fake.requests == []


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "\x7f", None, 7])
def test_a_name_that_cannot_be_one_is_refused_before_anything_is_sent(
    client: reka.Reka, fake: FakeReka, tmp_path: Path, name: Any
) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="name: got"):
        client.add_dataset(_text_file(tmp_path), name)

    assert fake.requests == []


def test_a_description_that_is_no_text_is_refused(client: reka.Reka, fake: FakeReka, tmp_path: Path) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="description: got int"):
        client.add_dataset(_text_file(tmp_path), "alice", 7)  # type: ignore[arg-type]  # wrong on purpose

    assert fake.requests == []


def test_an_empty_folder_and_a_file_are_no_folders_to_add(client: reka.Reka, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(reka.InvalidArgumentError, match="has no files in it"):
        client.add_folder(tmp_path / "empty", "alice")
    with pytest.raises(reka.InvalidArgumentError, match="is no folder"):
        client.add_folder(_text_file(tmp_path), "alice")


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_dataset_that_the_server_refuses_is_a_dataset_error_with_its_reason(
    client: reka.Reka, fake: FakeReka, tmp_path: Path, status: int
) -> None:
    fake.will_answer(status, {"detail": "the zip holds an encrypted entry"})

    with pytest.raises(reka.DatasetError, match="encrypted entry") as caught:
        client.add_dataset(_text_file(tmp_path), "alice")

    assert caught.value.status_code == status


def test_datasets_are_listed_and_deleted(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, ["alice", "bob"])
    fake.will_answer(200, {"name": "alice", "ok": True, "info": "deleted", "new": 1})

    assert client.list_datasets() == ["alice", "bob"]
    assert client.delete_dataset("alice") == {"name": "alice", "ok": True, "info": "deleted", "new": 1}
    assert fake.paths == ["GET /datasets", "DELETE /datasets/alice"]


def test_deleting_what_is_not_there_is_a_dataset_error(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(404, {"detail": "no dataset 'alice'"})

    with pytest.raises(reka.DatasetError, match="no dataset 'alice'"):
        client.delete_dataset("alice")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("../models", "/datasets/..%2Fmodels"),
        ("a b", "/datasets/a%20b"),
        ("ä?#%", "/datasets/%C3%A4%3F%23%25"),
        ("...", "/datasets/..."),
    ],
)
def test_a_name_never_leaves_its_path_segment(client: reka.Reka, fake: FakeReka, name: str, path: str) -> None:
    fake.will_answer(200, STORED)

    client.delete_dataset(name)

    assert fake.paths == [f"DELETE {path}"]


@pytest.mark.parametrize("name", ["", ".", "..", "a\nb", "\ud800", None])
def test_a_name_that_would_be_another_path_is_refused(client: reka.Reka, fake: FakeReka, name: Any) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="name: "):
        client.delete_dataset(name)
    with pytest.raises(reka.InvalidArgumentError, match="dataset_name: "):
        client.prepare_retrieval(name)
    with pytest.raises(reka.InvalidArgumentError, match="job_id: "):
        client.retrieval_job_status(name)

    assert fake.requests == []
