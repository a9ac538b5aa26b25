"""A server writes to, and deletes from, a folder of its own alone; nobody else can read or replace what it stores."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reka.errors import InvalidArgumentError
from reka.server.embedded import local_server, stop_local_servers
from reka.server.errors import StartError
from reka.server.storage.data_dir import DataFolder
from reka.server.storage.migrations import migrate, version_after
from reka.server.storage.ownership import MARKER
from tests.support.processes import run_program
from tests.support.servers import Call, Start, open_caller, status_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such owners and modes")

HEX = "0123456789abcdef" * 2

FOREIGN: dict[str, tuple[str, ...]] = {
    "a project": ("README.md", "src/main.py"),
    "one file": ("notes.txt",),
    "a hidden file": (".env",),
    "folders of our names": ("datasets/squad.jsonl", "staging/deep/work.csv", "index/products.lance/data.bin"),
    "a dataset file of our form without a database": (f"datasets/{HEX}",),
    "a table of our form without a database": (f"index/chunks_{HEX}_1.lance/data.bin",),
    "a folder named like our database": ("reka.sqlite/data",),
    "a database of something else": ("reka.sqlite",),
    "a file named like one of our folders": ("index",),
    "a marker of something else": (MARKER,),
}


def fill(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("years of work")
    return contents(folder)


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_bytes().hex() if path.is_file() else "folder"
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("names", FOREIGN.values(), ids=FOREIGN)
def test_a_folder_that_holds_anything_else_is_refused_and_left_as_it_is(
    start: Start, data_dir: Path, names: tuple[str, ...]
) -> None:
    before = fill(data_dir, names)

    with pytest.raises(StartError, match="choose a folder that is empty or does not exist yet, such as"):
        start()

    assert contents(data_dir) == before


def test_the_embedded_server_refuses_such_a_folder_too(data_dir: Path) -> None:
    before = fill(data_dir, FOREIGN["a project"])

    with pytest.raises(InvalidArgumentError, match=r"holds what is not a server's data \('README\.md', 'src'\)"):
        local_server(data_dir)

    assert contents(data_dir) == before


def test_the_folder_that_the_error_proposes_is_taken(start: Start, data_dir: Path) -> None:
    fill(data_dir, FOREIGN["a project"])
    with pytest.raises(StartError) as refusal:
        start()

    proposed = str(refusal.value).rsplit("such as ", 1)[1]

    assert start(data_dir=Path(proposed)).url


def test_an_empty_folder_is_taken_whatever_the_system_left_in_it(start: Start, data_dir: Path) -> None:
    fill(data_dir, (".DS_Store", "desktop.ini"))
    for name in ("lost+found", "empty", "datasets/empty"):
        (data_dir / name).mkdir(parents=True)

    start()

    assert json.loads((data_dir / MARKER).read_text())["version"] == version_after()
    assert (data_dir / ".DS_Store").exists()
    assert (data_dir / "datasets" / "empty").exists()


def without_marker(start: Start, call: Call, data_dir: Path) -> None:
    """Store a dataset and end, as a server did before it marked its folder."""
    server = start()
    call(server).add_prepared("notes", "An owl hunts at night.")
    server.stop()
    (data_dir / MARKER).unlink()


def test_the_data_of_a_server_before_there_were_markers_are_taken_over(
    start: Start, call: Call, data_dir: Path
) -> None:
    without_marker(start, call, data_dir)

    api = call(start())

    assert [chunk["text"] for chunk in api.chunks("owl", "notes")] == ["An owl hunts at night."]
    assert (data_dir / MARKER).exists()


@pytest.mark.parametrize("name", ["notes.txt", "datasets/notes.txt", "index/products.lance/data.bin", "staging/x"])
def test_they_are_not_where_anything_else_is_with_them(start: Start, call: Call, data_dir: Path, name: str) -> None:
    without_marker(start, call, data_dir)
    before = fill(data_dir, (name,))

    with pytest.raises(StartError, match="holds what is not a server's data"):
        start()

    assert contents(data_dir).keys() >= before.keys()


def test_what_is_put_into_a_servers_folder_later_is_not_swept_up(start: Start, call: Call, data_dir: Path) -> None:
    start().stop()
    names = ("datasets/notes.txt", "staging/x", "index/products.lance/data.bin", f"staging/{HEX}/deep")
    fill(data_dir, names)
    (data_dir / "secret").write_text("elsewhere")
    (data_dir / "datasets" / HEX).symlink_to(data_dir / "secret")

    assert call(start()).names() == []

    assert all((data_dir / name).exists() for name in names)
    assert (data_dir / "datasets" / HEX).is_symlink()


@pytest.mark.parametrize("name", ["datasets", "staging", "index", "reka.sqlite", "lock", MARKER])
def test_a_link_inside_the_folder_is_not_followed(start: Start, data_dir: Path, tmp_path: Path, name: str) -> None:
    start().stop()
    elsewhere = tmp_path / "elsewhere"
    shutil.move(data_dir / name, elsewhere)
    (data_dir / name).symlink_to(elsewhere)

    with pytest.raises(StartError, match=f"{name} is a link"):
        start()


def test_a_folder_that_everybody_may_write_to_is_refused(start: Start, data_dir: Path) -> None:
    data_dir.mkdir()
    data_dir.chmod(0o1777)

    with pytest.raises(StartError, match=r"other users may write to it \(mode 1777\)"):
        start()
    with pytest.raises(InvalidArgumentError, match="other users may write to it"):
        local_server(data_dir)

    assert list(data_dir.iterdir()) == []


def test_a_folder_that_its_group_may_write_to_is_taken_with_a_warning(
    start: Start, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data_dir.mkdir()
    data_dir.chmod(0o770)

    start()

    assert f"the group of {data_dir} may write to it" in caplog.text


as_root = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can play two users")


@as_root
def test_a_folder_of_another_user_is_refused(start: Start, data_dir: Path) -> None:
    data_dir.mkdir()
    os.chown(data_dir, 65534, 65534)

    with pytest.raises(StartError, match="it belongs to another user"):
        start()
    with pytest.raises(InvalidArgumentError, match="it belongs to another user"):
        local_server(data_dir)


@pytest.mark.parametrize("umask", ["000", "777"])
def test_everything_is_for_its_user_alone_whatever_the_umask(data_dir: Path, umask: str) -> None:
    data_dir.mkdir(mode=0o700)
    serve = (sys.executable, "-m", "reka.server", "--port", "0", "--data-dir", str(data_dir))

    with run_program("sh", "-c", f'umask {umask}; exec "$@"', "sh", *serve) as url:
        with open_caller(url) as caller:
            caller.add_prepared("notes", "An owl hunts at night.")
        modes = {str(path): path.lstat().st_mode & 0o777 for path in data_dir.rglob("*")}

    assert {name for name, mode in modes.items() if mode not in (0o600, 0o700)} == set()
    assert len(modes) > 10


def test_what_a_server_within_a_program_stores_is_for_its_user_alone_too(
    start: Start, call: Call, data_dir: Path
) -> None:
    before = os.umask(0)
    try:
        call(start()).add_prepared("notes", "An owl hunts at night.")
    finally:
        os.umask(before)

    modes = {str(path): path.lstat().st_mode & 0o777 for path in (data_dir, *data_dir.rglob("*"))}
    assert {name for name, mode in modes.items() if mode not in (0o600, 0o700)} == set()


@pytest.fixture
def folder(data_dir: Path) -> Iterator[Path]:
    yield data_dir
    stop_local_servers()


HOLD = """
import os, sys, time
from pathlib import Path
from reka.server.embedded import local_server
local_server(Path(sys.argv[1]))
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def joinable(folder: Path) -> Iterator[Path]:
    """A folder whose server another process runs."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        yield folder
        other.kill()


def change_address(folder: Path) -> None:
    info = json.loads((folder / "server.json").read_text())
    (folder / "server.json").write_text(json.dumps(info | {"base_url": "http://192.0.2.1:80"}))


UNSAFE: dict[str, tuple[Callable[[Path], object], str]] = {
    "others may write its address": (lambda folder: (folder / "server.json").chmod(0o666), "other users may write"),
    "the group may write its address": (lambda folder: (folder / "server.json").chmod(0o660), "other users may write"),
    "others may write its key": (lambda folder: (folder / "key").chmod(0o622), "other users may write to it"),
    "its address is of another machine": (change_address, "'http://192.0.2.1:80', which is not on this machine"),
}


@pytest.mark.parametrize(("change", "reason"), UNSAFE.values(), ids=UNSAFE)
def test_local_does_not_join_a_server_that_another_user_may_have_named(
    joinable: Path, change: Callable[[Path], object], reason: str
) -> None:
    change(joinable)

    with pytest.raises(InvalidArgumentError, match=reason):
        local_server(joinable)


@as_root
@pytest.mark.parametrize("name", ["server.json", "key"])
def test_local_does_not_join_the_server_of_another_user(joinable: Path, name: str) -> None:
    os.chown(joinable / name, 65534, 65534)

    with pytest.raises(InvalidArgumentError, match=f"{name}: it belongs to another user"):
        local_server(joinable)


def test_local_joins_the_server_of_its_user(joinable: Path) -> None:
    assert status_of(local_server(joinable)) == 200


def test_data_of_a_newer_version_are_refused(start: Start, data_dir: Path) -> None:
    start().stop()
    (data_dir / MARKER).write_text(json.dumps({"format": "reka server data", "version": version_after() + 1}))

    with pytest.raises(StartError, match="install the release that wrote them"):
        start()


def test_migrations_run_in_order_from_the_version_of_the_data_and_each_is_recorded(tmp_path: Path) -> None:
    log: list[object] = []
    migrations = [lambda root, step=step: log.append((step, root)) for step in ("1 to 2", "2 to 3", "3 to 4")]

    migrate(tmp_path, 2, log.append, migrations)

    assert log == [("2 to 3", tmp_path), 3, ("3 to 4", tmp_path), 4]
    assert version_after(migrations) == 4


def test_a_migration_that_fails_is_not_recorded(tmp_path: Path) -> None:
    versions: list[int] = []

    def fail(root: Path) -> None:
        raise sqlite3.OperationalError("disk full")

    with pytest.raises(sqlite3.OperationalError):
        migrate(tmp_path, 1, versions.append, [lambda _: None, fail, lambda _: None])

    assert versions == [2]


def test_a_folder_is_claimed_twice_without_harm(data_dir: Path) -> None:
    folder = DataFolder(data_dir)

    folder.claim()
    folder.open()

    assert contents(data_dir).keys() == {MARKER, "lock", "datasets", "index", "staging"}
