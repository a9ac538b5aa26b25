"""The retrieval index: one LanceDB table per prepared dataset, searched by vector and by keyword."""

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from reka.server.cancellation import check_cancelled
from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.embeddings import Embedder
from reka.server.retrieval.entries import Entry, entries
from reka.server.retrieval.ranking import (
    VECTOR_WEIGHT,
    Candidate,
    has_tie_at_cutoff,
    query_of,
    rank,
    top_k,
)
from reka.server.retrieval.token_limits import first_tokens

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Vectors

Mode = Literal["hybrid", "keyword", "vector"]

CANDIDATES: Final = 100
"""Candidates that each of the two searches contributes to hybrid search (bench/retrieval)."""

EMBED_CHUNKS: Final = 128
"""Chunks embedded at a time; a build can be stopped between two such batches (ours)."""

WRITE_CHUNKS: Final = 8192
"""Chunks written at a time, 15 MB with their vectors: fewer make many small files, more take memory (ours)."""

MAX_QUERY_TOKENS: Final = 2_000
"""Tokens of a query that are searched for (ours)."""

MAX_EMBEDDED_TOKENS: Final = 500
"""Tokens of a query that are embedded: its topic is clear by then (ours)."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that matches a query."""

    text: str
    """The chunk's text."""
    source: str
    """Name of the file that the text is from."""
    position: int
    """Offset of the text in that file, in characters."""
    score: float
    """How well the chunk fits the query, 0 to 1; never higher than the score of the hit before."""
    similarity: float
    """Cosine similarity of the query's and the chunk's vectors, -1 to 1."""
    context: str = ""
    """What the text is read under; see `Chunk.context`."""


