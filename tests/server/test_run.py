import json
import logging
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from time import monotonic

import pytest
import requests
from pydantic import ValidationError

from reka.server.errors import DataFolderInUseError, StartError
from reka.server.settings import Settings
from reka.server.storage.api_keys import KeyRing
from reka.server.storage.database import Database, sqlite_url
from tests.support.processes import run_program
from tests.support.rule_model import RuleModel
from tests.support.servers import Call, Start


def test_a_second_server_on_the_same_data_does_not_start(start: Start, data_dir: Path) -> None:
    start()

    with pytest.raises(DataFolderInUseError, match=f"another server already uses the data in {data_dir}"):
        start()


def test_a_second_server_on_the_database_of_another_data_folder_does_not_start(
    start: Start, call: Call, tmp_path: Path
) -> None:
    url = str(sqlite_url(tmp_path / "shared.sqlite"))
    first = start(database_url=url)
    call(first).add_prepared("notes", "text")

    with pytest.raises(StartError, match="database_url: the database belongs to the server of another data folder"):
        start(database_url=url, data_dir=tmp_path / "other")

    first.stop()
    (tmp_path / "data").rename(tmp_path / "moved")
    moved = start(database_url=url, data_dir=tmp_path / "moved")
    assert [chunk["text"] for chunk in call(moved).chunks("text", "notes")] == ["text"]


def test_a_database_that_lacks_a_column_is_refused(start: Start, data_dir: Path) -> None:
    start().stop()
    with closing(sqlite3.connect(data_dir / "reka.sqlite")) as database:
        database.execute("ALTER TABLE jobs DROP COLUMN created")

    with pytest.raises(StartError, match=r"the database lacks columns .*\(jobs.created\).*restore a backup"):
        start()


def test_a_stopped_server_lets_go_of_its_data_and_port(start: Start, call: Call) -> None:
    first = start()
    api = call(first)
    assert api.add("notes", "text").ok
    port = int(first.url.rsplit(":", 1)[1])

    first.stop()
    first.stop()
    second = start(port=port)

    assert second.url == first.url
    assert call(second).names() == ["notes"]


def test_a_server_stops_at_once_though_connections_are_open(start: Start, call: Call) -> None:
    server = start()
    callers = [call(server, str(number)) for number in range(5)]
    assert all(caller.names() == [] for caller in callers)

    began = monotonic()
    server.stop()

    assert monotonic() - began < 5  # without letting go of idle connections it would wait for their end, minutes
    with pytest.raises(requests.ConnectionError):
        callers[0].names()


def test_without_keys_a_server_is_for_this_machine_alone(start: Start, data_dir: Path) -> None:
    with pytest.raises(StartError, match=r"host: other machines can reach '0\.0\.0\.0'.*reka keys create"):
        start(host="0.0.0.0")

    database = Database(sqlite_url(data_dir / "reka.sqlite"))
    key = KeyRing(database, accept_any=False).create("ann")
    server = start(host="0.0.0.0")
    url = server.url.replace("0.0.0.0", "127.0.0.1")
    assert requests.get(f"{url}/datasets", headers={"X-Api-Key": key}, timeout=10).json() == []

    # The last key is revoked while it runs: now nobody comes in, instead of everybody.
    KeyRing(database, accept_any=False).revoke(key)
    database.close()
    assert requests.get(f"{url}/datasets", headers={"X-Api-Key": "any"}, timeout=10).status_code == 401


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.8.8", "::1"])
def test_addresses_of_this_machine_alone(host: str) -> None:
    assert Settings(host=host).is_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
def test_addresses_that_others_reach(host: str) -> None:
    assert not Settings(host=host).is_loopback


def test_a_port_that_is_in_use_is_named(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"port: cannot listen on port {port}"):
            start(port=port)


def test_a_host_that_is_none_is_named(start: Start, data_dir: Path) -> None:
    data_dir.mkdir()
    database = Database(sqlite_url(data_dir / "reka.sqlite"))
    KeyRing(database, accept_any=False).create("ann")
    database.close()

    with pytest.raises(StartError, match="host: cannot listen on 'no such host'"):
        start(host="no such host")


