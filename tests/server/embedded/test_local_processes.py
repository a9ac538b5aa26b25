"""`base_url="local"` in several processes: who joins whose server, and what becomes of it when a process ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from reka.errors import APIConnectionError
from reka.server.embedded import LocalServer, local_server
from tests.support.servers import status_of

ASKER = """
import sys
from pathlib import Path
from reka.server.embedded import local_server
folder = Path(sys.argv[1]) if sys.argv[1:] else None
for line in sys.stdin:
    server = local_server(folder)
    print(server.base_url, server.api_key, flush=True)
"""


FORKER = """
import os, sys
from pathlib import Path
from reka.server.embedded import local_server
folder = Path(sys.argv[1])
print(local_server(folder).base_url, os.getpid(), flush=True)
if os.fork() == 0:
    # The child has its parent's pipes; it alone reads and answers from here on.
    for line in sys.stdin:
        print(local_server(folder).base_url, os.getpid(), flush=True)
    sys.exit(0)
os.wait()
"""


class Process:
    """Another process that asks for the local server whenever it is told to."""

    def __init__(self, script: str, *arguments: Path, **environment: str) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
            text=True,
        )
        self.pid = self._popen.pid

    def tell(self) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.write("ask\n")
        self._popen.stdin.flush()

    def hear(self) -> list[str]:
        assert self._popen.stdout is not None
        return self._popen.stdout.readline().split()

    def ask(self) -> list[str]:
        self.tell()
        return self.hear()

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait(30)

    def end(self) -> int:
        """Let it end by itself."""
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        return self._popen.wait(30)

    def close(self) -> None:
        if self._popen.poll() is None:
            self.kill()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def start() -> Iterator[Any]:
    processes: list[Process] = []

    def start(script: str, *arguments: Path, **environment: str) -> Process:
        processes.append(Process(script, *arguments, **environment))
        return processes[-1]

    yield start
    for process in processes:
        process.close()


def test_an_address_left_behind_by_a_killed_process_is_not_believed(folder: Path, start: Any) -> None:
    ended = start("print()")
    assert ended.end() == 0
    folder.mkdir()
    (folder / "key").write_text("old-key")
    (folder / "server.json").write_text(json.dumps({"base_url": "http://127.0.0.1:9", "pid": ended.pid}))

    with FileLock(folder / "lock"), pytest.raises(APIConnectionError):
        local_server(folder, max_wait=0.2)


def test_a_process_joins_the_server_that_another_one_runs(folder: Path, start: Any) -> None:
    owner = start(ASKER, folder)
    url, key = owner.ask()

    joined = local_server(folder)

    assert (joined.base_url, joined.api_key) == (url, key)
    assert local_server(folder) is joined
    assert status_of(joined) == 200


def test_when_the_owner_ends_a_joiner_starts_its_own(folder: Path, start: Any) -> None:
    owner = start(ASKER, folder)
    owner.ask()
    local_server(folder)

    assert owner.end() == 0

    server = local_server(folder)
    assert json.loads((folder / "server.json").read_text()) == {"base_url": server.base_url, "pid": os.getpid()}
    assert status_of(server) == 200


def test_when_the_owner_is_killed_a_joiner_starts_its_own(folder: Path, start: Any) -> None:
    owner = start(ASKER, folder)
    owner.ask()
    joined = local_server(folder)

    owner.kill()

    server = local_server(folder)
    assert json.loads((folder / "server.json").read_text())["pid"] == os.getpid()
    assert server.api_key == joined.api_key
    assert status_of(server) == 200


def test_when_the_owner_is_followed_by_another_a_joiner_finds_that_one(folder: Path, start: Any) -> None:
    first, second = start(ASKER, folder), start(ASKER, folder)
    first.ask()
    local_server(folder)
    first.kill()
    url, key = second.ask()

    server = local_server(folder)

    assert (server.base_url, server.api_key) == (url, key)


def test_processes_that_start_at_once_share_one_server(folder: Path, start: Any) -> None:
    processes = [start(ASKER, folder) for _ in range(3)]
    for process in processes:
        process.tell()

    answers = [process.hear() for process in processes]

    assert len({tuple(answer) for answer in answers}) == 1
    url, key = answers[0]
    assert status_of(LocalServer(url, key)) == 200


def test_without_a_folder_the_data_is_kept_in_the_users_data_folder(tmp_path: Path, start: Any) -> None:
    home = {"XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    process = start(ASKER, **home)

    _, key = process.ask()

    (stored,) = tmp_path.rglob("local/key")
    assert stored.read_text() == key
    assert "reka" in stored.parts


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_joins_its_parent_and_outlives_it(folder: Path, start: Any) -> None:
    parent = start(FORKER, folder)
    url, parent_pid = parent.hear()

    url_in_child, child_pid = parent.ask()
    assert child_pid != parent_pid
    assert url_in_child == url
    assert status_of(LocalServer(url, (folder / "key").read_text())) == 200

    try:
        parent.kill()
        new_url, new_pid = parent.ask()
        assert new_pid == child_pid
        assert new_url != url
        assert json.loads((folder / "server.json").read_text()) == {"base_url": new_url, "pid": int(child_pid)}
        assert status_of(LocalServer(new_url, (folder / "key").read_text())) == 200
    finally:
        os.kill(int(child_pid), signal.SIGKILL)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_that_ends_leaves_its_parents_server_alone(folder: Path, start: Any) -> None:
    script = FORKER.replace("os.wait()", "os.wait(); print(local_server(folder).base_url, flush=True); input()")
    script = script.replace("for line in sys.stdin:", "for line in ['once']:")
    parent = start(script, folder)

    url, _ = parent.hear()
    in_child, _ = parent.hear()
    (after,) = parent.hear()

    assert url == in_child == after
    assert status_of(LocalServer(url, (folder / "key").read_text())) == 200


def test_a_missing_package_is_told_with_the_command_that_installs_it(folder: Path, start: Any) -> None:
    script = """
import sys
from pathlib import Path
sys.modules["fastapi"] = None
from reka.server.embedded import local_server
try:
    local_server(Path(sys.argv[1]))
except Exception as error:
    print(type(error).__name__, error)
"""
    said = " ".join(start(script, folder).hear())

    assert said.startswith("InvalidArgumentError")
    assert "the extra `server`, reka[server]" in said
    assert "fastapi" in said


def test_a_job_that_its_program_did_not_wait_for_is_taken_up_by_later_ones(tmp_path: Path) -> None:
    (tmp_path / "books.txt").write_text("The lamp needs five watts.")
    use = "import sys, reka; reka.BASE_URL = sys.argv[1];"

    def run(program: str) -> str:
        """Run a program that ends with its last line, whatever its server does."""
        command = [sys.executable, "-c", use + program, f"local:{tmp_path / 'data'}", str(tmp_path / "books.txt")]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        assert ended.stderr == ""
        return ended.stdout.strip()

    job = run("reka.add_dataset(sys.argv[2], 'books'); print(reka.prepare_retrieval('books'))")
    for _ in range(2):
        run("reka.list_datasets()")

    assert run(f"print(reka.wait_for_retrieval({job!r}, timeout=60).job_status)") == "COMPLETE"