class Index:
    """The tables of chunks in one folder. Safe to share between threads."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        """Open an index.

        Args:
            folder: Folder of the tables; it is created with the first table.
            embedder: Embeds chunks and queries.
        """
        self._folder = folder
        self._embedder = embedder
        self._lock = threading.Lock()
        self._upgrade_lock = threading.Lock()
        self._database: Any = None
        self._languages_of: dict[str, list[str | None]] = {}

    def build(self, table: str, chunks: Iterable[Chunk], on_chunks: Callable[[int], None] | None = None) -> int:
        """Create a table of `chunks`, with its full-text index.

        Args:
            table: Name of the table: letters, digits and underscores.
            chunks: The chunks, consumed once, a batch at a time.
            on_chunks: Called after each batch with the number of chunks so far; an exception it raises ends the build.

        Returns:
            The number of chunks. If it is 0, no table is created.

        Raises:
            Exception: Anything that `chunks` or `on_chunks` raises; the incomplete table is dropped.
        """
        count = 0
        target: Any = None
        unwritten: list[Any] = []
        try:
            for batch in _batches(entries(chunks), EMBED_CHUNKS):
                unwritten.append(self._rows(batch, count))
                count += len(batch)
                if len(unwritten) * EMBED_CHUNKS >= WRITE_CHUNKS:
                    target, unwritten = self._write(table, target, unwritten), []
                if on_chunks is not None:
                    on_chunks(count)
            if unwritten:
                target = self._write(table, target, unwritten)
            if target is not None:
                self._create_keyword_index(target)
                self._make_private(table)
        except BaseException:
            self.drop(table)
            raise
        return count

    def search(self, table: str, query: str, k: int, mode: Mode = "hybrid") -> list[Hit]:
        """Find the chunks of a table that match a query best.

        The result is deterministic: ties are broken by the order of the chunks in the dataset, also where a search
        cuts off its candidates among equal scores.

        Args:
            table: Name of a table that `build` created.
            query: Any text; it has no syntax. Of a long one the beginning is used: see `query_warnings`.
            k: Maximum number of hits.
            mode: `hybrid` fuses both searches; `keyword` and `vector` run one of them alone.

        Returns:
            The hits, best first. Fewer than `k` if the table is smaller or, by keyword alone, if fewer chunks have one
            of the words; none for a query of white space.

        Raises:
            WorkCancelledError: Nobody waits for the hits.
        """
        query = self._first_tokens(query, MAX_QUERY_TOKENS).strip()
        if not query:
            return []
        source = self._open(table)
        vector = self._embedder.embed([self._first_tokens(query, MAX_EMBEDDED_TOKENS)])[0]
        check_cancelled()
        candidates = max(k, CANDIDATES)
        if mode == "vector":
            nearest = _vector_search(source, vector, candidates)
            return _hits(source, [(chunk, max(cosine, 0.0)) for chunk, cosine in nearest[:k]], vector)
        languages = self._languages(table, source)
        parsed = query_of(query, [*languages])
        weight = VECTOR_WEIGHT.get(languages[0], 0.0) if mode == "hybrid" else 0.0
        scores: dict[int, float | None] = dict.fromkeys(
            [chunk for chunk, _ in _vector_search(source, vector, candidates)] if weight else ()
        )
        check_cancelled()
        scores.update(_keyword_search(source, parsed.terms, candidates))
        check_cancelled()
        ranked = rank(_candidates(source, scores, vector if weight else None), parsed, source.count_rows(), weight, k)
        return _hits(source, [(candidate.id, fit) for candidate, fit in ranked], vector)

    def query_warnings(self, query: str) -> list[str]:
        """Say what `search` leaves out of a query that is too long; an empty list if it uses all of it."""
        for most, use in ((MAX_QUERY_TOKENS, "are searched for"), (MAX_EMBEDDED_TOKENS, "are compared by meaning")):
            if (used := self._first_tokens(query, most)) != query:
                size, whole = len(used), len(query)
                return [f"Of the question only the first {most} tokens {use}: {size} of its {whole} characters"]
        return []

    def _first_tokens(self, query: str, most: int) -> str:
        return first_tokens(query, most, self._embedder.count_tokens)

    def _open(self, table: str) -> Any:
        """Open a table; one of an earlier version, without terms, is built anew from its texts."""
        source = self._connect().open_table(table)
        if "terms" in source.schema.names:
            return source
        with self._upgrade_lock:
            if "terms" not in self._connect().open_table(table).schema.names:
                columns = ["passage", "start", "source", "position"]
                rows = source.search().select(columns).limit(source.count_rows()).to_arrow().to_pylist()
                new = f"{table}_new"
                self.drop(new)
                texts = (Chunk(row["passage"][row["start"] :], row["source"], row["position"]) for row in rows)
                self.build(new, texts)
                self._replace(table, new)
        return self._connect().open_table(table)

    def _replace(self, table: str, new: str) -> None:
        old = f"{table}_old"
        for source, target in ((table, old), (new, table)):
            (self._folder / f"{source}.lance").rename(self._folder / f"{target}.lance")
        self.drop(old)

    def drop(self, table: str) -> None:
        """Delete a table, complete or not; a missing one is ignored."""
        self._languages_of.pop(table, None)
        # A table is its folder. Unlike LanceDB's own `drop_table`, this also deletes what a killed process left behind.
        shutil.rmtree(self._folder / f"{table}.lance", ignore_errors=True)

    def tables(self) -> list[str]:
        """List the names of all tables, incomplete ones included, sorted."""
        return sorted(path.stem for path in self._folder.glob("*.lance"))

    def _make_private(self, table: str) -> None:
        """Make a table readable by the current user only: LanceDB leaves that to the umask."""
        root = self._folder / f"{table}.lance"
        for path in [root, *root.rglob("*")]:
            path.chmod(0o700 if path.is_dir() else 0o600)

    def _connect(self) -> Any:
        with self._lock:
            if self._database is None:
                import lancedb

                self._database = lancedb.connect(str(self._folder))
            return self._database

    def _rows(self, batch: Sequence[Entry], first_id: int) -> Any:
        """Embed a batch and convert it to Arrow; an id is the position of a chunk in the dataset and in the table."""
        import pyarrow as pa

        vectors = self._embedder.embed([entry.passage for entry in batch]).reshape(-1)
        return pa.record_batch(
            {
                "id": pa.array(range(first_id, first_id + len(batch)), pa.int64()),
                # The text under its file's name and its context, which is what is searched; `start` is the offset of
                # the text in it.
                "passage": pa.array([entry.passage for entry in batch], pa.string()),
                "start": pa.array([len(entry.passage) - len(entry.chunk.text) for entry in batch], pa.int32()),
                "source": pa.array([entry.chunk.source for entry in batch], pa.string()),
                "position": pa.array([entry.chunk.position for entry in batch], pa.int64()),
                "context": pa.array([entry.chunk.context for entry in batch], pa.string()),
                "language": pa.array([entry.language for entry in batch], pa.string()),
                "terms": pa.array([entry.terms for entry in batch], pa.string()),
                "lead": pa.array([entry.lead for entry in batch], pa.string()),
                "vector": pa.FixedSizeListArray.from_arrays(vectors, self._embedder.dimensions),
            }
        )

    def _languages(self, table: str, source: Any) -> list[str | None]:
        """List the languages of a table, that of most chunks first; it never changes."""
        languages = self._languages_of.get(table)
        if languages is None:
            column = source.search().select(["language"]).limit(source.count_rows()).to_arrow()["language"]
            counts = sorted(column.value_counts().to_pylist(), key=lambda entry: -entry["counts"])
            languages = self._languages_of[table] = [entry["values"] for entry in counts]
        return languages

    def _write(self, table: str, target: Any, batches: Sequence[Any]) -> Any:
        """Append batches to a table, or create the table if `target` is None; return it."""
        import pyarrow as pa

        rows = pa.Table.from_batches(batches)
        if target is None:
            return self._connect().create_table(table, rows)
        target.add(rows)
        return target

    @staticmethod
    def _create_keyword_index(target: Any) -> None:
        from lancedb.index import FTS

        # The terms are made by `reka.server.retrieval.terms`, so the index only splits them.
        whitespace = FTS(
            base_tokenizer="whitespace",
            lower_case=False,
            stem=False,
            remove_stop_words=False,
            ascii_folding=False,
            max_token_length=None,
        )
        target.create_index("terms", config=whitespace)


def _batches(items: Iterable[Entry], size: int) -> Iterator[list[Entry]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _vector_search(source: Any, vector: "Vectors", k: int) -> list[tuple[int, float]]:
    """Return the ids of the `k` nearest chunks by exact search, with their cosines."""
    if not vector.any():
        return []

    def search(limit: int) -> dict[int, float]:
        # Vectors have unit length, so 1 - dot product is the cosine distance, and a zero vector is no special case.
        rows = source.search(vector).distance_type("dot").select(["id", "_distance"]).limit(limit).to_arrow()
        return {chunk: 1 - distance for chunk, distance in zip(*_columns(rows, "_distance"), strict=True)}

    return _stable_top_k(search, k)


def _keyword_search(source: Any, terms: Iterable[str], k: int) -> list[tuple[int, float]]:
    """Return the ids of the `k` chunks that match a query's terms best, with their scores (BM25)."""
    from lancedb.query import MatchQuery

    # pyright does not see which fields of pydantic's dataclasses have defaults.
    match = MatchQuery(" ".join(sorted(terms)), "terms")  # pyright: ignore[reportCallIssue]  # see above

    def search(limit: int) -> dict[int, float]:
        rows = source.search(match).select(["id", "_score"]).limit(limit).to_arrow()
        return dict(zip(*_columns(rows, "_score"), strict=True))

    return _stable_top_k(search, k)


