"""Retrieval from datasets: the chunks of an owner's dataset, with what their documents are."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from reka._protocol.filters import Filter
from reka.server.errors import NotFoundError, RefusedError, StorageUnavailableError
from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.index import Index, Mode
from reka.server.retrieval.metadata import MetadataColumns, Selection
from reka.server.retrieval.search import Hit
from reka.server.retrieval.tables import TableVersion
from reka.server.storage.database import DatasetRow
from reka.server.storage.datasets import Datasets
from reka.server.storage.document_store import DocumentStore
from reka.server.storage.jobs import Jobs, base_of

T = TypeVar("T")

KEPT_COLUMNS: Final = 16
"""Datasets whose metadata are kept in memory, those filtered last (ours)."""

TRIES: Final = 5
"""Searches of one request: each but the first because a job has published a new version meanwhile (ours)."""

WAIT_SECONDS: Final = 60.0
"""Seconds that a search waits for an index that is built anew (ours)."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that was found, and its document."""

    hit: Hit
    document_id: str
    metadata: Mapping[str, Any]
    document_bytes: int

    @property
    def id(self) -> str:
        """The same for as long as the document is; see `entries.Entry`."""
        return f"{self.document_id}#{self.hit.ordinal}"


class Retriever:
    """Searches the datasets of one server."""

    def __init__(self, datasets: Datasets, documents: DocumentStore, jobs: Jobs, index: Index) -> None:
        """Search `index` for what the owners of `datasets` ask."""
        self._datasets = datasets
        self._documents = documents
        self._jobs = jobs
        self._index = index
        self._lock = threading.Lock()
        self._columns: OrderedDict[str, MetadataColumns] = OrderedDict()

    def retrieve(
        self, owner: str, name: str, query: str, k: int, condition: Filter | None = None, mode: Mode = "hybrid"
    ) -> list[Passage]:
        """Retrieve the `k` chunks of a dataset that match a query best, best first.

        Args:
            owner: The owner of the dataset.
            name: The dataset's name.
            query: Any text.
            k: Maximum number of chunks.
            condition: A filter on the documents; None for all.
            mode: See `Index.search`.

        Raises:
            NotFoundError: The owner has no such dataset.
            RefusedError: The dataset is not prepared for retrieval.
        """
        return self._with_dataset(owner, name, lambda dataset: self._search(dataset, query, k, condition, mode))

    def chunks(self, owner: str, name: str, document_id: str, first: int, count: int) -> list[Chunk]:
        """Return chunks of a document as they are in the index, in their order.

        Args:
            owner: The owner of the dataset.
            name: The dataset's name.
            document_id: The document's id.
            first: How many chunks to leave out.
            count: Maximum number of chunks.

        Raises:
            NotFoundError: The owner has no such dataset, or its index has no such document.
            RefusedError: The dataset is not prepared for retrieval.
        """

        def read(dataset: DatasetRow) -> list[Chunk]:
            at, number = base_of(dataset), self._documents.number_in_index(dataset.id, document_id)
            assert at is not None
            if number is None:
                raise NotFoundError(f"There is no document {document_id!r} in the index of dataset {dataset.name!r}")
            return self._index.chunks(at, number, first, count)

        return self._with_dataset(owner, name, read)

    def _with_dataset(self, owner: str, name: str, search: Callable[[DatasetRow], list[T] | None]) -> list[T]:
        """Search the version that is published; again, if it is replaced and deleted meanwhile, or is lost."""
        dataset = self._prepared(owner, name)
        for _ in range(TRIES - 1):
            try:
                if (found := search(dataset)) is not None:
                    return found
            except Exception as error:
                # If the dataset was deleted meanwhile, this raises NotFoundError instead.
                at = base_of(self._datasets.prepared(owner, name))
                if at == base_of(dataset) and not (at and self._is_lost(dataset, at, error)):
                    raise
            dataset = self._prepared(owner, name)
        return search(dataset) or []

    def _is_lost(self, dataset: DatasetRow, at: TableVersion, error: Exception) -> bool:
        """Tell whether a search failed because its table is lost, which is built anew then."""
        is_of_table = isinstance(error, OSError | RuntimeError | ValueError)  # what LanceDB raises
        return is_of_table and self._datasets.rebuild_if_lost(dataset.id, at)

    def _prepared(self, owner: str, name: str) -> DatasetRow:
        """Return a dataset that can be searched; one of an earlier form after the job that builds it anew."""
        dataset = self._datasets.prepared(owner, name)
        if base_of(dataset) is None:
            if not self._jobs.wait(self._datasets.request_job(dataset.id), WAIT_SECONDS):
                raise StorageUnavailableError(f"The index of dataset {dataset.name!r} is being built anew: try again")
            dataset = self._datasets.prepared(owner, name)
            if base_of(dataset) is None:
                raise RefusedError(
                    f"The index of dataset {dataset.name!r} is lost, or of an earlier version, and could not be built "
                    "anew: delete the dataset and upload it again"
                )
        return dataset

    def _search(
        self, dataset: DatasetRow, query: str, k: int, condition: Filter | None, mode: Mode
    ) -> list[Passage] | None:
        """Search a dataset; None if a document has been deleted from the index meanwhile."""
        at = base_of(dataset)
        assert at is not None
        selection = None if condition is None else self._select(dataset.id, condition)
        hits = self._index.search(at, query, k, mode, selection)
        documents = self._documents.facts(hit.document for hit in hits)
        if any(hit.document not in documents for hit in hits):
            return None
        return [Passage(hit, *documents[hit.document]) for hit in hits]

    def _select(self, dataset_id: str, condition: Filter) -> Selection:
        with self._lock:
            columns = self._columns.setdefault(dataset_id, MetadataColumns())
            self._columns.move_to_end(dataset_id)
            if len(self._columns) > KEPT_COLUMNS:
                self._columns.popitem(last=False)
        self._documents.load_columns(dataset_id, columns)
        return columns.select(condition)
