"""What happens when two things happen at once, made to happen in one order."""

import socket
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from reka.server.retrieval.tables import TableVersion
from reka.server.storage.database import Database, DatasetRow, now
from reka.server.storage.jobs import MAX_STARTS, Jobs, Task
from reka.server.storage.leases import Leases
from tests.support.servers import Call, Start


@pytest.fixture
def database(empty_database: Database) -> Database:
    with empty_database.write() as session:
        session.add(
            DatasetRow(
                id="d1", owner="ann", name="notes", kind="text", source="a.txt", size_bytes=4, created=now(), table=None
            )
        )
    return empty_database


def started(jobs: Jobs) -> Task:
    task = jobs.start_next()
    assert task is not None
    return task


def await_true(is_so: Callable[[], bool]) -> None:
    while not is_so():
        threading.Event().wait(0.01)


def test_of_two_uploads_whose_name_was_free_for_both_one_wins_and_the_other_leaves_nothing(
    start: Start, call: Call, data_dir: Path
) -> None:
    server = start()
    callers = [call(server), call(server)]
    with ThreadPoolExecutor(2) as pool, closing(sqlite3.connect(data_dir / "reka.sqlite")) as record:
        record.execute("BEGIN IMMEDIATE")  # nobody else can write until both have found the name free
        uploads = [pool.submit(caller.add, "notes", "text") for caller in callers]
        await_true(lambda: len(list((data_dir / "datasets").iterdir())) == 2)
        record.rollback()
        answers = [upload.result() for upload in uploads]

    assert sorted(answer.status_code for answer in answers) == [200, 400]
    assert any("There is already a dataset 'notes'" in answer.text for answer in answers)
    assert callers[0].names() == ["notes"]
    assert len(list((data_dir / "datasets").iterdir())) == 1
    assert list((data_dir / "staging").iterdir()) == []


def test_a_client_that_hangs_up_leaves_nothing(start: Start, call: Call, data_dir: Path) -> None:
    server = start()
    address = urlsplit(server.url)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n' + b"some text " * 300_000
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(
            b"POST /datasets HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: a-key\r\nContent-Length: 9000000\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" + head
        )
        await_true(lambda: bool(list((data_dir / "staging").iterdir())))

    await_true(lambda: not list((data_dir / "staging").iterdir()))
    assert call(server).names() == []
    assert list((data_dir / "datasets").iterdir()) == []


def test_a_dataset_of_many_blocks_arrives_whole(start: Start, call: Call, data_dir: Path) -> None:
    text = "".join(f"line {number} of a long text, with a \u20ac in it\n" for number in range(120_000))

    assert call(start()).add("long", text).ok

    (stored,) = (data_dir / "datasets").iterdir()
    assert stored.read_bytes() == text.encode()


def test_a_job_that_ends_the_server_each_time_is_given_up(database: Database) -> None:
    jobs = Jobs(database, leases := Leases(database))
    job = jobs.add("ann", "notes")

    tasks = []
    for _ in range(MAX_STARTS):
        tasks.append(jobs.start_next())
        leases.end_all()

    assert len({task.table for task in tasks if task}) == MAX_STARTS
    assert jobs.start_next() is None
    assert jobs.status("ann", job)["job_status"] == "ERROR"
    assert "Given up" in jobs.status("ann", job)["detail"]
    assert jobs.add("ann", "notes") != job


def test_starts_whose_program_ended_in_order_do_not_count(database: Database) -> None:
    jobs = Jobs(database, Leases(database))
    job = jobs.add("ann", "notes")

    for _ in range(MAX_STARTS + 2):
        jobs.give_back(started(jobs))

    assert started(jobs).job_id == job
    assert jobs.status("ann", job)["job_status"] == "RUNNING"


def test_a_job_that_meets_a_fault_each_time_is_given_up_with_the_reason(database: Database) -> None:
    jobs = Jobs(database, leases := Leases(database))
    job = jobs.add("ann", "notes")
    for _ in range(MAX_STARTS):
        jobs.postpone(started(jobs), "The disk is full", 0)
        leases.end_due()

    assert jobs.start_next() is None
    assert jobs.status("ann", job)["job_status"] == "ERROR"
    assert jobs.status("ann", job)["detail"] == f"Given up after {MAX_STARTS} tries. The disk is full"


def test_a_table_is_not_made_that_of_a_dataset_which_was_deleted_meanwhile(database: Database) -> None:
    jobs = Jobs(database, Leases(database))
    job = jobs.add("ann", "notes")
    task = started(jobs)
    with database.write() as session:
        jobs.fail_jobs_of(session, "d1")
        session.delete(session.get_one(DatasetRow, "d1"))

    assert jobs.complete(task, "ready", TableVersion(task.table, 1)) is False
    jobs.report(task, "half of it", 0.5)
    jobs.fail(task, "something else")

    assert jobs.status("ann", job)["detail"] == "Dataset 'notes' was deleted before it was prepared"
    assert jobs.start_next() is None


def test_a_job_whose_dataset_has_no_row_ends(database: Database) -> None:
    jobs = Jobs(database, Leases(database))
    job = jobs.add("ann", "notes")
    with database.write() as session:
        session.delete(session.get_one(DatasetRow, "d1"))

    assert jobs.start_next() is None
    assert jobs.status("ann", job)["job_status"] == "ERROR"


def test_a_transaction_that_raises_changes_nothing(database: Database) -> None:
    def rename(session_name: str) -> None:
        with database.write() as session:
            session.get_one(DatasetRow, "d1").name = session_name
            session.flush()
            raise InterruptedError

    with pytest.raises(InterruptedError):
        rename("other")
    with database.read() as session:
        assert session.get_one(DatasetRow, "d1").name == "notes"
