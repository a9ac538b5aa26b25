"""The vectors of tables in memory, where they are searched exactly and without reading the table."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reka.server.retrieval.entries import ORDINAL_BITS
from reka.server.retrieval.metadata import Selection
from reka.server.retrieval.tables import OpenTable, TableVersion

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Vectors
    from reka.server.retrieval.features import Array

EXACT_CHUNKS: Final = 200_000
"""Chunks of a table up to which its vectors are held in memory, and searched exactly: 100,000 take 7 ms
(bench.documents). A larger one has an index of them."""

PRECISION: Final = 1e-6
"""Difference below which scores are equal: their last digits depend on the order of their sums."""

_GATHERED_SHARE: Final = 0.25
"""Share of the vectors up to which those of a selection are copied: of more all are compared (ours)."""


@dataclass(frozen=True, slots=True)
class TableVectors:
    """The vectors of one version of a table, in the order of the chunks' ids."""

    ids: "Array"
    row_ids: "Array"
    vectors: "Vectors"

    def nearest(self, vector: "Vectors", k: int, selection: Selection | None) -> tuple["Array", "Array"]:
        """Find the chunks whose vectors are nearest to one; of equal ones those of the lowest ids.

        Returns:
            Their places here and their similarities, best first.
        """
        import numpy as np

        places = None if selection is None else self._places(selection)
        if places is not None and len(places) < _GATHERED_SHARE * len(self.ids):
            scores = self.vectors[places] @ vector
        else:
            scores = self.vectors @ vector
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

    def _cosines(self, places: "Array", vector: "Vectors") -> "Array":
        return cosines_of(self.vectors[places], vector)

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


class VectorMemory:
    """The vectors of the tables that were searched last. Safe to share between threads."""

    def __init__(self, max_bytes: int, max_chunks: int = EXACT_CHUNKS) -> None:
        """Hold at most so many bytes of vectors, of tables of at most so many chunks."""
        self._max_bytes = max_bytes
        self.max_chunks: int = max_chunks
        """Chunks of a table up to which its vectors are held."""
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[int, TableVectors]] = OrderedDict()

    def of(self, at: TableVersion, table: OpenTable) -> TableVectors | None:
        """Return the vectors of an open table; None if it has none, or too many."""
        size = table.chunks * 4 * table.dimensions
        if not size or table.chunks > self.max_chunks or size > self._max_bytes:
            return None
        version, vectors = self._held.get(at.table, (None, None))
        if vectors is None or version != at.version:
            vectors = _changed(vectors, table) if vectors is not None else _read(table.source, table.chunks)
        self._hold(at, vectors)
        return vectors

    def drop(self, name: str) -> None:
        """Forget the vectors of a table."""
        with self._lock:
            self._held.pop(name, None)

    def _hold(self, at: TableVersion, vectors: TableVectors) -> None:
        with self._lock:
            self._held[at.table] = at.version, vectors
            self._held.move_to_end(at.table)
            while sum(held.vectors.nbytes for _, held in self._held.values()) > self._max_bytes:
                self._held.popitem(last=False)


def _read(source: Any, chunks: int, after: int = -1) -> TableVectors:
    """Read the vectors of a table, or those of the chunks with ids above one."""
    query = source.search() if after < 0 else source.search().where(f"id > {after}")
    return _of_rows(query.select(["id", "vector"]).with_row_id(True).limit(chunks).to_arrow())


def _of_rows(rows: Any) -> TableVectors:
    import numpy as np

    ids = rows["id"].to_numpy()
    vectors = rows["vector"].combine_chunks()
    width = vectors.type.list_size
    matrix = vectors.flatten().to_numpy().reshape(-1, width)
    order = np.argsort(ids, kind="stable")
    is_sorted = bool((order[1:] > order[:-1]).all())
    return TableVectors(
        ids[order], rows["_rowid"].to_numpy()[order], np.ascontiguousarray(matrix if is_sorted else matrix[order])
    )


def _changed(old: TableVectors, table: OpenTable) -> TableVectors:
    """Read what a version of a table has that an older one has not: new chunks have higher ids than all before."""
    import numpy as np

    rows = table.source.search().select(["id"]).with_row_id(True).limit(table.chunks).to_arrow()
    ids, row_ids = rows["id"].to_numpy(), rows["_rowid"].to_numpy()
    order = np.argsort(ids, kind="stable")
    ids, row_ids = ids[order], row_ids[order]
    last = int(old.ids[-1]) if len(old.ids) else -1
    new = _read(table.source, table.chunks, last) if ids.size and ids[-1] > last else None
    kept = old.vectors[np.isin(old.ids, ids, assume_unique=True)]
    vectors = kept if new is None else np.concatenate([kept, new.vectors])
    if len(vectors) != len(ids):  # it is another table of that name, or an older version
        return _read(table.source, table.chunks)
    return TableVectors(ids, row_ids, vectors)
