"""The uploaded files, one a dataset, named by its id: in a folder, or in a store with a local cache."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from reka.server.store.cache import Cache
from reka.server.store.objects import Objects

FILES: Final = "datasets"
"""Folder of the files in a store."""


class Files(Protocol):
    """The uploaded files of a server."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes may store files in the same place."""
        ...

    def put(self, dataset_id: str, staged: Path, on_part: Callable[[], object] = ...) -> None:
        """Store a staged file, which is gone then; after a loss of power it is still there.

        Args:
            dataset_id: The dataset's id.
            staged: The file, on the disk of the data folder.
            on_part: Called whenever a part of a long transfer has been read; an exception it raises ends it.
        """
        ...

    @contextmanager
    def reading(self, dataset_id: str) -> Iterator[Path]:
        """Give the path of a file until the block ends.

        Raises:
            FileNotFoundError: There is none; in a folder, when it is opened.
        """
        ...

    def copy(self, dataset_id: str, target: Path) -> None:
        """Copy a file to a path elsewhere.

        Raises:
            FileNotFoundError: There is none.
        """
        ...

    def has(self, dataset_id: str) -> bool:
        """Tell whether there is a file."""
        ...

    def delete(self, dataset_id: str) -> None:
        """Delete a file; a missing one is ignored."""
        ...

    def ids(self) -> set[str]:
        """Return the names of all files."""
        ...


class FolderFiles:
    """Files in a folder of this server alone."""

    is_shared = False

    def __init__(self, folder: Path) -> None:
        """Keep files in a folder."""
        self._folder = folder

    def put(self, dataset_id: str, staged: Path, on_part: Callable[[], object] = lambda: None) -> None:
        """Move a staged file into the folder."""
        staged.rename(self._folder / dataset_id)
        flush(self._folder)

    @contextmanager
    def reading(self, dataset_id: str) -> Iterator[Path]:
        """Give the path of a file."""
        yield self._folder / dataset_id

    def copy(self, dataset_id: str, target: Path) -> None:
        """Copy a file."""
        shutil.copyfile(self._folder / dataset_id, target)

    def has(self, dataset_id: str) -> bool:
        """Tell whether there is a file."""
        return (self._folder / dataset_id).exists()

    def delete(self, dataset_id: str) -> None:
        """Delete a file."""
        (self._folder / dataset_id).unlink(missing_ok=True)

    def ids(self) -> set[str]:
        """Return the names of all files; links are none."""
        return {path.name for path in self._folder.iterdir() if path.is_file() and not path.is_symlink()}


class StoreFiles:
    """Files in a store, with copies of those that were used last."""

    is_shared = True

    def __init__(self, objects: Objects, cache: Cache) -> None:
        """Keep files in a store, and copies in a cache."""
        self._objects = objects
        self._cache = cache

    def put(self, dataset_id: str, staged: Path, on_part: Callable[[], object] = lambda: None) -> None:
        """Send a staged file to the store, and keep it as the copy that its job reads."""
        self._objects.put(f"{FILES}/{dataset_id}", staged, on_part)
        size = staged.stat().st_size
        staged.rename(self._cache.path(_key(dataset_id)))
        self._cache.add(_key(dataset_id), size)

    @contextmanager
    def reading(self, dataset_id: str) -> Iterator[Path]:
        """Give the path of a copy, which is made if there is none, and stays until the block ends."""
        key = _key(dataset_id)
        if not self._cache.use(key):
            self._cache.add(key, self._objects.fetch(f"{FILES}/{dataset_id}", self._cache.path(key)))
        with self._cache.holding(key):
            yield self._cache.path(key)

    def copy(self, dataset_id: str, target: Path) -> None:
        """Read a file from the store."""
        self._objects.fetch(f"{FILES}/{dataset_id}", target)

    def has(self, dataset_id: str) -> bool:
        """Tell whether there is a file."""
        return self._objects.has(f"{FILES}/{dataset_id}")

    def delete(self, dataset_id: str) -> None:
        """Delete a file and its copy here; other processes drop theirs when they need the room."""
        self._cache.drop(_key(dataset_id))
        self._objects.delete([f"{FILES}/{dataset_id}"])

    def ids(self) -> set[str]:
        """Return the names of all files."""
        return {name for name in self._objects.sizes(FILES) if "/" not in name}


def flush(path: Path) -> None:
    """Flush a file, or a folder's entries, to the disk, where the system supports it."""
    if os.name == "nt":
        return  # Windows has no handle for a folder to flush
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _key(dataset_id: str) -> str:
    return f"files/{dataset_id}"
