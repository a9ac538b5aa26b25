"""Removing what belongs to no dataset: what processes that were killed have left, in a data folder or a store."""

import logging
import time
from collections.abc import Iterable, Set
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from reka.server.faults import is_disk_full
from reka.server.retrieval.index import Index
from reka.server.storage.arrivals import Arrivals
from reka.server.storage.database import NO_OWNER, Database, DatasetRow
from reka.server.storage.datasets import Datasets
from reka.server.storage.document_store import ROWS
from reka.server.storage.jobs import base_of
from reka.server.storage.leases import Leases
from reka.server.storage.ownership import is_ours
from reka.server.store.objects import StoreUnavailableError
from reka.server.store.store import Store

logger: Final = logging.getLogger(__name__)

SWEEPS: Final = 2
"""Sweeps of a shared store in `orphan_seconds` (ours)."""

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks whether all tables are there (ours)."""


class Sweeper:
    """Removes what is left over. In a shared store it may do so at any time, by any number of processes."""

    def __init__(
        self,
        database: Database,
        store: Store,
        index: Index,
        datasets: Datasets,
        leases: Leases,
        arrivals: Arrivals,
        orphan_seconds: float,
    ) -> None:
        """Sweep a store.

        Args:
            database: Says what belongs to a dataset, or is being written.
            store: Has the files.
            index: Has the tables.
            datasets: Have lost tables built anew.
            leases: Say which tables are being written.
            arrivals: Say which files are being written.
            orphan_seconds: See `Settings.orphan_seconds`.
        """
        self._database = database
        self._store = store
        self._index = index
        self._datasets = datasets
        self._leases = leases
        self._arrivals = arrivals
        self._seconds = orphan_seconds / SWEEPS
        self._next = time.monotonic() + self._seconds
        self._next_look = 0.0

    def sweep_first(self, *, is_alone: bool) -> None:
        """Sweep before this server does anything else.

        Args:
            is_alone: Whether no other process uses the data, so that nothing is being written.
        """
        if is_alone:
            self._leases.end_all()
            self._arrivals.end_overdue(0)
        with suppress(DBAPIError, OSError):  # on a full disk the worker tries again
            self._datasets.remove_deleted()
        try:
            self.sweep()
        except StoreUnavailableError:
            logger.warning("the store was not looked through for what is left over, which is done later")
        except DBAPIError as error:
            if not is_disk_full(error):
                raise
            logger.warning("the disk is full, so lost tables are built anew later")

    def sweep_if_due(self) -> None:
        """Sweep a shared store once in a while: other processes end too, and do not start again."""
        if self._store.files.is_shared and time.monotonic() >= self._next:
            self._next = time.monotonic() + self._seconds
            self.sweep()

    def sweep(self) -> None:
        """Delete files and tables that belong to no dataset and are not being written; have lost tables built anew.

        What does not have a name that a server gives is left alone.
        """
        self._arrivals.end_overdue()
        # First what is there, then what is being written, then what there should be: what moves on in between is found.
        files, tables = self._store.files.ids(), set(self._index.tables())
        expected = self._arrivals.names() | self._leases.live()[1]
        with self._database.read() as session:
            rows = session.scalars(select(DatasetRow)).all()
        for dataset_id in files - expected - {row.id for row in rows if row.kind != ROWS}:
            if is_ours("datasets", dataset_id):
                self._store.files.delete(dataset_id)
        for table in tables - expected - {row.table for row in rows}:
            if is_ours("index", f"{table}.lance"):
                self._index.drop(table)
        self._store.keep_copies({row.id for row in rows}, {row.table for row in rows if row.table})
        self._rebuild_missing(rows, tables)

    def rebuild_lost(self) -> None:
        """Have tables built anew that are gone from a data folder: no search need fail, as some are in memory.

        Raises:
            StorageUnavailableError: The data folder is not there.
            Exception: A fault that can pass.
        """
        if self._store.files.is_shared or time.monotonic() < self._next_look:
            return  # listing what a store has takes long, and is done by `sweep_if_due`
        self._next_look = time.monotonic() + LOOK_SECONDS
        tables = set(self._index.tables())
        with self._database.read() as session:
            of_tables = select(DatasetRow.id, DatasetRow.table, DatasetRow.table_version)
            rows = session.execute(of_tables.where(DatasetRow.owner != NO_OWNER)).all()
        self._rebuild_missing(rows, tables)

    def _rebuild_missing(self, rows: Iterable[Any], tables: Set[str]) -> None:
        """Have the tables of datasets, or of the columns of them that name tables, built anew if they are not there."""
        for row in rows:
            if row.table not in tables and (at := base_of(row)) is not None:
                self._datasets.rebuild_if_lost(row.id, at)
