"""Who works on what, when several processes do: each object of `Leases` stands for a process."""

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

import pytest

from reka.server.retrieval.tables import TableVersion
from reka.server.storage.database import Database, DatasetRow, now
from reka.server.storage.database.job_rows import count_by_status
from reka.server.storage.datasets import add_members
from reka.server.storage.document_store import DocumentStore
from reka.server.storage.jobs import Jobs, Task
from reka.server.storage.leases import LeaseLostError, Leases
from tests.support.clock import Clock

SECONDS = 10.0


class Process:
    """What a process has of the queue."""

    def __init__(self, database: Database, clock: float = 0) -> None:
        self.clock = Clock(clock)
        self.leases = Leases(database, SECONDS, self.clock)
        self.jobs = Jobs(database, self.leases)
        self.documents = DocumentStore(database, self.leases)

    def start(self) -> Task:
        task = self.jobs.start_next()
        assert task is not None
        return task

    def watch(self, seconds: float, meanwhile: Callable[[], object] = lambda: None) -> list[str]:
        """Let time pass, a second at a time; return the tables of processes that were taken for dead."""
        ended = []
        for _ in range(int(seconds)):
            self.clock.now += 1
            meanwhile()
            ended += self.leases.beat()
        return ended


def add_dataset(database: Database, name: str, owner: str = "ann", size: int = 4) -> None:
    row = DatasetRow(
        id=f"{owner}-{name}", owner=owner, name=name, kind="text", source="a", size_bytes=size, created=now()
    )
    with database.write() as session:
        session.add(row)
        session.flush()
        add_members(session, row, [])


@pytest.fixture
def database(empty_database: Database) -> Database:
    add_dataset(empty_database, "notes")
    return empty_database


def test_a_job_is_run_by_one_process_at_a_time(database: Database) -> None:
    first, second = Process(database), Process(database)
    job = first.jobs.add("ann", "notes")

    task = first.start()

    assert second.jobs.start_next() is None
    assert first.jobs.start_next() is None
    assert task.job_id == job


def test_a_process_that_beats_keeps_its_job_whatever_the_clocks_say(database: Database) -> None:
    first, second = Process(database, clock=5_000), Process(database, clock=-70)
    first.jobs.add("ann", "notes")
    task = first.start()

    ended = second.watch(SECONDS * 5, meanwhile=first.leases.beat)

    assert ended == []
    assert second.jobs.start_next() is None
    assert first.jobs.complete(task, "ready", TableVersion(task.table, 1))


def test_the_job_of_a_process_that_does_not_beat_is_taken_over_under_another_table(database: Database) -> None:
    first, second = Process(database), Process(database)
    job = first.jobs.add("ann", "notes")
    lost = first.start()

    assert second.watch(SECONDS) == []
    assert second.watch(2) == [lost.table]
    task = second.start()

    assert (task.job_id, task.starts) == (job, 2)
    assert task.table != lost.table
    assert [event["detail"] for event in second.jobs.status("ann", job)["history"]][-1] == "Restarted"


def test_a_process_that_has_lost_its_job_changes_nothing_of_it(database: Database) -> None:
    first, second = Process(database), Process(database)
    job = first.jobs.add("ann", "notes")
    lost = first.start()
    second.watch(SECONDS + 2)
    task = second.start()
    history = second.jobs.status("ann", job)["history"]

    first.jobs.report(lost, "half", 0.5)
    first.jobs.fail(lost, "it failed")
    first.jobs.postpone(lost, "later", 0)
    first.jobs.give_back(lost)
    first.leases.end_due()

    assert first.jobs.complete(lost, "ready", TableVersion(lost.table, 1)) is False
    assert not first.jobs.is_run_by(lost)
    with pytest.raises(LeaseLostError):
        first.documents.claim(lost)
    with pytest.raises(LeaseLostError):
        first.documents.store_text(lost, 1, ["text"])
    assert second.jobs.status("ann", job)["history"] == history
    assert second.jobs.complete(task, "ready", TableVersion(task.table, 1))


