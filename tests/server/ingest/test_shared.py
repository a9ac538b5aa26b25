"""Servers and workers that share PostgreSQL and a folder: none needs another one, and nothing is lost with one."""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests
from sqlalchemy import func, select

from reka.server.lifecycle import prepare_storage
from reka.server.settings import Settings
from reka.server.storage.database import Database, DatasetRow, JobRow, LeaseRow
from tests.support.caller import Caller
from tests.support.jumping_clock import JumpingClock, find_library
from tests.support.postgres import Postgres
from tests.support.shared_process import Kind, SharedProcess

PARAGRAPH = "The sea was calm and the lamp burned all night. " * 12


class Site:
    """Processes on one database and one folder."""

    def __init__(self, data_dir: Path, url: str, servers: int = 1, workers: int = 1, lease_seconds: int = 2) -> None:
        self.lease_seconds = lease_seconds
        self.settings = Settings(data_dir=data_dir, database_url=url)
        self.url = url
        prepare_storage(self.settings)
        self.processes = [self._start("server") for _ in range(servers)] + [
            self._start("worker") for _ in range(workers)
        ]
        self.servers, self.workers = range(servers), range(servers, servers + workers)

    def caller(self, key: str, server: int = 0) -> Caller:
        return self.processes[server].caller(key)

    def replace(self, number: int) -> None:
        """Kill a process, and start another one."""
        self.processes[number].kill()
        self.processes[number] = self._start("server" if number in self.servers else "worker")

    def close(self) -> None:
        for process in self.processes:
            process.kill()

    def check_nothing_is_left_over(self) -> None:
        """Check, once all processes have ended and the next one has started, that all that is stored is a dataset's."""
        prepare_storage(self.settings)
        database, folder = Database(self.url), self.settings.data_dir
        with database.read() as session:
            rows = session.scalars(select(DatasetRow)).all()
            open_jobs = session.scalar(select(func.count()).where(JobRow.status.in_(("PENDING", "RUNNING"))))
            leases = session.scalar(select(func.count()).select_from(LeaseRow))
        database.close()
        assert (open_jobs, leases) == (0, 0)
        assert {path.stem for path in (folder / "index").iterdir()} == {row.table for row in rows if row.table}
        assert {path.name for path in (folder / "datasets").iterdir()} == {row.id for row in rows}
        assert list((folder / "staging").iterdir()) == []
        assert all(row.owner for row in rows)

    def _start(self, kind: Kind) -> SharedProcess:
        return SharedProcess(kind, self.settings.data_dir, self.url, self.lease_seconds)


@pytest.fixture
def open_site(tmp_path: Path, postgres_url: str) -> Iterator[Callable[..., Site]]:
    sites = []

    def open_site(**options: int) -> Site:
        sites.append(Site(tmp_path / "data", postgres_url, **options))
        return sites[-1]

    yield open_site
    for site in sites:
        site.close()


def test_what_one_server_stores_another_one_serves_once_a_worker_has_prepared_it(
    open_site: Callable[..., Site],
) -> None:
    site = open_site(servers=2)
    first, second = site.caller("a-key"), site.caller("a-key", server=1)

    assert first.add("notes", "An owl hunts at night.").ok
    assert second.await_end(second.prepare("notes").json())["job_status"] == "COMPLETE"
    first.put("rows", [{"id": "a", "text": "A hen lays eggs."}])

    for api in (first, second):
        assert api.names() == ["notes", "rows"]
        assert [chunk["text"] for chunk in api.chunks("owl", "notes")] == ["An owl hunts at night."]
        assert [chunk["text"] for chunk in api.search("rows", "hen")] == ["A hen lays eggs."]
    assert second.delete("notes").ok
    assert first.chat("owl", retrieval_dataset="notes").status_code == 404


def test_a_job_ends_at_once_when_another_process_deletes_its_dataset(open_site: Callable[..., Site]) -> None:
    site = open_site()
    api = site.caller("a-key")
    assert api.add("large", PARAGRAPH * 8_000).ok
    job = api.prepare("large").json()
    while "progress" not in (status := api.status(job))["history"][-1] or status["history"][-1]["progress"] == 0:
        threading.Event().wait(0.02)

    assert api.delete("large").ok
    assert api.add("small", "An owl.").ok
    assert api.await_end(api.prepare("small").json())["job_status"] == "COMPLETE"

    assert api.status(job)["job_status"] == "ERROR"
    index = site.settings.data_dir / "index"
    while len(list(index.iterdir())) != 1:  # the worker drops what it has written
        threading.Event().wait(0.02)


def test_the_job_of_a_killed_worker_is_run_by_another_one(open_site: Callable[..., Site]) -> None:
    site = open_site(workers=1)
    api = site.caller("a-key")
    assert api.add("notes", PARAGRAPH * 3000).ok
    job = api.prepare("notes").json()
    while api.status(job)["job_status"] == "PENDING":
        threading.Event().wait(0.02)

    site.replace(site.workers[0])
    ended = api.await_end(job)

    assert ended["job_status"] == "COMPLETE"
    assert "Restarted" in [line["detail"] for line in ended["history"]]
    site.close()
    site.check_nothing_is_left_over()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_worker_that_stands_still_and_wakes_up_spoils_nothing(open_site: Callable[..., Site]) -> None:
    site = open_site()
    api = site.caller("a-key")
    assert api.add("notes", PARAGRAPH * 4_000).ok
    job = api.prepare("notes").json()
    while api.status(job)["history"][-1].get("progress", 0) == 0:
        threading.Event().wait(0.02)

    still = site.processes[site.workers[0]].process
    still.send_signal(signal.SIGSTOP)
    site.processes.append(site._start("worker"))
    ended = api.await_end(job)
    still.send_signal(signal.SIGCONT)
    index = site.settings.data_dir / "index"
    while len(list(index.iterdir())) != 1:  # it drops what it has written
        threading.Event().wait(0.02)

    assert ended["job_status"] == "COMPLETE"
    assert "Restarted" in [line["detail"] for line in ended["history"]]
    assert api.status(job) == ended
    assert len(api.chunks("calm sea", "notes", k=5)) == 5


