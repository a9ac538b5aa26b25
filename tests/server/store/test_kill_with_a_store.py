"""`kill -9` at random moments, with a store: nothing that was acknowledged is lost, and nothing is left over."""

import random
import threading
from pathlib import Path

import pytest
import requests

from tests.support.caller import Caller
from tests.support.object_store import Bucket
from tests.support.server_process import ServerProcess

LINES = "\n\n".join(f"Entry {number} of the log: the sea was calm and the lamp burned." for number in range(300))


class Load:
    """Uploads, preparations and deletions, one after another until the server is gone, and what became of them."""

    def __init__(self) -> None:
        self.stored: set[str] = set()
        self.open: set[str] = set()
        """Names of datasets that the server was storing or deleting, and had not said so, when it was killed."""
        self.jobs: list[str] = []
        self._number = 0

    def run(self, api: Caller, chance: random.Random) -> None:
        try:
            while True:
                if self.stored and chance.random() < 0.4:
                    self._delete(api, chance.choice(sorted(self.stored)))
                else:
                    self._add(api)
        except requests.RequestException:
            return

    def _add(self, api: Caller) -> None:
        self._number += 1
        name = f"log{self._number}"
        self.open.add(name)
        assert api.add(name, f"{LINES}\n\nThe word of {name} is heliotrope{self._number}.").ok
        self.open.remove(name)
        self.stored.add(name)
        self.jobs.append(api.prepare(name).json())

    def _delete(self, api: Caller, name: str) -> None:
        self.open.add(name)
        self.stored.remove(name)
        assert api.delete(name).ok
        self.open.remove(name)


def check(load: Load, api: Caller, bucket: Bucket) -> None:
    """Check that what was acknowledged is there whole, what was deleted is gone, and the store has nothing else."""
    names = set(api.names())
    assert load.stored <= names <= load.stored | load.open
    load.stored, load.open = names, set()
    assert {api.await_end(job)["job_status"] for job in load.jobs} <= {"COMPLETE", "ERROR"}
    load.jobs.clear()
    for name in names:
        if api.ask("GET", f"/datasets/{name}").json()["state"] == "stored":
            assert api.await_end(api.prepare(name).json())["job_status"] == "COMPLETE"
        word = f"heliotrope{name.removeprefix('log')}"
        assert word in api.search(name, word, k=1, mode="keyword")[0]["text"]
    assert bucket.kinds() == {"files": len(names), "tables": len(names)}


@pytest.mark.parametrize("rounds", [1, pytest.param(100, marks=pytest.mark.prove)])
def test_killed_at_random_moments(rounds: int, tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKA_SERVER_STORE_URL", bucket.url)
    chance, load = random.Random(11), Load()
    server = ServerProcess(tmp_path / "data")
    for _ in range(rounds):
        thread = threading.Thread(target=load.run, args=(server.api, chance))
        thread.start()
        threading.Event().wait(chance.uniform(0.05, 1.5))
        server.kill()
        thread.join()
        server = ServerProcess(tmp_path / "data")
        check(load, server.api, bucket)

    for name in load.stored:
        assert server.api.delete(name).ok
    assert bucket.objects() == ["reka-store.json"]
    server.kill()
