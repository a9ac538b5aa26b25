"""A folder on this machine with copies of what is in a store: bounded, what was used least recently goes first."""

import os
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

GRACE_SECONDS: Final = 10.0
"""Seconds after its last use in which a copy is not dropped: a search that reads it takes less (ours)."""


@dataclass(slots=True)
class _Copy:
    size: int
    used: float
    users: int = 0


class Cache:
    """Copies of objects of a store, each a file or a folder. Safe to share between threads.

    Processes on one data folder have a part of it each, which the next process takes over.
    """

    def __init__(self, folder: Path, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a part of the cache, with the copies that a process of before has left there.

        Args:
            folder: Folder of all parts; it is created if it is missing.
            limit: Maximum size of the copies in bytes; those in use, or used a moment ago, may exceed it.
            clock: Returns seconds, and is not set back.
        """
        self.limit = limit
        self.folder: Path
        self.folder, self._claim = _claim(folder)
        self.on_drop: Callable[[str], object] = lambda _: None
        """Called with the key of each copy that is dropped, before it can be made anew; it must not use the cache."""
        self._clock = clock
        self._lock = threading.Lock()
        self._copies: OrderedDict[str, _Copy] = OrderedDict()
        for kind in ("files", "tables"):
            for path in sorted((self.folder / kind).glob("*")):
                self.add(f"{kind}/{path.name}", _size(path))

    def path(self, key: str) -> Path:
        """Return where a copy is, or is to be made: its key is `KIND/NAME`."""
        return self.folder / key

    def add(self, key: str, size: int) -> None:
        """Record a copy that was made, or has grown, and drop others if there are too many bytes."""
        with self._lock:
            copy = self._copies.setdefault(key, _Copy(size, 0))
            copy.size, copy.used = size, self._clock()
            self._copies.move_to_end(key)
            dropped = [self._take_out(each) for each in self._surplus()]
        for path in dropped:
            _delete(path)

    def use(self, key: str) -> bool:
        """Mark a copy as used now; tell whether it is there."""
        with self._lock:
            copy = self._copies.get(key)
            if copy is None:
                return False
            copy.used = self._clock()
            self._copies.move_to_end(key)
            return True

    @contextmanager
    def holding(self, key: str) -> Iterator[bool]:
        """Keep a copy until the block ends; yield whether it is there."""
        is_there = self.use(key)
        with self._lock:
            held = self._copies.get(key)
            if held is not None:
                held.users += 1
        try:
            yield is_there
        finally:
            if held is not None:
                with self._lock:
                    held.users -= 1

    def drop(self, key: str) -> None:
        """Delete a copy, if there is one."""
        with self._lock:
            path = self._take_out(key)
        _delete(path)

    def keep(self, kind: str, names: Collection[str]) -> None:
        """Delete all copies of a kind but those of some names."""
        with self._lock:
            surplus = [key for key in self._copies if key.startswith(f"{kind}/") and key[len(kind) + 1 :] not in names]
        for key in surplus:
            self.drop(key)

    def close(self) -> None:
        """Leave the part to the next process."""
        self._claim.release()

    def _surplus(self) -> list[str]:
        surplus = sum(copy.size for copy in self._copies.values()) - self.limit
        keys = []
        oldest = self._clock() - GRACE_SECONDS
        for key, copy in self._copies.items():
            if surplus <= 0 or copy.used > oldest:
                break
            if not copy.users:
                surplus -= copy.size
                keys.append(key)
        return keys

    def _take_out(self, key: str) -> Path:
        """Move a copy out of the way of one that is made anew while it is deleted; return where it is."""
        self._copies.pop(key, None)
        self.on_drop(key)
        path, target = self.path(key), self.folder / "work" / token_hex(8)
        try:
            return path.rename(target)
        except OSError:  # there is none, or the system does not move what is open
            return path


def _claim(folder: Path) -> tuple[Path, Any]:
    """Lock the first part of a cache that no process uses, until this process ends."""
    from filelock import FileLock, Timeout

    for number in count():
        part = folder / str(number)
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(part / "lock", timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            continue
        shutil.rmtree(part / "work", ignore_errors=True)
        for kind in ("files", "tables", "work"):
            (part / kind).mkdir(mode=0o700, exist_ok=True)
        return part, lock
    raise AssertionError


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    """Return the bytes of a file, or of the files in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(Path(root, name).stat().st_size for root, _, names in os.walk(path) for name in names)
