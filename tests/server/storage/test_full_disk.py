"""What a server does on a full disk: a small file system in memory, which root alone can mount."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from reka.server.errors import StartError, WrongKeyError
from reka.server.storage.api_keys import KeyRing
from reka.server.storage.data_dir import DataFolder
from reka.server.storage.database import open_database
from reka.server.store.reserve import RESERVE_BYTES
from tests.support.server_process import ServerProcess, await_end_of
from tests.support.servers import Call, Start

TEXT = "Paragraph of the notes, with some words to fill it.\n\n" * 20_000


class Disk:
    """A file system of 24 MB, with room for a data folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        self._filler = root / "filler"

    def fill(self) -> None:
        """Write until there is no room."""
        with self._filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def fill_with_files(self) -> None:
        """Make files until there can be no more."""
        with suppress(OSError):
            for number in count():
                (self.root / f"file-{number}").touch()

    def empty(self) -> None:
        """Delete what `fill` has written."""
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    root = tmp_path / "disk"
    root.mkdir()
    mount = shutil.which("mount")
    if (
        not mount
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,nr_inodes=1000", "tmpfs", str(root)]).returncode
    ):
        pytest.skip("mounting a file system takes root")
    yield Disk(root)
    subprocess.run(["umount", "-l", str(root)], check=True)


@pytest.fixture
def run(disk: Disk) -> Iterator[Callable[..., ServerProcess]]:
    """Run servers in processes of their own on the disk."""
    servers = []

    def run(**settings: object) -> ServerProcess:
        servers.append(ServerProcess(disk.data, **settings))
        return servers[-1]

    yield run
    for server in servers:
        server.end()


def test_on_a_full_disk_a_server_says_so_and_stores_nothing(start: Start, call: Call, disk: Disk) -> None:
    api = call(start(data_dir=disk.data))
    disk.fill()

    uploaded = api.add("notes", "text")
    put = api.ask("PUT", "/datasets/rows/documents", json=[{"id": "a", "text": "text" * 10_000}])
    ready = api.ask("GET", "/readyz")
    names = api.names()
    disk.empty()

    assert (uploaded.status_code, uploaded.json()["code"]) == (507, "storage_full")
    assert (put.status_code, put.json()["code"]) == (507, "storage_full")
    assert (ready.status_code, ready.json()["storage"]) == (503, False)
    assert names == []
    assert api.ask("GET", "/readyz").status_code == 200
    api.add_prepared("notes", "text")


def test_on_a_full_disk_a_dataset_can_be_deleted_which_makes_room(start: Start, call: Call, disk: Disk) -> None:
    api = call(start(data_dir=disk.data))
    assert api.add("notes", TEXT).ok
    disk.fill()

    deleted = api.delete("notes")

    assert deleted.json() == {"name": "notes", "ok": True, "info": "Deleted dataset 'notes'"}
    assert api.names() == []
    assert list((disk.data / "datasets").iterdir()) == []
    assert api.add("notes", "text").ok


def test_on_a_full_disk_whose_reserve_is_used_up_a_dataset_can_be_deleted(start: Start, call: Call, disk: Disk) -> None:
    api = call(start(data_dir=disk.data))
    for name in ("notes", "others"):
        assert api.add(name, TEXT).ok
    disk.fill()
    DataFolder(disk.data).reserve.unlink()
    disk.fill()

    assert api.delete("notes").status_code == 200
    assert api.names() == ["others"]


def test_what_little_room_a_deletion_makes_is_kept_for_the_next_one(start: Start, call: Call, disk: Disk) -> None:
    api = call(start(data_dir=disk.data))
    reserve = DataFolder(disk.data).reserve
    api.put("rows", [{"id": "a", "text": "An owl."}])
    assert api.add("notes", TEXT[:300_000]).ok
    disk.fill()
    reserve.unlink()
    disk.fill()

    assert api.delete("notes").status_code == 200
    assert 0 < reserve.stat().st_size < RESERVE_BYTES
    disk.fill()
    assert api.ask("POST", "/datasets/rows/documents/delete", json={"ids": ["a"]}).status_code == 200


def test_a_server_starts_on_a_full_disk_so_that_something_can_be_deleted(start: Start, call: Call, disk: Disk) -> None:
    server = start(data_dir=disk.data)
    assert call(server).add("notes", TEXT).ok
    server.stop()
    disk.fill()

    api = call(start(data_dir=disk.data))
    disk.fill()

    assert not api.ask("GET", "/readyz").json()["storage"]
    assert api.delete("notes").status_code == 200
    assert api.add("notes", "text").ok


