"""`kill -9` at random moments: whatever was at work, every dataset is wholly there or wholly gone afterwards."""

import random
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.support.caller import Caller
from tests.support.server_process import ServerProcess

MARKER = "The password of the lighthouse is heliotrope."
LINES = "\n\n".join(
    f"Entry {number} of the log. " + "The sea was calm and the lamp burned. " * 12 for number in range(1200)
)
TEXT = f"{LINES}\n\n{MARKER}\n"
BOUNDARY = "end-of-part"
BLOCKS = 40
TRIES = 8
"""Kills for each that has to come in time: many come when the work is done."""

ROUNDS = pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.prove)])


class Coast:
    """A data folder and the server on it, killed and started again."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.server = ServerProcess(data_dir)
        self.pool = ThreadPoolExecutor(1)

    @property
    def api(self) -> Caller:
        return self.server.api

    def kill_during(self, request: Future[requests.Response]) -> requests.Response | None:
        """Kill the server; give the answer if there was one before, and start the server again."""
        self.restart()
        try:
            return request.result(30)
        except requests.RequestException:
            return None

    def restart(self) -> None:
        """Kill the server and start it again."""
        self.server.kill()
        self.server = ServerProcess(self.data_dir)

    def await_progress(self, job: str, share: float) -> None:
        """Wait until a job has done a share of its work, or all of it."""
        while True:
            status = self.api.status(job)
            if status["job_status"] == "COMPLETE" or status["history"][-1].get("progress", -1) >= share * 0.99:
                return
            pause(0.005)

    def files(self, kind: str) -> list[str]:
        return sorted(path.name for path in (self.data_dir / kind).iterdir())

    def check_wholly_gone(self, name: str) -> None:
        assert name not in self.api.names()
        assert (self.files("staging"), self.files("datasets"), self.files("index")) == ([], [], [])
        with closing(sqlite3.connect(self.data_dir / "reka.sqlite")) as record:
            assert record.execute("SELECT count(*) FROM datasets").fetchone() == (0,)
            assert record.execute("SELECT count(*) FROM jobs WHERE status IN ('PENDING', 'RUNNING')").fetchone() == (0,)

    def check_wholly_there(self, name: str) -> None:
        assert self.api.names() == [name]
        assert (self.files("staging"), len(self.files("datasets")), len(self.files("index"))) == ([], 1, 1)
        assert any(MARKER in chunk["text"] for chunk in self.api.chunks("What is the lighthouse password?", name))

    def check_first_of(self, name: str) -> None:
        chunks = self.api.chunks("Entry 0 of the log", name, k=100)
        assert any(chunk["text"].startswith("Entry 0 ") for chunk in chunks)


@pytest.fixture
def coast(tmp_path: Path) -> Iterator[Coast]:
    coast = Coast(tmp_path / "data")
    yield coast
    coast.server.kill()
    coast.pool.shutdown()


def pause(seconds: float) -> None:
    """Let the server work for a while: the moment to kill it is drawn, not awaited."""
    threading.Event().wait(seconds)


def in_blocks(body: bytes, last: int, is_there: threading.Event) -> Iterator[bytes]:
    """Send a body in BLOCKS blocks; tell when number `last` is due, or, if that is BLOCKS, when all are sent."""
    size = len(body) // BLOCKS + 1
    for number in range(BLOCKS):
        if number == last:
            is_there.set()
        yield body[number * size : (number + 1) * size]
    is_there.set()


def moments(seed: int, hits: int) -> Iterator[tuple[random.Random, list[bool]]]:
    """Go round until the kill has come in time so often: one that came too late proves nothing, and is not counted.

    Yields:
        The chance to draw moments from, and a list to put into, each round, whether the work was cut off.
    """
    chance, told = random.Random(seed), list[bool]()
    for _ in range(hits * TRIES):
        yield chance, told
        if sum(told) == hits:
            return
    pytest.fail(f"only {sum(told)} of {len(told)} kills came while the server was at work, and {hits} were wanted")


@ROUNDS
def test_killed_during_an_upload(coast: Coast, rounds: int) -> None:
    body = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="dataset_name"\r\n\r\nlog\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="log.txt"\r\n\r\n'
        f"{TEXT}\r\n--{BOUNDARY}--\r\n"
    ).encode()
    for chance, was_cut_off in moments(1, rounds):
        # One in three is killed behind the last byte, while the dataset is being put in its place.
        last = chance.choice([chance.randrange(BLOCKS), chance.randrange(BLOCKS), BLOCKS])
        is_there = threading.Event()
        upload = coast.pool.submit(
            coast.api.ask,
            "POST",
            "/datasets",
            data=in_blocks(body, last, is_there),
            headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
        )
        assert is_there.wait(30)
        pause(chance.uniform(0, 0.03))
        answer = coast.kill_during(upload)
        was_cut_off.append(answer is None)

        if "log" in coast.api.names():
            assert coast.api.await_end(coast.api.prepare("log").json())["job_status"] == "COMPLETE"
            coast.check_wholly_there("log")
            assert coast.api.delete("log").ok
        else:
            assert answer is None
        coast.check_wholly_gone("log")


@ROUNDS
def test_killed_during_preparing(coast: Coast, rounds: int) -> None:
    for chance, was_cut_off in moments(2, rounds):
        assert coast.api.add("log", TEXT).ok
        job = coast.api.prepare("log").json()
        # How long preparing takes is different each time, so the moment is drawn from the work, not from the clock:
        # behind some share of it, or, for the last ones, while the table is indexed and made the dataset's.
        coast.await_progress(job, chance.uniform(0, 1))
        pause(chance.uniform(0, 0.1))
        coast.restart()

        # Until the job has ended, the dataset is not prepared; half of it is never to be seen.
        asked = coast.api.chat("lighthouse", retrieval_dataset="log")
        assert asked.status_code in (200, 400)
        assert "is not prepared" in asked.text or len(asked.json()["retrieved_chunks"]) == 8
        status = coast.api.await_end(job)
        was_cut_off.append("Restarted" in [line["detail"] for line in status["history"]])
        assert status["job_status"] == "COMPLETE"
        assert [line["job_status"] for line in status["history"]].count("COMPLETE") == 1
        coast.check_wholly_there("log")
        coast.check_first_of("log")
        assert coast.api.delete("log").ok
        coast.check_wholly_gone("log")


@ROUNDS
def test_killed_during_a_delete(coast: Coast, rounds: int) -> None:
    for chance, was_cut_off in moments(3, rounds):
        assert coast.api.add("log", TEXT).ok
        job = coast.api.prepare("log").json()
        is_preparing = chance.random() < 0.3
        if not is_preparing:
            assert coast.api.await_end(job)["job_status"] == "COMPLETE"
        delete = coast.pool.submit(coast.api.delete, "log")
        pause(chance.uniform(0, 0.012))
        answer = coast.kill_during(delete)
        was_cut_off.append(answer is None)

        status = coast.api.await_end(job)["job_status"]
        if "log" in coast.api.names():
            assert answer is None
            assert status == "COMPLETE"
            coast.check_wholly_there("log")
            assert coast.api.delete("log").ok
        else:
            assert (status == "ERROR") is is_preparing
        coast.check_wholly_gone("log")
