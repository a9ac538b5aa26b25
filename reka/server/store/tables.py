"""Where the tables of an index are: in a folder, or in a store with local copies that are searched.

LanceDB writes and searches local files alone; a store gets what a table has when it is published. Lance never changes
a file, so a copy of a table takes what has come since, and a version of it is searched without a request to the store.
"""

import os
import re
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Final, Protocol

from reka.server.store.cache import Cache
from reka.server.store.files import flush
from reka.server.store.objects import Objects, StoreUnavailableError

TABLES: Final = "index"
"""Folder of the tables in a store."""

COPIES_AT_ONCE: Final = 8
"""Files of a table that are sent or read at a time (ours)."""

_MANIFEST: Final = re.compile(r"_versions/\d+\.manifest")


@dataclass(frozen=True, slots=True)
class Location:
    """Where LanceDB finds a table."""

    uri: str
    options: dict[str, str] | None = field(default=None, hash=False)


class TableHome(Protocol):
    """Where the tables of an index are."""

    on_drop: Callable[[str], object]
    """Called with the name of a table whose local files are deleted."""

    def use(self, name: str) -> None:
        """Mark a table as used now: what this machine has of it stays until a search is done."""
        ...

    def reading(self, name: str, version: int | None = None) -> Location:
        """Return where a published version of a table is read; None stands for the last one.

        Raises:
            FileNotFoundError: There is no such table.
            OSError: It cannot be read now.
        """
        ...

    def writing(self, name: str, *, anew: bool) -> Location:
        """Return where a table is written, anew or from its last version on; see `publish`."""
        ...

    def publish(self, name: str) -> None:
        """Make what was written to a table readable by all servers, for good."""
        ...

    def forget(self, name: str) -> None:
        """Delete what this machine has of a table that is elsewhere."""
        ...

    def drop(self, name: str) -> None:
        """Delete a table, complete or not; a missing one is ignored.

        Raises:
            OSError: It cannot be deleted now.
        """
        ...

    def names(self) -> list[str]:
        """List the names of all tables, incomplete ones included, sorted."""
        ...


class FolderTables:
    """Tables in a folder of this server alone."""

    def __init__(self, folder: Path) -> None:
        """Keep tables in a folder, which is created with the first one."""
        self.on_drop: Callable[[str], object] = _ignore
        self._folder = folder
        # LanceDB takes a path that begins with `~` or with a scheme, as relative ones may, for another place.
        self._location = Location(str(folder.absolute()))

    def use(self, name: str) -> None:
        """Keep the table: it is not dropped for others."""

    def reading(self, name: str, version: int | None = None) -> Location:
        """Return the folder."""
        return self._location

    def writing(self, name: str, *, anew: bool) -> Location:
        """Return the folder."""
        if anew:
            self.drop(name)
        return self._location

    def publish(self, name: str) -> None:
        """Make a table readable by the current user only, and flush it to the disk.

        LanceDB leaves both to the system.
        """
        root = self._folder / f"{name}.lance"
        for path in [root, *root.rglob("*")]:
            path.chmod(0o700 if path.is_dir() else 0o600)
            flush(path)
        flush(self._folder)

    def forget(self, name: str) -> None:
        """Keep the table: it is nowhere else."""

    def drop(self, name: str) -> None:
        """Delete a table."""
        self.on_drop(name)
        # A table is its folder. Unlike LanceDB's own `drop_table`, this also deletes what a killed process left behind.
        shutil.rmtree(self._folder / f"{name}.lance", ignore_errors=True)

    def names(self) -> list[str]:
        """List the names of all tables."""
        return sorted(path.stem for path in self._folder.glob("*.lance"))


