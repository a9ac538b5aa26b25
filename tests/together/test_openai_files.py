"""Programs for the files and vector stores of OpenAI's SDK work unchanged against `reka serve`."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.peers import peer_environment
from tests.support.processes import output_of

PROGRAM = Path(__file__).parent / "programs" / "openai_files.py"
HEN = "The hen of the farm lays twelve eggs each week."


@pytest.fixture(scope="module")
def seen(serve: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    python = peer_environment("openai==3.54.0")
    folder = str(tmp_path_factory.mktemp("files"))
    read: dict[str, Any] = json.loads(output_of(str(python), "-I", str(PROGRAM), serve, "a-key-for-files", folder))
    return read


def test_files_are_uploaded_listed_read_and_deleted(seen: dict[str, Any]) -> None:
    files = seen["files"]

    assert (files["file"]["filename"], files["file"]["bytes"], files["file"]["purpose"]) == ("owl.md", 58, "assistants")
    assert files["same"] is True
    assert files["waited"] == "processed"
    assert files["content"] == HEN
    assert files["names"] == files["pages"] == ["owl.md", "hen note.txt", "fox.txt"]
    assert files["of a purpose"] == ["hen note.txt"]
    assert files["expires"] == 3600
    assert files["deleted"] is True


@pytest.mark.parametrize(
    ("what", "wanted", "said"),
    [
        ("pdf", ("BadRequestError", 400), "is a PDF"),
        ("empty", ("BadRequestError", 400), "has no text"),
        ("unknown file", ("NotFoundError", 404), "file-0123"),
        ("gone", ("NotFoundError", 404), "no file"),
    ],
)
def test_a_file_that_cannot_be_taken_or_found_is_refused(
    seen: dict[str, Any], what: str, wanted: tuple[str, int], said: str
) -> None:
    refused = seen["files"][what]

    assert (refused["class"], refused["status"]) == wanted
    assert said in refused["said"]


def test_a_vector_store_has_the_files_that_are_attached_to_it(seen: dict[str, Any]) -> None:
    stores = seen["stores"]
    store, attached = stores["store"], stores["attached"]

    assert (store["name"], store["metadata"], store["status"]) == ("Farm & mill", {"topic": "animals"}, "completed")
    assert store["file_counts"] == {"cancelled": 0, "completed": 3, "failed": 0, "in_progress": 0, "total": 3}
    assert (attached["status"], attached["last_error"]) == ("completed", None)
    assert attached["attributes"] == {"farm": True, "year": 2024, "kind": "bird"}
    assert stores["listed"] is True
    assert stores["files"] is True
    assert (stores["in pages"], stores["completed"], stores["failed"]) == (3, 3, 0)
    assert stores["content"] == [HEN]
    assert (stores["renamed"]["name"], stores["renamed"]["metadata"]) == ("Animals", {"topic": "farm"})
    assert (stores["detached"], stores["left"]) == (True, "owl.md")
    assert stores["after deleting a file"] is True


def test_a_search_finds_chunks_of_files_with_their_attributes(seen: dict[str, Any]) -> None:
    stores = seen["stores"]
    ((name, attributes, text, score),) = stores["found"]

    assert (name, attributes["kind"], text) == ("hen note.txt", "bird", HEN)
    assert 0 < score <= 1
    assert {"fox.txt", "owl.md"} <= set(stores["of two queries"])
    assert stores["filtered"] == ["hen note.txt"]
    assert stores["either"] == ["fox.txt", "hen note.txt"]
    assert stores["above all"] == []
    assert (stores["bad filter"]["class"], stores["bad filter"]["status"]) == ("BadRequestError", 400)
    assert "'like'" in stores["bad filter"]["said"]
    assert stores["unknown store"]["class"] == "NotFoundError"


def test_batches_of_files_are_uploaded_attached_and_waited_for(seen: dict[str, Any]) -> None:
    batches = seen["batches"]

    assert batches["batch"]["status"] == batches["again"] == "completed"
    assert batches["batch"]["file_counts"]["completed"] == batches["batch"]["file_counts"]["total"] == 4
    assert batches["attributes"] == [0, 1, 2, 3]
    assert batches["cancelled after its end"] == "completed"
    assert batches["found"] == ["note3.txt"]
    assert batches["unknown batch"]["class"] == "NotFoundError"


def test_another_key_sees_and_reaches_nothing(seen: dict[str, Any]) -> None:
    assert seen["others"] == {"files": [], "stores": [], "refusals": [404] * 7}


def test_a_deleted_vector_store_is_gone_and_its_files_stay(seen: dict[str, Any]) -> None:
    assert seen["deleted store"] is True
    assert seen["store is gone"]["class"] == "NotFoundError"
    assert seen["files stay"] == "hen note.txt"


def test_the_async_client_does_the_same(seen: dict[str, Any]) -> None:
    assert seen["async"] == {
        "days": 7,
        "status": "completed",
        "found": ["hen note.txt"],
        "nothing": [],
        "deleted": True,
    }