def test_a_data_folder_that_is_a_file_is_named(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("not a folder")

    with pytest.raises(StartError, match="choose another folder as data_dir"):
        start(data_dir=path)


def test_a_record_that_is_no_database_is_named(start: Start, data_dir: Path) -> None:
    start().stop()
    (data_dir / "reka.sqlite").write_text("no database" * 1000)

    with pytest.raises(StartError, match="database_url: cannot open the database"):
        start()


def test_a_damaged_record_of_an_earlier_release_is_named(start: Start, data_dir: Path) -> None:
    start().stop()
    marker = json.loads((data_dir / "reka-data.json").read_text())
    (data_dir / "reka-data.json").write_text(json.dumps(marker | {"version": 1}))
    (data_dir / "reka.sqlite").write_text("no database" * 1000)

    with pytest.raises(StartError, match=r"database_url: cannot open the database \(is not a database\)"):
        start()


@pytest.mark.parametrize("name", ["reka.sqlite", "worker", "lock", "reka-data.json"])
def test_a_folder_in_the_place_of_a_file_is_named(start: Start, data_dir: Path, name: str) -> None:
    start().stop()
    (data_dir / name).unlink()
    (data_dir / name).mkdir()

    with pytest.raises(StartError, match=rf"data_dir: cannot store data in .* \(Is a directory: .*/{name}\)"):
        start()


def test_a_file_in_the_place_of_the_copies_of_a_store_is_named(start: Start, data_dir: Path, tmp_path: Path) -> None:
    store = {"store_url": f"file://{tmp_path / 'store'}"}
    start(**store).stop()
    shutil.rmtree(data_dir / "cache")
    (data_dir / "cache").touch()

    with pytest.raises(StartError, match=r"cannot use .*/cache/0 \(Not a directory\)"):
        start(**store)


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:a?mode=memory&uri=true"]
)
def test_a_database_in_memory_is_refused(start: Start, url: str) -> None:
    with pytest.raises(StartError, match=r"database_url: got a URL of SQLite in memory.*want sqlite:////PATH"):
        start(database_url=url)