def test_a_killed_server_starts_on_a_full_disk_though_its_index_is_lost(
    disk: Disk, run: Callable[..., ServerProcess]
) -> None:
    server = run()
    server.api.add_prepared("notes", TEXT[:1000])
    assert server.api.add("others", TEXT).ok
    worker = server.await_child("worker")
    server.kill()
    await_end_of(worker)
    shutil.rmtree(disk.data / "index")
    disk.fill()

    server = run()
    disk.fill()
    deleted, names = server.api.delete("others"), server.api.names()
    found = server.api.search("notes", "paragraph")

    assert deleted.status_code == 200
    assert names == ["notes"]
    assert found


def test_processes_that_share_their_figures_go_on_on_a_full_disk(disk: Disk, run: Callable[..., ServerProcess]) -> None:
    server = run(workers=2)
    assert server.api.add("notes", TEXT).ok
    processes = server.children("server")
    disk.fill()

    for path in server.api.ask("GET", "/openapi.json").json()["paths"]:
        server.api.ask("GET", path)
        server.api.ask("DELETE", path)
    answers = [server.api.delete("notes").status_code, server.api.ask("GET", "/metrics").status_code]
    still = server.children("server")

    assert answers == [200, 200]
    assert len(processes) >= 2
    assert still == processes


def test_a_server_that_cannot_start_on_a_full_disk_says_so(start: Start, disk: Disk) -> None:
    start(data_dir=disk.data).stop()
    DataFolder(disk.data).reserve.unlink()
    disk.fill()

    with pytest.raises(StartError, match="cannot open the database, as its disk is full: make room on it"):
        start(data_dir=disk.data)


def test_a_command_on_a_full_disk_says_so(start: Start, disk: Disk) -> None:
    start(data_dir=disk.data)
    DataFolder(disk.data).reserve.unlink()
    disk.fill()

    create = [sys.executable, "-m", "reka.cli", "keys", "create", "ann", "--data-dir", str(disk.data)]
    outcomes = (subprocess.run(create, capture_output=True, text=True, check=False) for _ in range(100))
    refused = next(outcome for outcome in outcomes if outcome.returncode)

    assert refused.stderr == "error: --database-url: cannot open the database, as its disk is full: make room on it\n"


def test_a_server_on_a_disk_that_takes_no_more_files_is_not_ready(start: Start, call: Call, disk: Disk) -> None:
    api = call(start(data_dir=disk.data))
    disk.fill_with_files()

    ready = api.ask("GET", "/readyz")

    assert (ready.status_code, ready.json()["storage"]) == (503, False)
    assert api.add("notes", "text").status_code == 507


def test_on_a_full_disk_documents_can_be_deleted(start: Start, call: Call, disk: Disk) -> None:
    api = call(start(data_dir=disk.data))
    api.put("rows", [{"id": "a", "text": "An owl."}, {"id": "b", "text": "A hen."}])
    disk.fill()

    answer = api.ask("POST", "/datasets/rows/documents/delete", json={"ids": ["a"]})
    listed = [document["id"] for document in api.documents("rows")]
    disk.empty()

    assert answer.status_code == 200
    assert listed == ["b"]
    api.await_taken_over(answer.json())
    assert [chunk["text"] for chunk in api.search("rows", "owl")] == ["A hen."]


def test_on_a_full_disk_a_key_can_be_revoked(start: Start, call: Call, disk: Disk) -> None:
    start(data_dir=disk.data)
    with open_database(DataFolder(disk.data)) as database:
        keys = KeyRing(database, accept_any=False)
        key = keys.create("ann")
        disk.fill()

        keys.revoke(key)

        with pytest.raises(WrongKeyError):
            keys.owner_of(key)


def test_room_is_kept_again_once_there_is_some(start: Start, call: Call, disk: Disk) -> None:
    api = call(start(data_dir=disk.data))
    reserve = DataFolder(disk.data).reserve
    for name in ("first", "second"):
        assert api.add(name, TEXT).ok
        assert reserve.stat().st_size == RESERVE_BYTES
        disk.fill()
        assert api.delete(name).ok
        disk.empty()
        assert api.add("other", "text").ok
        assert api.delete("other").ok


def test_a_job_on_a_full_disk_ends_once_there_is_room(start: Start, call: Call, disk: Disk) -> None:
    api = call(start(data_dir=disk.data))
    assert api.add("notes", TEXT).ok
    disk.fill()
    refused = api.prepare("notes")
    disk.empty()
    job = api.prepare("notes").json()
    disk.fill()
    disk.empty()

    assert refused.status_code == 507
    assert api.await_end(job)["job_status"] == "COMPLETE"
