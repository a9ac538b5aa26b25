"""A database, a data folder and a store belong together and are whole, or no server starts, and nothing is deleted."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text

from reka.server.errors import StartError
from reka.server.storage.database import Base, Database
from reka.server.storage.ownership import MARKER, read_marker, write_marker
from tests.support.postgres import Postgres
from tests.support.servers import NOTES, Call, Start

TABLES = sorted(Base.metadata.tables)


def run_sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)


def file_of(folder: Path) -> Path:
    return folder / "reka.sqlite"


def files_in(data_dir: Path) -> set[str]:
    """What a server has stored in its folder, besides the database."""
    found = [path for name in ("datasets", "index") for path in (data_dir / name).rglob("*")]
    return {str(path.relative_to(data_dir)) for path in found}


def fill(start: Start, call: Call, **settings: Any) -> None:
    server = start(**settings)
    call(server).add_prepared("notes", NOTES)
    server.stop()


def replace_by_another(path: Path) -> None:
    path.unlink()
    run_sql(path, "CREATE TABLE other (x)")


LOSSES: dict[str, Callable[[Path], object]] = {
    "it is deleted": Path.unlink,
    "it is empty": lambda path: path.write_bytes(b""),
    "it has no table": replace_by_another,
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("is_filled", [True, False], ids=["with datasets", "with keys alone"])
def test_a_folder_whose_database_is_lost_is_refused_and_left_as_it_is(
    start: Start, call: Call, data_dir: Path, lose: Callable[[Path], object], is_filled: bool
) -> None:
    if is_filled:
        fill(start, call)
    else:
        start().stop()
    before = files_in(data_dir)
    lose(file_of(data_dir))

    for _ in range(2):
        with pytest.raises(StartError, match=r"has lost its database|has no server's data.*restore a backup"):
            start()

    assert files_in(data_dir) == before
    assert bool(before) is is_filled


def test_a_folder_whose_database_is_put_back_goes_on(start: Start, call: Call, data_dir: Path, tmp_path: Path) -> None:
    fill(start, call)
    file_of(data_dir).rename(tmp_path / "elsewhere")
    with pytest.raises(StartError):
        start()
    (tmp_path / "elsewhere").rename(file_of(data_dir))

    assert call(start()).chunks("owl", "notes")


@pytest.mark.parametrize("table", TABLES)
def test_a_database_that_has_lost_a_table_is_refused_and_the_table_is_named(
    start: Start, call: Call, data_dir: Path, table: str
) -> None:
    fill(start, call)
    before = files_in(data_dir)
    run_sql(file_of(data_dir), f"DROP TABLE {table}")

    for _ in range(2):
        with pytest.raises(StartError, match=rf"lacks tables of a server's data \(.*\b{table}\b"):
            start()

    assert files_in(data_dir) == before


def test_a_postgresql_that_has_lost_a_table_is_refused(start: Start, postgres_url: str) -> None:
    start(database_url=postgres_url).stop()
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE keys"))

    with pytest.raises(StartError, match=r"lacks tables of a server's data \(keys\)"):
        start(database_url=postgres_url)

    assert not inspect(engine).has_table("keys")
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "its own"])
def test_a_folder_is_not_taken_by_a_server_of_another_database(
    start: Start, call: Call, data_dir: Path, tmp_path: Path, postgres: Postgres, kind: str
) -> None:
    new = {"sqlite": f"sqlite:///{tmp_path / 'new.sqlite'}", "postgresql": postgres.create(), "its own": None}[kind]
    fill(start, call, database_url=None if new else f"sqlite:///{tmp_path / 'first.sqlite'}")
    before = files_in(data_dir)

    with pytest.raises(StartError, match=r"has lost its database|has no server's data"):
        start(database_url=new)

    assert files_in(data_dir) == before
    assert not (tmp_path / "new.sqlite").exists()


def test_a_folder_with_datasets_is_not_taken_by_a_database_that_has_others(
    start: Start, call: Call, data_dir: Path, tmp_path: Path
) -> None:
    other = f"sqlite:///{tmp_path / 'other.sqlite'}"
    Database(other).close()
    fill(start, call)
    before = files_in(data_dir)

    with pytest.raises(StartError, match="has the files of another database's datasets"):
        start(database_url=other)

    assert files_in(data_dir) == before


def test_a_database_file_of_another_folder_is_refused(start: Start, call: Call, data_dir: Path, tmp_path: Path) -> None:
    fill(start, call)
    fill(start, call, data_dir=tmp_path / "other")
    before = files_in(data_dir)
    shutil.copy(file_of(tmp_path / "other"), file_of(data_dir))

    with pytest.raises(StartError, match=r"is not the database that .* had"):
        start()

    assert files_in(data_dir) == before


@pytest.mark.parametrize("has_store", [False, True], ids=["files in the folder", "files in a store"])
def test_a_folders_own_database_is_no_other_servers(
    start: Start, call: Call, data_dir: Path, tmp_path: Path, has_store: bool
) -> None:
    where = {"store_url": f"file://{tmp_path}/store"} if has_store else {}
    first = start(**where)
    call(first).add_prepared("notes", NOTES)

    with pytest.raises(StartError, match="the database belongs to the server of another data folder"):
        start(data_dir=tmp_path / "other", database_url=f"sqlite:///{file_of(data_dir)}", **where)

    first.stop()
    assert call(start(**where)).chunks("owl", "notes")


@pytest.mark.skipif(os.name == "nt", reason="Windows does not delete files that are open")
@pytest.mark.parametrize("lost", [("",), ("-wal",), ("-shm",), ("", "-wal", "-shm")], ids=["file", "log", "map", "all"])
def test_a_server_whose_database_is_deleted_meanwhile_is_not_ready_and_stores_nothing(
    start: Start, call: Call, data_dir: Path, tmp_path: Path, lost: tuple[str, ...]
) -> None:
    api = call(start())
    api.add_prepared("notes", NOTES)
    names = [f"reka.sqlite{suffix}" for suffix in lost]
    for name in names:
        (data_dir / name).rename(tmp_path / name)

    ready, refused = api.ask("GET", "/readyz"), api.add("others", NOTES)
    listed = [caller.ask("GET", "/datasets").status_code for caller in [api] * 20]
    figures = api.ask("GET", "/metrics").text
    made = [name for name in names if (data_dir / name).exists()]
    for name in names:
        (tmp_path / name).rename(data_dir / name)

    assert (ready.status_code, ready.json()["database"]) == (503, False)
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    assert set(listed) <= {200, 503}
    assert "reka_database_up 0.0" in figures
    assert made == []
    assert api.ask("GET", "/readyz").ok
    assert api.add("others", NOTES).ok
    assert api.names() == ["notes", "others"]


def test_a_folder_goes_on_where_it_is_moved_to(start: Start, call: Call, data_dir: Path, tmp_path: Path) -> None:
    fill(start, call)
    data_dir.rename(tmp_path / "moved")

    assert call(start(data_dir=tmp_path / "moved")).chunks("owl", "notes")


def test_a_folder_whose_marker_is_lost_keeps_its_id(start: Start, call: Call, data_dir: Path) -> None:
    fill(start, call)
    before = read_marker(data_dir)
    (data_dir / MARKER).unlink()

    assert call(start()).chunks("owl", "notes")
    assert read_marker(data_dir) == before


def age(data_dir: Path, version: int) -> None:
    """Make the data those of an earlier version, which had fewer tables and knew of no ids."""
    marker = read_marker(data_dir)
    assert marker is not None
    write_marker(data_dir, type(marker)(version))
    younger = ["arrivals", "files", "file_parts", "vector_stores", "file_batches"]
    if version < 3:
        younger += ["leases", "schema_version"]
        run_sql(file_of(data_dir), "DROP INDEX ix_jobs_number")
        run_sql(
            file_of(data_dir), *(f"ALTER TABLE jobs DROP COLUMN {name}" for name in ("number", "stops", "size_bytes"))
        )
    else:
        run_sql(file_of(data_dir), "UPDATE schema_version SET version = 3")
    run_sql(file_of(data_dir), "DELETE FROM store", *(f"DROP TABLE {name}" for name in reversed(younger)))


@pytest.mark.parametrize("version", [2, 3])
def test_the_data_of_earlier_versions_are_taken_over(start: Start, call: Call, data_dir: Path, version: int) -> None:
    fill(start, call)
    age(data_dir, version)

    server = start()

    assert call(server).chunks("owl", "notes")
    server.stop()
    file_of(data_dir).unlink()
    with pytest.raises(StartError, match="has lost its database"):
        start()


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("lost", ["datasets", "keys", None])
def test_the_data_of_earlier_versions_that_are_not_whole_are_refused(
    start: Start, call: Call, data_dir: Path, version: int, lost: str | None
) -> None:
    fill(start, call)
    age(data_dir, version)
    before = files_in(data_dir)
    if lost is None:
        file_of(data_dir).unlink()
    else:
        run_sql(file_of(data_dir), f"DROP TABLE {lost}")

    with pytest.raises(StartError, match="has lost its database" if lost is None else rf"lacks tables .*\b{lost}\b"):
        start()

    assert files_in(data_dir) == before
