"""The uploaded files of the datasets, in the data folder or in a shared store."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from reka.server.storage.arrivals import Arrivals
from reka.server.storage.database import Database
from reka.server.storage.document_store import ROWS
from reka.server.store.store import Store

logger: Final = logging.getLogger(__name__)


class DatasetFiles:
    """The files of the datasets of one server, each named by its dataset's id."""

    def __init__(self, database: Database, store: Store, orphan_seconds: float) -> None:
        """Keep files in a store.

        Args:
            database: Records which files are on their way to a shared store.
            store: Stores the files.
            orphan_seconds: See `Arrivals`.
        """
        self._store = store
        self._files = store.files
        self.arrivals: Arrivals = Arrivals(database, orphan_seconds, is_shared=store.files.is_shared)

    @contextmanager
    def adding(self, dataset_id: str, staged: Path) -> Iterator[None]:
        """Store a staged file, which is gone then; delete it again if the block, which creates the dataset, fails."""
        self.arrivals.announce(dataset_id)
        try:
            self._files.put(dataset_id, staged, lambda: self.arrivals.beat(dataset_id))
            yield
        except BaseException as error:
            self._take_back(dataset_id, error)
            raise

    def confirm(self, session: Session, dataset_id: str) -> None:
        """Record, in the transaction that creates its dataset, that a file belongs to it.

        Raises:
            StorageUnavailableError: Storing took so long that the file was taken for left over.
        """
        self.arrivals.end(session, dataset_id)

    @contextmanager
    def reading(self, dataset_id: str, kind: str) -> Iterator[Path]:
        """Give the path of a dataset's file until the block ends; of one without a file, a path that is not read.

        Raises:
            FileNotFoundError: The file is not there; in a data folder, when it is opened.
        """
        if kind == ROWS:
            yield Path(os.devnull)
            return
        with self._files.reading(dataset_id) as path:
            yield path

    def is_lost(self, dataset_id: str) -> bool:
        """Tell whether a file is missing, and not the whole store."""
        return self._store.is_there() and not self._files.has(dataset_id)

    def is_store_there(self) -> bool:
        """Tell whether the store can be used now."""
        return self._store.is_there()

    def delete(self, dataset_id: str) -> bool:
        """Delete a file; a missing one is ignored.

        Returns:
            False if it cannot be deleted now: a sweep does it later.
        """
        try:
            self._files.delete(dataset_id)
        except OSError:
            logger.warning("cannot delete an uploaded file yet", exc_info=True)
            return False
        return True

    def _take_back(self, dataset_id: str, error: BaseException) -> None:
        if (
            isinstance(error, DBAPIError)
            and not isinstance(error, IntegrityError)
            and (self._files.is_shared or error.connection_invalidated)
        ):
            return  # the database may have committed and not said so: a sweep asks it again
        try:
            if self.delete(dataset_id):
                self.arrivals.forget(dataset_id)
        except DBAPIError:
            logger.warning("cannot record that a failed upload is deleted", exc_info=True)
