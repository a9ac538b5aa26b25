"""The LlamaIndex index over a Reka retrieval dataset."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from llama_index.core import Settings, StorageContext
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.callbacks import CallbackManager
from llama_index.core.chat_engine.types import BaseChatEngine, ChatMode
from llama_index.core.data_structs.data_structs import IndexDict
from llama_index.core.indices.managed.base import BaseManagedIndex
from llama_index.core.llms.utils import LLMType, resolve_llm
from llama_index.core.schema import BaseNode, Document, TransformComponent
from llama_index.core.storage.docstore.types import RefDocInfo
from pydantic import SecretStr
from tqdm.auto import tqdm  # type: ignore[import-untyped]  # LlamaIndex's own choice for progress; it has no types
from typing_extensions import Unpack

import reka
from llamaindex_reka.connection import Connection, client_settings
from llamaindex_reka.dataset import Dataset, as_dataset, files_of, text_of
from llamaindex_reka.llm import RekaLLM
from llamaindex_reka.query_engine import RekaQueryEngine
from llamaindex_reka.retriever import RekaRetriever
from reka.adapters import RETRIEVED_CHUNKS, SharedClients


class DatasetImmutableError(reka.UnsupportedRequestError, NotImplementedError):
    """A document cannot be inserted, updated or deleted: a Reka dataset can only be replaced as a whole."""


class RekaIndex(BaseManagedIndex):
    """Managed index: the server stores the texts, and splits, embeds and searches them.

    `RekaIndex(dataset)` opens an existing, prepared dataset; `RekaIndex.from_documents` creates one.

    The retrievers and engines of an index follow it: after `refresh` they search the new texts.

    Args:
        dataset: Stored name of the dataset.
        storage_context: Storage context of LlamaIndex; None creates an empty one. The texts are not stored there.
        callback_manager: Callback manager of LlamaIndex; None uses that of `Settings`.
        show_progress: Whether `refresh` shows a progress bar.
        **connection: `api_key`, `base_url`, `timeout`, `max_retries`, `datasets`, `headers`, `proxies`, `ca_bundle`,
            `session` and `async_session`, as `llamaindex_reka.connection.Connection` describes them.

    Raises:
        InvalidArgumentError: An argument is invalid; the message says which one.

    Example:
        >>> from llamaindex_reka import RekaIndex
        >>> index = RekaIndex("manual", base_url="local")
    """

    index_struct_cls = IndexDict

    def __init__(
        self,
        dataset: str | Dataset,
        *,
        storage_context: StorageContext | None = None,
        callback_manager: CallbackManager | None = None,
        show_progress: bool = False,
        **connection: Unpack[Connection],
    ) -> None:
        dataset = as_dataset(dataset)
        super().__init__(
            index_struct=IndexDict(summary=dataset.label),
            storage_context=storage_context,
            callback_manager=callback_manager,
            show_progress=show_progress,
        )
        self._dataset = dataset
        # The key as a secret, so that no text form shows it.
        key = connection.get("api_key")
        self._connection: Connection = {**connection, "api_key": SecretStr(key) if isinstance(key, str) else key}
        self._settings = client_settings(connection, "RekaIndex")
        self._clients = SharedClients()

    @classmethod
    def from_documents(  # type: ignore[override]  # names all arguments, where the base class takes any
        cls,
        documents: Sequence[Document],
        storage_context: StorageContext | None = None,
        show_progress: bool = False,
        callback_manager: CallbackManager | None = None,
        transformations: list[TransformComponent] | None = None,
        *,
        dataset: str = "documents",
        on_update: reka.OnUpdate | None = None,
        **connection: Unpack[Connection],
    ) -> "RekaIndex":
        """Upload documents as a dataset, prepare it, and wait until it is searchable.

        The stored name ends in a hash of the ids and texts, so the same documents are uploaded once, even by different
        processes. A document with an id that LlamaIndex generated is identified by its content instead.

        Args:
            documents: Documents with text; each becomes a file, named after its id.
            storage_context: See `RekaIndex`.
            show_progress: Whether to show a progress bar.
            callback_manager: See `RekaIndex`.
            transformations: Must be None or empty: the server splits the texts.
            dataset: Label of the dataset; the stored name starts with it.
            on_update: Called with each status of the preparation job.
            **connection: See `RekaIndex`; `timeout` does not limit the wait for the preparation.

        Raises:
            InvalidArgumentError: There are no documents, or one cannot be stored; nothing was sent.
            DatasetError: The server rejected the upload.
            RetrievalError: The preparation failed.
            RekaError: Any other failure; see `reka.errors`.
        """
        if transformations:
            raise reka.InvalidArgumentError(
                f"transformations: got {len(transformations)}, want none; the server splits texts, so apply them to "
                "the documents first"
            )
        index = cls(
            dataset,
            storage_context=storage_context,
            callback_manager=callback_manager,
            show_progress=show_progress,
            **connection,
        )
        with index._callback_manager.as_trace("index_construction"):
            index._store(documents, on_update)
        return index

    @property
    def dataset(self) -> str:
        """Current stored name of the dataset; `refresh` changes it."""
        return self._dataset.name

    def close(self) -> None:
        """Close the connections of the index itself. The next call opens new ones."""
        self._clients.close()

    def as_retriever(
        self, similarity_top_k: int = RETRIEVED_CHUNKS, min_score: float | None = None, **kwargs: Any
    ) -> RekaRetriever:
        """Create a retriever.

        Args:
            similarity_top_k: Maximum number of nodes per call, 1 to 100.
            min_score: Minimum score; nodes with a lower score, or without one, are dropped. None keeps all nodes.
            kwargs: Ignored: LlamaIndex also passes the arguments of an engine to its retriever.
        """
        return RekaRetriever(
            self._dataset,
            similarity_top_k,
            min_score=min_score,
            callback_manager=self._callback_manager,
            **self._connection,
        )

    def as_query_engine(self, llm: LLMType | None = None, **kwargs: Any) -> BaseQueryEngine:
        """Create a query engine that retrieves nodes, and has a model answer from them.

        Args:
            llm: The model; None uses `Settings.llm`, or if it is not set, a `RekaLLM` on the server of this index.
            kwargs: Arguments of `RetrieverQueryEngine.from_args` and `as_retriever`.
        """
        return super().as_query_engine(llm=self._resolve_llm(llm), **kwargs)

    def as_native_query_engine(self, llm: RekaLLM | None = None, *, streaming: bool = False) -> RekaQueryEngine:
        """Create a query engine that retrieves and answers in one call to Reka.

        Args:
            llm: The model; None uses a `RekaLLM` on the server of this index.
            streaming: Whether to stream the answer, if the server supports it.
        """
        return RekaQueryEngine(
            self._dataset, llm or self._default_llm(), streaming=streaming, callback_manager=self._callback_manager
        )

    def as_chat_engine(
        self, chat_mode: ChatMode = ChatMode.BEST, llm: LLMType | None = None, **kwargs: Any
    ) -> BaseChatEngine:
        """Create a chat engine.

        Args:
            chat_mode: `best`, `context`, `condense_question`, `condense_plus_context` or `simple`; LlamaIndex has
                removed the engines of the other two.
            llm: As in `as_query_engine`.
            kwargs: Arguments of the engine's `from_defaults` and of `as_retriever`.
        """
        return super().as_chat_engine(chat_mode=chat_mode, llm=self._resolve_llm(llm), **kwargs)

    def refresh_ref_docs(
        self, documents: Sequence[Document], *, on_update: reka.OnUpdate | None = None, **update_kwargs: Any
    ) -> list[bool]:
        """Replace the content of the index by these documents.

        They are prepared as a new dataset; then the index, its retrievers and its engines switch to it, and the old
        dataset is deleted. If the texts are the same, nothing is uploaded.

        Args:
            documents: The complete new content, not only changed documents.
            on_update: Called with each status of the preparation job.
            update_kwargs: Ignored: they are for indexes that update single documents.

        Returns:
            For each document, whether it is new or changed. The content of a dataset that was only opened is unknown;
            all documents then count as new.

        Raises:
            RekaError: As in `from_documents`; the index is then unchanged.
        """
        old_name, old_documents = self._dataset.name, self._dataset.documents
        with self._callback_manager.as_trace("refresh_ref_docs"):
            self._store(documents, on_update)
            if self._dataset.name == old_name:
                return [False] * len(documents)
            with suppress(reka.DatasetError):  # it may be deleted already
                self._clients.sync(self._settings).delete_dataset(old_name)
        old_texts = {(name, text_of(document)) for name, document in old_documents.items()}
        texts = {document.id_: (name, text_of(document)) for name, document in self._dataset.documents.items()}
        return [document.id_ in texts and texts[document.id_] not in old_texts for document in documents]

    def refresh(self, documents: Sequence[Document], **update_kwargs: Any) -> list[bool]:
        """Replace the content of the index by these documents; see `refresh_ref_docs`."""
        return self.refresh_ref_docs(documents, **update_kwargs)

    async def arefresh_ref_docs(self, documents: Sequence[Document], **update_kwargs: Any) -> list[bool]:
        """Async version of `refresh_ref_docs`; it runs in a worker thread."""
        return await asyncio.to_thread(self.refresh_ref_docs, documents, **update_kwargs)

    @property
    def ref_doc_info(self) -> dict[str, RefDocInfo]:
        """Ids of the documents in the index, with their metadata.

        Raises:
            DatasetImmutableError: The dataset was only opened, and the API does not list the documents of a dataset.
        """
        if not self._dataset.documents:
            raise DatasetImmutableError(
                f"ref_doc_info: the documents of {self.dataset!r} are unknown; the API does not list them, so create "
                "the index with from_documents"
            )
        return {document.id_: RefDocInfo(metadata=document.metadata) for document in self._dataset.documents.values()}

    def insert(self, document: Document, **insert_kwargs: Any) -> None:
        """Not supported; raises `DatasetImmutableError`."""
        _raise_immutable("insert")

    async def ainsert(self, document: Document, **insert_kwargs: Any) -> None:
        """Not supported; raises `DatasetImmutableError`."""
        _raise_immutable("ainsert")

    def insert_nodes(self, nodes: Sequence[BaseNode], **insert_kwargs: Any) -> None:
        """Not supported; raises `DatasetImmutableError`."""
        _raise_immutable("insert_nodes")

    async def ainsert_nodes(self, nodes: Sequence[BaseNode], **insert_kwargs: Any) -> None:
        """Not supported; raises `DatasetImmutableError`."""
        _raise_immutable("ainsert_nodes")

    def delete_ref_doc(self, ref_doc_id: str, delete_from_docstore: bool = False, **delete_kwargs: Any) -> None:
        """Not supported; raises `DatasetImmutableError`."""
        _raise_immutable("delete_ref_doc")

    async def adelete_ref_doc(self, ref_doc_id: str, delete_from_docstore: bool = False, **delete_kwargs: Any) -> None:
        """Not supported; raises `DatasetImmutableError`."""
        _raise_immutable("adelete_ref_doc")

    def update_ref_doc(self, document: Document, **update_kwargs: Any) -> None:
        """Not supported; raises `DatasetImmutableError`."""
        _raise_immutable("update_ref_doc")

    async def aupdate_ref_doc(self, document: Document, **update_kwargs: Any) -> None:
        """Not supported; raises `DatasetImmutableError`."""
        _raise_immutable("aupdate_ref_doc")

    def _insert(self, nodes: Sequence[BaseNode], **insert_kwargs: Any) -> None:
        _raise_immutable("insert")

    def _delete_node(self, node_id: str, **delete_kwargs: Any) -> None:
        _raise_immutable("delete_nodes")

    def _store(self, documents: Sequence[Document], on_update: reka.OnUpdate | None) -> None:
        """Upload and prepare documents unless a dataset with them exists, then switch to it."""
        if on_update is not None and not callable(on_update):
            raise reka.InvalidArgumentError(f"on_update: got {on_update!r}, want something to call")
        files = files_of(documents)
        texts = {name: text_of(document) for name, document in files.items()}
        with _progress_bar(self._show_progress, on_update) as callback:
            name = self._clients.sync(self._settings).ensure_dataset(
                self._dataset.label, texts=texts, on_update=callback
            )
        self._dataset.name, self._dataset.documents = name, files

    def _resolve_llm(self, llm: LLMType | None) -> LLMType:
        if llm is not None:
            return resolve_llm(llm, callback_manager=self._callback_manager)
        # Reading `Settings.llm` while it is unset would load OpenAI's LLM, and fail if that is not installed.
        return Settings._llm or self._default_llm()  # noqa: SLF001  # the public name loads it

    def _default_llm(self) -> RekaLLM:
        return RekaLLM(callback_manager=self._callback_manager, **self._connection)


def _raise_immutable(method: str) -> NoReturn:
    raise DatasetImmutableError(
        f"{method}: a Reka dataset can only be replaced as a whole; pass all documents of the index to refresh()"
    )


@contextmanager
def _progress_bar(show: bool, on_update: reka.OnUpdate | None) -> Iterator[reka.OnUpdate]:
    """Yield a callback that shows job statuses as a progress bar and passes them to `on_update`."""
    with tqdm(total=100, desc="Preparing", unit="%", disable=not show) as bar:

        def update(status: reka.PrepareRetrievalStatusResponse) -> None:
            percent = 100 if status.is_complete() else _percent(status)
            bar.update(max(0, percent - bar.n))
            if on_update is not None:
                on_update(status)

        yield update
        bar.update(100 - bar.n)


def _percent(status: reka.PrepareRetrievalStatusResponse) -> int:
    """Return the progress of a job in percent; 0 if the server does not report it."""
    progress = status.history[-1].get("progress") if status.history else None
    return int(progress * 100) if isinstance(progress, int | float) else 0
