"""Backups: taken while a server works, restored anywhere, complete or told from complete ones."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from sqlalchemy import select

from reka.server.backup.dump import back_up
from reka.server.backup.layout import BackupError
from reka.server.backup.restore import restore
from reka.server.errors import StartError
from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from reka.server.storage.data_dir import DataFolder
from reka.server.storage.database import DatasetRow, KeyRow, sqlite_url
from reka.server.storage.opening import open_storage, open_stored
from tests.support.archives import zipped
from tests.support.caller import Caller
from tests.support.object_store import Bucket
from tests.support.servers import NOTES, Call, Start

BIRDS = [
    {"id": f"bird {number}", "text": f"Bird {number} of the mill.", "metadata": {"n": number}} for number in range(5)
]
PLACES = pytest.mark.parametrize("place", ["a folder", "a store"])

Place = Callable[[str, str], dict[str, Any]]
"""Gives the settings of a server of a name whose files are in a folder or in a store."""


@pytest.fixture
def at(tmp_path: Path, bucket: Bucket) -> Place:
    def at(place: str, name: str) -> dict[str, Any]:
        settings: dict[str, Any] = {"port": 0, "data_dir": tmp_path / name}
        return settings if place == "a folder" else settings | {"store_url": f"{bucket.url}/{name}"}

    return at


def take(settings: dict[str, Any], folder: Path) -> None:
    with open_stored(Settings(**settings)) as (database, files):
        back_up(database, files, folder)


def put_back(settings: dict[str, Any], folder: Path) -> None:
    data_folder = DataFolder(settings["data_dir"])
    with data_folder.locked(), open_storage(Settings(**settings), restores=True) as (database, store):
        restore(database, store.files, data_folder, folder)


def contents(api: Caller) -> dict[str, Any]:
    """All that a key can read of its datasets, files and vector stores."""
    found: dict[str, Any] = {}
    for name in api.names():
        facts = api.ask("GET", f"/datasets/{name}").json()
        chunks = api.search(name, "owl hen bird mill", k=50) if facts["state"] == "prepared" else None
        found[name] = {
            "description": facts["description"],
            "size": facts["size_bytes"],
            "documents": [{**one, "chunks": None} for one in api.documents(name)],
            "chunks": chunks and sorted((one["document_id"], one["text"]) for one in chunks),
            "export": len(api.ask("GET", f"/datasets/{name}/export").content),
        }
    files = api.ask("GET", "/v1/files").json()["data"]
    found["files"] = {file["filename"]: api.ask("GET", f"/v1/files/{file['id']}/content").content for file in files}
    found["vector stores"] = api.ask("GET", "/v1/vector_stores").json()["data"]
    return found


@PLACES
@pytest.mark.parametrize("target", ["a folder", "a store"])
def test_what_is_restored_is_what_was_backed_up(
    start: Start, call: Call, at: Place, tmp_path: Path, place: str, target: str
) -> None:
    server = start(**at(place, "old"))
    api, other = call(server), call(server, "other-key")
    api.add_prepared("notes", NOTES)
    api.add_prepared("files", zipped({"owl.txt": "The owl hunts.", "hen.txt": "The hen lays."}), "files.zip")
    api.remove("files", ids=["owl.txt"])
    api.put("birds", BIRDS)
    files = [
        api.ask("POST", "/v1/files", data={"purpose": "assistants"}, files={"file": (name, content)}).json()["id"]
        for name, content in {"owl.txt": b"The owl hunts.", "mill.txt": "Grüße".encode("utf-16")}.items()
    ]
    store = {"name": "farm", "file_ids": files[:1], "metadata": {"topic": "animals"}}
    assert api.ask("POST", "/v1/vector_stores", json=store).ok
    api.prepare("farm")
    assert api.add("unprepared", "A mill.").ok
    other.add_prepared("notes", "Another owl.")
    assert api.add("jobs", "An owl.").ok
    job = api.prepare("jobs").json()
    status = api.await_end(job)

    take(at(place, "old"), tmp_path / "backup")
    put_back(at(target, "new"), tmp_path / "backup")

    restored = start(**at(target, "new"))
    again, other_again = call(restored), call(restored, "other-key")
    assert contents(again) == contents(api)
    assert contents(other_again) == contents(other)
    assert again.status(job) == status
    assert again.ask("GET", "/datasets/unprepared").json()["state"] == "stored"


def test_keys_are_restored_as_digests(at: Place, tmp_path: Path) -> None:
    from reka.server.storage.api_keys import KeyRing

    with open_storage(Settings(**at("a folder", "old"))) as (database, store):
        keys = KeyRing(database, accept_any=False)
        key, revoked = keys.create("ann"), keys.create("ann")
        keys.revoke(revoked)
        back_up(database, store.files, tmp_path / "backup")

    put_back(at("a folder", "new"), tmp_path / "backup")

    with open_storage(Settings(**at("a folder", "new"))) as (database, _):
        assert KeyRing(database, accept_any=False).owner_of(key) == "ann"
    stored = b"".join(path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file())
    assert key.encode() not in stored
    assert revoked.encode() not in stored


@PLACES
def test_a_backup_is_of_one_moment_while_datasets_come_and_go(
    start: Start, call: Call, at: Place, tmp_path: Path, place: str
) -> None:
    """Dataset `b N` is added after `a N` and deleted before it, so at no moment it is there without `a N`."""
    api = call(start(**at(place, "old")))
    api.put("kept", BIRDS)
    is_over = threading.Event()

    def come_and_go() -> None:
        caller = Caller(api.url)
        number = 0
        while not is_over.is_set():
            number += 1
            assert caller.add(f"a{number}", f"The owl {number}. " * 2000).ok
            assert caller.add(f"b{number}", f"The hen {number}.").ok
            if number > 2:
                assert caller.delete(f"b{number - 2}").ok
                assert caller.delete(f"a{number - 2}").ok
        caller.close()

    worker = threading.Thread(target=come_and_go)
    worker.start()
    try:
        for number in range(3):
            take(at(place, "old"), tmp_path / f"backup{number}")
    finally:
        is_over.set()
        worker.join()

    for number in range(3):
        put_back(at("a folder", f"new{number}"), tmp_path / f"backup{number}")
        again = call(start(**at("a folder", f"new{number}")))
        names = set(again.names())
        assert {name for name in names if name[0] == "b"} <= {name.replace("a", "b") for name in names}
        assert len(again.documents("kept")) == len(BIRDS)
        for name in names - {"kept"}:
            assert again.ask("GET", f"/datasets/{name}/export").ok
            assert again.await_end(again.prepare(name).json())["job_status"] == "COMPLETE"


def test_a_deleted_dataset_is_in_no_backup(start: Start, call: Call, at: Place, tmp_path: Path) -> None:
    api = call(start(**at("a folder", "old")))
    api.put("secrets", [{"id": "one", "text": "heliotrope"}])
    assert api.delete("secrets").ok

    take(at("a folder", "old"), tmp_path / "backup")

    assert not any(b"heliotrope" in path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file())


@pytest.mark.parametrize("damage", ["no manifest", "a file is cut", "a file is gone", "a newer version", "no json"])
def test_a_backup_that_is_not_whole_is_refused_before_anything_is_stored(
    start: Start, call: Call, at: Place, tmp_path: Path, damage: str
) -> None:
    api = call(start(**at("a folder", "old")))
    assert api.add("notes", NOTES).ok
    backup = tmp_path / "backup"
    take(at("a folder", "old"), backup)
    manifest, (file,) = backup / "backup.json", (backup / "files").iterdir()
    if damage == "no manifest":
        manifest.unlink()
    elif damage == "a file is cut":
        file.write_bytes(file.read_bytes()[:-1])
    elif damage == "a file is gone":
        file.unlink()
    elif damage == "a newer version":
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": 2}))
    else:
        manifest.write_text("{")

    with pytest.raises(BackupError, match=r"no complete backup|damaged|of version 2|not the manifest"):
        put_back(at("a folder", "new"), backup)

    with open_storage(Settings(**at("a folder", "new"))) as (database, store):
        assert store.files.ids() == set()
        with database.read() as session:
            assert session.scalars(select(DatasetRow)).all() == []


@pytest.mark.parametrize("lacking", ["format", "version", "parts", "summary"])
def test_a_manifest_that_lacks_a_part_is_refused(at: Place, tmp_path: Path, lacking: str) -> None:
    with open_storage(Settings(**at("a folder", "old"))):
        pass  # it has a database from now on
    take(at("a folder", "old"), tmp_path / "backup")
    manifest = json.loads((tmp_path / "backup" / "backup.json").read_text())
    del manifest[lacking]
    (tmp_path / "backup" / "backup.json").write_text(json.dumps(manifest))

    with pytest.raises(BackupError, match=r"backup\.json is not the manifest of a backup"):
        put_back(at("a folder", "new"), tmp_path / "backup")


def test_nothing_is_restored_over_what_is_there(start: Start, call: Call, at: Place, tmp_path: Path) -> None:
    api = call(start(**at("a folder", "old")))
    assert api.add("notes", NOTES).ok
    take(at("a folder", "old"), tmp_path / "backup")
    with open_storage(Settings(**at("a folder", "new"))) as (database, _), database.write() as session:
        session.add(KeyRow(digest="0" * 64, owner="ann", created="now"))

    with pytest.raises(BackupError, match="the server's database is not empty"):
        put_back(at("a folder", "new"), tmp_path / "backup")


@PLACES
def test_a_backup_whose_settings_name_the_data_of_two_servers_is_refused_and_changes_nothing(
    start: Start, call: Call, at: Place, tmp_path: Path, place: str
) -> None:
    server = start(**at(place, "old"))
    assert call(server).add("notes", NOTES).ok
    other = at(place, "other") | {"database_url": str(sqlite_url(tmp_path / "old" / "reka.sqlite"))}
    if place == "a store":
        start(**at(place, "other")).stop()
    before = {path for path in tmp_path.rglob("*") if path.is_dir()}

    with pytest.raises(
        StartError, match=r"belongs to the server of another data folder|of another database's datasets"
    ):
        take(other, tmp_path / "backup")

    assert {path for path in tmp_path.rglob("*") if path.is_dir()} == before
    server.stop()
    assert call(start(**at(place, "old"))).names() == ["notes"]


def test_datasets_whose_files_are_lost_are_named(start: Start, call: Call, at: Place, tmp_path: Path) -> None:
    api = call(start(**at("a folder", "old")))
    assert api.add("notes", NOTES).ok
    next((tmp_path / "old" / "datasets").iterdir()).unlink()

    with pytest.raises(BackupError, match=r"files of 1 datasets are missing \('notes'\)"):
        take(at("a folder", "old"), tmp_path / "backup")


@pytest.fixture
def shared_at(at: Place, tmp_path: Path) -> Place:
    """Gives the settings of a server of a name, on a database and a store that others may share."""
    return lambda place, name: (
        at(place, name)
        | {
            "data_dir": tmp_path / f"{name}-{token_hex(4)}",
            "database_url": str(sqlite_url(tmp_path / f"{name}.sqlite")),
        }
    )


def test_nothing_is_restored_where_a_server_runs_that_shares_database_and_store(
    start: Start, call: Call, at: Place, shared_at: Place, tmp_path: Path
) -> None:
    api = call(start(**at("a folder", "old")))
    assert api.add("notes", NOTES).ok
    take(at("a folder", "old"), tmp_path / "backup")
    server = call(start(**shared_at("a store", "new")))

    for _ in range(2):
        with pytest.raises(StartError, match="a server has been started on the database"):
            put_back(shared_at("a store", "new"), tmp_path / "backup")

    assert server.add("mine", NOTES).ok
    assert server.names() == call(start(**shared_at("a store", "new"))).names() == ["mine"]


def test_no_server_starts_where_a_restoration_did_not_end(
    start: Start, call: Call, at: Place, shared_at: Place, tmp_path: Path
) -> None:
    api = call(start(**at("a folder", "old")))
    assert api.add("notes", NOTES).ok
    take(at("a folder", "old"), tmp_path / "backup")
    with pytest.raises(BackupError, match="no complete backup"):
        put_back(shared_at("a store", "new"), tmp_path / "none")

    with pytest.raises(StartError, match="a backup is being restored into the database"):
        start(**shared_at("a store", "new"))
    put_back(shared_at("a store", "new"), tmp_path / "backup")

    assert call(start(**shared_at("a store", "new"))).names() == ["notes"]


def test_a_backup_does_not_go_into_a_folder_with_something_in_it(at: Place, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "mine").touch()
    with open_storage(Settings(**at("a folder", "old"))):
        pass

    with pytest.raises(BackupError, match="is not empty"):
        take(at("a folder", "old"), tmp_path / "backup")


def test_a_restoration_that_was_interrupted_is_done_again(
    start: Start, call: Call, at: Place, tmp_path: Path, bucket: Bucket
) -> None:
    api = call(start(**at("a store", "old")))
    assert api.add("notes", NOTES).ok
    take(at("a store", "old"), tmp_path / "backup")
    with open_storage(Settings(**at("a store", "new"))) as (_, store):
        staged = tmp_path / "staged"
        staged.write_text("what an interrupted restoration has left")
        store.files.put("0" * 32, staged)

    put_back(at("a store", "new"), tmp_path / "backup")

    assert call(start(**at("a store", "new"))).names() == ["notes"]
    assert [key for key in bucket.objects() if key.startswith("new/datasets/") and "0" * 32 in key] == []


def test_the_command_line_backs_up_and_restores(
    start: Start, call: Call, tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from reka.cli.app import run

    server: BackgroundServer = start()
    call(server).add_prepared("notes", NOTES)
    backup, new = str(tmp_path / "backup"), str(tmp_path / "new")

    codes = [
        run(["backup", backup, "--data-dir", str(data_dir), "--json"]),
        run(["restore", backup, "--data-dir", str(data_dir)]),
        run(["restore", backup, "--data-dir", new, "--json"]),
        run(["backup", str(tmp_path / "none"), "--data-dir", str(tmp_path / "nothing")]),
    ]

    out, err = capsys.readouterr()
    assert codes == [0, 1, 0, 2]
    assert out.count('"datasets": 1,') == 2
    assert "another server already uses the data" in err
    assert "holds no server's data" in err
