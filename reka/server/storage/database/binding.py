"""Whether a database is one of this release, and of this server's data folder or store: checked before it starts."""

import json
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from sqlalchemy import delete, inspect, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from reka.server.errors import StartError
from reka.server.storage.data_dir import DataFolder
from reka.server.storage.database.rows import Base, DatasetRow, StoreRow
from reka.server.store.objects import MARKER, Objects

if TYPE_CHECKING:
    from reka.server.storage.database.sessions import Database

_STORE_FORMAT: Final = "reka server store"
_STORE_VERSION: Final = 1

_STORE: Final = "store:"
"""What the ids of stores begin with, and those of data folders do not."""

_ID_DIGITS: Final = 26
"""Hexadecimal digits of a store's id: with its beginning they fill the column."""

_FILES_AT: Final = 1
"""Number of the row with the id of the data folder or store that has the files."""

_DATABASE: Final = 2
"""Number of the row with the database's own id."""

_HOME: Final = 3
"""Number of the row with the id of the data folder in which the database itself is, if it is in one."""

_RESTORATION: Final = 4
"""Number of the row that a new database has while a backup is restored into it and a new store."""


def check_columns(database: "Database") -> None:
    """Check that a database has every column.

    Raises:
        StartError: It lacks one.
    """
    with database.read() as session:
        inspector = inspect(session.connection())
        present = {
            table.name: {column["name"] for column in inspector.get_columns(table.name)}
            for table in Base.metadata.sorted_tables
        }
    lacking = [
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if column.name not in present[table.name]
    ]
    if lacking:
        raise StartError(
            f"the database lacks columns that this release of reka needs ({', '.join(lacking)}): another release has "
            "written it, or something has changed it. Install that release, or restore a backup"
        )


def bind_own(database: "Database", folder: DataFolder) -> None:
    """Bind a data folder and the database in it to each other, if they are not bound yet.

    Args:
        database: The database.
        folder: The folder, which is claimed.

    Raises:
        StartError: One of them belongs to another one.
    """
    marker = folder.marker()
    home = _claim_row(database, _HOME, marker.id or uuid4().hex)
    database_id = _claim_row(database, _DATABASE, uuid4().hex)
    if marker.id not in (None, home) or marker.database not in (None, database_id):
        raise StartError(
            f"data_dir: {folder.database} is not the database that {folder.root} had: put that one back; or move data "
            "folders as a whole, and restore a backup into a new one (reka restore)"
        )
    folder.record_database(home, database_id)


def check_home(database: "Database", folder: DataFolder) -> None:
    """Check that a database that is named by its URL is not the own one of another data folder, whose server has it.

    Raises:
        StartError: It is.
    """
    if _read_row(database, _HOME) not in (None, folder.marker().id):
        raise _other_folder()


def bind_folder(database: "Database", folder: DataFolder) -> None:
    """Bind a database and the data folder that has the files of its datasets to each other, if both are new.

    Args:
        database: The database.
        folder: The folder, which is claimed.

    Raises:
        StartError: One of them belongs to another one, whose server would lose its work to this one, or to a store.
    """
    check_folder(database, folder)
    marker, files_at = folder.marker(), _read_row(database, _FILES_AT)
    database_id = _claim_row(database, _DATABASE, uuid4().hex)
    is_known = marker.database == database_id or (marker.database is None and (files_at or folder.is_new()))
    if not is_known:
        raise StartError(
            f"data_dir: {folder.root} has the files of another database's datasets: use that database, or another "
            "data_dir"
        )
    if _claim_row(database, _FILES_AT, folder.id()) != folder.id():
        raise _other_folder()
    folder.record_database(folder.id(), database_id)


def check_folder(database: "Database", folder: DataFolder) -> None:
    """Check that no other data folder and no store has the files of a database's datasets.

    Raises:
        StartError: One has.
    """
    files_at = _read_row(database, _FILES_AT)
    if files_at is not None and files_at.startswith(_STORE):
        raise StartError("store_url: the files of the database's datasets are in a store: give its URL (--store-url)")
    if files_at not in (None, folder.marker().id):
        raise _other_folder()


def bind_store(database: "Database", objects: Objects) -> None:
    """Bind a database and a store to each other, if both are new. Any number of servers may do so at once.

    Each has an id of its own, and that of the other one: the store in its marker, which the first server writes.

    Raises:
        StartError: One of them belongs to another one.
        StoreUnavailableError: The store does not answer.
    """
    database_id = _claim_row(database, _DATABASE, uuid4().hex)
    marker = _read_marker(objects)
    if marker is None:
        _require_no_files(database)
        new = {"format": _STORE_FORMAT, "version": _STORE_VERSION, "id": _new_store_id(), "database": database_id}
        objects.put_new(MARKER, (json.dumps(new) + "\n").encode())
        marker = _read_marker(objects)
    store_id = _require_own(objects, marker, database_id)
    if _claim_row(database, _FILES_AT, store_id) != store_id:
        raise _files_elsewhere()
    objects.is_bound = True


