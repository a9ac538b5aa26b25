"""Room that is kept on the disk, so that something can be deleted when the disk is full."""

import os
import shutil
from pathlib import Path
from typing import Final

from reka.server.store.private_files import make_private_file

RESERVE_BYTES: Final = 512 * 1024
"""What the database writes to its log to mark something as deleted, with room to spare (ours)."""

_SIZES: Final = tuple(RESERVE_BYTES >> times for times in range(4))


class Reserve:
    """A file that takes room until the room is needed."""

    def __init__(self, path: Path) -> None:
        """Keep the room in the file at `path`."""
        self._path = path

    def fill(self) -> None:
        """Take the room, or what there is of it on a disk that is almost full."""
        try:
            taken = self._path.stat().st_size if self._path.exists() else 0
            if taken == RESERVE_BYTES:
                return
            room = taken + shutil.disk_usage(self._path.parent).free
            size = next((size for size in _SIZES if size <= room), 0)
            if size <= taken:
                return
            make_private_file(self._path)
            with self._path.open("r+b") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.write(bytes(size))
        except OSError:
            self.release()

    def release(self) -> None:
        """Give the room back."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            return  # the folder is gone
