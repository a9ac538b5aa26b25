"""Three processes that answer requests and two that run jobs, on one database: none needs another one."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.server.ingest.test_shared import PARAGRAPH, load_on
from tests.support.caller import Caller
from tests.support.server_process import ServerProcess, await_end_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="on Windows processes cannot share a port")

SERVERS, WORKERS, CLIENTS = 3, 2, 4


class Team:
    """The processes."""

    servers = (0,)
    """There is one address."""

    def __init__(self, data_dir: Path, **settings: object) -> None:
        self.settings = {"no_worker": True, **settings}
        self.data_dir = data_dir
        self.server = ServerProcess(data_dir, workers=SERVERS, **self.settings)
        self.workers = [self._work() for _ in range(WORKERS)]

    def caller(self, key: str, server: int = 0) -> Caller:
        del server
        return Caller(self.server.api.url, key)

    def restart_a_server(self, chance: random.Random, sign: signal.Signals) -> None:
        """End one of the processes that answer requests, and wait until another one has taken its place."""
        name = f"reka server {chance.randrange(SERVERS)}"
        process = self.server.await_child(name)
        os.kill(process, sign)
        self.server.await_child(name, but=process)

    def replace_a_worker(self, chance: random.Random) -> None:
        """Kill one of the processes that run jobs, and start another one."""
        number = chance.randrange(WORKERS)
        self.workers[number].kill()
        self.workers[number].wait()
        self.workers[number] = self._work()

    def close(self) -> None:
        children = self.server.children("reka server")
        self.server.kill()
        for worker in self.workers:
            worker.kill()
            worker.wait()
        await_end_of(*children)

    def _work(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "reka.cli", "worker", "--data-dir", str(self.data_dir)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {f"REKA_SERVER_{name.upper()}": str(value) for name, value in self.settings.items()},
        )


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.prove)])
def open_team(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Callable[..., Team]]:
    teams = []
    database = {} if request.param == "sqlite" else {"database_url": request.getfixturevalue("postgres_url")}

    def open_team(**settings: object) -> Team:
        teams.append(Team(data_dir, **database, **settings))
        return teams[-1]

    yield open_team
    for team in teams:
        team.close()


@pytest.mark.parametrize("count", [4, pytest.param(200, marks=pytest.mark.prove)])
def test_each_job_is_run_once_and_each_request_answered_while_servers_are_replaced(
    open_team: Callable[..., Team], count: int
) -> None:
    team, chance, is_over = open_team(), random.Random(count), threading.Event()

    def prepare(number: int) -> list[str]:
        api = team.caller(f"key-{number % CLIENTS}")
        assert api.add(f"d{number}", f"Entry {number}. {PARAGRAPH}").ok
        history = [line["detail"] for line in api.await_end(api.prepare(f"d{number}").json())["history"]]
        found = api.chunks(f"Entry {number}", f"d{number}")
        api.close()
        return [*history, found[0]["text"].split(".")[0]]

    def replace() -> None:
        while not is_over.is_set():
            team.restart_a_server(chance, signal.SIGTERM)

    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        replacing = pool.submit(replace)
        try:
            histories = list(pool.map(prepare, range(count)))
        finally:
            is_over.set()
        replacing.result()

    for number, history in enumerate(histories):
        assert history.count("Started") == 1
        assert "Restarted" not in history
        assert history[-2:] == ["1 chunks are ready for retrieval", f"Entry {number}"]


@pytest.mark.parametrize(("kills", "clients"), [(2, 1), pytest.param(60, 2, marks=pytest.mark.prove)])
def test_killing_any_process_loses_nothing(open_team: Callable[..., Team], kills: int, clients: int) -> None:
    team, chance = open_team(lease_seconds=2), random.Random(kills)
    with load_on(team, clients) as loads:  # type: ignore[arg-type]  # it asks for callers alone
        for kill in range(kills):
            threading.Event().wait(chance.uniform(0.1, 1.5))
            if kill % 6 == 0:  # what dies again and again is started again after longer and longer pauses
                team.restart_a_server(chance, signal.SIGKILL)
            else:
                team.replace_a_worker(chance)

    assert sum(len(load.jobs) for load in loads) > 0
