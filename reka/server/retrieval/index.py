"""The retrieval index: a LanceDB table for each prepared dataset, searched by vector and by keyword."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from reka.server.retrieval.background import run_while_wanted
from reka.server.retrieval.building.rows import LocalRows, RowMaker, rows_of
from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.embedders.choice import installed_embedder
from reka.server.retrieval.embedders.recorded import RecordedEmbedders, record
from reka.server.retrieval.embeddings import Embedder
from reka.server.retrieval.entries import ORDINAL_BITS, entries
from reka.server.retrieval.features import query_of
from reka.server.retrieval.languages import is_foreign
from reka.server.retrieval.memory import EXACT_CHUNKS, TableMemory
from reka.server.retrieval.metadata import Selection
from reka.server.retrieval.ranking import FILL_WEIGHT, OTHER_USE, VECTOR_USES, Matches, rank
from reka.server.retrieval.search import (
    HIT_COLUMNS,
    RANKED_COLUMNS,
    Hit,
    TableSearch,
    candidates_of,
    concatenate,
    hits_of,
    union,
)
from reka.server.retrieval.tables import OpenTable, Tables, TableVersion, ask
from reka.server.retrieval.token_limits import first_tokens
from reka.server.store.tables import FolderTables, TableHome

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Vectors

Mode = Literal["hybrid", "keyword", "vector"]

CANDIDATES: Final = 64
"""Candidates that each of the two searches contributes: more change nothing (bench.ranking), and take time."""

EMBED_CHUNKS: Final = 128
"""Chunks embedded at a time; a build can be stopped between two such batches (ours)."""

WRITE_CHUNKS: Final = 8192
"""Chunks written at a time, 15 MB with their vectors: fewer make many small files, more take memory (ours)."""

MAX_QUERY_TOKENS: Final = 2_000
"""Tokens of a query that are searched for (ours)."""

COUNTS: Final = 32
"""Texts whose tokens stay counted, beginnings of long questions: a search and its warnings ask for the same (ours)."""

MAX_EMBEDDED_TOKENS: Final = 500
"""Tokens of a query that are embedded: its topic is clear by then (ours)."""

COPIED_CHUNKS: Final = 4_096
"""Chunks up to which a change writes the table anew, without what is deleted: about 0.1 s (bench.documents)."""

APART: Final = 0.1
"""Share of a table's chunks that may be added to it, and so be searched without an index (ours)."""


MAX_COMMITS: Final = 300
"""Commits after which a table is written anew though changes keep coming: a search opens the files of each (ours)."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a change of a table has come to."""

    at: TableVersion
    """The version to search from now on."""
    chunks: Mapping[int, int]
    """Number of chunks of each new document that has any."""
    total: int
    """Number of all chunks."""
    is_new: bool
    """Whether it is a table of its own, with nothing in it of what was deleted."""