class StoreTables:
    """Tables in a store, which are written and searched in copies here."""

    def __init__(self, objects: Objects, cache: Cache) -> None:
        """Keep tables in a store, and copies in a cache."""
        self.on_drop: Callable[[str], object] = _ignore
        self._objects = objects
        self._cache = cache
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._versions: defaultdict[str, set[int]] = defaultdict(set)
        """The versions of each table that its copy has whole."""
        self._work: dict[str, Path] = {}
        """Where each table is written. It is another folder each time: Lance remembers what it has read of one."""
        cache.on_drop = self._on_drop

    def use(self, name: str) -> None:
        """Mark the copy as used now."""
        self._cache.use(_key(name))

    def reading(self, name: str, version: int | None = None) -> Location:
        """Return the folder of the copies, with that version in it; or the store, for what is too large to be copied.

        Raises:
            FileNotFoundError: The store has no such table.
            StoreUnavailableError: It does not answer.
        """
        with self._locks[name]:
            if version is None or version not in self._versions[name] or not self._cache.use(_key(name)):
                sizes = self._files(name)
                if not sizes:
                    raise FileNotFoundError(2, "there is no such table in the store", name)
                if sum(sizes.values()) > self._cache.limit:
                    return Location(self._objects.address.uri(TABLES), self._objects.table_options())
                self._copy(name, sizes)
                self._versions[name].update(map(_version_of, filter(_is_version, sizes)))
        return Location(str(self._cache.path("tables")))

    def writing(self, name: str, *, anew: bool) -> Location:
        """Return a folder in which a table is written, with its last version in it."""
        self._discard(name)
        work = self._cache.path(f"work/{token_hex(8)}/{name}.lance")
        self._work[name] = work
        if not anew:
            with self._locks[name]:
                sizes = self._files(name)
                self._copy(name, sizes)
                _link(self._cache.path(_key(name)), work, sizes)
        return Location(str(work.parent))

    def publish(self, name: str) -> None:
        """Send a table's new files to the store, its versions last and in their order.

        Raises:
            StoreUnavailableError: The store does not answer; or another process has written to the table.
        """
        work = self._work[name]
        sizes = {path.relative_to(work).as_posix(): path.stat().st_size for path in work.rglob("*") if path.is_file()}
        sizes = {file: size for file, size in sizes.items() if _is_lasting(file)}
        there = self._files(name)
        new = [file for file in sizes if file not in there]
        _each((file for file in new if not _is_version(file)), lambda file: self._send(name, file, work / file))
        # A version is there with its manifest, and is stored under a condition: of two writers one fails.
        for file in sorted(filter(_is_version, new), key=_version_of):
            if not self._objects.put_new(f"{_prefix(name)}/{file}", (work / file).read_bytes()):
                raise StoreUnavailableError("another process has written to the same table meanwhile")
        with self._locks[name]:
            _link(work, self._cache.path(_key(name)), sizes)
            self._cache.add(_key(name), sum(sizes.values()))
            self._versions[name].update(map(_version_of, filter(_is_version, sizes)))
        self._discard(name)

    def forget(self, name: str) -> None:
        """Delete the copy of a table."""
        with self._locks[name]:
            self._cache.drop(_key(name))

    def drop(self, name: str) -> None:
        """Delete a table and its copies here.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        self.forget(name)
        self._discard(name)
        self._objects.delete(f"{_prefix(name)}/{file}" for file in self._objects.sizes(_prefix(name)))
        self._locks.pop(name, None)
        self._versions.pop(name, None)

    def names(self) -> list[str]:
        """List the names of all tables."""
        return sorted(name.removesuffix(".lance") for name in self._objects.folders(TABLES) if name.endswith(".lance"))

    def _copy(self, name: str, sizes: dict[str, int]) -> None:
        """Copy those files of a table that this machine lacks."""
        root = self._cache.path(_key(name))

        def fetch(file: str) -> None:
            self._objects.fetch(f"{_prefix(name)}/{file}", root / file, sizes[file])

        with self._cache.holding(_key(name)):  # what it has already stays
            missing = [file for file in sizes if not (root / file).exists()]
            try:
                _each((file for file in missing if not _is_version(file)), fetch)
                _each(filter(_is_version, missing), fetch)
            finally:
                self._cache.add(_key(name), sum(sizes.values()))

    def _files(self, name: str) -> dict[str, int]:
        """Return name and size of the files that the store has of a table."""
        return {file: size for file, size in self._objects.sizes(_prefix(name)).items() if _is_lasting(file)}

    def _send(self, name: str, file: str, path: Path) -> None:
        self._objects.put(f"{_prefix(name)}/{file}", path)

    def _discard(self, name: str) -> None:
        """Delete what was written and is not published."""
        if (work := self._work.pop(name, None)) is not None:
            shutil.rmtree(work.parent, ignore_errors=True)

    def _on_drop(self, key: str) -> None:
        kind, _, file = key.partition("/")
        if kind == "tables":
            name = file.removesuffix(".lance")
            self._versions.pop(name, None)
            self.on_drop(name)


def _link(source: Path, target: Path, files: Iterable[str]) -> None:
    """Give files a second name in another folder: Lance does not change them."""
    for file in files:
        path = target / file
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.link(source / file, path)


def _each(files: Iterable[str], work: Callable[[str], object]) -> None:
    """Call `work` with each file, some at a time."""
    with ThreadPoolExecutor(COPIES_AT_ONCE, "reka-store") as pool:
        for future in [pool.submit(work, file) for file in files]:
            future.result()


def _is_version(file: str) -> bool:
    """Tell whether a file is the manifest of a version."""
    return _MANIFEST.fullmatch(file) is not None


def _is_lasting(file: str) -> bool:
    """Tell whether a file is never changed, as all are but a hint at the last version."""
    return _is_version(file) or not file.startswith("_versions/")


def _version_of(file: str) -> int:
    """Return the version that a manifest is of: newer tables count down from the largest number."""
    number = int(Path(file).stem)
    return number if number < 1 << 63 else (1 << 64) - 1 - number


def _prefix(name: str) -> str:
    return f"{TABLES}/{name}.lance"


def _key(name: str) -> str:
    return f"tables/{name}.lance"


def _ignore(_: str) -> None:
    """Do nothing."""
