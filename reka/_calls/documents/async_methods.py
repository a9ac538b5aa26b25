"""The methods of `AsyncReka` for documents: `DocumentMethods`, awaited."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
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


class AsyncDocumentMethods(ABC):
    """Async twin of `DocumentMethods`."""

    async def put_documents(
        self,
        dataset: str,
        documents: Iterable[Document | Mapping[str, Any]],
        *,
        wait: bool = True,
        timeout: float | None = None,
        on_update: OnUpdate | None = None,
    ) -> PutDocumentsResult:
        """Async twin of `Reka.put_documents`; the documents are read in a thread."""
        validation.wait_seconds(timeout, "timeout")
        total = NOTHING_PUT
        batches = await asyncio.to_thread(inputs.document_batches, documents)
        while (lines := await asyncio.to_thread(next, batches, None)) is not None:
            call = endpoints.put_documents(dataset, lines)
            total = add_results(total, await self._on_documents("put_documents", call))
        await self._wait_for(total["job_id"] if wait else None, timeout, on_update)
        return total

    async def delete_documents(
        self,
        dataset: str,
        ids: Iterable[str] | None = None,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002  # its name in the API
        wait: bool = True,
        timeout: float | None = None,
        on_update: OnUpdate | None = None,
    ) -> DeleteDocumentsResult:
        """Async twin of `Reka.delete_documents`."""
        validation.wait_seconds(timeout, "timeout")
        total = NOTHING_DELETED
        for selection in inputs.deletions(ids, filter):
            call = endpoints.delete_documents(dataset, selection)
            total = add_results(total, await self._on_documents("delete_documents", call))
        await self._wait_for(total["job_id"] if wait else None, timeout, on_update)
        return total

    def list_documents(self, dataset: str) -> AsyncGenerator[DocumentInfo, None]:
        """Async twin of `Reka.list_documents`."""
        return self._documents(endpoints.list_documents(dataset, None), dataset)

    async def get_documents(self, dataset: str, ids: Iterable[str]) -> list[Document]:
        """Async twin of `Reka.get_documents`."""
        found: list[Document] = []
        for batch in inputs.id_batches(ids):
            left = batch
            while left:
                texts = await self._on_documents("get_documents", endpoints.get_documents(dataset, left))
                found += texts.documents
                left = texts.next
        return found

    async def describe_dataset(self, name: str) -> DatasetInfo:
        """Async twin of `Reka.describe_dataset`."""
        return await self._on_documents("describe_dataset", endpoints.describe_dataset(name))

    async def export_dataset(self, name: str, path: str | PathLike[str]) -> Path:
        """Async twin of `Reka.export_dataset`; the file is written in a thread."""
        call: Call[Any] = endpoints.export_dataset(name)
        with new_file(path) as (file, target):
            # A streamed call gives an open stream, in place of what a whole answer is read as.
            opened: Any = await self._on_documents("export_dataset", call)
            async with aclosing(opened) as blocks:
                async for block in blocks:
                    await asyncio.to_thread(file.write, block)
        return target

    async def retrieve(
        self,
        query: str,
        dataset: str,
        k: int = config.RETRIEVED_CHUNKS,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002  # its name in the API
        mode: RetrievalMode = "hybrid",
    ) -> list[RetrievedChunk]:
        """Async twin of `Reka.retrieve`."""
        return await self._run_for_dataset(partial(retrieve, query, dataset, k, filter, mode))

    async def _documents(self, call: Call[Page], dataset: str) -> AsyncGenerator[DocumentInfo, None]:
        while True:
            page = await self._on_documents("list_documents", call)
            for document in page.documents:
                yield document
            if page.next is None:
                return
            call = endpoints.list_documents(dataset, page.next)

    async def _on_documents(self, function: str, call: Call[T]) -> T:
        return await self._run_for_dataset(partial(on_documents, function, call))

    async def _wait_for(self, job_id: str | None, timeout: float | None, on_update: OnUpdate | None) -> None:
        if job_id is not None:
            await self._run_for_dataset(lambda _: flows.wait_for_retrieval(job_id, timeout, on_update))

    @abstractmethod
    async def _run_for_dataset(self, flow: Callable[[ServerCapabilities], Flow[T]]) -> T:
        """Run a flow on the server that has the datasets."""
