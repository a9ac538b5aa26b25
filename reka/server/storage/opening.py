"""Opening what a server stores: its database, and its files and tables, which must belong to each other."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from reka.server.errors import StartError
from reka.server.settings import Settings
from reka.server.storage.data_dir import DataFolder
from reka.server.storage.database import Database, open_database
from reka.server.storage.database.binding import (
    begin_restoration,
    bind_folder,
    bind_store,
    check_folder,
    check_home,
    check_store,
    require_no_restoration,
)
from reka.server.store.address import parse_store_url
from reka.server.store.files import Files, FolderFiles
from reka.server.store.objects import StoreUnavailableError
from reka.server.store.store import FolderStore, SharedStore, Store


@contextmanager
def open_storage(settings: Settings, *, restores: bool = False) -> Iterator[tuple[Database, Store]]:
    """Open database and store of a server until the block ends, and bind them to each other.

    Args:
        settings: The server's settings.
        restores: Whether a backup is about to be restored, in place of a server that starts. On a database and a store
            that servers with other data folders may share, no server may have been started then.

    Raises:
        StartError: The data folder cannot be used; or the store does not answer, or its package is missing; or
            database and store do not belong to each other; or a backup is being restored into them.
        ValueError: The URL of the store is none.
    """
    folder = DataFolder(settings.data_dir)
    folder.open()
    makes = settings.store_url is not None or folder.is_new()
    with open_database(folder, settings.database_url, makes=makes) as database:
        if settings.database_url is not None:
            check_home(database, folder)
        if settings.store_url is None:
            bind_folder(database, folder)
            yield database, FolderStore(folder.datasets, folder.index, folder.is_there)
            return
        if restores and settings.database_url is not None:
            begin_restoration(database)
        with _shared_store(settings, folder.cache) as store:
            with _answers(store):
                bind_store(database, store.objects)
            if not restores:
                require_no_restoration(database)
            yield database, store


@contextmanager
def open_stored(settings: Settings) -> Iterator[tuple[Database, Files]]:
    """Open what a server has stored until the block ends, to read it: nothing is created, or bound to anything.

    Args:
        settings: The server's settings.

    Raises:
        StartError: There is no server's data; else as for `open_storage`.
        ValueError: The URL of the store is none.
    """
    folder = DataFolder(settings.data_dir)
    with open_database(folder, settings.database_url, makes=False) as database:
        if settings.store_url is None:
            check_folder(database, folder)
            yield database, FolderFiles(folder.datasets)
            return
        with TemporaryDirectory() as cache, _shared_store(settings, Path(cache), makes=False) as store:
            with _answers(store):
                check_store(database, store.objects)
            yield database, store.files


@contextmanager
def _shared_store(settings: Settings, cache: Path, *, makes: bool = True) -> Iterator[SharedStore]:
    """Open a store until the block ends.

    Args:
        settings: The server's settings.
        cache: Folder of the copies.
        makes: Whether the folder of a store in a folder is created.
    """
    try:
        address = parse_store_url(settings.store_url or "")
    except ValueError as error:
        raise ValueError(f"store_url: {error}") from None
    if not makes and address.scheme == "file" and not Path(address.prefix).is_dir():
        raise StartError(f"store_url: there is no folder {address.prefix}: check the URL")
    try:
        store = SharedStore(address, settings.store_seconds, cache, settings.cache_bytes)
    except ModuleNotFoundError as error:
        raise StartError(
            f"store_url: a store needs packages ({error.name} is missing): install this package with the extra "
            "`store`, reka[server,store]"
        ) from error
    except OSError as error:
        if error.filename is not None:  # of a folder of copies, which the error names
            raise
        raise StartError(
            f"store_url: cannot store data in {settings.store_url} ({error.strerror or error}): choose another folder"
        ) from error
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _answers(store: SharedStore) -> Iterator[None]:
    """Turn the errors of a block that asks a store for the first time into what is said to whoever starts it."""
    try:
        yield
    except (StoreUnavailableError, FileNotFoundError) as error:
        raise StartError(
            f"store_url: {store.objects.address} does not answer, or refuses: check the URL, and the "
            "environment variables with its credentials and endpoint; the log says more"
        ) from error
