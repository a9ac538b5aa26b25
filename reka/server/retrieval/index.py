"""The retrieval index: one LanceDB table a prepared dataset, searched by vector and by keyword."""

import re
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.embeddings import Embedder
from reka.server.retrieval.ranking import fuse, is_cut_in_a_tie, ordered

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Vectors

Mode = Literal["hybrid", "keyword", "vector"]

CANDIDATES: Final = 100
"""Chunks that each of the two searches puts forward (bench/retrieval)."""

EMBED_CHUNKS: Final = 128
"""Chunks embedded at a time; between two such batches a build can be stopped (ours)."""

WRITE_CHUNKS: Final = 8192
"""Chunks written at a time, 15 MB with their vectors: fewer make many small files, more take memory (ours)."""

MAX_QUERY_CHARS: Final = 8_000
"""Characters of a query that are looked at; an embedded one takes 1 KiB of memory a token (ours)."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that a search found."""

    text: str
    """The chunk's text."""
    source: str
    """Name of the file it is from."""
    position: int
    """Characters of that file in front of it."""
    score: float
    """0 to 1, never rising with rank: by rank in both searches."""
    similarity: float
    """Cosine of the query's and the chunk's vectors, -1 to 1."""


class Index:
    """All tables of chunks in one folder. Safe to share between threads."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        """Keep tables in `folder`, which is made when the first table is, with the vectors of `embedder`."""
        self._folder = folder
        self._embedder = embedder
        self._lock = threading.Lock()
        self._database: Any = None

    def build(self, table: str, chunks: Iterable[Chunk], on_chunks: Callable[[int], None] | None = None) -> int:
        """Make a table of `chunks`, with its full-text index.

        Args:
            table: Name of the table; letters, digits and underscores.
            chunks: What to store; read once, a batch at a time.
            on_chunks: Called with the number of chunks so far after each batch; what it raises ends the build.

        Returns:
            How many chunks the table has. With none there is no table.

        Raises:
            Exception: Whatever `chunks` or `on_chunks` raises; then no table is left.
        """
        done = 0
        target: Any = None
        waiting: list[Any] = []
        try:
            for group in _batches(chunks, EMBED_CHUNKS):
                waiting.append(self._rows(group, done))
                done += len(group)
                if len(waiting) * EMBED_CHUNKS >= WRITE_CHUNKS:
                    target, waiting = self._write(table, target, waiting), []
                if on_chunks is not None:
                    on_chunks(done)
            if waiting:
                target = self._write(table, target, waiting)
            if target is not None:
                self._add_keywords(target)
        except BaseException:
            self.drop(table)
            raise
        return done

    def search(self, table: str, query: str, k: int, mode: Mode = "hybrid") -> list[Hit]:
        """Find the chunks of a table that fit a query best.

        The same table and query give the same list every time: equal scores are ordered by the chunks' order in the
        dataset, also where the candidates of a search are cut off among equals.

        Args:
            table: Name of a table that `build` made.
            query: Any text; nothing in it is syntax. Only its first MAX_QUERY_CHARS characters count.
            k: The most chunks to return.
            mode: `hybrid` joins both searches, `keyword` and `vector` are one of them alone.

        Returns:
            Best first. Fewer than `k` if the table is smaller, or, by keyword alone, if fewer have one of the words;
            none for a query of white space.
        """
        query = query[:MAX_QUERY_CHARS].strip()
        if not query:
            return []
        source = self._opened().open_table(table)
        vector = self._embedder.embed([query])[0]
        wanted = max(k, CANDIDATES)
        rankings = []
        if mode != "keyword":
            rankings.append(_vector_search(source, vector, wanted))
        if mode != "vector":
            rankings.append(_keyword_search(source, query, wanted))
        return _hits(source, fuse(rankings)[:k], vector)

    def drop(self, table: str) -> None:
        """Remove a table, half-built or not there too."""
        # A table is its folder. Unlike the database's own removal this works on what a killed process left behind.
        shutil.rmtree(self._folder / f"{table}.lance", ignore_errors=True)

    def tables(self) -> list[str]:
        """Names of all tables, half-built ones too, sorted."""
        return sorted(path.stem for path in self._folder.glob("*.lance"))

    def _opened(self) -> Any:
        with self._lock:
            if self._database is None:
                import lancedb

                self._database = lancedb.connect(str(self._folder))
            return self._database

    def _rows(self, group: Sequence[Chunk], first_id: int) -> Any:
        """A batch as Arrow wants it; ids are the order in the dataset and the place in the table at once."""
        import pyarrow as pa

        headings = [_heading(chunk.source) for chunk in group]
        passages = [heading + chunk.text for heading, chunk in zip(headings, group, strict=True)]
        vectors = self._embedder.embed(passages).reshape(-1)
        return pa.record_batch(
            {
                "id": pa.array(range(first_id, first_id + len(group)), pa.int64()),
                # What is searched is the text under its file's name, stored once; `start` says where the text begins.
                "passage": pa.array(passages, pa.string()),
                "start": pa.array([len(heading) for heading in headings], pa.int32()),
                "source": pa.array([chunk.source for chunk in group], pa.string()),
                "position": pa.array([chunk.position for chunk in group], pa.int64()),
                "vector": pa.FixedSizeListArray.from_arrays(vectors, self._embedder.dimensions),
            }
        )

    def _write(self, table: str, target: Any, batches: Sequence[Any]) -> Any:
        """Add batches to a table; make it if it is not there (None)."""
        import pyarrow as pa

        rows = pa.Table.from_batches(batches)
        if target is None:
            return self._opened().create_table(table, rows)
        target.add(rows)
        return target

    @staticmethod
    def _add_keywords(target: Any) -> None:
        from lancedb.index import FTS

        # Unicode's word rules: text in Chinese or Japanese has no spaces, and `name_of.thing` is found by its parts.
        # And no rules of English: `with`, `for` and `not` may be what is asked for, rare words outweigh them anyway,
        # and other forms of a word are what the vectors find (hybrid recall@5 of bench/retrieval: 83.5 %, with English
        # stems 82.7 %, without stop words as well 78.4 %).
        keywords = FTS(base_tokenizer="icu/split", stem=False, remove_stop_words=False)
        target.create_index("passage", config=keywords)


def _heading(source: str) -> str:
    """The words of a file's name as a line: a text about `with` often says so in its name alone."""
    words = re.sub(r"[\W_]+", " ", re.sub(r"\.\w+$", "", source)).strip()
    return f"{words}\n" if words else ""


