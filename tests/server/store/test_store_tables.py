"""The copies of tables that are in a store, and what a search may find of them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.index import Index
from reka.server.retrieval.tables import Tables
from reka.server.store.address import StoreAddress
from reka.server.store.cache import GRACE_SECONDS, Cache
from reka.server.store.objects import Objects
from reka.server.store.tables import FolderTables, StoreTables
from tests.support.clock import Clock
from tests.support.embedders import WordEmbedder

LIMIT = 10**8


class WatchedObjects(Objects):
    """Objects of a store; tells before one is fetched."""

    on_fetch: Callable[[], object] = staticmethod(lambda: None)

    def fetch(self, key: str, path: Path, size: int | None = None) -> int:
        self.on_fetch()
        return super().fetch(key, path, size)


def of(numbers: range) -> Iterator[Chunk]:
    return (Chunk(f"owl {number}", "a.txt", 0, document=number) for number in numbers)


@pytest.fixture
def objects(tmp_path: Path) -> WatchedObjects:
    return WatchedObjects(StoreAddress("file", "", str(tmp_path / "store")), 10)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> Iterator[Cache]:
    cache = Cache(tmp_path / "cache", LIMIT, clock)
    yield cache
    cache.close()


def test_a_copy_that_takes_a_newer_version_is_not_dropped_for_another(
    tmp_path: Path, objects: WatchedObjects, clock: Clock, cache: Cache
) -> None:
    writers = Cache(tmp_path / "writer", LIMIT)
    writer = Index(StoreTables(objects, writers), WordEmbedder())
    reader = Index(StoreTables(objects, cache), WordEmbedder())
    at = writer.build("t", of(range(1, 5001))).at
    assert reader.count(at) == 5000
    changed = writer.change(at, "u", [], of(range(5001, 5051))).at
    clock.now += GRACE_SECONDS
    objects.on_fetch = lambda: cache.add("files/large", LIMIT)

    assert reader.count(changed) == 5050
    assert len(reader.search(changed, "owl", 6000, "keyword")) == 5050
    writers.close()


def test_a_table_whose_copy_was_dropped_is_opened_anew(tmp_path: Path) -> None:
    class Folder(FolderTables):
        is_dropping = False

        def use(self, name: str) -> None:
            if self.is_dropping:  # as another thread does that needs the room
                self.on_drop(name)

    home = Folder(tmp_path)
    at = Index(tmp_path, WordEmbedder()).build("t", of(range(1, 11))).at
    tables = Tables(home)
    first = tables.open(at)
    assert tables.open(at) is first

    home.is_dropping = True

    assert tables.open(at) is not first


def test_a_table_that_several_threads_look_through_is_intact(objects: WatchedObjects, cache: Cache) -> None:
    at = Index(StoreTables(objects, cache), WordEmbedder()).build("t", of(range(1, 1001))).at
    tables = Tables(StoreTables(objects, cache))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(tables.is_intact, [at] * 12))

    assert answers == [True] * 12