def begin_restoration(database: "Database") -> None:
    """Keep servers off a new database, which may have a new store, until `end_restoration`.

    Of a server that starts at the same time and of this, at least one sees the other.

    Raises:
        StartError: A server has been started on it.
    """
    if _read_row(database, _RESTORATION) is not None:
        return  # of one before, that was interrupted
    _claim_row(database, _RESTORATION, "begun")
    if _read_row(database, _FILES_AT) is not None:
        with database.write() as session:
            end_restoration(session)
        raise StartError(
            "database_url: a server has been started on the database, and may run still: restore into a new database "
            "and a new store, and start servers when that is done"
        )


def end_restoration(session: Session) -> None:
    """Let servers start on a database, in the transaction that restores its rows."""
    session.execute(delete(StoreRow).where(StoreRow.number == _RESTORATION))


def require_no_restoration(database: "Database") -> None:
    """Check that no backup is being restored into a database, which is bound to its store already.

    Raises:
        StartError: One is, or was, when that was interrupted.
    """
    if _read_row(database, _RESTORATION) is not None:
        raise StartError(
            "database_url: a backup is being restored into the database, or was, and that did not end: wait for it, or "
            "restore the backup again (reka restore)"
        )


def check_store(database: "Database", objects: Objects) -> None:
    """Check that a store has the files of a database's datasets.

    Raises:
        StartError: It has not.
        StoreUnavailableError: The store does not answer.
    """
    store_id = _require_own(objects, _read_marker(objects), _read_row(database, _DATABASE))
    if _read_row(database, _FILES_AT) != store_id:
        raise _files_elsewhere()
    objects.is_bound = True


def _require_own(objects: Objects, marker: dict[str, str] | None, database_id: str | None) -> str:
    """Return the id of the store of a database."""
    if marker is None or marker["database"] != database_id:
        raise StartError(
            f"store_url: {objects.address} has the files of another database's datasets, or none: use that database, "
            "or an empty bucket or prefix"
        )
    return marker["id"]


def _require_no_files(database: "Database") -> None:
    """Check that the files of no dataset are elsewhere. A data folder lets go of its own database while it has none."""
    with database.write() as session:
        files_at, home = session.get(StoreRow, _FILES_AT), session.get(StoreRow, _HOME)
        is_free = files_at is None or (home is not None and files_at.folder_id == home.folder_id)
        if not is_free or session.scalar(select(DatasetRow.id).limit(1)):
            raise _files_elsewhere()
        if files_at is not None:
            session.delete(files_at)


def _read_row(database: "Database", number: int) -> str | None:
    with database.read() as session:
        row = session.get(StoreRow, number)
        return None if row is None else row.folder_id


def _claim_row(database: "Database", number: int, value: str) -> str:
    """Return what a row has, which is written if there is none; another server may do so at the same time."""
    if (found := _read_row(database, number)) is not None:
        return found
    try:
        with database.write() as session:
            row = session.get(StoreRow, number)
            if row is None:
                row = StoreRow(number=number, folder_id=value)
                session.add(row)
            return row.folder_id
    except IntegrityError:
        return str(_read_row(database, number))


def _other_folder() -> StartError:
    return StartError(
        "database_url: the database belongs to the server of another data folder, which has the files of its "
        "datasets: use that data_dir, after its server has ended, or another database"
    )


def _files_elsewhere() -> StartError:
    return StartError(
        "store_url: the files of the database's datasets are in another store or in a data folder: use that one, or "
        "move them by `reka backup` and `reka restore`"
    )


def _new_store_id() -> str:
    return f"{_STORE}{uuid4().hex[:_ID_DIGITS]}"


def _read_marker(objects: Objects) -> dict[str, str] | None:
    """Return the marker of a store; None if it is empty.

    Raises:
        StartError: Its marker is none, or of a newer version; or it has objects, but no marker.
    """
    is_empty = objects.is_empty()
    content = objects.read(MARKER)
    if content is None and is_empty:
        return None
    if content is None:
        raise StartError(f"store_url: {objects.address} holds what is not a server's data: use an empty prefix of it")
    found: dict[str, str] = {}
    try:
        marker = json.loads(content)
        version = int(marker["version"]) if marker["format"] == _STORE_FORMAT else 0
        found = {name: str(marker[name]) for name in ("id", "database")}
    except (ValueError, LookupError, TypeError):
        version = 0
    if version != _STORE_VERSION:
        raise StartError(
            f"store_url: {objects.address}/{MARKER} is not of this release of reka: use another prefix, or install the "
            "release that wrote it"
        )
    return found
