"""Copies of tables in memory: there vectors are searched exactly, and chunks are read without opening a file."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reka.server.retrieval.entries import ORDINAL_BITS
from reka.server.retrieval.metadata import Selection
from reka.server.retrieval.tables import READ_CHUNKS, OpenTable, TableVersion, ask

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Vectors
    from reka.server.retrieval.features import Array

EXACT_CHUNKS: Final = 200_000
"""Chunks of a table up to which it is held in memory, and its vectors are searched exactly: 100,000 take 7 ms
(bench.documents). A larger one has an index of them."""

COLUMNS: Final = ("id", "passage", "start", "source", "position", "context", "terms", "lead")
"""Columns that are held beside the vectors: all that a search reads of chunks."""

PRECISION: Final = 1e-6
"""Difference below which scores are equal: their last digits depend on the order of their sums."""

_GATHERED_SHARE: Final = 0.25
"""Share of the vectors up to which those of a selection are copied: of more all are compared (ours)."""


@dataclass(frozen=True, slots=True)
class TableCopy:
    """One version of a table, in the order of the chunks' ids."""

    ids: "Array"
    row_ids: "Array"
    by_row_id: "Array"
    """Places of the chunks here, in the order of their row ids."""
    vectors: "Vectors | None"
    """None if the table has none, or they do not fit in memory."""
    columns: Any
    """An Arrow table of the COLUMNS; None if they do not fit in memory."""

    @property
    def size(self) -> int:
        """Number of bytes."""
        parts = (self.ids, self.row_ids, self.by_row_id, self.vectors, self.columns)
        return sum(part.nbytes for part in parts if part is not None)

    def read(self, ids: "Array", names: Sequence[str]) -> Any:
        """Return columns of chunks, which are all here, in the order of `ids`; None if columns are not held."""
        import numpy as np

        if self.columns is None:
            return None
        return self.columns.select(list(names)).take(np.searchsorted(self.ids, ids))

    def ids_of(self, row_ids: "Array") -> "Array":
        """Return the ids of chunks by their row ids, which are all here."""
        import numpy as np

        order = np.argsort(row_ids)  # many are found several times as fast in their order
        ids = np.empty(len(row_ids), self.ids.dtype)
        ids[order] = self.ids[self.by_row_id[np.searchsorted(self.row_ids, row_ids[order], sorter=self.by_row_id)]]
        return ids

    def nearest(self, vector: "Vectors", k: int, selection: Selection | None) -> tuple["Array", "Array"]:
        """Find the chunks whose vectors are nearest to one; of equal ones those of the lowest ids.

        Returns:
            Their places here and their similarities, best first.
        """
        import numpy as np

        places = None if selection is None else self._places(selection)
        if places is not None and len(places) < _GATHERED_SHARE * len(self.ids):
            scores = self._all[places] @ vector
        else:
            scores = self._all @ vector
            scores = scores if places is None else scores[places]
        k = min(k, len(scores))
        if not k:
            return np.zeros(0, np.int64), np.zeros(0)
        least = np.partition(scores, len(scores) - k)[len(scores) - k] - PRECISION
        best = np.flatnonzero(scores >= least)
        best = best if places is None else places[best]
        exact = self._cosines(best, vector)
        order = np.lexsort((best, -(exact / PRECISION).round()))[:k]
        return best[order], exact[order]

    def cosines(self, ids: "Array", vector: "Vectors") -> "Array":
        """Compare the vectors of chunks, which are all here, with one."""
        import numpy as np

        return self._cosines(np.searchsorted(self.ids, ids), vector)

    @property
    def _all(self) -> "Vectors":
        if self.vectors is None:
            raise TypeError("a table without vectors cannot be searched by them")
        return self.vectors

    def _cosines(self, places: "Array", vector: "Vectors") -> "Array":
        return cosines_of(self._all[places], vector)

    def _places(self, selection: Selection) -> "Array":
        """List the places of the chunks of some documents, ascending."""
        import numpy as np

        starts = np.searchsorted(self.ids, selection.documents << ORDINAL_BITS)
        sizes = np.searchsorted(self.ids, (selection.documents + 1) << ORDINAL_BITS) - starts
        before = np.cumsum(sizes) - sizes
        places: Array = np.repeat(starts - before, sizes) + np.arange(sizes.sum())
        return places


def cosines_of(vectors: "Vectors", vector: "Vectors") -> "Array":
    """Compare vectors of unit length with one: -1 to 1."""
    import numpy as np

    # Not by a product of matrices, whose last digits depend on the place of a row, and which wakes threads.
    cosines: Array = np.einsum("ij,j->i", vectors, vector)
    return cosines.clip(-1, 1)