class Index:
    """The tables of chunks of one server. Safe to share between threads."""

    def __init__(
        self,
        home: Path | TableHome,
        embedder: Embedder,
        memory_bytes: int = 2**30,
        exact_chunks: int = EXACT_CHUNKS,
        row_maker: RowMaker | None = None,
    ) -> None:
        """Open an index.

        Args:
            home: Where the tables are; a folder is created with the first table.
            embedder: Embeds the chunks of new tables; a table keeps the one that it was built with.
            memory_bytes: Bytes of tables that are held in memory at most; what a search needs of others is read from
                their files.
            exact_chunks: Chunks of a table up to which its vectors are searched exactly, in memory.
            row_maker: Makes the rows of chunks; None for this process.
        """
        self._embedder = embedder
        self._count_tokens = lru_cache(COUNTS)(embedder.count_tokens)
        self._embedders = RecordedEmbedders(embedder, installed_embedder)
        self._tables = Tables(FolderTables(home) if isinstance(home, Path) else home)
        self._row_maker = row_maker or LocalRows()
        self._memory = TableMemory(memory_bytes, exact_chunks)

    def embedder_of(self, at: TableVersion) -> str:
        """Return the name of what embedded a table's chunks."""
        return self._tables.open(at).embedder

    def describe_embedder(self, name: str) -> str:
        """Name an embedder, and say if it is not to be had on this machine."""
        return str(self._embedders.of(name))

    def build(self, table: str, chunks: Iterable[Chunk], on_chunks: Callable[[int], None] | None = None) -> Built:
        """Create a table of `chunks`, with its full-text index.

        Args:
            table: Name of the table: letters, digits and underscores.
            chunks: The chunks, document by document in ascending order, consumed once, a batch at a time.
            on_chunks: Called after each batch with the number of chunks so far; an exception it raises ends the build.

        Raises:
            Exception: Anything that `chunks` or `on_chunks` raises; the incomplete table is dropped.
        """
        return self._write_anew(table, None, (), chunks, on_chunks)

    def change(
        self,
        base: TableVersion,
        table: str,
        removed: Sequence[int],
        chunks: Iterable[Chunk],
        on_chunks: Callable[[int], None] | None = None,
    ) -> Built:
        """Make a new version of a dataset's chunks; those who search the old one are not disturbed.

        A small table is written anew. A large one has the change added, which costs the work of the change alone.

        Args:
            base: The version that is changed; what was written to its table later is taken back.
            table: Name of the new table, if it is written anew.
            removed: Numbers of the documents whose chunks are removed.
            chunks: Chunks of new documents; see `build`.
            on_chunks: See `build`.

        Raises:
            RuntimeError: Another process has written to the table meanwhile, as it does not know that it may not any
                more. The next change takes that back.
            Exception: Anything that `chunks` or `on_chunks` raises; the base is as it was.
        """
        target = self._tables.reopen(base)
        count = target.count_rows()
        if count <= COPIED_CHUNKS or base.version > MAX_COMMITS + count // WRITE_CHUNKS:
            return self._write_anew(table, target, removed, chunks, on_chunks)
        counts: Counter[int] = Counter()
        version = target.version
        check = _progress(on_chunks, counts)
        for batch in self._batches(chunks, counts, check, self._embedders.writer_of(target.schema)):
            target.add(batch)
            version += 1
        if counts.total() > APART * count:
            return self._write_anew(table, target, removed, (), on_chunks, counts)
        for first in range(0, len(removed), COPIED_CHUNKS):
            target.delete(f"document IN ({', '.join(map(str, removed[first : first + COPIED_CHUNKS]))})")
            version += 1
        if target.version != version:
            raise RuntimeError(f"concurrent writers: {base.table} is at {target.version}, and not at {version}")
        self._tables.publish(base.table)
        return Built(TableVersion(base.table, target.version), counts, target.count_rows(), is_new=False)

    def rewrite(self, base: TableVersion, table: str, on_chunks: Callable[[int], None]) -> Built:
        """Write a table anew, so that nothing is left of what was deleted from it, and all is indexed."""
        return self._write_anew(table, self._tables.reopen(base), (), (), on_chunks)

    def search(
        self, at: TableVersion | str, query: str, k: int, mode: Mode = "hybrid", selection: Selection | None = None
    ) -> list[Hit]:
        """Find the chunks of a table that match a query best.

        The result is deterministic: ties are broken by the order of the chunks in the dataset, also where a search
        cuts off its candidates among equal scores.

        Args:
            at: The version of a table that is searched; a name stands for the last version of a table.
            query: Any text; it has no syntax. Of a long one the beginning is used: see `query_warnings`.
            k: Maximum number of hits.
            mode: `hybrid` fuses both searches; `keyword` and `vector` run one of them alone. Without vectors, or if
                the table's embedder is not to be had, each is a search by keywords.
            selection: The documents that are searched; None for all.

        Returns:
            The hits, best first. Fewer than `k` if the table is smaller or, by keywords alone, if fewer chunks have one
            of the words; none for a query of white space.

        Raises:
            WorkCancelledError: Nobody waits for the hits.
        """
        query = self._first_tokens(query, MAX_QUERY_TOKENS).strip()
        if not query or (selection is not None and not len(selection.documents)):
            return []
        at = self._tables.latest(at) if isinstance(at, str) else at
        table = self._tables.open(at)
        if not table.chunks:
            return []
        vector = None
        if mode != "keyword":
            vector = self._embedders.of(table.embedder).embedded(self._first_tokens(query, MAX_EMBEDDED_TOKENS))
        search = TableSearch(table.source, selection, self._memory.of(at, table))
        if mode == "vector" and vector is not None:
            rows = search.nearest(vector, k)
            scores = rows["_score"].to_numpy().clip(0, 1).tolist()
            return hits_of(search.read(rows, HIT_COLUMNS), scores, search.cosines(rows, vector))
        ranking, rows = self._ranked(search, query, vector, k, table)
        rows = rows.take([place for place, _ in ranking]) if ranking else rows.slice(0, 0)
        cosines = None if vector is None else search.cosines(rows, vector)
        return hits_of(search.read(rows, HIT_COLUMNS), [fit for _, fit in ranking], cosines)

    @staticmethod
    def _ranked(
        search: TableSearch, text: str, vector: "Vectors | None", k: int, table: OpenTable
    ) -> tuple[list[tuple[int, float]], Any]:
        """Rank what the searches find: see `rank`; and the rows that they found."""
        most = max(k, CANDIDATES)
        use = VECTOR_USES.get(table.embedder, OTHER_USE)
        finds = use.finds and vector is not None
        is_other = finds and is_foreign(text, table.main_languages)
        query = query_of(text, table.languages)
        rows = search.matching(query.telling, most)
        is_short = len(rows) < k
        weight = max(use.weight, FILL_WEIGHT if len(rows) else 1.0) if is_short else use.weight
        columns = search.read(rows, RANKED_COLUMNS)
        matches = Matches(candidates_of(rows, columns), query, table.chunks)
        if vector is not None and (is_short or is_other or (finds and matches.weight_of_words < 1)):
            found = len(rows)
            rows = union(rows, search.nearest(vector, most))
            columns = concatenate([columns, search.read(rows.slice(found), RANKED_COLUMNS)])
            matches = Matches(candidates_of(rows, columns), query, table.chunks)
        cosines = search.cosines(rows, vector) if vector is not None and weight else None
        # What a question shares with texts in another language are names, which drown what the vectors find.
        word_weight = 0.0 if is_other else matches.weight_of_words if finds else 1.0
        return rank(matches, k, cosines, weight, word_weight), rows

    def query_warnings(self, query: str) -> list[str]:
        """Say what `search` leaves out of a query that is too long; an empty list if it uses all of it."""
        for most, use in ((MAX_QUERY_TOKENS, "are searched for"), (MAX_EMBEDDED_TOKENS, "are compared by meaning")):
            if (used := self._first_tokens(query, most)) != query:
                size, whole = len(used), len(query)
                return [f"Of the question only the first {most} tokens {use}: {size} of its {whole} characters"]
        return []

    def _first_tokens(self, query: str, most: int) -> str:
        return first_tokens(query, most, self._count_tokens)

    def chunks(self, at: TableVersion, document: int, first: int, count: int) -> list[Chunk]:
        """Return chunks of a document, in their order.

        Args:
            at: The version of a table.
            document: Number of the document.
            first: How many chunks to leave out.
            count: Maximum number of chunks.
        """
        start = (document << ORDINAL_BITS) + first
        query = self._tables.open(at).source.query().where(f"id >= {start} AND id < {start + count}")
        columns = ["id", "passage", "start", "source", "position", "context", "document"]
        rows = ask(query.select(columns).limit(count).to_arrow()).sort_by("id").to_pylist()
        return [
            Chunk(row["passage"][row["start"] :], row["source"], row["position"], row["context"], document)
            for row in rows
            if row["document"] == document
        ]

    def latest(self, table: str) -> TableVersion:
        """Return the last version of a table."""
        return self._tables.latest(table)

    def count(self, at: TableVersion) -> int:
        """Count the chunks of a table."""
        return self._tables.open(at).chunks

    def is_intact(self, at: TableVersion) -> bool:
        """Tell whether nothing of a table is lost or damaged; see `Tables.is_intact`."""
        return self._tables.is_intact(at)

    def drop(self, table: str) -> bool:
        """Delete a table, complete or not; a missing one is ignored; tell whether it is gone: see `Tables.drop`."""
        self._memory.drop(table)
        return self._tables.drop(table)

    def tables(self) -> list[str]:
        """List the names of all tables, incomplete ones included, sorted."""
        return self._tables.names()

    def _write_anew(
        self,
        table: str,
        source: Any,
        removed: Sequence[int],
        chunks: Iterable[Chunk],
        on_chunks: Callable[[int], None] | None,
        counts: Counter[int] | None = None,
    ) -> Built:
        """Create a table of another one's chunks, without those of some documents, and of new ones."""
        counts = Counter() if counts is None else counts
        check = _progress(on_chunks, counts)
        clean_up = partial(self.drop, table)
        self._memory.drop(table)
        embedder = self._embedder if source is None else self._embedders.writer_of(source.schema)
        try:
            target = self._tables.create(table, record(rows_of((), (), embedder), embedder.name))
            for batch in () if source is None else self._tables.rows(source, removed):
                target.add(batch)
                check()
            for batch in self._batches(chunks, counts, check, embedder):
                target.add(batch)
            check()
            run_while_wanted(partial(self._tables.create_keyword_index, target), check, clean_up)
            if embedder.dimensions and target.count_rows() > self._memory.max_chunks:
                run_while_wanted(partial(self._tables.create_vector_index, target), check, clean_up)
            self._tables.publish(table)
        except BaseException:
            clean_up()
            raise
        return Built(TableVersion(table, target.version), counts, target.count_rows(), is_new=True)

    def _batches(
        self,
        chunks: Iterable[Chunk],
        counts: Counter[int],
        check: Callable[[], None],
        embedder: Embedder,
    ) -> Iterator[Any]:
        """Make the rows of chunks; yield Arrow tables of WRITE_CHUNKS of them, and count those of each document."""
        import pyarrow as pa

        unwritten: list[Any] = []
        iterator = iter(entries(chunks))
        batches = iter(lambda: list(islice(iterator, EMBED_CHUNKS)), [])
        with closing(self._row_maker.rows(batches, embedder, check)) as record_batches:
            for rows in record_batches:
                unwritten.append(rows)
                counts.update(rows["document"].to_pylist())
                if len(unwritten) * EMBED_CHUNKS >= WRITE_CHUNKS:
                    yield pa.Table.from_batches(unwritten)
                    unwritten = []
                check()
        if unwritten:
            yield pa.Table.from_batches(unwritten)


def _progress(on_chunks: Callable[[int], None] | None, counts: Counter[int]) -> Callable[[], None]:
    """Return what tells how many chunks there are so far; it raises what `on_chunks` raises."""

    def check() -> None:
        if on_chunks is not None:
            on_chunks(counts.total())

    return check
