from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.embeddings import unit_vectors
from reka.server.retrieval.index import Index
from reka.server.retrieval.memory import TableMemory
from reka.server.retrieval.tables import Tables, ask
from reka.server.store.tables import FolderTables

WIDTH = 64


class SeedEmbedder:
    """Embeds a text as a vector of its own: any two point in unrelated directions."""

    name = "seeds"
    dimensions = WIDTH

    def embed(self, texts: Sequence[str]) -> Any:
        seeds = [int.from_bytes(text.split()[-1].encode(), "big") % 2**32 for text in texts]
        return unit_vectors(np.array([np.random.default_rng(seed).standard_normal(WIDTH) for seed in seeds]))

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def of(numbers: Sequence[int]) -> Iterator[Chunk]:
    return (Chunk(f"text{number}", "a.txt", 0, document=number) for number in numbers)


def found(index: Index, at: Any, query: str, k: int = 10) -> list[str]:
    return [hit.text for hit in index.search(at, query, k, "vector")]


def test_vectors_in_memory_follow_what_is_added_and_deleted(tmp_path: Path) -> None:
    index = Index(tmp_path / "held", SeedEmbedder())
    anew = Index(tmp_path / "anew", SeedEmbedder())
    at = index.build("t", of(range(1, 5001))).at
    assert found(index, at, "text77", 1) == ["text77"]

    changed = index.change(at, "u", range(50, 150), of(range(5001, 5051)))

    expected = anew.build("t", of([*range(1, 50), *range(150, 5051)])).at
    assert not changed.is_new
    for query in ("text77", "text5033", "text4"):
        assert found(index, changed.at, query) == found(anew, expected, query)


def test_chunks_in_memory_follow_what_is_added_and_deleted(tmp_path: Path) -> None:
    index, without = Index(tmp_path, SeedEmbedder()), Index(tmp_path, SeedEmbedder(), memory_bytes=0)
    at = index.build("t", of(range(1, 5001))).at
    assert [hit.text for hit in index.search(at, "text77", 1)] == ["text77"]

    for table, removed, added in (("u", [77, 4000], [5001]), ("v", [], [5002, 5003]), ("w", [5001, 1], [])):
        at = index.change(at, table, removed, of(added)).at
        query = "text1 text4 text77 text4999 text5001 text5002"
        assert index.search(at, query, 10) == without.search(at, query, 10)
    assert {hit.text for hit in index.search(at, query, 3, "keyword")} == {"text4", "text4999", "text5002"}


def test_no_more_is_held_than_memory_is_given(tmp_path: Path) -> None:
    index = Index(tmp_path, SeedEmbedder())
    tables = Tables(FolderTables(tmp_path))
    versions = [index.build(name, of(range(1, 101))).at for name in "abc"]
    copy = TableMemory(10**6).of(versions[0], tables.open(versions[0]))
    assert copy is not None
    of_one, of_vectors = copy.size, 100 * WIDTH * 4
    memory = TableMemory(2 * of_one)

    first, *others = (memory.of(at, tables.open(at)) for at in versions)

    assert memory.of(versions[2], tables.open(versions[2])) is others[1]
    assert memory.of(versions[0], tables.open(versions[0])) is not first
    of_ids = 3 * copy.ids.nbytes
    for size, chunks in ((of_ids + of_vectors, 100), (of_ids, 100), (of_one, 99)):
        part = TableMemory(size, chunks).of(versions[0], tables.open(versions[0]))
        assert part is not None
        assert (part.vectors is None) == (size != of_ids + of_vectors)
        assert part.read(copy.ids, ["passage"]) is None
    assert TableMemory(of_ids - 1).of(versions[0], tables.open(versions[0])) is None


def test_a_table_that_has_grown_is_held_as_far_as_memory_goes(tmp_path: Path) -> None:
    index, tables = Index(tmp_path, SeedEmbedder()), Tables(FolderTables(tmp_path))
    at = index.build("t", of(range(1, 5001))).at
    grown = index.change(at, "u", (), of(range(5001, 5101))).at
    whole = TableMemory(10**8).of(at, tables.open(at))
    assert whole is not None
    by_bytes, by_chunks = TableMemory(whole.size), TableMemory(10**8, 5000)

    for memory, size in ((by_bytes, whole.size), (by_chunks, 3 * 8 * 5100)):
        before = memory.of(at, tables.open(at))
        after = memory.of(grown, tables.open(grown))
        assert before is not None
        assert after is not None
        assert before.size == whole.size
        assert after.size <= size
        assert len(after.ids) == 5100


def test_searches_that_come_at_once_share_one_copy(tmp_path: Path) -> None:
    at = Index(tmp_path, SeedEmbedder()).build("t", of(range(1, 5001))).at
    table, memory = Tables(FolderTables(tmp_path)).open(at), TableMemory(10**9)

    with ThreadPoolExecutor(8) as pool:
        copies = list(pool.map(lambda _: memory.of(at, table), range(8)))

    assert all(copy is copies[0] for copy in copies)


def test_a_table_that_is_replaced_under_its_name_is_read_anew(tmp_path: Path) -> None:
    index = Index(tmp_path, SeedEmbedder())
    first = index.build("t", of([1])).at
    assert found(index, first, "text1") == ["text1"]

    second = index.build("t", (Chunk("other1", "a.txt", 0, document=number) for number in [1])).at

    assert second == first
    assert found(index, second, "text1") == ["other1"]


def test_search_without_memory_finds_the_same(tmp_path: Path) -> None:
    index, without = Index(tmp_path, SeedEmbedder()), Index(tmp_path, SeedEmbedder(), memory_bytes=0)
    at = index.build("t", of(range(1, 1001))).at

    assert index.search(at, "text77", 20, "vector") == without.search(at, "text77", 20, "vector")
    assert index.search(at, "text77 other", 20) == without.search(at, "text77 other", 20)


def test_a_table_of_many_chunks_has_an_index_that_finds_nearly_what_is_nearest(tmp_path: Path) -> None:
    exact, index = (
        Index(tmp_path / "exact", SeedEmbedder()),
        Index(tmp_path / "index", SeedEmbedder(), exact_chunks=2000),
    )
    nearest, about = (one.build("t", of(range(1, 3001))).at for one in (exact, index))

    queries = [f"query{number}" for number in range(20)]
    shares = [len({*found(exact, nearest, query)} & {*found(index, about, query)}) / 10 for query in queries]

    assert [
        config.columns for config in ask(Tables(FolderTables(tmp_path / "index")).open(about).source.list_indices())
    ] == [
        ["terms"],
        ["vector"],
    ]
    assert np.mean(shares) >= 0.9  # vectors without any structure are the hardest
