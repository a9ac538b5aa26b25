"""Changes of documents: what is seen meanwhile, what a stop leaves, and what is left on the disk."""

import io
import json
import os
import sqlite3
import threading
import zipfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import lancedb
import pytest

from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.index import COPIED_CHUNKS, Index
from reka.server.retrieval.tables import TableVersion
from reka.server.storage.ownership import MARKER
from tests.support.caller import Caller
from tests.support.embedders import GatedEmbedder, WordEmbedder
from tests.support.servers import Call, Start

SECRET: dict[str, Any] = {
    "id": "secret",
    "text": "The password of the lighthouse is heliotrope.",
    "metadata": {"kind": "zephyranthes"},
}
NEW = {"id": "new", "text": "A lantern was lit."}
FEW = [{"id": f"d{number}", "text": f"Entry {number} of the log."} for number in range(3)]
MANY = [{"id": f"d{number}", "text": f"Entry {number} of the log."} for number in range(COPIED_CHUNKS + 10)]
SIZES = pytest.mark.parametrize("others", [FEW, MANY], ids=["a small dataset", "a large one"])


def texts(api: Caller, query: str) -> list[str]:
    return [chunk["text"] for chunk in api.search("log", query, mode="keyword")]


def published(data_dir: Path) -> TableVersion:
    with closing(sqlite3.connect(data_dir / "reka.sqlite")) as record:
        return TableVersion(*record.execute("SELECT index_table, table_version FROM datasets").fetchone())


def files_with(data_dir: Path, word: bytes) -> list[str]:
    found = []
    for folder, _, names in os.walk(data_dir):  # which passes over folders that are being deleted
        for name in names:
            with suppress(FileNotFoundError):
                found += [name] if word in (Path(folder) / name).read_bytes() else []
    return found


@SIZES
def test_a_dataset_is_used_as_it_was_until_its_change_is_whole(
    start: Start, call: Call, others: list[dict[str, Any]]
) -> None:
    gated = GatedEmbedder()
    gated.gate.set()
    api = call(start(embedder=gated))
    api.put("log", [*others, SECRET])
    gated.has_arrived.clear()
    gated.gate.clear()

    first = api.ask("PUT", "/datasets/log/documents", json=[{**SECRET, "text": "It is changed."}, NEW]).json()
    assert gated.has_arrived.wait(30)
    state = api.ask("GET", "/datasets/log").json()["state"]
    prepared = api.prepare("log").json()
    second = api.ask("PUT", "/datasets/log/documents", json=[{**NEW, "text": "A torch was lit."}]).json()
    again = api.ask("POST", "/datasets/log/documents/delete", json={"ids": ["d1"]}).json()
    gated.gate.set()
    api.await_taken_over(first)
    api.await_taken_over(second)

    assert (state, prepared["code"]) == ("prepared", "already_prepared")
    assert first["job_id"] != second["job_id"] == again["job_id"]
    assert texts(api, "lighthouse heliotrope lantern") == []
    assert texts(api, "torch") == ["A torch was lit."]
    assert texts(api, "changed") == ["It is changed."]
    assert [text for text in texts(api, "entry 1") if text == "Entry 1 of the log."] == []


@SIZES
def test_a_change_that_a_stop_cut_off_is_taken_over_at_the_next_start(
    start: Start, call: Call, others: list[dict[str, Any]]
) -> None:
    gated = GatedEmbedder()
    gated.gate.set()
    server = start(embedder=gated)
    api = call(server)
    api.put("log", [*others, SECRET])
    gated.has_arrived.clear()
    gated.gate.clear()
    answer = api.ask("PUT", "/datasets/log/documents", json=[{**SECRET, "text": "It is changed."}, NEW]).json()
    assert gated.has_arrived.wait(30)
    server.stop()
    gated.gate.set()

    api = call(start())
    api.await_taken_over(answer)

    assert texts(api, "heliotrope") == []
    assert texts(api, "lantern") == ["A lantern was lit."]
    assert len(api.documents("log")) == min(len(others) + 2, 1000)


