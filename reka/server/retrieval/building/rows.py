"""The rows of a table: what it keeps of each chunk, with the terms and the vector that it is found by."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, Final, Protocol, TypeAlias

from reka.server.retrieval.background import map_ahead
from reka.server.retrieval.embeddings import Embedder
from reka.server.retrieval.entries import Entry
from reka.server.retrieval.terms import index_terms, plain

EMBED_AHEAD: Final = 4
"""Batches that wait to be embedded at most (ours)."""

Batch: TypeAlias = Sequence[Entry]


class RowMaker(Protocol):
    """Makes the rows of entries. Safe to share between threads."""

    def rows(
        self, batches: Iterable[Batch], embedder: Embedder, check: Callable[[], None]
    ) -> Generator[Any, None, None]:
        """Yield the rows of each batch, in order: an Arrow record batch of `rows_of`.

        Args:
            batches: The entries, consumed once, a bounded number of batches ahead of the rows.
            embedder: Embeds them.
            check: Called now and then while rows take long; an exception it raises ends the work.

        Raises:
            Exception: What `batches`, `embedder` or `check` raises.
        """
        ...


class LocalRows:
    """Makes rows in this process: terms in the thread of the caller, vectors in one of their own."""

    def rows(
        self,
        batches: Iterable[Batch],
        embedder: Embedder,
        check: Callable[[], None],  # no batch takes long
    ) -> Generator[Any, None, None]:
        """Yield the rows of each batch; see `RowMaker`."""
        yield from local_rows(batches, embedder)


def local_rows(batches: Iterable[Batch], embedder: Embedder) -> Iterator[Any]:
    """Yield the rows of each batch, which is embedded while the terms of the next ones are made."""
    with_terms = ((batch, terms_of(batch)) for batch in batches)
    with closing(map_ahead(lambda task: rows_of(*task, embedder), with_terms, EMBED_AHEAD)) as results:
        yield from results


def terms_of(batch: Batch) -> list[str]:
    """Return the terms of each entry, as words between spaces."""
    return [index_terms(entry.passage, entry.language) for entry in batch]


def rows_of(batch: Batch, terms: Sequence[str], embedder: Embedder) -> Any:
    """Embed entries and convert them to Arrow: the one form that all tables have."""
    import numpy as np
    import pyarrow as pa

    length = embedder.dimensions
    texts = [plain(entry.passage) for entry in batch]
    vectors = embedder.embed(texts).reshape(-1) if texts else np.zeros(0, np.float32)
    return pa.record_batch(
        {
            "id": pa.array([entry.id for entry in batch], pa.int64()),
            "document": pa.array([entry.chunk.document for entry in batch], pa.int64()),
            # The text under its file's name and its context, which is what is searched; `start` is the offset of the
            # text in it.
            "passage": pa.array([entry.passage for entry in batch], pa.string()),
            "start": pa.array([len(entry.passage) - len(entry.chunk.text) for entry in batch], pa.int32()),
            "source": pa.array([entry.chunk.source for entry in batch], pa.string()),
            "position": pa.array([entry.chunk.position for entry in batch], pa.int64()),
            "context": pa.array([entry.chunk.context for entry in batch], pa.string()),
            "language": pa.array([entry.language for entry in batch], pa.string()),
            "terms": pa.array(terms, pa.string()),
            "lead": pa.array([entry.lead for entry in batch], pa.string()),
        }
        | ({"vector": pa.FixedSizeListArray.from_arrays(vectors, length)} if length else {})
    )
