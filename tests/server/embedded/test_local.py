"""`base_url="local"`: who starts the server, who joins it, and what becomes of it when its process ends."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from filelock import FileLock

from reka.errors import APIConnectionError, InvalidArgumentError
from reka.server.embedded import LocalServer, local_server, stop_local_servers

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


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    stop_local_servers()


def status_of(server: LocalServer, key: str | None = None) -> int:
    return requests.get(f"{server.base_url}/datasets", headers={"X-Api-Key": key or server.api_key}).status_code


def test_a_server_is_started_at_the_first_call_and_found_at_the_next(folder: Path) -> None:
    server = local_server(folder)

    assert status_of(server) == 200
    assert local_server(folder) is server


def test_it_listens_on_loopback_and_opens_to_its_own_key_alone(folder: Path) -> None:
    server = local_server(folder)

    assert server.base_url.startswith("http://127.0.0.1:")
    assert status_of(server, key="APIKEY") == 401
    assert server.api_key not in repr(server)


def test_the_key_lies_in_a_file_that_this_user_alone_can_read(folder: Path) -> None:
    server = local_server(folder)

    assert (folder / "key").read_text() == server.api_key
    assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "server.json").stat().st_mode) == 0o600
    assert server.api_key not in (folder / "server.json").read_text()


def test_what_was_stored_is_there_again_after_a_restart_with_the_same_key(folder: Path) -> None:
    first = local_server(folder)
    answer = requests.post(
        f"{first.base_url}/datasets",
        headers={"X-Api-Key": first.api_key},
        data={"dataset_name": "cats"},
        files={"file": ("cats.txt", b"Cats purr.")},
    )
    assert answer.ok, answer.text

    stop_local_servers()
    second = local_server(folder)

    assert second.api_key == first.api_key
    listed = requests.get(f"{second.base_url}/datasets", headers={"X-Api-Key": second.api_key})
    assert listed.json() == ["cats"]


@pytest.mark.parametrize("lost", ["key", "reka.sqlite"])
def test_a_lost_key_or_record_is_made_anew(folder: Path, lost: str) -> None:
    local_server(folder)
    stop_local_servers()
    for path in folder.glob(f"{lost}*"):
        path.unlink()

    server = local_server(folder)

    assert status_of(server) == 200
    assert (folder / "key").read_text() == server.api_key


def test_stopping_leaves_the_folder_free_and_no_address_behind(folder: Path) -> None:
    server = local_server(folder)

    stop_local_servers()

    assert not (folder / "server.json").exists()
    with FileLock(folder / "lock", timeout=0), pytest.raises(requests.ConnectionError):
        status_of(server)


def test_threads_that_ask_at_once_get_one_server(folder: Path) -> None:
    found: list[LocalServer] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        found.append(local_server(folder))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len({server.base_url for server in found}) == 1


def test_two_folders_have_two_servers_and_two_keys(folder: Path) -> None:
    one, other = local_server(folder / "one"), local_server(folder / "other")

    assert one.base_url != other.base_url
    assert status_of(one, key=other.api_key) == 401


def test_a_folder_may_be_named_from_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))

    server = local_server(Path("~/data"))

    assert (folder / "data" / "key").read_text() == server.api_key


def test_a_folder_may_be_named_in_two_ways(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    monkeypatch.chdir(folder)

    assert local_server(Path("data")) is local_server(folder / "x" / ".." / "data")


def test_settings_of_a_server_in_the_environment_do_not_move_the_local_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REKA_SERVER_HOST", "0.0.0.0")
    monkeypatch.setenv("REKA_SERVER_DATABASE_URL", "sqlite:////nowhere/at/all.sqlite")

    server = local_server(folder)

    assert server.base_url.startswith("http://127.0.0.1:")
    assert status_of(server) == 200


def test_what_is_no_folder_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")

    with pytest.raises(InvalidArgumentError, match="base_url") as raised:
        local_server(tmp_path / "file")

    assert str(tmp_path / "file") in str(raised.value)


def test_a_home_folder_of_nobody_is_refused_by_name() -> None:
    with pytest.raises(InvalidArgumentError, match="~nobody-of-that-name"):
        local_server(Path("~nobody-of-that-name/data"))


def test_a_path_that_no_system_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="base_url"):
        local_server(tmp_path / "a\0b")


def test_a_process_that_is_about_to_start_the_server_is_waited_for(folder: Path) -> None:
    folder.mkdir()

    with FileLock(folder / "starting"), pytest.raises(APIConnectionError):
        local_server(folder, max_wait=0.2)

    assert status_of(local_server(folder)) == 200


def test_a_setting_that_no_server_starts_with_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKA_SERVER_UPSTREAM", "no-address")

    with pytest.raises(InvalidArgumentError, match="upstream"):
        local_server(folder)

    monkeypatch.delenv("REKA_SERVER_UPSTREAM")
    assert status_of(local_server(folder)) == 200


def test_a_record_that_is_none_is_said_to_be(folder: Path) -> None:
    folder.mkdir()
    (folder / "reka.sqlite").write_bytes(b"this is no database " * 100)

    with pytest.raises(InvalidArgumentError, match=r"reka\.sqlite"):
        local_server(folder)


def test_a_folder_that_something_else_holds_is_given_up_after_a_while(folder: Path) -> None:
    folder.mkdir()

    with FileLock(folder / "lock"), pytest.raises(APIConnectionError, match="another process holds"):
        local_server(folder, max_wait=0.2)


def test_an_address_left_behind_by_a_killed_process_is_not_believed(folder: Path, start: Any) -> None:
    ended = start("print()")
    assert ended.end() == 0
    folder.mkdir()
    (folder / "key").write_text("old-key")
    (folder / "server.json").write_text(json.dumps({"base_url": "http://127.0.0.1:9", "pid": ended.pid}))

    with FileLock(folder / "lock"), pytest.raises(APIConnectionError):
        local_server(folder, max_wait=0.2)


@pytest.mark.parametrize("told", ["", "[]", "{}", '{"base_url": 1, "pid": "x"}'])
def test_an_address_file_that_cannot_be_read_is_waited_for(folder: Path, told: str) -> None:
    folder.mkdir()
    (folder / "server.json").write_text(told)

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
    assert "pip install 'reka[server]'" in said
    assert "fastapi" in said
