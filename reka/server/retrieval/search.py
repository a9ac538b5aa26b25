"""The queries of one table: by vector, by keyword, and the rows of what they find."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from reka.server.cancellation import check_cancelled
from reka.server.retrieval.entries import ORDINAL_BITS
from reka.server.retrieval.metadata import Selection
from reka.server.retrieval.ranking import Candidate, top_k

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Vectors

LISTED_DOCUMENTS: Final = 2_000
"""Documents of a selection up to which LanceDB is given their list. Of more it is asked for more chunks, and those of
other documents are left out: a long list takes longer than the search (bench.documents)."""

SPARE: Final = 1.5
"""How many times the chunks that the share of a selection suggests are asked for first (ours)."""


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
    similarity: float
    """Cosine similarity of the query's and the chunk's vectors, -1 to 1."""
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

    def __init__(self, source: Any, vector: "Vectors", selection: Selection | None = None) -> None:
        """Search `source` for a query with this vector; None selects all documents."""
        self._source = source
        self._vector = vector
        self._selection = selection
        self._row_ids: dict[int, int] = {}

    @cached_property
    def _where(self) -> str | None:
        """The selection as a condition, if it is short. It is made of numbers of our own alone."""
        if self._selection is None or len(self._selection.documents) > LISTED_DOCUMENTS:
            return None
        return f"document IN ({', '.join(map(str, self._selection.documents.tolist()))})"

    def nearest(self, k: int) -> list[tuple[int, float]]:
        """Return the ids of the `k` nearest chunks by exact search, with their cosines."""
        if not self._vector.any():
            return []

        def query(limit: int) -> dict[int, float]:
            # Vectors have unit length, so 1 - dot product is the cosine distance, and a zero vector is no special case.
            rows = self._rows(self._source.search(self._vector).distance_type("dot"), "_distance", limit)
            return {chunk: 1 - distance for chunk, distance in rows.items()}

        return self._stable_top_k(query, k)

    def matching(self, terms: Iterable[str], k: int) -> list[tuple[int, float]]:
        """Return the ids of the `k` chunks that match a query's terms best, with their scores (BM25)."""
        from lancedb.query import MatchQuery

        # pyright does not see which fields of pydantic's dataclasses have defaults.
        match = MatchQuery(" ".join(sorted(terms)), "terms")  # pyright: ignore[reportCallIssue]  # see above
        return self._stable_top_k(lambda limit: self._rows(self._source.search(match), "_score", limit), k)

    def candidates(self, scores: Mapping[int, float | None], *, with_vectors: bool) -> list[Candidate]:
        """Read what chunks that were found are ranked by; their vectors only if they count."""
        import numpy as np

        if not scores:
            return []
        rows = self._take(list(scores), ["id", "terms", "lead", *(["vector"] if with_vectors else [])])
        ids, terms, leads = (rows[column].to_pylist() for column in ("id", "terms", "lead"))
        cosines = [0.0] * len(ids)
        if with_vectors:
            vectors = np.stack(rows["vector"].to_numpy(zero_copy_only=False)).astype(np.float32)
            cosines = (vectors @ self._vector).tolist()
        return [
            Candidate(chunk, scores[chunk], cosine, of_chunk.split(), lead)
            for chunk, of_chunk, lead, cosine in zip(ids, terms, leads, cosines, strict=True)
        ]

    def hits(self, ranking: Sequence[tuple[int, float]]) -> list[Hit]:
        """Read the chunks of a ranking, in its order."""
        import numpy as np

        if not ranking:
            return []
        columns = ["id", "passage", "start", "source", "position", "context", "vector"]
        by_id = {row["id"]: row for row in self._take([chunk for chunk, _ in ranking], columns).to_pylist()}
        hits = []
        for chunk, score in ranking:
            row = by_id[chunk]
            cosine = float(np.dot(np.asarray(row["vector"], dtype=np.float32), self._vector))
            hits.append(
                Hit(
                    id=chunk,
                    text=row["passage"][row["start"] :],
                    source=row["source"],
                    position=row["position"],
                    score=round(score, 6),
                    similarity=round(max(-1.0, min(1.0, cosine)), 6),
                    context=row["context"],
                )
            )
        return hits

    def _rows(self, query: Any, score: str, limit: int) -> dict[int, float]:
        """Run a query; return the score of each chunk."""
        if self._where is not None:
            query = query.where(self._where, prefilter=True)
        rows = query.select(["id", score]).with_row_id(True).limit(limit).to_arrow()
        ids = rows["id"].to_pylist()
        self._row_ids.update(zip(ids, rows["_rowid"].to_pylist(), strict=True))
        return dict(zip(ids, rows[score].to_pylist(), strict=True))

    def _take(self, ids: Sequence[int], columns: list[str]) -> Any:
        """Read columns of chunks that were found, in any order."""
        return self._source.take_row_ids([self._row_ids[chunk] for chunk in ids]).select(columns).to_arrow()

    def _stable_top_k(self, query: Callable[[int], dict[int, float]], k: int) -> list[tuple[int, float]]:
        """Return the best `k` ids of a query with their scores.

        LanceDB returns an arbitrary choice of equal scores, so the limit is raised until it does not cut among equals,
        and until `k` of the selection are among them.
        """
        selection = self._selection if self._where is None else None
        limit = k + 1 if selection is None else round((k + 1) * SPARE / selection.share)
        while True:
            check_cancelled()
            scores = query(limit)
            selected = scores if selection is None else _selected(scores, selection)
            best = top_k(selected, k)
            is_all = len(scores) < limit
            if is_all or (len(best) == k and selected[best[-1]] > min(scores.values())):
                return [(chunk, selected[chunk]) for chunk in best]
            limit *= 4


def _selected(scores: Mapping[int, float], selection: Selection) -> dict[int, float]:
    """Keep the chunks of the selection's documents."""
    import numpy as np

    ids = np.fromiter(scores, dtype=np.int64, count=len(scores))
    documents = ids >> ORDINAL_BITS
    places = np.searchsorted(selection.documents, documents)
    places[places == len(selection.documents)] = 0
    kept = ids[selection.documents[places] == documents]
    return {chunk: scores[chunk] for chunk in kept.tolist()}