def _batches(items: Iterable[Chunk], size: int) -> Iterator[list[Chunk]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _vector_search(source: Any, vector: "Vectors", wanted: int) -> list[int]:
    """Ids of the nearest chunks: exact, every vector is looked at."""
    if not vector.any():
        return []

    def ask(limit: int) -> dict[int, float]:
        # Vectors have unit length, so 1 - dot product is the cosine distance, and a zero vector is no special case.
        found = source.search(vector).distance_type("dot").select(["id", "_distance"]).limit(limit).to_arrow()
        return {chunk: -away for chunk, away in zip(*_columns(found, "_distance"), strict=True)}

    return _stable_top_k(ask, wanted)


def _keyword_search(source: Any, query: str, wanted: int) -> list[int]:
    """Ids of the chunks that have the query's words, best first (BM25)."""
    from lancedb.query import MatchQuery

    # Of pydantic's dataclasses pyright does not see which fields have defaults.
    match = MatchQuery(query, "passage")  # pyright: ignore[reportCallIssue]

    def ask(limit: int) -> dict[int, float]:
        found = source.search(match).select(["id", "_score"]).limit(limit).to_arrow()
        return dict(zip(*_columns(found, "_score"), strict=True))

    return _stable_top_k(ask, wanted)


def _columns(found: Any, score: str) -> tuple[list[int], list[float]]:
    return found["id"].to_pylist(), found[score].to_pylist()


def _stable_top_k(ask: Callable[[int], dict[int, float]], wanted: int) -> list[int]:
    """The best `wanted` ids, asking for more until the cut is not among equals: which of those come is chance."""
    limit = wanted + 1
    while True:
        scores = ask(limit)
        ranked = sorted(scores.values(), reverse=True)
        if len(scores) < limit or not is_cut_in_a_tie(ranked, wanted):
            return ordered(scores, wanted)
        limit *= 4


def _hits(source: Any, fused: Sequence[tuple[int, float]], vector: "Vectors") -> list[Hit]:
    import numpy as np

    if not fused:
        return []
    rows = source.take_offsets([chunk for chunk, _ in fused]).to_arrow().to_pylist()
    by_id = {row["id"]: row for row in rows}
    hits = []
    for chunk, score in fused:
        row = by_id[chunk]
        cosine = float(np.dot(np.asarray(row["vector"], dtype=np.float32), vector))
        hits.append(
            Hit(
                text=row["passage"][row["start"] :],
                source=row["source"],
                position=row["position"],
                score=round(score, 6),
                similarity=round(max(-1.0, min(1.0, cosine)), 6),
            )
        )
    return hits
