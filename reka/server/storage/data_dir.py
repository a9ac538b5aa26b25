"""The data folder of a server: its layout, and the lock that admits one server at a time."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from reka.server.errors import DataFolderInUseError, StartError
from reka.server.storage.migrations import DATABASE, migrate, version_after
from reka.server.storage.ownership import (
    MARKER,
    RESERVE,
    Marker,
    check_folder,
    has_contents,
    is_ours,
    read_marker,
    write_marker,
)
from reka.server.store.private_files import make_private_file, make_private_folder

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from filelock import FileLock

LOCK_SECONDS: Final = 0.3
"""Seconds to wait for the lock of a data folder (ours)."""


LEAST_FREE_BYTES: Final = 1024 * 1024
"""Bytes on the disk below which a server is not ready: less than an upload of any use needs (ours)."""

LEAST_FREE_FILES: Final = 32
"""Files that the disk must be able to take besides: the table of one upload has some twenty (ours)."""

_UNSTORABLE: Final = re.compile("[\0-\x1f\x7f\ud800-\udfff]")
"""What a path of LanceDB cannot have."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Paths inside a server's data folder. The server chooses every file name itself; none comes from a client."""

    root: Path

    @property
    def staging(self) -> Path:
        """Folder of uploads in progress; those that a kill left behind are deleted at every start."""
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
    def processes(self) -> Path:
        """Folder of what the processes of a server have in common, if there are several."""
        return self.root / "processes"

    @property
    def cache(self) -> Path:
        """Folder of copies of what is in a store."""
        return self.root / "cache"

    @property
    def database(self) -> Path:
        """The SQLite database of datasets, jobs and keys."""
        return self.root / DATABASE

    def make_database(self) -> Path:
        """Create the SQLite file if it is missing, for this user only, and return its path.

        Raises:
            StartError: It cannot be created.
        """
        with self._faults():
            make_private_file(self.database)
        return self.database

    def marker(self) -> Marker:
        """Return what the marker of the folder says, which must be claimed."""
        return read_marker(self.root) or Marker(version_after())

    def id(self) -> str:
        """Return the id of the folder, which must be claimed; it is made when it is first wanted."""
        marker = self.marker()
        if marker.id is None:
            marker = replace(marker, id=uuid4().hex)
            write_marker(self.root, marker)
        return str(marker.id)

    def record_database(self, folder_id: str, database_id: str) -> None:
        """Record in the marker which database has the rows of the folder's files."""
        marker = self.marker()
        if (marker.id, marker.database) != (folder_id, database_id):
            write_marker(self.root, replace(marker, id=folder_id, database=database_id))

    def is_new(self) -> bool:
        """Tell whether the folder, which must be claimed, has no database yet, and nothing that would be in one."""
        return self.marker().database is None and not has_contents(self.root)

    @property
    def lock(self) -> Path:
        """The file whose lock a running server holds."""
        return self.root / "lock"

    @property
    def worker_lock(self) -> Path:
        """The file whose lock a running server holds that runs its own jobs, or workers share that no server runs."""
        return self.root / "worker"

    @property
    def reserve(self) -> Path:
        """The file that keeps room for deletions."""
        return self.root / RESERVE

    def has_room(self) -> bool:
        """Tell whether there is room on the disk of the folder.

        Raises:
            OSError: The folder is not there.
        """
        return shutil.disk_usage(self.root).free >= LEAST_FREE_BYTES and _has_room_for_files(self.root)

    def is_there(self) -> bool:
        """Tell whether the folder is there and writable: its volume may be unmounted meanwhile, or read-only.

        Folders in it that have nothing which is not to be had again are made anew, if they alone are missing.
        """
        if not ((self.root / MARKER).is_file() and _is_writable(self.datasets)):
            return False
        for path in (self.staging, self.index):
            with suppress(OSError):
                path.mkdir(mode=0o700)
        return _is_writable(self.staging) and _is_writable(self.index)

    def claim(self) -> None:
        """Make sure that the folder is this server's own, and create what is missing in it, for its user only.

        Nothing is written before an existing folder is proven to be empty or a server's.

        Raises:
            StartError: The path is not a folder, is not safe, or holds anything but a server's data; or the data are
                of a newer version.
        """
        if _UNSTORABLE.search(str(self.root.absolute())):
            raise StartError(
                f"data_dir: got {str(self.root)!r}, which has a control character or is no valid text: choose a folder "
                "without"
            )
        with self._faults():
            if self.root.exists():
                check_folder(self.root)
            else:
                make_private_folder(self.root, parents=True)
            make_private_file(self.lock)
            if read_marker(self.root) is None:
                self._mark()
            for path in (self.staging, self.datasets, self.index):
                make_private_folder(path)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            place = "" if error.filename in (None, str(self.root)) else f": {error.filename}"
            raise StartError(
                f"data_dir: cannot store data in {self.root} ({error.strerror}{place}): choose another folder as "
                "data_dir"
            ) from error

    def open(self) -> None:
        """Claim the folder, and bring its data to the present version if no server has done so yet.

        Raises:
            DataFolderInUseError: The data are of an older version, and another server is about to migrate them.
            StartError: As for `claim`.
        """
        self.claim()
        if self.marker().version != version_after():
            with self.locked():
                pass

    @contextmanager
    def locked(self) -> Iterator[tuple[int, ...]]:
        """Claim the folder, lock it for one server until the block ends, and migrate its data.

        Yields:
            What a child process inherits to hold the lock as well; nothing on Windows, where a lock has one owner.

        Raises:
            DataFolderInUseError: Another server holds the lock.
            StartError: As for `claim`.
        """
        self.claim()
        with _holding(self.lock, self._in_use()) as lock:
            migrate(self.root, self.marker().version, self._record_version)
            yield _handles(lock)

    def join(self, handle: int) -> None:
        """Share the lock of the parent process, until this process ends.

        Args:
            handle: What `locked` has given the parent.

        Raises:
            StartError: It is not the lock of this folder, or nobody holds that any more.
        """
        try:
            is_ours = os.path.samestat(os.fstat(handle), self.lock.stat())
            if is_ours and sys.platform != "win32":
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # succeeds at once for a handle that has the lock
        except OSError:
            is_ours = False
        if not is_ours:
            raise StartError(f"data_dir: the process that started this one does not hold the lock of {self.root}")

    @contextmanager
    def running_jobs(self) -> Iterator[None]:
        """Have the jobs of the folder run by this server alone, until the block ends.

        Raises:
            StartError: A worker that no server has started runs them; or the folder cannot be used.
        """
        with self._faults():
            make_private_file(self.worker_lock)
        refusal = StartError(
            f"data_dir: a worker (reka worker) runs the jobs of {self.root}: start the server with --no-worker beside "
            "it, or stop it, and leave the jobs to the server"
        )
        with _holding(self.worker_lock, refusal):
            yield

    @contextmanager
    def working(self) -> Iterator[None]:
        """Run jobs of the folder beside other workers, until the block ends.

        Raises:
            StartError: A server runs them itself; or the folder cannot be used.
        """
        with self._faults():
            make_private_file(self.worker_lock)
        refusal = StartError(
            f"data_dir: a server already runs the jobs of {self.root}: start that one with --no-worker, and a worker "
            "beside it, or leave the jobs to it"
        )
        if sys.platform == "win32":  # which has no lock that several workers hold
            with _holding(self.worker_lock, refusal):
                pass
            yield
            return
        with self.worker_lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                raise refusal from None
            yield

    def _mark(self) -> None:
        """Mark the folder, unless another process does so at the same time: it has one id from the beginning."""
        try:
            with _holding(self.lock, self._in_use()):
                if read_marker(self.root) is None:
                    # Data of before there were markers, or whose marker is lost: their database knows their id.
                    new = Marker(1) if self.database.exists() else Marker(version_after(), uuid4().hex)
                    write_marker(self.root, new)
        except DataFolderInUseError:
            if read_marker(self.root) is None:
                raise

    def _record_version(self, version: int) -> None:
        write_marker(self.root, replace(self.marker(), version=version))

    def _in_use(self) -> DataFolderInUseError:
        return DataFolderInUseError(
            f"data_dir: another server already uses the data in {self.root}: stop it, or choose another data_dir"
        )

    def clear_staging(self) -> None:
        """Delete the uploads that a killed server left unfinished, and nothing else."""
        for path in self.staging.iterdir():
            if _is_file(path) and is_ours("staging", path.name):
                path.unlink()


@contextmanager
def _holding(path: Path, refusal: StartError) -> Iterator["FileLock"]:
    """Hold a lock until the block ends. It is waited for shortly: processes that only test it hold it for an instant.

    Raises:
        StartError: Another process holds it; this is `refusal`.
    """
    from filelock import FileLock, Timeout

    # The lock belongs to the operating system, so it ends with the last process that has it, however that ends.
    lock = FileLock(path, timeout=LOCK_SECONDS, thread_local=False)
    try:
        lock.acquire(poll_interval=LOCK_SECONDS / 10)
    except Timeout as error:
        raise refusal from error
    try:
        yield lock
    finally:
        lock.release()


def _handles(lock: "FileLock") -> tuple[int, ...]:
    handle = lock._context.lock_file_fd  # noqa: SLF001  # the library has no other way to it
    return () if handle is None or sys.platform == "win32" else (handle,)


def _has_room_for_files(root: Path) -> bool:
    if sys.platform == "win32":
        return True
    disk = os.statvfs(root)
    return disk.f_files == 0 or disk.f_favail >= LEAST_FREE_FILES  # some file systems have no such limit


def _is_writable(path: Path) -> bool:
    return path.is_dir() and os.access(path, os.W_OK)


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
