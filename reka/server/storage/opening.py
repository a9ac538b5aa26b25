"""Opening what a server stores: its database, and its files and tables, which must belong to each other."""

from collections.abc import Iterator
from contextlib import contextmanager

from reka.server.errors import StartError
from reka.server.settings import Settings
from reka.server.storage.data_dir import DataFolder
from reka.server.storage.database import Database, open_database
from reka.server.storage.database.binding import bind_folder, bind_store, check_home
from reka.server.store.address import parse_store_url
from reka.server.store.objects import StoreUnavailableError
from reka.server.store.store import FolderStore, SharedStore, Store


@contextmanager
def open_storage(settings: Settings) -> Iterator[tuple[Database, Store]]:
    """Open database and store of a server until the block ends, and bind them to each other.

    Args:
        settings: The server's settings.

    Raises:
        StartError: The data folder cannot be used; or the store does not answer, or its package is missing; or
            database and store do not belong to each other.
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
        store = _shared_store(settings, folder)
        try:
            try:
                bind_store(database, store.objects)
            except (StoreUnavailableError, FileNotFoundError) as error:
                raise StartError(
                    f"store_url: {store.objects.address} does not answer, or refuses: check the URL, and the "
                    "environment variables with its credentials and endpoint; the log says more"
                ) from error
            yield database, store
        finally:
            store.close()


def _shared_store(settings: Settings, folder: DataFolder) -> SharedStore:
    try:
        address = parse_store_url(settings.store_url or "")
    except ValueError as error:
        raise ValueError(f"store_url: {error}") from None
    try:
        return SharedStore(address, settings.store_seconds, folder.cache, settings.cache_bytes)
    except ModuleNotFoundError as error:
        raise StartError(
            f"store_url: a store needs packages ({error.name} is missing): install this package with the extra "
            "`store`, reka[server,store]"
        ) from error
