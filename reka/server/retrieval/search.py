"""The searches of one table, by words and by vectors: each returns the rows of its best chunks, ties by id."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from reka.server.cancellation import check_cancelled
from reka.server.retrieval.entries import ORDINAL_BITS
from reka.server.retrieval.metadata import Selection
from reka.server.retrieval.ranking import Candidates

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Vectors
    from reka.server.retrieval.features import Array

LISTED_DOCUMENTS: Final = 2_000
"""Documents of a selection up to which LanceDB is given their list. Of more it is asked for more chunks, and those of
other documents are left out: a long list takes longer than the search (bench.documents)."""

SPARE: Final = 1.5
"""How many times the chunks that the share of a selection suggests are asked for first (ours)."""

COLUMNS: Final = ("id", "passage", "start", "source", "position", "context", "terms", "lead")
"""What is read of a chunk that is found: all that ranking and hits need but its vector, which takes as long."""

_MORE: Final = 4
"""How many times as many chunks are looked at where a search ends among equals."""

_PRECISION: Final = 1e-6
"""Difference below which scores are equal: their last digits depend on the order of their sums."""

_Query = Callable[[int, str | None, Sequence[str]], Any]
"""Asks for so many rows under a condition, and returns these columns of them beside `_score`."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that matches a query."""

    id: int
    """See `entries.Entry`."""
    text: str
    """The chunk's text."""
    source: str
    """Name of the file that the text is from."""
    position: int
    """Offset of the text in that file, in characters."""
    score: float
    """How well the chunk fits the query, 0 to 1; never higher than the score of the hit before."""
    similarity: float | None
    """Cosine similarity of the query's and the chunk's vectors, -1 to 1; None if the search used no vectors."""
    context: str = ""
    """What the text is read under; see `Chunk.context`."""

    @property
    def document(self) -> int:
        """Number of the chunk's document."""
        return self.id >> ORDINAL_BITS

    @property
    def ordinal(self) -> int:
        """Place of the chunk in its document, from 0."""
        return self.id & ((1 << ORDINAL_BITS) - 1)


