from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
import pytest
from lancedb.index import FTS

from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.entries import ORDINAL_BITS
from reka.server.retrieval.index import Index, Mode
from reka.server.retrieval.memory import TableCopy, TableMemory
from reka.server.retrieval.metadata import Selection
from reka.server.retrieval.search import TableSearch, union
from reka.server.retrieval.tables import OpenTable, TableVersion, ask
from tests.support.embedders import WordEmbedder

QUERY = np.array([1, 0], dtype=np.float32)


FITS = [2 if place == 4321 else 1 if place % 7 == 3 else 0 for place in range(5000)]
"""How well each row fits the query: one best, then 700 equal ones, far apart, among others that fit less."""


@pytest.fixture(params=[1, 5000], ids=["one document", "a document each"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    vectors = np.array([[0.4 * fit, 0] for fit in FITS], dtype=np.float32)
    documents = [1 if request.param == 1 else place + 1 for place in range(len(FITS))]
    ids = [
        (document << ORDINAL_BITS) + (place if request.param == 1 else 0) for place, document in enumerate(documents)
    ]
    rows = {
        "id": pa.array(ids, pa.int64()),
        "document": pa.array(documents, pa.int64()),
        "position": pa.array(range(len(FITS)), pa.int64()),
        "terms": ["wcat wcat wdog" if fit == 2 else "wcat wdog wbird" if fit else "wdog wbird wfish" for fit in FITS],
        **dict.fromkeys(["passage", "source", "context", "lead"], pa.array([""] * len(FITS))),
        "start": pa.array([0] * len(FITS), pa.int32()),
        "vector": pa.FixedSizeListArray.from_arrays(vectors.reshape(-1), 2),
    }
    made = lancedb.connect(str(tmp_path)).create_table("t", pa.table(rows))
    made.create_index("terms", config=FTS(base_tokenizer="whitespace", lower_case=False, stem=False))

    async def read() -> Any:
        return await (await lancedb.connect_async(str(tmp_path))).open_table("t")

    return ask(read())


def copy_of(table: Any) -> TableCopy:
    at = TableVersion(table.name, 1)
    held = TableMemory(10**6).of(at, OpenTable(table, (None,), (None,), len(FITS), "wordllama", 2))
    assert held is not None
    return held


def places(search: TableSearch, rows: Any) -> list[int]:
    found: list[int] = search.read(rows, ["id", "position"])["position"].to_pylist()
    return found


@pytest.mark.parametrize("k", [1, 7, 50, 600])
def test_of_equals_a_search_finds_those_of_the_lowest_ids(table: Any, k: int) -> None:
    expected = [4321, *(place for place in range(3, 5000, 7) if place != 4321)][:k]
    search = TableSearch(table)
    in_memory = TableSearch(table, copy=copy_of(table))

    assert places(search, search.matching(["wcat"], k)) == expected
    assert places(search, search.nearest(QUERY, k)) == expected
    assert places(in_memory, in_memory.nearest(QUERY, k)) == expected


@pytest.mark.parametrize("documents", [1, 1000, 4000])
def test_a_selection_is_searched_alone_however_long_it_is(table: Any, documents: int) -> None:
    is_one = len(set(ask(table.to_arrow())["document"].to_pylist())) == 1
    selection = Selection(np.arange(1, documents + 1), 1.0 if is_one else documents / 5000)
    last = 5000 if is_one else documents
    best = sorted(range(last), key=lambda place: (-FITS[place], place))[:40]

    search = TableSearch(table, selection)
    in_memory = TableSearch(table, selection, copy_of(table))

    assert places(search, search.matching(["wcat"], 40)) == [place for place in best if FITS[place]]
    assert places(search, search.nearest(QUERY, 40)) == best
    assert places(in_memory, in_memory.nearest(QUERY, 40)) == best


def test_equals_are_found_behind_many_chunks_that_do_not_match(tmp_path: Path) -> None:
    index = Index(tmp_path, WordEmbedder())
    texts = ["an owl"] * 300 + ["a cat"] * 100
    at = index.build("t", (Chunk(text, "a.txt", 0, document=number) for number, text in enumerate(texts, 1))).at

    assert [hit.document for hit in index.search(at, "cat", 3, "keyword")] == [301, 302, 303]


@pytest.mark.parametrize("documents", [None, 3, 1000])
def test_a_vector_without_a_direction_finds_nothing(table: Any, documents: int | None) -> None:
    selection = None if documents is None else Selection(np.arange(1, documents + 1), documents / 5000)

    for copy in (None, copy_of(table)):
        assert len(TableSearch(table, selection, copy).nearest(0 * QUERY, 5)) == 0


@pytest.mark.parametrize("mode", ["hybrid", "vector"])
def test_a_query_without_a_direction_is_asked_of_many_documents_too(tmp_path: Path, mode: Mode) -> None:
    index = Index(tmp_path, WordEmbedder(), memory_bytes=0)
    at = index.build("t", (Chunk("a cat", "a.txt", 0, document=number) for number in range(1, 1001))).at
    selection = Selection(np.arange(1, 801), 0.8)

    assert index.search(at, "\u2603", 3, mode, selection) == []


def test_rows_of_both_searches_come_once_and_those_of_the_second_alone_have_no_score() -> None:
    words, vectors = (pa.table({"id": ids, "_score": [0.5, 0.25]}) for ids in ([1, 2], [2, 3]))

    assert union(words, vectors).sort_by("id").to_pydict() == {"id": [1, 2, 3], "_score": [0.5, 0.25, None]}