class TableMemory:
    """Copies of the tables that were searched last. Safe to share between threads."""

    def __init__(self, max_bytes: int, max_chunks: int = EXACT_CHUNKS) -> None:
        """Hold at most so many bytes, of tables of at most so many chunks."""
        self._max_bytes = max_bytes
        self.max_chunks: int = max_chunks
        """Chunks of a table up to which its vectors and columns are held."""
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[int, TableCopy]] = OrderedDict()
        self._bytes = 0
        self._reading: dict[str, threading.Lock] = {}
        """Who reads a table has its lock, so that no two copies of it are made at once."""

    def of(self, at: TableVersion, table: OpenTable) -> TableCopy | None:
        """Return the copy of an open table; None if not even its ids fit. One of too many chunks has its ids alone."""
        room = self._max_bytes - 3 * 8 * table.chunks
        if room < 0 or not self._max_bytes:
            return None
        if (copy := self._find(at)) is not None:
            return copy
        with self._lock:
            reading = self._reading.setdefault(at.table, threading.Lock())
        with reading:
            if (copy := self._find(at)) is not None:  # made by another thread meanwhile
                return copy
            room = room if table.chunks <= self.max_chunks else 0
            _, old = self._held.get(at.table, (0, None))
            copy = _read(table, room) if old is None else _changed(old, table, room)
            with self._lock:
                if self._reading.get(at.table) is reading:  # it is not dropped
                    self._hold(at, copy)
            return copy

    def drop(self, name: str) -> None:
        """Forget a table, also one that is being read."""
        with self._lock:
            self._release(name)
            self._reading.pop(name, None)

    def _find(self, at: TableVersion) -> TableCopy | None:
        with self._lock:
            version, copy = self._held.get(at.table, (None, None))
            if version != at.version:
                return None
            self._held.move_to_end(at.table)
            return copy

    def _hold(self, at: TableVersion, copy: TableCopy) -> None:
        self._release(at.table)
        self._held[at.table] = at.version, copy
        self._bytes += copy.size
        while self._bytes > self._max_bytes and len(self._held) > 1:
            self._release(next(iter(self._held)))

    def _release(self, name: str) -> None:
        _, copy = self._held.pop(name, (0, None))
        self._bytes -= copy.size if copy else 0


def _read(table: OpenTable, room: int) -> TableCopy:
    """Copy a table.

    Args:
        table: The table.
        room: Bytes that its vectors and columns may take; what needs more is left out.
    """
    import numpy as np

    room -= table.chunks * 4 * table.dimensions
    ids, row_ids, vectors = _ids_and_vectors(table, with_vectors=room >= 0)
    return TableCopy(ids, row_ids, np.argsort(row_ids), vectors, _columns(table, room))


def _ids_and_vectors(
    table: OpenTable, after: int = -1, *, with_vectors: bool = True
) -> tuple["Array", "Array", "Vectors | None"]:
    """Read ids, row ids and vectors of a table, or those of the chunks with ids above one, in the order of ids."""
    import numpy as np

    with_vectors = with_vectors and table.dimensions > 0
    names = ["id", "vector"] if with_vectors else ["id"]
    rows = ask(_scan(table, names, after).with_row_id().to_arrow())
    ids, row_ids = rows["id"].to_numpy(), rows["_rowid"].to_numpy()
    order = np.argsort(ids, kind="stable")
    if not with_vectors:
        return ids[order], row_ids[order], None
    matrix = rows["vector"].combine_chunks().flatten().to_numpy().reshape(-1, table.dimensions)
    is_sorted = bool((order[1:] > order[:-1]).all())
    return ids[order], row_ids[order], np.ascontiguousarray(matrix if is_sorted else matrix[order])


def _columns(table: OpenTable, room: int, after: int = -1) -> Any:
    """Read the columns of a table, or those of the chunks with ids above one; None if they take more room."""
    import pyarrow as pa

    if room <= 0:
        return None
    batches = ask(_batches(_scan(table, COLUMNS, after), room))
    if batches is None:
        return None
    schema = ask(table.source.schema())
    columns = pa.Table.from_batches(batches, pa.schema([schema.field(name) for name in COLUMNS]))
    ids = columns["id"].to_numpy()
    return (columns if (ids[1:] > ids[:-1]).all() else columns.sort_by("id")).combine_chunks()


def _scan(table: OpenTable, names: Sequence[str], after: int) -> Any:
    """Return the query for columns of all chunks, or of those with ids above one."""
    query = table.source.query() if after < 0 else table.source.query().where(f"id > {after}")
    return query.select(list(names)).limit(table.chunks)


async def _batches(query: Any, room: int) -> list[Any] | None:
    """Return what a query finds, in batches; None if it takes more than some bytes."""
    batches = []
    async for batch in await query.to_batches(max_batch_length=READ_CHUNKS):
        room -= batch.nbytes
        if room < 0:
            return None
        batches.append(batch)
    return batches


def _changed(old: TableCopy, table: OpenTable, room: int) -> TableCopy:
    """Read what a version of a table has that an older one has not: new chunks have higher ids than all before."""
    import numpy as np

    ids, row_ids, _ = _ids_and_vectors(table, with_vectors=False)
    last = int(old.ids[-1]) if len(old.ids) else -1
    is_kept = np.isin(old.ids, ids, assume_unique=True)
    first_new = int(np.searchsorted(ids, last, side="right"))
    if is_kept.sum() != first_new:  # it is another table of that name, or an older version
        return _read(table, room)
    columns = _changed_columns(old, is_kept, table, room, last)
    return TableCopy(ids, row_ids, np.argsort(row_ids), _changed_vectors(old, is_kept, table, room, last), columns)


def _changed_vectors(old: TableCopy, is_kept: "Array", table: OpenTable, room: int, last: int) -> "Vectors | None":
    """Take those of an older version that are kept, and read those of the chunks with ids above its last one."""
    import numpy as np

    if old.vectors is None or room < table.chunks * 4 * table.dimensions:
        return None
    new = _ids_and_vectors(table, last)[2] if np.count_nonzero(is_kept) < table.chunks else None
    kept = old.vectors[is_kept]
    return kept if new is None else np.concatenate([kept, new])


def _changed_columns(old: TableCopy, is_kept: "Array", table: OpenTable, room: int, last: int) -> Any:
    """Do with the columns as `_changed_vectors` does."""
    import pyarrow as pa

    if old.columns is None:
        return None
    kept = old.columns if is_kept.all() else old.columns.filter(pa.array(is_kept))
    room -= kept.nbytes + table.chunks * 4 * table.dimensions
    new = _columns(table, room, last)
    return None if new is None else pa.concat_tables([kept, new]).combine_chunks()
