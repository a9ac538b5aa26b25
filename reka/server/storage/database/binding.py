"""Whether a database is one of this release, and of this server's data folder or store: checked before it starts."""

import json
from typing import Final
from uuid import uuid4

from sqlalchemy import inspect, select
from sqlalchemy.exc import IntegrityError

from reka.server.errors import StartError
from reka.server.storage.database.rows import Base, DatasetRow, StoreRow
from reka.server.storage.database.sessions import Database
from reka.server.store.objects import Objects
from reka.server.store.store import MARKER

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


def check_columns(database: Database) -> None:
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


def check_folder_binding(database: Database, folder_id: str, *, claim: bool) -> None:
    """Check that the files of a database's datasets are in a data folder.

    Args:
        database: The database.
        folder_id: Id of the folder.
        claim: Whether to bind the database to the folder, if it is not bound yet.

    Raises:
        StartError: It is bound to another folder, whose server would lose its work to this one, or to a store.
    """
    with database.write() as session:
        row = session.get(StoreRow, _FILES_AT)
        if row is None and claim:
            row = StoreRow(number=_FILES_AT, folder_id=folder_id)
            session.add(row)
        bound_to = folder_id if row is None else row.folder_id
    if bound_to.startswith(_STORE):
        raise StartError("store_url: the files of the database's datasets are in a store: give its URL (--store-url)")
    if bound_to != folder_id:
        raise StartError(
            "database_url: the database belongs to the server of another data folder, which has the files of its "
            "datasets: use that data_dir, after its server has ended, or another database"
        )


def bind_store(database: Database, objects: Objects) -> None:
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
    if marker is None or marker["database"] != database_id:
        raise StartError(
            f"store_url: {objects.address} has the files of another database's datasets: use that database, or an "
            "empty bucket or prefix"
        )
    if _claim_row(database, _FILES_AT, marker["id"]) != marker["id"]:
        raise _files_elsewhere()


def _require_no_files(database: Database) -> None:
    with database.read() as session:
        if session.get(StoreRow, _FILES_AT) or session.scalar(select(DatasetRow.id).limit(1)):
            raise _files_elsewhere()


def _claim_row(database: Database, number: int, value: str) -> str:
    """Return what a row has, which is written if there is none; another server may do so at the same time."""
    try:
        with database.write() as session:
            row = session.get(StoreRow, number)
            if row is None:
                row = StoreRow(number=number, folder_id=value)
                session.add(row)
            return row.folder_id
    except IntegrityError:
        with database.read() as session:
            return session.get_one(StoreRow, number).folder_id


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
