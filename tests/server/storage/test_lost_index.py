"""Tables of the index that are lost or damaged: they are made again from the stored texts."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.embedders import GatedEmbedder
from tests.support.servers import Call, Start

OWL, HEN = {"id": "a", "text": "An owl hunts."}, {"id": "b", "text": "A hen lays."}


def the_table(data_dir: Path) -> Path:
    (table,) = (data_dir / "index").iterdir()
    return table


def cut_data(table: Path) -> None:
    for path in (table / "data").iterdir():
        path.write_bytes(path.read_bytes()[:-40])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "table": shutil.rmtree,
    "data": lambda table: shutil.rmtree(table / "data"),
    "a part of the data": cut_data,
    "versions": lambda table: shutil.rmtree(table / "_versions"),
    "full-text index": lambda table: shutil.rmtree(table / "_indices"),
}


def test_an_index_that_is_lost_while_the_server_is_down_is_made_again_by_itself(
    start: Start, call: Call, data_dir: Path
) -> None:
    server = start()
    call(server).add_prepared("notes", "An owl hunts.")
    server.stop()
    shutil.rmtree(data_dir / "index")
    gated = GatedEmbedder()
    api = call(start(embedder=gated))
    assert gated.has_arrived.wait(30)

    meanwhile = api.ask("GET", "/readyz")
    gated.gate.set()

    assert (meanwhile.status_code, meanwhile.json()["index"]) == (503, False)
    assert [chunk["text"] for chunk in api.chunks("owl", "notes")] == ["An owl hunts."]
    assert api.ask("GET", "/readyz").json()["index"] is True


def test_an_index_that_is_deleted_while_the_server_runs_is_made_again_by_itself(
    start: Start, call: Call, data_dir: Path
) -> None:
    gated = GatedEmbedder()
    gated.gate.set()
    api = call(start(embedder=gated))
    for name, text in (("owls", "An owl hunts."), ("hens", "A hen lays.")):
        api.add_prepared(name, text)
    assert api.chunks("owl", "owls")  # which is in memory now
    gated.gate.clear()
    shutil.rmtree(data_dir / "index")

    meanwhile = api.ask("GET", "/readyz").json()
    gated.gate.set()
    while not api.ask("GET", "/readyz").ok:
        threading.Event().wait(0.02)

    assert (meanwhile["storage"], meanwhile["index"]) == (True, False)
    assert len(list((data_dir / "index").iterdir())) == 2
    assert [chunk["text"] for chunk in api.chunks("hen", "hens")] == ["A hen lays."]


def test_a_search_after_the_index_was_deleted_waits_for_the_new_one(start: Start, call: Call, data_dir: Path) -> None:
    api = call(start())
    api.add_prepared("notes", "An owl hunts.")
    shutil.rmtree(data_dir / "index")

    assert [chunk["text"] for chunk in api.chunks("owl", "notes")] == ["An owl hunts."]


def test_a_job_whose_index_is_deleted_under_it_writes_it_again(start: Start, call: Call, data_dir: Path) -> None:
    gated = GatedEmbedder()
    api = call(start(embedder=gated))
    assert api.add("notes", "An owl hunts.").ok
    job = api.prepare("notes").json()
    assert gated.has_arrived.wait(30)
    shutil.rmtree(data_dir / "index")
    (data_dir / "index").mkdir()
    gated.gate.set()

    assert api.await_end(job)["job_status"] == "COMPLETE"
    assert [chunk["text"] for chunk in api.chunks("owl", "notes")] == ["An owl hunts."]


def test_a_folder_of_unfinished_uploads_that_is_deleted_is_made_again(start: Start, call: Call, data_dir: Path) -> None:
    api = call(start())
    (data_dir / "staging").rmdir()

    assert api.add("notes", "text").status_code == 503
    assert api.add("notes", "text").ok


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_search_in_a_table_that_is_lost_or_damaged_makes_it_again(
    start: Start, call: Call, data_dir: Path, damage: Callable[[Path], object]
) -> None:
    server = start()
    api = call(server)
    api.add_prepared("notes", "An owl hunts.")
    server.stop()
    damage(the_table(data_dir))

    api = call(start())

    assert [chunk["text"] for chunk in api.chunks("owl", "notes")] == ["An owl hunts."]
    assert api.ask("GET", "/readyz").json()["index"] is True
    assert "already been prepared" in api.prepare("notes").json()["detail"]


def test_a_change_of_documents_whose_table_is_lost_takes_all_of_them_over(
    start: Start, call: Call, data_dir: Path
) -> None:
    api = call(start())
    api.put("rows", [OWL])
    shutil.rmtree(the_table(data_dir))

    api.put("rows", [HEN])

    assert {chunk["text"] for chunk in api.search("rows", "owl hen")} == {OWL["text"], HEN["text"]}


def test_a_dataset_that_is_lost_with_its_upload_says_so(start: Start, call: Call, data_dir: Path) -> None:
    api = call(start())
    api.add_prepared("notes", "An owl hunts.")
    shutil.rmtree(the_table(data_dir))
    next((data_dir / "datasets").iterdir()).unlink()

    answer = api.chat("owl", retrieval_dataset="notes")

    assert answer.status_code == 400
    assert "could not be built anew: delete the dataset and upload it again" in answer.json()["detail"]
    assert api.ask("GET", "/readyz").json()["index"] is True


def test_a_table_is_not_given_up_when_the_data_folder_is_away(start: Start, call: Call, data_dir: Path) -> None:
    gated = GatedEmbedder()
    gated.gate.set()
    api = call(start(embedder=gated))
    api.add_prepared("notes", "An owl hunts.")
    table = the_table(data_dir)
    data_dir.rename(data_dir.with_name("elsewhere"))
    answer = api.chat("owl", retrieval_dataset="notes")
    data_dir.with_name("elsewhere").rename(data_dir)

    assert answer.status_code == 503
    assert [chunk["text"] for chunk in api.chunks("owl", "notes")] == ["An owl hunts."]
    assert the_table(data_dir) == table
