"""A server's store: its data folder, or what any number of servers share."""

import math
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, Protocol

from reka.server.store.address import StoreAddress
from reka.server.store.cache import Cache
from reka.server.store.files import Files, FolderFiles, StoreFiles
from reka.server.store.objects import MARKER, Objects
from reka.server.store.tables import FolderTables, StoreTables, TableHome

REPEAT_SECONDS: Final = 1.0
"""Seconds for which it is repeated whether a store answers (ours)."""


class Store(Protocol):
    """Where a server keeps files and tables."""

    @property
    def files(self) -> Files:
        """The uploaded files."""
        ...

    @property
    def tables(self) -> TableHome:
        """The tables of the index."""
        ...

    def is_there(self) -> bool:
        """Tell whether it can be used now, within some seconds."""
        ...

    def keep_copies(self, files: Collection[str], tables: Collection[str]) -> None:
        """Delete the copies on this machine of all files and tables but these: other servers have deleted the rest."""
        ...

    def close(self) -> None:
        """Leave what is kept on this machine to the next process."""
        ...


class FolderStore:
    """The files and tables in a data folder."""

    def __init__(self, files: Path, tables: Path, is_there: Callable[[], bool]) -> None:
        """Keep files and tables in these folders, of which `is_there` tells whether they are there."""
        self.files: FolderFiles = FolderFiles(files)
        self.tables: FolderTables = FolderTables(tables)
        self.is_there = is_there

    def keep_copies(self, files: Collection[str], tables: Collection[str]) -> None:
        """Delete nothing: there are no copies."""

    def close(self) -> None:
        """Leave the folders as they are."""


class SharedStore:
    """A store that any number of servers share; this one keeps copies of what it uses."""

    def __init__(self, address: StoreAddress, seconds: float, cache: Path, cache_bytes: int) -> None:
        """Use a store.

        Args:
            address: Its address.
            seconds: Time in which it must have answered one request.
            cache: Folder of the copies.
            cache_bytes: Maximum size of the copies in bytes.
        """
        self.objects: Objects = Objects(address, seconds)
        self._cache = Cache(cache, cache_bytes)
        self._lock = threading.Lock()
        self._is_there = False
        self._expires = -math.inf
        self.files: StoreFiles = StoreFiles(self.objects, self._cache)
        self.tables: StoreTables = StoreTables(self.objects, self._cache)

    def is_there(self) -> bool:
        """Tell whether the store answers and is a server's, asked once for all who want to know within a second."""
        with self._lock:
            if time.monotonic() >= self._expires:
                self._is_there = self.objects.is_there(MARKER)
                self._expires = time.monotonic() + REPEAT_SECONDS
            return self._is_there

    def keep_copies(self, files: Collection[str], tables: Collection[str]) -> None:
        """Delete the copies of all others."""
        self._cache.keep("files", files)
        self._cache.keep("tables", {f"{name}.lance" for name in tables})

    def close(self) -> None:
        """Leave the copies to the next process."""
        self._cache.close()