def test_a_database_that_is_locked_is_named(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "shared.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(StartError, match="the database, which is locked: end the program that writes to it"):
            start(database_url=f"sqlite:///{path}?timeout=0.1")


def test_a_key_variable_that_is_not_set_is_named(start: Start) -> None:
    with pytest.raises(StartError, match="upstream_key_env: the environment variable NOT_SET_ANYWHERE is not set"):
        start(upstream="http://127.0.0.1:9", upstream_key_env="NOT_SET_ANYWHERE")


def test_a_proxy_that_cannot_be_used_is_named(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")

    with pytest.raises(StartError, match=r"proxies .*got a socks5 proxy, .* none for this host \(NO_PROXY\)"):
        start(upstream="http://model.example:9")


def test_settings_come_from_the_environment_and_unknown_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKA_SERVER", "http://some.other.host")
    monkeypatch.setenv("REKA_SERVER_PORT", "1234")

    assert Settings().port == 1234
    with pytest.raises(ValidationError, match="prot"):
        Settings(prot=1)  # type: ignore[call-arg]  # the mistake that is tested


def test_the_data_are_for_their_user_alone(start: Start, data_dir: Path) -> None:
    start()

    assert all(path.stat().st_mode & 0o077 == 0 for path in (data_dir, data_dir / "datasets", data_dir / "staging"))


def test_a_server_inside_a_program_leaves_its_log_alone(start: Start, call: Call) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level

    call(start()).add_prepared("notes", "text")

    assert (root.handlers[:], root.level) == before


@pytest.fixture
def process(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "reka.server", "--port", "0", "--data-dir", str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_a_process_says_where_it_listens_and_that_it_has_no_model_and_ends_when_told(
    process: subprocess.Popen[str],
) -> None:
    assert process.stdout is not None
    url = process.stdout.readline().rsplit(maxsplit=1)[1]
    about = requests.get(url, timeout=30).json()

    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)

    assert about["name"] == "reka"
    assert log.count("No language model is attached") == 1
    assert process.returncode in (0, -signal.SIGTERM)


def stream_of(url: str) -> requests.Response:
    messages = [{"role": "user", "content": "Repeat: a b c"}]
    body = {"messages": messages, "stream": True}
    return requests.post(
        f"{url}/v1/chat/completions", json=body, headers={"X-Api-Key": "a-key"}, stream=True, timeout=30
    )


@pytest.fixture
def gated_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[RuleModel]:
    """A model that waits after the first part of an answer, behind the servers of this test."""
    with RuleModel() as model:
        model.gate = threading.Event()
        monkeypatch.setenv("REKA_SERVER_UPSTREAM", model.url)
        monkeypatch.setenv("REKA_SERVER_UPSTREAM_MODEL", "rules-1")
        yield model
        model.gate.set()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to handle")
def test_a_process_that_is_to_end_is_not_ready_and_lets_streams_end(gated_model: RuleModel, data_dir: Path) -> None:
    command = (sys.executable, "-m", "reka.server", "--port", "0", "--data-dir", str(data_dir))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().rsplit(maxsplit=1)[1]
        with stream_of(url) as answer:
            lines = answer.iter_lines()
            next(lines)
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGTERM)
            while (ready := requests.get(f"{url}/readyz", timeout=30)).status_code == 200:
                threading.Event().wait(0.02)
            about = requests.get(url, timeout=30)
            assert gated_model.gate is not None
            gated_model.gate.set()
            rest = [line for line in lines if line]
        code = process.wait(30)

    assert (ready.status_code, ready.json()) == (503, {"ready": False, "draining": True})
    assert about.status_code == 200
    assert rest[-1] == b"data: [DONE]"
    assert code in (0, -signal.SIGTERM)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to handle")
def test_a_process_that_is_to_end_waits_for_streams_no_longer_than_it_was_set(
    gated_model: RuleModel, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REKA_SERVER_DRAIN_SECONDS", "0")
    command = (sys.executable, "-m", "reka.server", "--port", "0", "--data-dir", str(data_dir))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().rsplit(maxsplit=1)[1]
        with stream_of(url) as answer:
            next(answer.iter_lines())
            process.send_signal(signal.SIGTERM)
            code = process.wait(30)

    assert code in (0, -signal.SIGTERM)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to handle")
def test_a_request_that_takes_longer_than_a_server_waits_is_told_to_come_again(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access_log = data_dir.parent / "access.log"
    monkeypatch.setenv("REKA_SERVER_DRAIN_SECONDS", "0")
    monkeypatch.setenv("REKA_SERVER_ACCESS_LOG", str(access_log))
    command = (sys.executable, "-m", "reka.server", "--port", "0", "--data-dir", str(data_dir))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().rsplit(maxsplit=1)[1]
        with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1]))) as connection:
            connection.sendall(b"POST /chat HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: k\r\nContent-Length: 50\r\n\r\n{")
            requests.get(f"{url}/healthz", timeout=10)  # by then the request before it is being read
            process.send_signal(signal.SIGTERM)
            head, body = b"".join(iter(lambda: connection.recv(65536), b"")).decode().split("\r\n\r\n")
        _, log = process.communicate(timeout=30)
    line = json.loads(access_log.read_text().splitlines()[-1])

    assert head.startswith("HTTP/1.1 503 ")
    assert "retry-after: 1" in head.lower().splitlines()
    assert "send it again" in json.loads(body)["detail"]
    assert line["status"] == 503
    assert f"x-request-id: {line['request_id']}" in head
    assert "Traceback" not in log


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of open files")
def test_a_process_takes_more_connections_than_it_was_let_open_files(data_dir: Path) -> None:
    with_few_files = ("sh", "-c", 'ulimit -S -n 60; exec "$@"', "sh")

    with (
        run_program(
            *with_few_files, sys.executable, "-m", "reka.server", "--port", "0", "--data-dir", str(data_dir)
        ) as url,
        ExitStack() as opened,
    ):
        port = int(url.rsplit(":", 1)[1])
        for _ in range(100):
            opened.enter_context(socket.create_connection(("127.0.0.1", port)))
        answer = requests.get(f"{url}/healthz", timeout=10)

    assert answer.status_code == 200


def test_a_process_says_in_one_line_which_setting_is_wrong(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKA_SERVER_UPSTREAM_RETRIES", "many")

    ended = subprocess.run(
        [sys.executable, "-m", "reka.server", "--data-dir", str(data_dir)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith("error: the server's settings")
    assert "upstream_retries: " in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_second_process_says_in_one_line_why_it_does_not_start(start: Start, data_dir: Path) -> None:
    start()

    second = subprocess.run(
        [sys.executable, "-m", "reka.server", "--port", "0", "--data-dir", str(data_dir)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr.startswith("error: data_dir: another server already uses")
    assert second.stderr.count("\n") == 1


def test_a_server_loads_what_is_heavy_only_when_it_is_used() -> None:
    heavy = ("lancedb", "wordllama", "pyarrow", "numpy", "semantic_text_splitter")
    code = f"import sys, json, reka.server.run; print(json.dumps([name for name in {heavy} if name in sys.modules]))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert json.loads(done.stdout) == []