def test_what_was_written_to_a_table_and_not_published_is_never_found(start: Start, call: Call, data_dir: Path) -> None:
    server = start()
    api = call(server)
    api.put("log", MANY)
    server.stop()
    base = published(data_dir)
    # As a worker that is killed between its last write and its commit.
    half = Index(data_dir / "index", WordEmbedder()).change(
        base, "unused", [1, 2, 3], iter([Chunk("a half-written lantern", "x", 0, document=10**6)])
    )

    api = call(start())
    before = texts(api, "lantern"), texts(api, "0")
    api.put("log", [{"id": "torch", "text": "A torch was lit."}])

    assert half.at.version > base.version
    assert before == ([], ["Entry 0 of the log."])
    assert texts(api, "lantern torch") == ["A torch was lit."]
    assert texts(api, "0") == ["Entry 0 of the log."]


@SIZES
def test_nothing_is_left_on_the_disk_of_a_deleted_document(
    start: Start, call: Call, data_dir: Path, others: list[dict[str, Any]]
) -> None:
    api = call(start())
    api.put("log", [*others, SECRET])
    before = files_with(data_dir, b"heliotrop"), files_with(data_dir, b"zephyranthes")

    api.remove("log", ids=["secret"])

    assert all(len(files) > 0 for files in before)
    assert texts(api, "heliotrope lighthouse") == []
    for word in (b"heliotrop", b"zephyranthes"):
        while files_with(data_dir, word):  # it is removed once the worker has nothing else to do
            threading.Event().wait(0.05)
    assert len(texts(api, "entry 2")) > 0


def test_nothing_is_left_of_a_file_that_is_deleted_from_an_upload(start: Start, call: Call, data_dir: Path) -> None:
    api = call(start())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("keep.txt", "The log of the lighthouse.")
        archive.writestr("secret.txt", SECRET["text"])
    api.add_prepared("log", packed.getvalue(), "log.zip")

    api.remove("log", ids=["secret.txt"])

    while files_with(data_dir, b"heliotrop"):
        threading.Event().wait(0.05)
    assert texts(api, "lighthouse") == ["The log of the lighthouse."]
    assert list((data_dir / "datasets").iterdir()) == []


def test_nothing_is_left_of_a_deleted_dataset(start: Start, call: Call, data_dir: Path) -> None:
    api = call(start())
    api.put("log", [SECRET])

    api.delete("log")

    while files_with(data_dir, b"heliotrop"):
        threading.Event().wait(0.05)
    assert list((data_dir / "index").iterdir()) == []


def test_data_of_before_there_were_documents_are_searched_and_changed(start: Start, call: Call, data_dir: Path) -> None:
    server = start()
    api = call(server)
    api.add_prepared("log", "The log of the lighthouse.", "log.txt")
    api.add("stored", "Not prepared.", "stored.txt")
    server.stop()
    make_version_1(data_dir)

    api = call(start())

    assert api.chunks("lighthouse", "log")[0]["document_id"] == "log.txt"
    assert [one["id"] for one in api.documents("stored")] == ["stored.txt"]
    api.put("log", [NEW])
    assert sorted(texts(api, "lantern lighthouse")) == ["A lantern was lit.", "The log of the lighthouse."]
    while len(list((data_dir / "index").iterdir())) > 1:  # the old table is deleted once the new one is searched
        threading.Event().wait(0.05)


def make_version_1(data_dir: Path) -> None:
    """Make of a data folder what the version before documents would have made."""
    with closing(sqlite3.connect(data_dir / "reka.sqlite")) as record, record:
        (table,) = record.execute("SELECT index_table FROM datasets WHERE name = 'log'").fetchone()
        names = {name for (name,) in record.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for name in names - {"keys", "datasets", "jobs", "job_events", "sqlite_sequence"}:
            record.execute(f"DROP TABLE {name}")
        for column in ("table_version", "table_changes", "embedder"):
            record.execute(f"ALTER TABLE datasets DROP COLUMN {column}")
    (data_dir / MARKER).write_text(json.dumps({"format": "reka server data", "version": 1}))
    row = {"id": 0, "passage": "log\nThe log of the lighthouse.", "start": 4, "source": "log.txt", "position": 0}
    lancedb.connect(str(data_dir / "index")).create_table(table, [{**row, "vector": [0.0] * 512}], mode="overwrite")
