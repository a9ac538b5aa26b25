"""The searches of one table, by words and by vectors: each returns the rows of its best chunks, ties by id."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from reka.server.cancellation import check_cancelled
from reka.server.retrieval.entries import ORDINAL_BITS
from reka.server.retrieval.memory import PRECISION, TableCopy, cosines_of
from reka.server.retrieval.metadata import Selection
from reka.server.retrieval.ranking import Candidates
from reka.server.retrieval.tables import ask

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Vectors
    from reka.server.retrieval.features import Array

LISTED_DOCUMENTS: Final = 500
"""Documents of a selection up to which LanceDB is given their list. Of more it is asked for more chunks, and those of
other documents are left out: a long list takes longer than the search (bench.documents)."""

PROBES, REFINE = 400, 16
"""Partitions of an index of vectors that are looked at, and how many times the wanted number are compared exactly: of
the exactly nearest ten, 96 % are found among 1,000,000 (bench.documents). Without an index they mean nothing."""

SPARE: Final = 1.5
"""How many times the chunks that the share of a selection suggests are asked for first (ours)."""

RANKED_COLUMNS: Final = ("id", "terms", "lead")
"""What is read of each chunk that is found, for the ranking."""

HIT_COLUMNS: Final = ("id", "passage", "start", "source", "position", "context")
"""What is read of the chunks that are returned."""

_MORE: Final = 4
"""How many times as many chunks are looked at as are wanted, as a search may end among equals. Without their columns
they cost next to nothing (bench.documents)."""

_FOUND: Final = ["id", "_score", "_rowid"]
"""What a search returns of each chunk; its other columns are read when it is known which chunks are wanted."""

_Query = Callable[[int, str | None], Any]
"""Asks for so many rows under a condition, and returns their `_FOUND`."""


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

    def __init__(self, source: Any, selection: Selection | None = None, copy: TableCopy | None = None) -> None:
        """Search `source`.

        Args:
            source: An asynchronous table of LanceDB.
            selection: The documents that are searched; None for all.
            copy: The table in memory; what it lacks is read by LanceDB.
        """
        self._source = source
        self._selection = selection
        self._copy = copy

    def nearest(self, vector: "Vectors", k: int) -> Any:
        """Find the `k` rows that are nearest to a vector.

        Returns:
            An Arrow table: `id`, `_score` (cosine) and `_rowid`.
        """
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        if not vector.any():  # it has no direction, so nothing is near it
            return pa.table([np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.uint64)], names=_FOUND)
        if (held := self._copy) is not None and held.vectors is not None:
            places, scores = held.nearest(vector, k, self._selection)
            return pa.table([held.ids[places], scores, held.row_ids[places]], names=_FOUND)

        def query(limit: int, condition: str | None) -> Any:
            # Vectors have unit length, so 1 - dot product is the cosine distance.
            search = self._source.query().nearest_to(vector).distance_type("dot").nprobes(PROBES).refine_factor(REFINE)
            rows = self._rows(search, limit, condition, "_distance")
            return rows.append_column("_score", pc.subtract(1, rows["_distance"])).select(_FOUND)  # pyright: ignore[reportAttributeAccessIssue]  # made when pyarrow is imported

        return self._best(query, k)

    def matching(self, terms: Iterable[str], k: int) -> Any:
        """Find the `k` rows that match a query's terms best.

        Returns:
            An Arrow table: `id`, `_score` (BM25) and `_rowid`.
        """
        from lancedb.query import MatchQuery

        # pyright does not see which fields of pydantic's dataclasses have defaults.
        match = MatchQuery(" ".join(sorted(terms)), "terms")  # pyright: ignore[reportCallIssue]  # see above

        def query(limit: int, condition: str | None) -> Any:
            return self._rows(self._source.query().nearest_to_text(match), limit, condition, "_score").select(_FOUND)

        return self._best(query, k)

    def read(self, rows: Any, columns: Sequence[str]) -> Any:
        """Read columns of rows that were found, in their order.

        Args:
            rows: What a search has found.
            columns: The columns, of which `id` is one.
        """
        import numpy as np

        check_cancelled()
        if self._copy is not None and (held := self._copy.read(rows["id"].to_numpy(), columns)) is not None:
            return held
        if not len(rows):
            return ask(self._source.schema()).empty_table().select(list(columns))
        taken = ask(self._source.take_row_ids(rows["_rowid"].to_pylist()).select(list(columns)).to_arrow())
        ids = taken["id"].to_numpy()
        order = np.argsort(ids)
        return taken.take(order[np.searchsorted(ids[order], rows["id"].to_numpy())])

    def cosines(self, rows: Any, vector: "Vectors") -> "Array":
        """Compare the vectors of rows that were found with one."""
        import numpy as np

        if not len(rows):
            return np.zeros(0)
        if self._copy is not None and self._copy.vectors is not None:
            return self._copy.cosines(rows["id"].to_numpy(), vector)
        taken = self.read(rows, ["id", "vector"])["vector"].combine_chunks()
        return cosines_of(taken.flatten().to_numpy().reshape(len(rows), len(vector)), vector)

    @cached_property
    def _where(self) -> str | None:
        """The selection as a condition, if it is short. It is made of numbers of our own alone."""
        if self._selection is None or len(self._selection.documents) > LISTED_DOCUMENTS:
            return None
        return f"document IN ({', '.join(map(str, self._selection.documents.tolist()))})"

    def _rows(self, query: Any, limit: int, condition: str | None, score: str) -> Any:
        check_cancelled()
        if condition is not None:
            query = query.where(condition)
        # Ids that are in memory are not read: that takes LanceDB as long as the search.
        if self._copy is None:
            return ask(query.select(["id", score]).with_row_id().limit(limit).to_arrow())
        rows = ask(query.select([score]).with_row_id().limit(limit).to_arrow())
        return rows.append_column("id", [self._copy.ids_of(rows["_rowid"].to_numpy())])

    def _best(self, query: _Query, k: int) -> Any:
        """Return the best `k` rows of a query, those with equal scores by id.

        LanceDB returns an arbitrary choice of equal scores, so where an answer ends among equals, they are looked at
        again.
        """
        if self._selection is not None and self._where is None:
            return self._best_selected(query, self._selection, k)
        rows = _sorted(query(_MORE * k + 1, self._where))
        if not _ends_among_equals(rows["_score"], k):
            return rows.slice(0, k)
        better = _count_better(rows, k)
        least = rows["_score"][k - 1].as_py()
        return concatenate([rows.slice(0, better), self._first_equals(query, least, k - better, _MORE * k)])

    def _first_equals(self, query: _Query, least: float, count: int, limit: int) -> Any:
        """Return the rows of the lowest ids that have a score.

        The ids are looked at window by window. One of `limit` ids cannot hold more rows than an answer has; a larger
        one that does is halved.
        """
        import numpy as np

        if self._copy is not None and not self._where:
            ids = self._copy.ids
        else:
            listed = self._source.query().select(["id"])
            listed = (listed.where(self._where) if self._where else listed).limit(ask(self._source.count_rows()))
            ids = np.sort(ask(listed.to_arrow())["id"].to_numpy())
        found: list[Any] = []
        begin, width = 0, limit
        while sum(map(len, found)) < count and begin < len(ids):
            window = ids[begin : begin + width]
            condition = f"id >= {window[0]} AND id <= {window[-1]}"
            rows = _sorted(query(limit, f"{condition} AND {self._where}" if self._where else condition))
            is_equal = np.array([_is_same(score, least) for score in rows["_score"].to_pylist()], dtype=bool)
            if len(window) > limit == len(rows) and (is_equal[-1] or rows["_score"][-1].as_py() > least):
                width = max(limit, width // 2)
                continue
            found.append(rows.filter(is_equal).sort_by("id"))
            begin, width = begin + width, width * 4
        return concatenate(found).slice(0, count)

    @staticmethod
    def _best_selected(query: _Query, selection: Selection, k: int) -> Any:
        """Return the best `k` rows of a long selection: more and more are asked for, until so many are among them."""
        limit = round((k + 1) * SPARE / selection.share)
        while True:
            found = query(limit, None)
            rows = _sorted(found.filter(_is_selected(found["id"].to_numpy(), selection))).slice(0, k)
            is_all = len(found) < limit
            if is_all or (len(rows) == k and rows["_score"][k - 1].as_py() > found["_score"].to_numpy().min()):
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


def candidates_of(rows: Any, columns: Any) -> Candidates:
    """Take what candidates are ranked by from the rows of a search, and their RANKED_COLUMNS."""
    scores = rows["_score"].cast("float64").to_numpy()
    terms, leads = columns["terms"].combine_chunks(), columns["lead"].combine_chunks()
    return Candidates(rows["id"].to_numpy(), scores, terms, leads)


def hits_of(columns: Any, scores: Sequence[float], cosines: "Array | None") -> list[Hit]:
    """Make a hit of the HIT_COLUMNS of each row."""
    similarities = [None] * len(columns) if cosines is None else cosines.tolist()
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
        for row, score, similarity in zip(columns.to_pylist(), scores, similarities, strict=True)
    ]


def _count_better(rows: Any, k: int) -> int:
    """Count the rows with a better score than the k-th of sorted ones."""
    least = rows["_score"][k - 1].as_py()
    return sum(not _is_same(score, least) for score in rows["_score"].slice(0, k).to_pylist())


def concatenate(tables: Sequence[Any]) -> Any:
    """Append Arrow tables of the same columns."""
    import pyarrow as pa

    return pa.concat_tables(tables)


def _is_same(score: float, other: float) -> bool:
    return math.isclose(score, other, rel_tol=PRECISION, abs_tol=PRECISION)


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
