"""The database of a server is opened: its data folder's own one, or one that is named by a URL."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from reka.server.errors import StartError
from reka.server.faults import is_disk_full, is_transient
from reka.server.storage.data_dir import DataFolder
from reka.server.storage.database.binding import bind_own
from reka.server.storage.database.engine import database_failure
from reka.server.storage.database.sessions import Database, sqlite_url
from reka.server.store.reserve import Reserve


@contextmanager
def open_database(folder: DataFolder, url: str | None = None, *, makes: bool = True) -> Iterator[Database]:
    """Open the database of a server, running or not, and close it when the block ends.

    Args:
        folder: The server's data folder.
        url: SQLAlchemy URL of the database; None for the SQLite file of the folder.
        makes: Whether a database that is not there yet is created. In a folder that has had one it never is.

    Raises:
        StartError: The data folder or the database cannot be used, is not there, or is not whole.
    """
    try:
        database = _open_own(folder, makes=makes) if url is None else Database(url, makes=makes)
    except SQLAlchemyError as error:
        raise database_failure(error, is_full=url is None and _is_of_full_disk(error, folder)) from None
    try:
        if url is None:
            bind_own(database, folder)
        yield database
    finally:
        database.close()


def _open_own(folder: DataFolder, *, makes: bool) -> Database:
    """Open the database of a folder; on a full disk by using up the reserve, so that something can be deleted."""
    if not makes:
        _require_file(folder)
    folder.open()
    if not (is_new := folder.is_new()):
        _require_file(folder)
    makes = makes and is_new
    url, reserve = sqlite_url(folder.make_database()), Reserve(folder.reserve)
    try:
        return Database(url, reserve, makes=makes)
    except DBAPIError as error:
        if not _is_of_full_disk(error, folder):
            raise
    reserve.release()
    return Database(url, reserve, makes=makes)


def _require_file(folder: DataFolder) -> None:
    if not folder.database.exists() or folder.database.stat().st_size == 0:
        raise StartError(
            f"data_dir: {folder.root} has lost its database, {folder.database.name}, without which its files are of no "
            "use: put it back, or restore a backup into a new data folder (reka restore); to begin anew, choose "
            "another folder"
        )


def _is_of_full_disk(error: SQLAlchemyError, folder: DataFolder) -> bool:
    """Tell whether a disk without room may be the reason of an error: SQLite says of some that they are of the disk."""
    return is_disk_full(error) or (is_transient(error) and not folder.has_room())