@pytest.mark.parametrize("count", [12, pytest.param(200, marks=pytest.mark.prove)])
def test_workers_run_each_job_once(open_site: Callable[..., Site], count: int) -> None:
    site = open_site(workers=2, lease_seconds=60)
    callers = [site.caller(f"key-{number % 5}") for number in range(count)]
    for number, api in enumerate(callers):
        assert api.add(f"d{number}", f"Entry {number}. {PARAGRAPH}").ok
    jobs = [api.prepare(f"d{number}").json() for number, api in enumerate(callers)]

    for api, job in zip(callers, jobs, strict=True):
        history = [line["detail"] for line in api.await_end(job)["history"]]
        assert history.count("Started") == 1
        assert "Restarted" not in history
        assert history[-1] == "1 chunks are ready for retrieval"


class Load(threading.Thread):
    """Stores and deletes through whichever server there is, and knows what was acknowledged."""

    def __init__(self, site: Site, number: int) -> None:
        super().__init__()
        self.site = site
        self.key = f"key-{number}"
        self.chance = random.Random(number)
        self.is_over = threading.Event()
        self.there: dict[str, str] = {}
        self.gone: set[str] = set()
        self.jobs: list[str] = []
        self.problems: list[str] = []

    def run(self) -> None:
        number = 0
        while not self.is_over.is_set():
            number += 1
            with suppress(requests.RequestException, OSError):
                self.step(f"d{number}", self.site.caller(self.key, self.chance.choice(self.site.servers)))

    def step(self, name: str, api: Caller) -> None:
        text = f"Entry {name} of {self.key}. " + PARAGRAPH * self.chance.choice((1, 1, 1, 200))
        if self.acknowledged(api.add(name, text)):
            self.there[name] = text
            answer = api.prepare(name)
            if self.acknowledged(answer):
                self.jobs.append(answer.json())
        if len(self.there) > 3:
            name = self.chance.choice(list(self.there))
            del self.there[name]  # unless it is acknowledged, it may be there or not
            if self.acknowledged(api.delete(name)):
                self.gone.add(name)
        api.close()

    def acknowledged(self, answer: requests.Response) -> bool:
        if answer.status_code not in (200, 503):
            self.problems.append(f"{answer.status_code} {answer.text}")
        return answer.status_code == 200

    def check(self) -> None:
        assert self.problems == []
        api = self.site.caller(self.key)
        for job in self.jobs:
            assert api.await_end(job)["job_status"] in ("COMPLETE", "ERROR")
        names = api.names()
        assert not self.gone & set(names)
        for name, text in self.there.items():
            assert name in names
            if api.ask("GET", f"/datasets/{name}").json()["state"] != "prepared":
                assert api.await_end(api.prepare(name).json())["job_status"] == "COMPLETE"
            assert api.ask("GET", f"/datasets/{name}").json()["size_bytes"] == len(text)
            assert api.chunks(f"Entry {name}", name, k=1)[0]["text"].startswith(f"Entry {name} of {self.key}.")
        api.close()


@contextmanager
def load_on(site: Site, count: int) -> Iterator[list[Load]]:
    """Load a site until the block ends; then check that it has what was acknowledged."""
    loads = [Load(site, number) for number in range(count)]
    for load in loads:
        load.start()
    try:
        yield loads
    finally:
        for load in loads:
            load.is_over.set()
            load.join(60)
    for load in loads:
        load.check()


@pytest.mark.parametrize(("kills", "clients"), [(2, 1), pytest.param(100, 3, marks=pytest.mark.prove)])
def test_killed_at_random_under_load_while_the_database_restarts(
    open_site: Callable[..., Site], postgres: Postgres, kills: int, clients: int
) -> None:
    site, chance = open_site(servers=2, workers=2), random.Random(kills)
    with load_on(site, clients) as loads:
        for kill in range(kills):
            threading.Event().wait(chance.uniform(0.1, 1.5))
            site.replace(chance.randrange(len(site.processes)))
            if kill % 10 == 1:
                postgres.restart()

    assert sum(len(load.jobs) for load in loads) >= kills
    site.close()
    site.check_nothing_is_left_over()


@pytest.mark.prove
@pytest.mark.skipif(find_library() is None, reason="needs libfaketime")
def test_killed_at_random_under_load_while_the_clock_jumps_an_hour_either_way(
    open_site: Callable[..., Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, chance = JumpingClock(tmp_path / "clock", monkeypatch), random.Random(1)
    site = open_site(servers=2, workers=2)
    with load_on(site, 3) as loads:
        for kill in range(30):
            clock.jump((0, 1, -1)[kill % 3])
            threading.Event().wait(chance.uniform(1, 2))
            site.replace(chance.randrange(len(site.processes)))

    assert sum(len(load.jobs) for load in loads) >= 30
    site.close()
    site.check_nothing_is_left_over()
