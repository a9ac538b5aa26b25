"""The copies of what is in a store: bounded, and never dropped while they are read."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reka.server.store.cache import GRACE_SECONDS, Cache
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> Iterator[Cache]:
    cache = Cache(tmp_path / "cache", 100, clock)
    yield cache
    cache.close()


def copy(cache: Cache, name: str, size: int = 40) -> None:
    cache.path(f"files/{name}").write_bytes(bytes(size))
    cache.add(f"files/{name}", size)


def names(cache: Cache) -> list[str]:
    return sorted(path.name for path in (cache.folder / "files").iterdir())


def test_what_was_used_least_recently_is_dropped_first(cache: Cache, clock: Clock) -> None:
    for name in ("a", "b"):
        copy(cache, name)
        clock.now += GRACE_SECONDS
    cache.use("files/a")
    clock.now += GRACE_SECONDS

    copy(cache, "c")

    assert names(cache) == ["a", "c"]
    assert (cache.use("files/a"), cache.use("files/b")) == (True, False)


def test_what_was_used_a_moment_ago_is_dropped_when_more_comes_later(cache: Cache, clock: Clock) -> None:
    for name in ("a", "b", "c"):
        copy(cache, name)
    at_once = names(cache)
    clock.now += GRACE_SECONDS
    copy(cache, "d")

    assert (at_once, names(cache)) == (["a", "b", "c"], ["c", "d"])


def test_what_is_held_is_not_dropped(cache: Cache, clock: Clock) -> None:
    copy(cache, "a")
    with cache.holding("files/a") as is_there:
        for name in ("b", "c", "d"):
            clock.now += GRACE_SECONDS
            copy(cache, name)
        while_held = names(cache)
    clock.now += GRACE_SECONDS
    copy(cache, "e")

    assert (is_there, while_held, names(cache)) == (True, ["a", "d"], ["d", "e"])


def test_who_uses_a_dropped_copy_is_told(cache: Cache, clock: Clock) -> None:
    dropped: list[str] = []
    cache.on_drop = dropped.append
    copy(cache, "a", 90)
    clock.now += GRACE_SECONDS
    copy(cache, "b", 90)

    assert dropped == ["files/a"]


def test_each_process_has_a_part_which_the_next_one_takes_over(tmp_path: Path, clock: Clock) -> None:
    first, second = (Cache(tmp_path / "cache", 100, clock) for _ in range(2))
    copy(first, "a", 70)
    (first.folder / "work" / "half").mkdir()
    first.close()

    third = Cache(tmp_path / "cache", 100, clock)
    taken = third.use("files/a"), list((third.folder / "work").iterdir())
    clock.now += GRACE_SECONDS
    copy(third, "b", 70)

    assert (first.folder == second.folder, third.folder == first.folder) == (False, True)
    assert (taken, names(third)) == ((True, []), ["b"])
    second.close()
    third.close()


def test_copies_of_what_others_have_deleted_go(cache: Cache) -> None:
    for name in ("a", "b"):
        copy(cache, name)

    cache.keep("files", {"b"})

    assert names(cache) == ["b"]


def test_a_copy_that_is_made_anew_while_it_is_dropped_is_whole(cache: Cache) -> None:
    folder = cache.path("tables/a")

    def make() -> None:
        folder.mkdir(exist_ok=True)
        for number in range(50):
            (folder / str(number)).write_bytes(b"x")
        cache.add("tables/a", 50)

    with ThreadPoolExecutor(1) as pool:
        for _ in range(10):
            make()
            drop = pool.submit(cache.drop, "tables/a")
            while cache.use("tables/a"):
                pass
            make()
            drop.result()

            assert len(list(folder.iterdir())) == 50


def test_dropped_copies_leave_nothing(cache: Cache, clock: Clock) -> None:
    for name in ("a", "b", "c", "d"):
        clock.now += GRACE_SECONDS
        copy(cache, name, 90)
    cache.drop("files/d")
    cache.drop("files/never")

    assert [path for path in cache.folder.rglob("*") if path.is_file() and path.name != "lock"] == []
