"""Room that is kept on the disk, so that something can be deleted when the disk is full."""

import os
from pathlib import Path
from typing import Final

from reka.server.store.private_files import make_private_file

RESERVE_BYTES: Final = 512 * 1024
"""What the database writes to its log to mark something as deleted, with room to spare (ours)."""


class Reserve:
    """A file that takes room until the room is needed."""

    def __init__(self, path: Path) -> None:
        """Keep the room in the file at `path`."""
        self._path = path

    def fill(self) -> None:
        """Take the room, if there is as much and it is not taken yet."""
        try:
            if self._path.exists() and self._path.stat().st_size == RESERVE_BYTES:
                return
            make_private_file(self._path)
            with self._path.open("r+b") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
                else:
                    file.write(bytes(RESERVE_BYTES))
        except OSError:
            self.release()

    def release(self) -> None:
        """Give the room back."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            return  # the folder is gone
