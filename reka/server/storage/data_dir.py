"""The data folder of a server: its layout, and the lock that admits one server at a time."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reka.server.errors import DataFolderInUseError, StartError

LOCK_SECONDS: Final = 0.3
"""Seconds to wait for the lock of a data folder (ours)."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Paths inside a server's data folder. The server chooses every file name itself; none comes from a client."""

    root: Path

    @property
    def staging(self) -> Path:
        """Folder of uploads in progress; it is emptied at every start."""
        return self.root / "staging"

    @property
    def datasets(self) -> Path:
        """Folder of the dataset files, one per dataset, named by the dataset's id."""
        return self.root / "datasets"

    @property
    def index(self) -> Path:
        """Folder of the retrieval index."""
        return self.root / "index"

    @property
    def database(self) -> Path:
        """The SQLite database of datasets, jobs and keys."""
        return self.root / "reka.sqlite"

    def dataset(self, dataset_id: str) -> Path:
        """Return the path of a dataset's file."""
        return self.datasets / dataset_id

    def make(self) -> None:
        """Create the folders, accessible by the current user only.

        Raises:
            StartError: The path is not a folder, or is not writable.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in (self.staging, self.datasets, self.index):
                path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StartError(
                f"data_dir: cannot store data in {self.root} ({error.strerror}): choose another folder as data_dir"
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for one server until the block ends.

        Raises:
            DataFolderInUseError: Another server holds the lock.
            StartError: The folder cannot be created.
        """
        from filelock import FileLock, Timeout

        self.make()
        # The lock belongs to the operating system, so it ends with the process, however that ends. The short wait is
        # for processes that only test the lock: they hold it for an instant.
        lock = FileLock(self.root / "lock", timeout=LOCK_SECONDS, thread_local=False)
        try:
            lock.acquire(poll_interval=LOCK_SECONDS / 10)
        except Timeout as error:
            raise DataFolderInUseError(
                f"data_dir: another server already uses the data in {self.root}: stop it, or choose another data_dir"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def clear_staging(self) -> None:
        """Delete the uploads that a killed server left unfinished."""
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir(mode=0o700, exist_ok=True)

    def dataset_ids(self) -> set[str]:
        """Return the ids of all datasets that have a file."""
        return {path.name for path in self.datasets.iterdir()}


def sync_folder(path: Path) -> None:
    """Flush a folder's entries to disk, so that they survive a power failure, where the system supports it."""
    if os.name == "nt":
        return  # Windows has no handle for a folder to flush
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
