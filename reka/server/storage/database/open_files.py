"""The files of an SQLite database that a process has open: whether they are still the ones of the database."""

import errno
from pathlib import Path
from typing import Final

_SUFFIXES: Final = ("", "-wal", "-shm")


class OpenFiles:
    """The file of a database and its log, which stay the same files for as long as a process has them open."""

    def __init__(self, path: Path) -> None:
        """Remember the files of a database that this process has open."""
        paths = [path.absolute().with_name(f"{path.name}{suffix}") for suffix in _SUFFIXES]
        self._files = {each: identity for each in paths if (identity := _identity(each)) is not None}

    def require(self) -> None:
        """Check that they are there: what is written to a file that was deleted is lost, though it can be read.

        Raises:
            OSError: One is deleted or replaced. It passes when that one is put back.
        """
        for path, identity in self._files.items():
            if _identity(path) != identity:
                problem = "a file of the database is deleted or replaced"
                raise OSError(getattr(errno, "ESTALE", errno.EIO), problem, str(path))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
