"""Where a server keeps what: the folders of its data, and the lock that lets in one server at a time."""

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
    """The folders inside a server's data folder. Every file name in them is the server's own, never a client's."""

    root: Path

    @property
    def staging(self) -> Path:
        """Uploads that are not datasets yet; nothing in it outlives a restart."""
        return self.root / "staging"

    @property
    def datasets(self) -> Path:
        """One file a dataset, named by its id."""
        return self.root / "datasets"

    @property
    def index(self) -> Path:
        """The retrieval index."""
        return self.root / "index"

    @property
    def database(self) -> Path:
        """The SQLite database of datasets, jobs and keys."""
        return self.root / "reka.sqlite"

    def dataset(self, dataset_id: str) -> Path:
        """The file of a dataset."""
        return self.datasets / dataset_id

    def make(self) -> None:
        """Make the folders, readable by this user alone.

        Raises:
            StartError: The place is no folder, or may not be written.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in (self.staging, self.datasets, self.index):
                path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StartError(
                f"cannot keep data in {self.root} ({error.strerror}): choose another folder as data_dir"
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one server.

        Raises:
            DataFolderInUseError: Another one holds it.
            StartError: The folder cannot be made.
        """
        from filelock import FileLock, Timeout

        self.make()
        # The lock is the operating system's, so it ends with the process, however that ends. It is waited for a little,
        # because whoever wants to know whether it is held takes it for an instant.
        lock = FileLock(self.root / "lock", timeout=LOCK_SECONDS, thread_local=False)
        try:
            lock.acquire(poll_interval=LOCK_SECONDS / 10)
        except Timeout as error:
            raise DataFolderInUseError(
                f"another server already works on the data in {self.root}: stop it, or choose another data_dir"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def clear_staging(self) -> None:
        """Remove what uploads have left when a server was killed."""
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir(mode=0o700, exist_ok=True)

    def dataset_ids(self) -> set[str]:
        """Ids of all datasets that have a file."""
        return {path.name for path in self.datasets.iterdir()}


def sync_folder(path: Path) -> None:
    """Make the names in a folder last through a loss of power, where the system lets one."""
    if os.name == "nt":
        return  # Windows has no handle for a folder to flush
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