def _columns(rows: Any, score: str) -> tuple[list[int], list[float]]:
    return rows["id"].to_pylist(), rows[score].to_pylist()


def _stable_top_k(search: Callable[[int], dict[int, float]], k: int) -> list[tuple[int, float]]:
    """Return the best `k` ids of a search with their scores.

    LanceDB returns an arbitrary choice of equal scores, so the limit is raised until it does not cut among equals.
    """
    limit = k + 1
    while True:
        check_cancelled()
        scores = search(limit)
        if len(scores) < limit or not has_tie_at_cutoff(sorted(scores.values(), reverse=True), k):
            return [(chunk, scores[chunk]) for chunk in top_k(scores, k)]
        limit *= 4


def _candidates(source: Any, scores: Mapping[int, float | None], vector: "Vectors | None") -> list[Candidate]:
    """Read what candidates are ranked by; their vectors only if there is one to compare them with."""
    import numpy as np

    if not scores:
        return []
    columns = ["id", "terms", "lead"]
    rows = source.take_offsets(list(scores)).select(columns if vector is None else [*columns, "vector"]).to_arrow()
    ids, terms, leads = (rows[column].to_pylist() for column in columns)
    cosines = [0.0] * len(ids)
    if vector is not None:
        vectors = np.stack(rows["vector"].to_numpy(zero_copy_only=False)).astype(np.float32)
        cosines = (vectors @ vector).tolist()
    return [
        Candidate(chunk, scores[chunk], cosine, of_chunk.split(), lead)
        for chunk, of_chunk, lead, cosine in zip(ids, terms, leads, cosines, strict=True)
    ]


def _hits(source: Any, ranking: Sequence[tuple[int, float]], vector: "Vectors") -> list[Hit]:
    import numpy as np

    if not ranking:
        return []
    rows = source.take_offsets([chunk for chunk, _ in ranking]).to_arrow().to_pylist()
    by_id = {row["id"]: row for row in rows}
    hits = []
    for chunk, score in ranking:
        row = by_id[chunk]
        cosine = float(np.dot(np.asarray(row["vector"], dtype=np.float32), vector))
        hits.append(
            Hit(
                text=row["passage"][row["start"] :],
                source=row["source"],
                position=row["position"],
                score=round(score, 6),
                similarity=round(max(-1.0, min(1.0, cosine)), 6),
                context=row.get("context", ""),  # tables of an earlier version have none
            )
        )
    return hits