class TableSearch:
    """The searches for one query in an open table, or in some of its documents."""

    def __init__(self, source: Any, columns: Sequence[str] = COLUMNS, selection: Selection | None = None) -> None:
        """Search `source`, and read these columns of what is found; None selects all documents."""
        self._source = source
        self._columns = columns
        self._selection = selection

    def nearest(self, vector: "Vectors", k: int) -> Any:
        """Find the `k` rows that are nearest to a vector, by exact search.

        Returns:
            An Arrow table: the columns, `_score` (cosine) and `_rowid`.
        """
        import pyarrow.compute as pc

        def query(limit: int, condition: str | None, columns: Sequence[str]) -> Any:
            # Vectors have unit length, so 1 - dot product is the cosine distance, and a zero vector is no special case.
            rows = self._rows(self._source.search(vector).distance_type("dot"), limit, condition, "_distance", columns)
            return rows.drop_columns("_distance").append_column("_score", pc.subtract(1, rows["_distance"]))  # pyright: ignore[reportAttributeAccessIssue]  # made when pyarrow is imported

        return self._best(query, k if vector.any() else 0)

    def matching(self, terms: Iterable[str], k: int) -> Any:
        """Find the `k` rows that match a query's terms best.

        Returns:
            An Arrow table: the columns, `_score` (BM25) and `_rowid`.
        """
        from lancedb.query import MatchQuery

        # pyright does not see which fields of pydantic's dataclasses have defaults.
        match = MatchQuery(" ".join(sorted(terms)), "terms")  # pyright: ignore[reportCallIssue]  # see above

        def query(limit: int, condition: str | None, columns: Sequence[str]) -> Any:
            return self._rows(self._source.search(match), limit, condition, "_score", columns)

        return self._best(query, k)

    def cosines(self, rows: Any, vector: "Vectors") -> "Array":
        """Compare the vectors of rows that were found with one: they are read only where they are used."""
        import numpy as np

        if not len(rows):
            return np.zeros(0)
        taken = self._source.take_row_ids(rows["_rowid"].to_pylist()).select(["id", "vector"]).to_arrow()
        order = np.argsort(taken["id"].to_numpy())
        places = order[np.searchsorted(taken["id"].to_numpy()[order], rows["id"].to_numpy())]
        vectors = taken["vector"].combine_chunks().flatten().to_numpy().reshape(len(rows), len(vector))[places]
        # Not by a product of matrices, whose last digits depend on the place of a row, and which wakes threads.
        cosines: Array = np.einsum("ij,j->i", vectors, vector)
        return cosines.clip(-1, 1)

    @cached_property
    def _where(self) -> str | None:
        """The selection as a condition, if it is short. It is made of numbers of our own alone."""
        if self._selection is None or len(self._selection.documents) > LISTED_DOCUMENTS:
            return None
        return f"document IN ({', '.join(map(str, self._selection.documents.tolist()))})"

    def _rows(self, query: Any, limit: int, condition: str | None, score: str, columns: Sequence[str]) -> Any:
        check_cancelled()
        if condition is not None:
            query = query.where(condition, prefilter=True)
        return query.select([*columns, score]).with_row_id(True).limit(limit).to_arrow()

    def _best(self, query: _Query, k: int) -> Any:
        """Return the best `k` rows of a query, those with equal scores by id.

        LanceDB returns an arbitrary choice of equal scores, so where an answer ends among equals, they are looked at
        again.
        """
        if self._selection is not None and self._where is None:
            return self._read(self._best_selected(query, self._selection, k))
        rows = _sorted(query(k + 1, self._where, self._columns))
        if not _ends_among_equals(rows["_score"], k):
            return rows.slice(0, k)
        return self._read(self._best_of_equals(query, rows.select(["id", "_score", "_rowid"]), k))

    def _read(self, found: Any) -> Any:
        """Read the columns of rows that were found."""
        import numpy as np

        if not len(found):
            columns = self._source.schema.empty_table().select(list(self._columns))
        else:
            columns = self._source.take_row_ids(found["_rowid"].to_pylist()).select(list(self._columns)).to_arrow()
            order = np.argsort(columns["id"].to_numpy())
            places = order[np.searchsorted(columns["id"].to_numpy()[order], found["id"].to_numpy())]
            columns = columns.take(places)
        return columns.append_column("_score", found["_score"]).append_column("_rowid", found["_rowid"])

    def _best_of_equals(self, query: _Query, rows: Any, k: int) -> Any:
        if _count_better(rows, k) > k // 2:  # of few equals a longer answer has all
            rows = _sorted(query(_MORE * k + 1, self._where, ["id"]))
        if not _ends_among_equals(rows["_score"], k):
            return rows.slice(0, k)
        better = _count_better(rows, k)
        least = rows["_score"][k - 1].as_py()
        return _concatenated([rows.slice(0, better), self._first_equals(query, least, k - better, _MORE * k)])

    def _first_equals(self, query: _Query, least: float, count: int, limit: int) -> Any:
        """Return the rows of the lowest ids that have a score.

        The ids are looked at window by window. One of `limit` ids cannot hold more rows than an answer has; a larger
        one that does is halved.
        """
        import numpy as np

        ids = self._source.search().select(["id"])
        ids = (ids.where(self._where) if self._where else ids).limit(self._source.count_rows()).to_arrow()
        ids = np.sort(ids["id"].to_numpy())
        found: list[Any] = []
        begin, width = 0, limit
        while sum(map(len, found)) < count and begin < len(ids):
            window = ids[begin : begin + width]
            condition = f"id >= {window[0]} AND id <= {window[-1]}"
            rows = _sorted(query(limit, f"{condition} AND {self._where}" if self._where else condition, ["id"]))
            is_equal = [_is_same(score, least) for score in rows["_score"].to_pylist()]
            if len(window) > limit == len(rows) and (is_equal[-1] or rows["_score"][-1].as_py() > least):
                width = max(limit, width // 2)
                continue
            found.append(rows.filter(is_equal).sort_by("id"))
            begin, width = begin + width, width * 4
        return _concatenated(found).slice(0, count)

    @staticmethod
    def _best_selected(query: _Query, selection: Selection, k: int) -> Any:
        """Return the best `k` rows of a long selection: more and more are asked for, until so many are among them."""
        limit = round((k + 1) * SPARE / selection.share)
        while True:
            found = query(limit, None, ["id"])
            rows = _sorted(found.filter(_is_selected(found["id"].to_numpy(), selection))).slice(0, k)
            is_all = len(found) < limit
            if is_all or (len(rows) == k and rows["_score"][k - 1].as_py() > min(found["_score"].to_pylist())):
                return rows
            limit *= 4


def union(first: Any, second: Any) -> Any:
    """Append the rows of the second table that the first does not have; their `_score` is null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    others = second.filter(pc.invert(pc.is_in(second["id"], value_set=first["id"].combine_chunks())))  # pyright: ignore[reportAttributeAccessIssue]  # made when pyarrow is imported
    scores = pa.nulls(len(others), first.schema.field("_score").type)
    others = others.drop_columns("_score").append_column("_score", scores)
    return pa.concat_tables([first, others.select(first.column_names)], promote_options="permissive")


def candidates_of(rows: Any) -> Candidates:
    """Take what candidates are ranked by from the rows of a search."""
    scores = rows["_score"].cast("float64").to_numpy()
    terms, leads = rows["terms"].combine_chunks(), rows["lead"].combine_chunks()
    return Candidates(rows["id"].to_numpy(), scores, terms, leads)


def hits_of(rows: Any, scores: Sequence[float], cosines: "Array | None") -> list[Hit]:
    """Make a hit of each row."""
    columns = ["id", "passage", "start", "source", "position", "context"]
    similarities = [None] * len(rows) if cosines is None else cosines.tolist()
    return [
        Hit(
            id=row["id"],
            text=row["passage"][row["start"] :],
            source=row["source"],
            position=row["position"],
            score=round(score, 6),
            similarity=None if similarity is None else round(similarity, 6),
            context=row["context"],
        )
        for row, score, similarity in zip(rows.select(columns).to_pylist(), scores, similarities, strict=True)
    ]


def _count_better(rows: Any, k: int) -> int:
    """Count the rows with a better score than the k-th of sorted ones."""
    least = rows["_score"][k - 1].as_py()
    return sum(not _is_same(score, least) for score in rows["_score"].slice(0, k).to_pylist())


def _concatenated(tables: Sequence[Any]) -> Any:
    import pyarrow as pa

    return pa.concat_tables([table.select(["id", "_score", "_rowid"]) for table in tables])


def _is_same(score: float, other: float) -> bool:
    return math.isclose(score, other, rel_tol=_PRECISION, abs_tol=_PRECISION)


def _ends_among_equals(scores: Any, k: int) -> bool:
    """Tell whether sorted scores, more than `k` if there are so many, leave open which are the best `k`."""
    return len(scores) > k > 0 and _is_same(scores[k - 1].as_py(), scores[len(scores) - 1].as_py())


def _sorted(rows: Any) -> Any:
    return rows.sort_by([("_score", "descending"), ("id", "ascending")])


def _is_selected(ids: "Array", selection: Selection) -> "Array":
    """Tell which chunks are of the selection's documents."""
    import numpy as np

    documents = ids >> ORDINAL_BITS
    places = np.searchsorted(selection.documents, documents)
    places[places == len(selection.documents)] = 0
    is_selected: Array = selection.documents[places] == documents
    return is_selected