def test_nobody_is_taken_for_dead_after_a_time_in_which_the_database_was_not_seen(database: Database) -> None:
    first, second = Process(database), Process(database)
    first.jobs.add("ann", "notes")
    first.start()
    second.watch(3)

    second.clock.now += 1000  # the database, or this process, stood still
    ended = second.watch(SECONDS)

    assert ended == []
    assert second.watch(3) != []


def test_a_job_that_is_to_be_tried_again_later_waits_for_all_processes_and_outlives_the_one_that_ran_it(
    database: Database,
) -> None:
    first, second = Process(database), Process(database)
    job = first.jobs.add("ann", "notes")
    first.jobs.postpone(first.start(), "later", 5)

    first.leases.end_due()
    assert (first.jobs.start_next(), second.jobs.start_next()) == (None, None)
    assert first.leases.next_due() == 5

    first.clock.now += 5
    first.leases.end_due()
    assert first.leases.next_due() is None
    second.jobs.postpone(second.start(), "later", 1000)

    first.watch(SECONDS + 2)
    assert first.start().job_id == job


def test_two_jobs_of_one_dataset_do_not_run_at_once(database: Database) -> None:
    first, second = Process(database), Process(database)
    first.jobs.add("ann", "notes")
    task = first.start()
    with database.write() as session:
        later = first.jobs.request(session, session.get_one(DatasetRow, "ann-notes"))

    assert second.jobs.start_next() is None
    assert first.jobs.complete(task, "ready", TableVersion(task.table, 1))
    assert second.start().job_id == later


def test_the_tables_of_attempts_that_run_are_named_and_those_of_others_not(database: Database) -> None:
    first, second = Process(database), Process(database)
    first.jobs.add("ann", "notes")
    task = first.start()

    assert second.leases.live() == ({"ann-notes"}, {task.table})
    first.jobs.fail(task, "it failed")
    assert second.leases.live() == (set(), set())


def test_owners_take_turns(database: Database) -> None:
    process = Process(database)
    for number in range(3):
        add_dataset(database, f"of-ann-{number}")
        process.jobs.add("ann", f"of-ann-{number}")
    add_dataset(database, "of-bob", "bob")
    process.jobs.add("bob", "of-bob")

    owners = [process.start().owner for _ in range(4)]

    assert owners == ["ann", "bob", "ann", "ann"]


def test_jobs_are_started_by_owner_and_size(database: Database) -> None:
    process = Process(database)
    for owner, size in {"ann": 10_000, "bob": 100, "cid": 200}.items():
        add_dataset(database, "sized", owner, size)
        process.jobs.add(owner, "sized")

    def start(max_bytes: int | None, besides: Collection[str] = ()) -> str | None:
        task = process.jobs.start_next(max_bytes, besides)
        return None if task is None else task.owner

    assert start(50) is None
    assert start(1000, besides={"bob"}) == "cid"
    assert start(1000) == "bob"
    assert start(1000) is None
    assert start(None) == "ann"


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.prove)])
def test_each_job_is_run_once_by_several_processes(database: Database, count: int) -> None:
    processes = [Process(database) for _ in range(4)]
    for number in range(count):
        owner = f"owner-{number % 7}"
        add_dataset(database, f"d{number}", owner)
        processes[0].jobs.add(owner, f"d{number}")

    def run_all(process: Process) -> list[str]:
        ran = []
        while task := process.jobs.start_next():
            assert process.jobs.complete(task, "ready", TableVersion(task.table, 1))
            ran.append(task.job_id)
        return ran

    with ThreadPoolExecutor(len(processes)) as pool:
        runs = list(pool.map(run_all, processes))

    assert sum(map(len, runs)) == len(set().union(*runs)) == count
    with database.read() as session:
        assert count_by_status(session)["COMPLETE"] == count
