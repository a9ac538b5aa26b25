"""The start and the end of a service: alone on its data, or beside other processes."""

from collections.abc import Iterator
from contextlib import contextmanager

from reka.server.generation.types import ChatBackend
from reka.server.ingest.zip_archive import text_members
from reka.server.retrieval.embeddings import Embedder
from reka.server.retrieval.tables import Tables
from reka.server.service import Service, Shares
from reka.server.settings import Settings
from reka.server.storage.database.binding import check_columns
from reka.server.storage.leases import Leases
from reka.server.storage.opening import open_storage
from reka.server.telemetry.access_log import open_access_log


def prepare_storage(settings: Settings) -> None:
    """Bring what an earlier run has left into order, before several processes share it.

    The caller must hold the lock of the data folder, and no process may be at work in it but workers, if the settings
    say that the server has none.

    Raises:
        StartError: The database is of another release, or belongs to another data folder or store.
    """
    with open_storage(settings) as (database, store):
        check_columns(database)
        _clean_up(Service(settings, database, store))


def is_shared(settings: Settings) -> bool:
    """Tell whether servers with other data folders may use the same data."""
    return settings.store_url is not None and settings.database_url is not None


def end_attempts(settings: Settings) -> None:
    """End what the only worker of some data has left, which is gone: the next one need not wait for its leases.

    Of data that other servers share, whose workers go on, nothing is ended.

    Raises:
        StartError: As for `prepare_storage`.
    """
    if is_shared(settings):
        return
    with open_storage(settings) as (database, store):
        leases, tables = Leases(database), Tables(store.tables)
        for table in leases.live()[1]:
            tables.drop(table)
        leases.end_all()


@contextmanager
def run_service(
    settings: Settings,
    backend: ChatBackend | None = None,
    embedder: Embedder | None = None,
    *,
    is_alone: bool = True,
    runs_jobs: bool = True,
    shares: Shares | None = None,
) -> Iterator[Service]:
    """Run a service until the block ends.

    Args:
        settings: The server's settings.
        backend: See `Service`.
        embedder: See `Service`.
        is_alone: Whether no other process uses the data, whose folder the caller has locked; what an earlier run has
            left is cleaned up then. Otherwise `prepare_storage` did that before the first process.
        runs_jobs: Whether jobs are run in this process.
        shares: See `Service`.

    Raises:
        StartError: The database is of another release, or belongs to another data folder or store.
        ValueError: The settings contradict each other.
    """
    cleans_up, is_alone = is_alone, is_alone and not is_shared(settings)
    with open_storage(settings) as (database, store):
        check_columns(database)
        service = Service(
            settings, database, store, backend, embedder, is_alone=is_alone, runs_jobs=runs_jobs, shares=shares
        )
        service.access_log = open_access_log(settings)
        if cleans_up:
            _clean_up(service)
        service.begin(runs_jobs=runs_jobs)
        try:
            yield service
        finally:
            if runs_jobs:
                service.worker.stop()
            if service.access_log is not None:
                service.access_log.close()


def _clean_up(service: Service) -> None:
    settings = service.settings
    service.folder.clear_staging()
    service.sweeper.sweep_first(is_alone=not (settings.no_worker or is_shared(settings)))
    service.datasets.add_documents_of_uploads(text_members)
