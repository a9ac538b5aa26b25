"""The texts of the documents of each owner's datasets: given back one by one, or all as a zip."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from operator import attrgetter
from pathlib import Path
from typing import IO, Final

from reka.server.errors import RefusedError
from reka.server.ingest.export import write_zip
from reka.server.ingest.reader import DocumentReader
from reka.server.settings import MIB
from reka.server.storage.database import DatasetRow
from reka.server.storage.dataset_files import DatasetFiles
from reka.server.storage.datasets import Datasets
from reka.server.storage.document_store import Document, DocumentStore

MAX_TEXTS_BYTES: Final = 2 * MIB
"""Texts of documents in one answer, if there is more than one (ours)."""


class DocumentTexts:
    """Reads the texts of documents, wherever they are."""

    def __init__(self, datasets: Datasets, documents: DocumentStore, files: DatasetFiles) -> None:
        """Read the texts of `documents`, in the database or in the uploaded `files` of `datasets`."""
        self._datasets = datasets
        self._documents = documents
        self._files = files

    def get(self, owner: str, dataset: str, ids: Sequence[str]) -> tuple[list[tuple[Document, str]], list[str]]:
        """Return documents of a dataset with their texts, in the order of `ids`; those that are not there are left out.

        Returns:
            The documents, and the ids that were not looked for because the texts before them are as many as one answer
            holds.

        Raises:
            NotFoundError: The owner has no such dataset.
            RefusedError: The texts are not there any more.
        """
        row = self._datasets.find(owner, dataset)
        documents = self._documents.by_name(row.id, ids)
        sizes = accumulate(document.size_bytes for document in documents)
        count = max(1, sum(size <= MAX_TEXTS_BYTES for size in sizes))
        with self._reading(row) as path:
            in_order = sorted(documents[:count], key=attrgetter("number"))
            reader = DocumentReader(path, row.kind, in_order, self._documents.texts)
            texts = {document.number: "".join(parts) for document, parts in reader.texts()}
        # One without a text has been replaced or deleted meanwhile.
        found = [(document, text) for document in documents[:count] if (text := texts.get(document.number))]
        return found, [document.name for document in documents[count:]]

    def of_one(self, owner: str, dataset: str, document_id: str) -> str | None:
        """Return the text of a document; None if it is not there. Raises as `get` does."""
        found, _ = self.get(owner, dataset, [document_id])
        return found[0][1] if found else None

    def export(self, owner: str, dataset: str, file: IO[bytes]) -> None:
        """Write the texts of a dataset's documents to `file`, as a zip.

        Raises:
            NotFoundError: The owner has no such dataset.
            RefusedError: The texts are not there any more.
        """
        row = self._datasets.find(owner, dataset)
        with self._reading(row) as path:
            write_zip(file, DocumentReader(path, row.kind, self._documents.of_dataset(row.id), self._documents.texts))

    @contextmanager
    def _reading(self, dataset: DatasetRow) -> Iterator[Path]:
        """Give the path of a dataset's file, if it has one, until the block ends."""
        try:
            with self._files.reading(dataset.id, dataset.kind) as path:
                yield path
        except FileNotFoundError as error:
            raise RefusedError(f"Dataset {dataset.name!r} was changed while it was read: try again") from error
