"""`base_url="local"` in one process: the server's start, its folder, its key, and what keeps it from starting."""

import stat
import threading
from pathlib import Path

import pytest
import requests
from filelock import FileLock

from reka.errors import APIConnectionError, InvalidArgumentError
from reka.server.embedded import LocalServer, local_server, stop_local_servers
from tests.support.servers import status_of


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


def test_a_lost_key_is_made_anew(folder: Path) -> None:
    local_server(folder)
    stop_local_servers()
    (folder / "key").unlink()

    server = local_server(folder)

    assert status_of(server) == 200
    assert (folder / "key").read_text() == server.api_key


def test_a_folder_that_has_lost_its_database_is_refused_by_name(folder: Path) -> None:
    local_server(folder)
    stop_local_servers()
    (folder / "reka.sqlite").unlink()

    with pytest.raises(InvalidArgumentError, match=r"has lost its database, reka\.sqlite") as raised:
        local_server(folder)

    assert str(folder) in str(raised.value)
    assert not (folder / "reka.sqlite").exists()


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

    with pytest.raises(InvalidArgumentError, match="cannot keep its data in") as raised:
        local_server(tmp_path / "file")

    assert str(tmp_path / "file") in str(raised.value)


def test_a_home_folder_of_nobody_is_refused_by_name() -> None:
    with pytest.raises(InvalidArgumentError, match="~nobody-of-that-name"):
        local_server(Path("~nobody-of-that-name/data"))


def test_a_path_that_no_system_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="has a control character"):
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


@pytest.mark.parametrize("told", ["", "[]", "{}", '{"base_url": 1, "pid": "x"}'])
def test_an_address_file_that_cannot_be_read_is_waited_for(folder: Path, told: str) -> None:
    folder.mkdir()
    (folder / "server.json").write_text(told)

    with FileLock(folder / "lock"), pytest.raises(APIConnectionError):
        local_server(folder, max_wait=0.2)
