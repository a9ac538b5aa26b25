"""What the processes of one server have in common: counts of what the owners of keys do, metrics, and their loads.

All are in files of the data folder, which the parent process empties at its start.
"""

import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from prometheus_client import multiprocess, values

from reka.server.errors import StartError
from reka.server.key_limits import KeyLimits
from reka.server.processes.balance import ENDED, Loads
from reka.server.service import Shares
from reka.server.settings import Settings
from reka.server.storage.ownership import is_ours
from reka.server.store.private_files import make_private_file, make_private_folder
from reka.server.telemetry.metrics import Metrics

T = TypeVar("T")

logger: Final = logging.getLogger(__name__)

METRICS_BYTES: Final = 256 * 1024
"""Size of each file with metrics of a process: some 100 bytes for each value of each label, which are few (ours)."""

_METRICS: Final = ("counter", "histogram", "gauge_livesum")
"""What its files are named after by prometheus_client."""

_COUNTS: Final = "counts.sqlite"
_LOADS: Final = "loads"
_BUSY_SECONDS: Final = 1.0
"""Seconds that a count waits for another process, which needs some ten microseconds (ours)."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS requests (owner TEXT PRIMARY KEY, minute INTEGER, sent INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chats (owner TEXT, process INTEGER, running INTEGER, PRIMARY KEY (owner, process))
  WITHOUT ROWID;
"""
_ADD_REQUEST: Final = """
INSERT INTO requests VALUES (?1, ?2, 1) ON CONFLICT (owner) DO UPDATE
SET sent = CASE minute WHEN ?2 THEN sent + 1 ELSE 1 END, minute = ?2
"""
_ADD_CHAT: Final = """
INSERT INTO chats VALUES (?1, ?2, 1) ON CONFLICT (owner, process) DO UPDATE SET running = running + 1
"""


class SharedCounts:
    """Counts of all processes of a server; see `key_limits.Counts`. If the file cannot be used, nothing is limited."""

    def __init__(self, path: Path, process: int) -> None:
        """Open the counts.

        Args:
            path: The file of the counts.
            process: Number of this process among those of the server.
        """
        self._process = process
        self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._minute = -1
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = OFF", *_TABLES.split(";")):
            self._connection.execute(statement)
        self.forget_chats()

    def add_request(self, owner: str, minute: int) -> int:
        """Count a request."""

        def add(connection: sqlite3.Connection) -> int:
            if minute != self._minute:
                self._minute = minute
                connection.execute("DELETE FROM requests WHERE minute < ?", [minute])
            connection.execute(_ADD_REQUEST, [owner, minute])
            return int(connection.execute("SELECT sent FROM requests WHERE owner = ?", [owner]).fetchone()[0])

        return self._count(add, 0)

    def begin_chat(self, owner: str, limit: int) -> bool:
        """Count a chat as running, unless as many as the limit are."""

        def begin(connection: sqlite3.Connection) -> bool:
            running = connection.execute("SELECT total(running) FROM chats WHERE owner = ?", [owner]).fetchone()[0]
            if running < limit:
                connection.execute(_ADD_CHAT, [owner, self._process])
            return bool(running < limit)

        return self._count(begin, True)

    def end_chat(self, owner: str) -> None:
        """Count a chat as ended."""

        def end(connection: sqlite3.Connection) -> None:
            here = [owner, self._process]
            connection.execute("UPDATE chats SET running = running - 1 WHERE owner = ? AND process = ?", here)
            connection.execute("DELETE FROM chats WHERE owner = ? AND process = ? AND running <= 0", here)

        self._count(end, None)

    def forget_chats(self) -> None:
        """Count the chats of an earlier process of this number as ended."""

        def forget(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM chats WHERE process = ?", [self._process])

        self._count(forget, None)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _count(self, work: Callable[[sqlite3.Connection], T], default: T) -> T:
        """Do some work in one transaction, and return what it returns; the default if the file cannot be used."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            result = work(self._connection)
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            logger.warning("cannot count requests, and so not limit them", exc_info=True)
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            return default
        return result


def prepare_folder(folder: Path, processes: int) -> None:
    """Create the folder of what some processes share, or empty it of what those before have left."""
    make_private_folder(folder)
    for path in folder.iterdir():
        if is_ours(folder.name, path.name):
            path.unlink()
    make_private_file(folder / _COUNTS)
    make_private_file(folder / _LOADS)
    Loads.make(folder / _LOADS, processes)


def open_shares(folder: Path, settings: Settings, process: int) -> Shares:
    """Open what this process of a server shares with the others.

    Args:
        folder: The folder; see `prepare_folder`.
        settings: The server's settings.
        process: Number of this process among those of the server, which its successor takes over, with its counts.

    Raises:
        StartError: The disk has no room for its metrics.
    """
    try:
        for kind in _METRICS:
            _make_room(folder / f"{kind}_{process}.db")
    except OSError as error:
        raise StartError(
            f"data_dir: cannot store data in {folder} ({error.strerror}): make room on its disk"
        ) from error
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: process)  # type: ignore[no-untyped-call]  # it has no annotations
    return Shares(KeyLimits(settings, SharedCounts(folder / _COUNTS, process)), Metrics(folder))


def _make_room(path: Path) -> None:
    """Give a file of metrics its room on the disk: whoever writes to a mapped page without any is killed (SIGBUS)."""
    make_private_file(path)
    with path.open("ab") as file:
        file.write(bytes(max(0, METRICS_BYTES - file.tell())))


def open_loads(folder: Path, process: int) -> Loads:
    """Open the loads of the processes of a server; see `open_shares`."""
    return Loads(folder / _LOADS, process)


def forget_process(folder: Path, process: int) -> None:
    """Count nothing as under way in a process that has ended."""
    open_loads(folder, process).publish(ENDED)
    multiprocess.mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]  # it has no annotations
    SharedCounts(folder / _COUNTS, process).close()
