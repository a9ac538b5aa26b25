"""A store that refuses, or does not answer, for a while: requests say so soon, jobs wait, and nothing is lost."""

import threading
from pathlib import Path

import lancedb
import pytest

from reka.server.errors import StorageUnavailableError
from reka.server.faults import is_transient
from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from reka.server.storage.arrivals import Arrivals
from reka.server.storage.database import Database, sqlite_url
from reka.server.storage.opening import open_storage
from reka.server.store.address import parse_store_url
from reka.server.store.objects import MARKER, Objects, StoreUnavailableError
from tests.support.caller import Caller
from tests.support.clock import Clock
from tests.support.object_store import Bucket
from tests.support.servers import NOTES, Call, Start

HANG_SECONDS = 25
"""Seconds in which a request is answered though the store does not answer within its three seconds."""


@pytest.fixture
def server(start: Start, bucket: Bucket) -> BackgroundServer:
    return start(store_url=bucket.url, store_seconds=3)


@pytest.fixture
def api(server: BackgroundServer, call: Call) -> Caller:
    return call(server)


def test_an_upload_that_the_store_refuses_is_refused_and_leaves_nothing(
    api: Caller, bucket: Bucket, data_dir: Path
) -> None:
    bucket.server.is_refusing = True
    refused = api.add("notes", NOTES)
    bucket.server.is_refusing = False

    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    assert "the object store does not answer" in refused.json()["detail"]
    assert api.names() == []
    assert api.add("notes", NOTES).ok
    assert bucket.kinds()["files"] == 1
    assert list((data_dir / "staging").iterdir()) == []


def test_a_server_without_its_store_is_not_ready(api: Caller, bucket: Bucket) -> None:
    assert api.ask("GET", "/readyz").ok
    with bucket.server.hanging():
        while (answer := api.ask("GET", "/readyz")).ok:  # repeated for a second
            pass

    assert (answer.status_code, answer.json()["storage"]) == (503, False)
    while not api.ask("GET", "/readyz").ok:
        threading.Event().wait(0.02)


def test_what_is_on_this_machine_is_found_without_the_store(api: Caller, bucket: Bucket) -> None:
    api.add_prepared("notes", NOTES)
    bucket.server.is_refusing = True

    assert api.search("notes", "hen")
    assert "12 eggs" in api.chunks("How many eggs?", "notes")[0]["text"]


def test_what_has_to_come_from_the_store_is_asked_for_later(
    server: BackgroundServer, start: Start, call: Call, bucket: Bucket, tmp_path: Path
) -> None:
    call(server).add_prepared("notes", NOTES)
    server.stop()
    (tmp_path / "data" / "cache").rename(tmp_path / "lost")
    api = call(start(store_url=bucket.url, store_seconds=3))

    bucket.server.is_refusing = True
    refused = api.ask("POST", "/datasets/notes/search", json={"query": "hen"})
    bucket.server.is_refusing = False

    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    assert api.search("notes", "hen")


def test_what_lancedb_says_of_a_store_that_refuses_can_pass_and_what_it_says_of_a_lost_table_cannot(
    bucket: Bucket,
) -> None:
    options = {"client_max_retries": "0", "timeout": "1s"}
    table = lancedb.connect(f"{bucket.url}/index").create_table("t", [{"text": "word " * 1000}])

    with pytest.raises(ValueError) as lost:
        lancedb.connect(f"{bucket.url}/index", storage_options=options).open_table("none")
    bucket.server.is_refusing = True
    with pytest.raises(ValueError) as refused_table:
        lancedb.connect(f"{bucket.url}/index", storage_options=options).open_table("t")
    with pytest.raises(RuntimeError) as refused_search:
        table.search().where("text = 'a'").to_arrow()

    assert [is_transient(one.value) for one in (refused_table, refused_search, lost)] == [True, True, False]


def test_a_job_waits_for_the_store_and_then_goes_on(api: Caller, bucket: Bucket) -> None:
    assert api.add("notes", NOTES).ok
    bucket.server.is_refusing = True
    job = api.prepare("notes").json()
    while "tried again" not in (status := api.status(job))["detail"]:
        assert status["job_status"] in ("PENDING", "RUNNING"), status

    bucket.server.is_refusing = False

    assert api.await_end(job)["job_status"] == "COMPLETE"
    assert api.search("notes", "hen")
    assert bucket.kinds() == {"files": 1, "tables": 1}


def test_what_is_deleted_without_the_store_is_gone_and_leaves_it_later(api: Caller, bucket: Bucket) -> None:
    api.add_prepared("notes", NOTES)
    bucket.server.is_refusing = True

    assert api.delete("notes").ok
    assert api.names() == []
    assert api.ask("POST", "/datasets/notes/search", json={"query": "hen"}).status_code == 404

    bucket.server.is_refusing = False
    api.add_prepared("others", NOTES)  # after a job the worker tidies up
    api.delete("others")
    while bucket.objects() != ["reka-store.json"]:
        threading.Event().wait(0.02)


