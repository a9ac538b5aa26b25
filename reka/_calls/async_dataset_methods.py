"""The methods of `AsyncReka` for datasets and retrieval: `DatasetMethods`, awaited."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike
from typing import TypeVar

from reka._calls import endpoints, flows
from reka._calls.call import Call
from reka._calls.documents.async_methods import AsyncDocumentMethods
from reka._inputs import uploads, validation
from reka._inputs.texts import embedding_batches
from reka.types import DatasetResult, OnProgress, OnUpdate, PrepareRetrievalStatusResponse

T = TypeVar("T")


class AsyncDatasetMethods(AsyncDocumentMethods):
    """Async twin of `DatasetMethods`."""

    async def add_dataset(
        self,
        filepath: str | PathLike[str],
        name: str,
        description: str | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> DatasetResult:
        """Async twin of `Reka.add_dataset`."""
        source = await asyncio.to_thread(uploads.file_source, filepath)
        return await self._send_for_dataset(endpoints.add_dataset(source, name, description, on_progress))

    async def add_folder(
        self,
        folder: str | PathLike[str],
        name: str,
        description: str | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> DatasetResult:
        """Async twin of `Reka.add_folder`."""
        source = await asyncio.to_thread(uploads.folder_source, folder)
        return await self._send_for_dataset(endpoints.add_dataset(source, name, description, on_progress))

    async def list_datasets(self) -> list[str]:
        """Async twin of `Reka.list_datasets`."""
        return await self._run_for_dataset(flows.list_datasets)

    async def delete_dataset(self, name: str) -> DatasetResult:
        """Async twin of `Reka.delete_dataset`."""
        return await self._send_for_dataset(endpoints.delete_dataset(name))

    async def prepare_retrieval(self, dataset_name: str) -> str:
        """Async twin of `Reka.prepare_retrieval`."""
        return await self._send_for_dataset(endpoints.prepare_retrieval(dataset_name))

    async def retrieval_job_status(self, job_id: str) -> PrepareRetrievalStatusResponse:
        """Async twin of `Reka.retrieval_job_status`."""
        return await self._send_for_dataset(endpoints.retrieval_job_status(job_id))

    async def wait_for_retrieval(
        self, job_id: str, *, timeout: float | None = None, on_update: OnUpdate | None = None
    ) -> PrepareRetrievalStatusResponse:
        """Async twin of `Reka.wait_for_retrieval`."""
        return await self._run_for_dataset(lambda _: flows.wait_for_retrieval(job_id, timeout, on_update))

    async def ensure_dataset(
        self,
        name: str,
        *,
        files: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
        texts: Mapping[str, str] | Sequence[str] | None = None,
        on_update: OnUpdate | None = None,
    ) -> str:
        """Async twin of `Reka.ensure_dataset`."""
        source = uploads.dataset_source(files, texts)
        digest = await asyncio.to_thread(source.digest, validation.non_empty_string(name, "name"))
        return await self._run_for_dataset(partial(flows.ensure_dataset, name, source, digest, on_update))

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> list[list[float]]:
        """Async twin of `Reka.embed`."""
        batches = embedding_batches(texts)
        return await self._run_for_dataset(lambda _: flows.embed(batches, model))

    async def _send_for_dataset(self, call: Call[T]) -> T:
        return await self._run_for_dataset(lambda _: flows.single(call))
