"""`reka datasets` and `reka models`."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from reka.testing import FakeReka
from tests.support.command_line import Command, Terminal

STORED = {"name": "notes", "ok": True, "info": "stored 1 text"}
COMPLETE = {"job_status": "COMPLETE", "detail": "3 chunks", "history": []}


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    file = tmp_path / "notes.txt"
    file.write_text("Something to know.", encoding="utf-8")
    return file


def test_a_text_file_is_sent_under_its_stem(server: FakeReka, command: Command, text_file: Path) -> None:
    server.will_answer(200, STORED)

    outcome = command("datasets", "add", str(text_file))

    assert (outcome.code, outcome.out, outcome.err) == (0, "notes\n", "✓ notes  stored 1 text\n")
    form = server.requests[0].form
    assert form["dataset_name"].get_payload() == "notes"
    assert form["file"].get_payload() == "Something to know."
    assert "dataset_description" not in form


def test_a_name_and_a_description_are_sent(server: FakeReka, command: Command, text_file: Path) -> None:
    server.will_answer(200, STORED)

    command("datasets", "add", str(text_file), "--name", "other", "--description", "what I know")

    form = server.requests[0].form
    assert form["dataset_name"].get_payload() == "other"
    assert form["dataset_description"].get_payload() == "what I know"


def test_the_name_that_the_server_chose_is_the_one_that_is_written(
    server: FakeReka, command: Command, text_file: Path
) -> None:
    server.will_answer(200, STORED | {"name": "etc_shadow"})

    outcome = command("datasets", "add", str(text_file), "--name", "../../etc/shadow")

    assert outcome.out == "etc_shadow\n"


def test_a_folder_is_zipped_as_it_is_sent_and_named_after_itself(
    server: FakeReka, command: Command, tmp_path: Path
) -> None:
    server.will_answer(200, STORED)
    folder = tmp_path / "notes.v2"
    (folder / "deep").mkdir(parents=True)
    (folder / "one.txt").write_text("1", encoding="utf-8")
    (folder / "deep" / "two.txt").write_text("2", encoding="utf-8")

    assert command("datasets", "add", str(folder)).code == 0

    form = server.requests[0].form
    assert form["dataset_name"].get_payload() == "notes.v2"
    sent = form["file"].get_payload(decode=True)
    assert isinstance(sent, bytes)
    with zipfile.ZipFile(io.BytesIO(sent)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"one.txt": b"1", "deep/two.txt": b"2"}


def test_add_can_prepare_and_its_json_tells_both(server: FakeReka, command: Command, text_file: Path) -> None:
    server.will_answer(200, STORED)
    server.will_answer(200, "job-1")
    server.will_answer(200, COMPLETE)

    outcome = command("datasets", "add", str(text_file), "--prepare", "--json")

    assert outcome.json == STORED | {"retrieval": {"job_id": "job-1", **COMPLETE}}
    assert outcome.err == ""
    assert server.paths == [
        "POST /datasets",
        "POST /datasets/notes/prepare-retrieval",
        "GET /jobs/prepare-retrieval/job-1/status",
    ]


def test_a_refused_upload_is_an_error_of_its_own_code(server: FakeReka, command: Command, text_file: Path) -> None:
    server.will_answer(400, {"detail": "dataset 'notes' exists already"})

    outcome = command("datasets", "add", str(text_file))

    assert (outcome.code, outcome.out, outcome.err) == (5, "", "error: 400: dataset 'notes' exists already\n")


def test_an_answer_that_is_not_ok_is_an_error(server: FakeReka, command: Command, text_file: Path) -> None:
    server.will_answer(200, {"name": "notes", "ok": False, "info": "no room"})

    outcome = command("datasets", "add", str(text_file), "--prepare")

    assert outcome.code == 5
    assert "no room" in outcome.err
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "does not exist"), (b"", "is empty")], ids=["missing", "empty"]
)
def test_a_file_that_cannot_be_a_dataset_is_named_and_not_sent(
    server: FakeReka, command: Command, tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    file = tmp_path / "wrong.txt"
    if content is not None:
        file.write_bytes(content)

    outcome = command("datasets", "add", str(file))

    assert outcome.code == 2
    assert "wrong.txt" in outcome.err
    assert complaint in outcome.err
    assert server.requests == []


def test_an_upload_shows_its_bytes_on_a_terminal(
    server: FakeReka, terminal: Callable[..., Terminal], text_file: Path
) -> None:
    server.will_answer(200, STORED)
    server.will_answer(200, "job-1")
    server.will_answer(200, {"job_status": "RUNNING", "detail": "", "history": [{"progress": 0.25}]})
    server.will_answer(200, COMPLETE)

    shown = terminal("datasets", "add", str(text_file), "--prepare")

    assert shown.end() == 0
    assert "upload" in shown.shown
    assert "bytes" in shown.shown
    assert "25%" in shown.shown
    assert "100%" in shown.shown
    assert "COMPLETE" in shown.shown


@pytest.mark.parametrize(
    ("names", "out", "err"),
    [
        (["a", "b c"], "a\nb c\n", ""),
        (["x\x1b[2J"], "x\n", ""),
        ([], "", "no datasets; upload one with reka datasets add PATH\n"),
    ],
    ids=["two", "one that would clear the screen", "none"],
)
def test_datasets_are_listed_one_a_line(
    server: FakeReka, command: Command, names: list[str], out: str, err: str
) -> None:
    server.will_answer(200, names)

    outcome = command("datasets", "list")

    assert (outcome.code, outcome.out, outcome.err) == (0, out, err)


@pytest.mark.parametrize("arguments", [("datasets", "list"), ("models",)])
def test_lists_are_json_lists(server: FakeReka, command: Command, arguments: tuple[str, ...]) -> None:
    server.will_answer(200, ["a", "b"])

    assert command(*arguments, "--json").json == ["a", "b"]


def test_models_are_listed_one_a_line(server: FakeReka, command: Command) -> None:
    server.will_answer(200, ["reka-flash", "reka-edge"])

    assert command("models").out == "reka-flash\nreka-edge\n"
    assert server.paths == ["GET /models"]


def test_delete_takes_several_names(server: FakeReka, command: Command) -> None:
    for name in ("a", "b"):
        server.will_answer(200, {"name": name, "ok": True, "info": "deleted"})

    outcome = command("datasets", "delete", "a", "b")

    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == "✓ a  deleted\n✓ b  deleted\n"
    assert server.paths == ["DELETE /datasets/a", "DELETE /datasets/b"]


def test_a_name_that_is_not_there_does_not_keep_the_others(server: FakeReka, command: Command) -> None:
    server.will_answer(404, {"detail": "no dataset 'a'"})
    server.will_answer(200, ["b"])  # so it is the dataset that is missing, and not the endpoint
    server.will_answer(200, {"name": "b", "ok": True, "info": "deleted"})

    outcome = command("datasets", "delete", "a", "b", "--json")

    assert outcome.code == 5
    assert outcome.json == [
        {"name": "a", "ok": False, "info": "404: no dataset 'a'; reka datasets list shows the datasets"},
        {"name": "b", "ok": True, "info": "deleted"},
    ]


def test_delete_stops_at_a_wrong_key(server: FakeReka, command: Command) -> None:
    server.will_answer(401, {"detail": "unknown key"})

    assert command("datasets", "delete", "a", "b").code == 3
    assert len(server.requests) == 1


def test_delete_wants_a_name(server: FakeReka, command: Command) -> None:
    outcome = command("datasets", "delete")

    assert outcome.code == 2
    assert "Missing argument 'NAME'" in outcome.err
    assert "(reka datasets delete --help" in outcome.err
    assert server.requests == []


def test_datasets_may_be_kept_on_this_machine_while_the_host_answers(
    server: FakeReka, command: Command, text_file: Path, tmp_path: Path
) -> None:
    place = f"local:{tmp_path / 'data'}"
    server.will_answer(200, {"type": "model", "text": "You know something."})

    added = command("--datasets", place, "datasets", "add", str(text_file), "--prepare")
    listed = command("datasets", "list", "--datasets", place)
    answer = command("chat", "What do I know?", "--dataset", "notes", "--datasets", place, "--json")

    assert (added.code, added.out, listed.out) == (0, "notes\n", "notes\n")
    assert answer.json["retrieved_chunks"][0]["text"] == "Something to know."
    (request,) = server.requests
    assert "Something to know." in request.json["conversation_history"][0]["text"]


def test_a_host_without_datasets_is_told_with_the_ways_out(server: FakeReka, command: Command) -> None:
    server.will_answer(404, {"detail": "Not Found"})

    outcome = command("datasets", "list")

    assert (outcome.code, outcome.out) == (1, "")
    assert f"error: {server.url} has no datasets" in outcome.err
    assert "set --datasets local" in outcome.err