def test_a_store_that_hangs_holds_nobody_up_for_long(api: Caller, bucket: Bucket) -> None:
    with bucket.server.hanging():
        refused = api.session.post(
            f"{api.url}/datasets",
            data={"dataset_name": "notes"},
            files={"file": ("a.txt", b"text")},
            timeout=HANG_SECONDS,
        )

    assert refused.status_code == 503


@pytest.mark.parametrize("leaves", ["nothing", "an empty folder"])
def test_a_store_in_a_folder_that_is_away_gets_nothing_and_loses_nothing(
    start: Start, call: Call, tmp_path: Path, leaves: str
) -> None:
    store, elsewhere = tmp_path / "store", tmp_path / "elsewhere"
    api = call(start(store_url=f"file://{store}", cache_bytes=1))
    assert api.add("notes", NOTES).ok
    store.rename(elsewhere)
    if leaves == "an empty folder":
        store.mkdir()

    while (ready := api.ask("GET", "/readyz")).ok:  # repeated for a second
        pass
    refused = api.add("others", NOTES)
    job = api.prepare("notes").json()
    while "tried again" not in (status := api.status(job))["detail"]:
        assert status["job_status"] in ("PENDING", "RUNNING"), status
    made = list(store.rglob("*"))
    if leaves == "an empty folder":
        store.rmdir()
    elsewhere.rename(store)

    assert (ready.status_code, ready.json()["storage"]) == (503, False)
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    assert made == []
    assert api.await_end(job)["job_status"] == "COMPLETE"
    assert api.names() == ["notes"]
    assert api.search("notes", "hen")


def test_nothing_is_missing_in_a_store_that_is_away(bucket: Bucket, tmp_path: Path) -> None:
    for url in (bucket.url, f"file://{tmp_path}/store"):
        objects = Objects(parse_store_url(url), 3)
        objects.put_new(MARKER, b"{}")
        objects.is_bound = True
        with pytest.raises(FileNotFoundError):
            objects.fetch("none", tmp_path / "copy")
        objects.delete([MARKER])
        with pytest.raises(StoreUnavailableError):
            objects.fetch("none", tmp_path / "copy")


def test_a_bucket_that_is_away_is_a_pause_and_no_loss(api: Caller, bucket: Bucket) -> None:
    assert api.add("notes", NOTES).ok
    with bucket.away():
        refused = api.add("others", NOTES)
        job = api.prepare("notes").json()
        while "tried again" not in (status := api.status(job))["detail"]:
            assert status["job_status"] in ("PENDING", "RUNNING"), status

    assert refused.status_code == 503
    assert api.await_end(job)["job_status"] == "COMPLETE"


def test_what_a_killed_server_has_left_is_removed_when_it_starts_again(
    start: Start, call: Call, bucket: Bucket, data_dir: Path
) -> None:
    start(store_url=bucket.url).stop()
    settings = Settings(port=0, data_dir=data_dir, store_url=bucket.url)
    with open_storage(settings) as (database, store):
        staged = data_dir / "staging" / ("1" * 32)
        staged.write_text("an upload whose server was killed before it was a dataset")
        Arrivals(database, 600, is_shared=True).announce("0" * 32)
        store.files.put("0" * 32, staged)

    start(store_url=bucket.url)

    assert bucket.objects() == ["reka-store.json"]


def test_what_beats_is_being_written_and_what_does_not_is_left_over(tmp_path: Path) -> None:
    database, clock = Database(sqlite_url(tmp_path / "record.db")), Clock()
    writer, sweeper = (Arrivals(database, 60, is_shared=True, clock=clock) for _ in range(2))

    def names() -> set[str]:
        sweeper.end_overdue()
        return sweeper.names()

    writer.announce("slow")
    writer.announce("killed")
    seen = []
    for clock.now in range(0, 200, 10):
        writer.beat("slow")
        seen.append(names())

    assert seen == [{"slow", "killed"}] * 6 + [{"slow"}] * 14
    database.close()


def test_what_was_taken_for_left_over_does_not_become_a_dataset(tmp_path: Path) -> None:
    database, clock = Database(sqlite_url(tmp_path / "record.db")), Clock()
    writer, sweeper = (Arrivals(database, 60, is_shared=True, clock=clock) for _ in range(2))
    writer.announce("paused")
    for clock.now in (0, 61):
        sweeper.end_overdue()

    with pytest.raises(StorageUnavailableError), database.write() as session:
        writer.end(session, "paused")
    database.close()
