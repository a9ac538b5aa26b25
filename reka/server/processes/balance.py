"""Which of the processes that listen on one socket takes the next connection: one that has the fewest.

The system wakes all of them, and the first one wins: of eight clients that connect at once, one process may get all.
"""

import mmap
import socket
import struct
import time
from pathlib import Path
from typing import Any, Final

DRAINING: Final = 0xFFFFFFFF
"""In place of the number of connections: a process that takes none any more, and has some."""

ENDED: Final = 0xFFFFFFFE
"""A process that has ended, or has not begun."""

_NUMBER: Final = struct.Struct("=I")

_PATIENCE_SECONDS: Final = 0.005
"""Seconds that a process leaves a connection to one that has fewer, and may be busy (ours)."""


class Loads:
    """The numbers of connections of all processes, in a file that they have mapped into their memory."""

    def __init__(self, path: Path, process: int) -> None:
        """Map the file.

        Args:
            path: The file; see `make`.
            process: Number of this process.
        """
        self._process = process
        with path.open("r+b") as file:
            self._numbers = mmap.mmap(file.fileno(), 0)

    @staticmethod
    def make(path: Path, processes: int) -> None:
        """Write the file for some processes, none of which takes connections yet."""
        path.write_bytes(_NUMBER.pack(ENDED) * processes)

    def publish(self, connections: int) -> None:
        """Tell the other processes how many connections this one has, or DRAINING or ENDED."""
        _NUMBER.pack_into(self._numbers, self._process * _NUMBER.size, connections)

    def is_least(self) -> bool:
        """Tell whether no process has fewer connections than this one."""
        (own,) = _NUMBER.unpack_from(self._numbers, self._process * _NUMBER.size)
        return all(own <= number for number in self._others())

    def others_accept(self) -> bool:
        """Tell whether another process takes connections."""
        return any(number < ENDED for number in self._others())

    def others_drain(self) -> bool:
        """Tell whether another process has connections, but takes none any more."""
        return DRAINING in self._others()

    def add(self) -> None:
        """Count a connection that has just been accepted."""
        (number,) = _NUMBER.unpack_from(self._numbers, self._process * _NUMBER.size)
        if number < ENDED:
            self.publish(number + 1)

    def _others(self) -> list[int]:
        numbers = [number for (number,) in _NUMBER.iter_unpack(self._numbers)]
        return numbers[: self._process] + numbers[self._process + 1 :]


class SharedListener(socket.socket):
    """A socket on which the parent process listens, and other children of it."""

    def __init__(self, handle: int, loads: Loads) -> None:
        """Take over the socket of a handle."""
        super().__init__(fileno=handle)
        self._loads = loads
        self._refused_at = 0.0

    def listen(self, backlog: int = 0, /) -> None:
        """Do nothing: the parent has done it, and a child's event loop has another backlog in mind."""

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection, unless a process with fewer connections is about to.

        Raises:
            BlockingIOError: There is none, or it is left to another process for now.
        """
        if not self._loads.is_least():
            now = time.monotonic()
            if now - self._refused_at > 2 * _PATIENCE_SECONDS:
                self._refused_at = now
            if now - self._refused_at < _PATIENCE_SECONDS:
                raise BlockingIOError
        accepted = super().accept()
        self._refused_at = 0.0
        self._loads.add()
        return accepted
