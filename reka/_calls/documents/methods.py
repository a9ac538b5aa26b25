"""The methods of `Reka` for documents; the client that has them sends their calls."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from reka import config
from reka._calls import flows
from reka._calls.call import Call
from reka._calls.capabilities import ServerCapabilities
from reka._calls.documents import endpoints
from reka._calls.documents.flows import on_documents, retrieve
from reka._calls.documents.new_file import new_file
from reka._calls.documents.totals import NOTHING_DELETED, NOTHING_PUT, add_results
from reka._calls.flow import Flow
from reka._inputs import documents as inputs
from reka._inputs import validation
from reka._wire.documents import Page
from reka.types import (
    DatasetInfo,
    DeleteDocumentsResult,
    Document,
    DocumentInfo,
    OnUpdate,
    PutDocumentsResult,
    RetrievalMode,
    RetrievedChunk,
)

T = TypeVar("T")


class DocumentMethods(ABC):
    """Put, list, delete, search and export the documents of datasets."""

    def put_documents(
        self,
        dataset: str,
        documents: Iterable[Document | Mapping[str, Any]],
        *,
        wait: bool = True,
        timeout: float | None = None,
        on_update: OnUpdate | None = None,
    ) -> PutDocumentsResult:
        """Put documents into a dataset, which is made if it is not there; only what differs is indexed anew.

        A document replaces the one with its id, and is left alone if it equals that; the others of the dataset stay.
        The dataset can be searched meanwhile.

        Args:
            dataset: Stored name of the dataset.
            documents: `{"id": ..., "text": ..., "source": ..., "metadata": {...}}`; source and metadata may be left
                out. They are sent in batches, so that a generator of any length is never in memory as a whole. A list
                is checked before anything is sent; of a generator, the batches before an invalid document are.
            wait: Whether to wait until the change is searchable.
            timeout: Longest wait in seconds; None waits as long as it takes.
            on_update: Called in this thread with each status of the job that is waited for.

        Returns:
            How many documents were added, replaced and left alone, and the id of the job, for `wait_for_retrieval`.

        Raises:
            InvalidArgumentError: Something is no document; the message has its place.
            UnsupportedRequestError: The server's datasets are not made of documents; see `ensure_dataset`.
            DatasetError: The server refused a document.
            RetrievalError: The dataset cannot be prepared.
            WaitTimeoutError: `timeout` passed; the job runs on.
            RekaError: Any other failure; see `reka.errors`.
        """
        validation.wait_seconds(timeout, "timeout")
        total = NOTHING_PUT
        for lines in inputs.document_batches(documents):
            call = endpoints.put_documents(dataset, lines)
            total = add_results(total, self._on_documents("put_documents", call))
        self._wait_for(total["job_id"] if wait else None, timeout, on_update)
        return total

    def delete_documents(
        self,
        dataset: str,
        ids: Iterable[str] | None = None,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002  # its name in the API
        wait: bool = True,
        timeout: float | None = None,
        on_update: OnUpdate | None = None,
    ) -> DeleteDocumentsResult:
        """Delete documents of a dataset with their chunks; the others stay, and can be searched meanwhile.

        Args:
            dataset: Stored name of the dataset.
            ids: Ids of the documents; those that are not there are left out of the count. Give either these or
                `filter`.
            filter: A condition on the metadata of the documents, such as `{"lang": "de", "year": {"$lt": 2020}}`, with
                `$eq`, `$ne`, `$in`, `$nin`, `$gt`, `$gte`, `$lt`, `$lte`, `$contains`, `$and`, `$or` and `$not`. The
                empty one is refused.
            wait: Whether to wait until they are found no more.
            timeout: As in `put_documents`.
            on_update: As in `put_documents`.

        Returns:
            How many documents were deleted, and the id of the job, for `wait_for_retrieval`.

        Raises:
            InvalidArgumentError: `ids` and `filter` are both given or both missing, or one of them is invalid; nothing
                was sent.
            UnsupportedRequestError: The server's datasets are not made of documents; see `ensure_dataset`.
            DatasetError: The dataset does not exist.
            RetrievalError: The dataset cannot be prepared.
            WaitTimeoutError: `timeout` passed; the job runs on.
            RekaError: Any other failure; see `reka.errors`.
        """
        validation.wait_seconds(timeout, "timeout")
        total = NOTHING_DELETED
        for selection in inputs.deletions(ids, filter):
            call = endpoints.delete_documents(dataset, selection)
            total = add_results(total, self._on_documents("delete_documents", call))
        self._wait_for(total["job_id"] if wait else None, timeout, on_update)
        return total

    def list_documents(self, dataset: str) -> Generator[DocumentInfo, None, None]:
        """List the documents of a dataset, without their texts; a file that was uploaded is one document.

        Args:
            dataset: Stored name of the dataset.

        Yields:
            The documents, which are fetched as the iteration comes to them.

        Raises:
            InvalidArgumentError: The name is invalid; nothing was sent.
            UnsupportedRequestError: The server's datasets are not made of documents.
            DatasetError: The dataset does not exist.
            RekaError: Any other failure; see `reka.errors`.
        """
        return self._documents(endpoints.list_documents(dataset, None), dataset)

    def get_documents(self, dataset: str, ids: Iterable[str]) -> list[Document]:
        """Get documents of a dataset with their texts.

        Args:
            dataset: Stored name of the dataset.
            ids: Ids of the documents.

        Returns:
            The documents, in the order of their ids; those that are not there are left out.

        Raises:
            InvalidArgumentError: The name or an id is invalid; nothing was sent.
            UnsupportedRequestError: The server's datasets are not made of documents.
            DatasetError: The dataset does not exist.
            RekaError: Any other failure; see `reka.errors`.
        """
        found: list[Document] = []
        for batch in inputs.id_batches(ids):
            left = batch
            while left:
                texts = self._on_documents("get_documents", endpoints.get_documents(dataset, left))
                found += texts.documents
                left = texts.next
        return found

    def describe_dataset(self, name: str) -> DatasetInfo:
        """Describe a dataset: its size, and whether it can be searched.

        Args:
            name: Stored name of the dataset.

        Raises:
            InvalidArgumentError: The name is invalid; nothing was sent.
            UnsupportedRequestError: The server's datasets are not made of documents; `list_datasets` has their names.
            DatasetError: The dataset does not exist.
            RekaError: Any other failure; see `reka.errors`.
        """
        return self._on_documents("describe_dataset", endpoints.describe_dataset(name))

    def export_dataset(self, name: str, path: str | PathLike[str]) -> Path:
        """Download the texts of a dataset as a zip, which is written while it comes.

        Args:
            name: Stored name of the dataset.
            path: File to write; it is replaced when the zip is complete, and left as it is if that fails.

        Returns:
            The path of the file.

        Raises:
            InvalidArgumentError: The file cannot be written, or the name is invalid.
            UnsupportedRequestError: The server's datasets are not made of documents.
            DatasetError: The dataset does not exist.
            StreamInterruptedError: The zip broke off.
            RekaError: Any other failure; see `reka.errors`.
        """
        call: Call[Any] = endpoints.export_dataset(name)
        with new_file(path) as (file, target):
            # A streamed call gives an open stream, in place of what a whole answer is read as.
            opened: Any = self._on_documents("export_dataset", call)
            with closing(opened) as blocks:
                for block in blocks:
                    file.write(block)
        return target

    def retrieve(
        self,
        query: str,
        dataset: str,
        k: int = config.RETRIEVED_CHUNKS,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002  # its name in the API
        mode: RetrievalMode = "hybrid",
    ) -> list[RetrievedChunk]:
        """Retrieve the chunks of a dataset that match a query, without an answer.

        A server whose datasets are made of documents searches. The documented API retrieves only for chat, so any other
        server is sent a chat for one token, which takes neither a filter nor a mode.

        Args:
            query: The query, in natural language.
            dataset: Name of a prepared dataset.
            k: Maximum number of chunks, 1 to 1,000. A server that is sent a chat returns at most 100, or as many as it
                likes, cut to k.
            filter: A condition on the metadata of documents, as in `delete_documents`; None searches all of them.
            mode: `hybrid` finds by words and by meaning; `keyword` and `vector` by one of the two.

        Returns:
            Chunks, best first.

        Raises:
            InvalidArgumentError: An argument is invalid; nothing was sent.
            UnsupportedRequestError: The server takes neither filters nor modes, and one was given.
            RetrievalError: The dataset does not exist, or is not prepared.
            RekaError: Any other failure; see `reka.errors`.
        """
        return self._run_for_dataset(partial(retrieve, query, dataset, k, filter, mode))

    def _documents(self, call: Call[Page], dataset: str) -> Generator[DocumentInfo, None, None]:
        while True:
            page = self._on_documents("list_documents", call)
            yield from page.documents
            if page.next is None:
                return
            call = endpoints.list_documents(dataset, page.next)

    def _on_documents(self, function: str, call: Call[T]) -> T:
        return self._run_for_dataset(partial(on_documents, function, call))

    def _wait_for(self, job_id: str | None, timeout: float | None, on_update: OnUpdate | None) -> None:
        if job_id is not None:
            self._run_for_dataset(lambda _: flows.wait_for_retrieval(job_id, timeout, on_update))

    @abstractmethod
    def _run_for_dataset(self, flow: Callable[[ServerCapabilities], Flow[T]]) -> T:
        """Run a flow on the server that has the datasets."""
