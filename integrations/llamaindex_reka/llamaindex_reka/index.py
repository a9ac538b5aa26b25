"""A dataset of Reka's as a LlamaIndex index."""

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

import reka
from llamaindex_reka.dataset import Dataset, files_of, text_of
from llamaindex_reka.llm import RekaLLM
from llamaindex_reka.query_engine import RekaQueryEngine
from llamaindex_reka.retriever import RekaRetriever, client_settings
from reka.adapters import RETRIEVED_CHUNKS, SharedClients
from reka.types import OnUpdate


class DatasetImmutableError(reka.UnsupportedRequestError, NotImplementedError):
    """A single document cannot be put into a dataset, changed or taken out: Reka's datasets are replaced whole."""


class RekaIndex(BaseManagedIndex):
    """An index whose texts lie on the server, which also splits, embeds and searches them.

    `RekaIndex(dataset)` opens a dataset that is there and prepared; `RekaIndex.from_documents` makes one.

    Retrievers and engines made of an index follow it: after `refresh` they search the new texts.

    Args:
        dataset: Name of the dataset, as the server stores it.
        api_key: The key; None looks at `reka.API_KEY`, then at the environment's REKA_API_KEY, whenever a call is made.
        base_url: The server's address, or `local`; None looks at `reka.BASE_URL`, then at REKA_BASE_URL, then asks
            Reka itself.
        timeout: Seconds that a call may last, or a `reka.Timeout`; None is the client's default.
        max_retries: How often a failed call is sent again; None is the client's default, 0 never.
        storage_context: LlamaIndex's; None makes an empty one. Nothing of the texts is kept there.
        callback_manager: LlamaIndex's; None takes the one of its settings.
        show_progress: Whether `refresh` shows a progress bar.

    Raises:
        InvalidArgumentError: `dataset` is empty.

    Example:
        >>> from llamaindex_reka import RekaIndex
        >>> index = RekaIndex("manual", base_url="local")
    """

    index_struct_cls = IndexDict

    def __init__(
        self,
        dataset: str | Dataset,
        *,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        timeout: float | reka.Timeout | None = None,
        max_retries: int | None = None,
        storage_context: StorageContext | None = None,
        callback_manager: CallbackManager | None = None,
        show_progress: bool = False,
    ) -> None:
        if isinstance(dataset, str):
            dataset = Dataset(dataset, dataset)
        if not dataset.name.strip():
            raise reka.InvalidArgumentError(f"dataset: got {dataset.name!r}, want the name of a prepared dataset")
        super().__init__(
            index_struct=IndexDict(summary=dataset.label),
            storage_context=storage_context,
            callback_manager=callback_manager,
            show_progress=show_progress,
        )
        self._dataset = dataset
        self._connection: dict[str, Any] = {
            "api_key": SecretStr(api_key) if isinstance(api_key, str) else api_key,
            "base_url": base_url,
            "timeout": timeout,
            "max_retries": max_retries,
        }
        self._settings = client_settings(api_key, base_url, timeout, max_retries)
        self._clients = SharedClients()

    @classmethod
    def from_documents(  # type: ignore[override]  # the base's further arguments are named, and none is swallowed
        cls,
        documents: Sequence[Document],
        storage_context: StorageContext | None = None,
        show_progress: bool = False,
        callback_manager: CallbackManager | None = None,
        transformations: list[TransformComponent] | None = None,
        *,
        dataset: str = "documents",
        on_update: OnUpdate | None = None,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        timeout: float | reka.Timeout | None = None,
        max_retries: int | None = None,
    ) -> "RekaIndex":
        """Upload documents as a dataset, prepare it, and wait until it can be searched.

        The stored name ends in a hash of ids and texts, so equal documents are uploaded once, also by another process.
        A document whose id LlamaIndex made up goes by its contents instead.

        Args:
            documents: With texts; each becomes a file, named after its id.
            storage_context: See `RekaIndex`.
            show_progress: Whether to show a progress bar.
            callback_manager: See `RekaIndex`.
            transformations: None: the server splits texts itself.
            dataset: What to call it.
            on_update: Called with each status of the job that prepares it.
            api_key: See `RekaIndex`.
            base_url: See `RekaIndex`.
            timeout: See `RekaIndex`; it does not bound the wait.
            max_retries: See `RekaIndex`.

        Raises:
            InvalidArgumentError: There are no documents, or one of them cannot be stored; nothing was sent.
            DatasetError: The server refused the texts.
            RetrievalError: They could not be prepared.
            RekaError: Anything else, as `reka.errors` draws it.
        """
        if transformations:
            raise reka.InvalidArgumentError("transformations: the server splits texts itself; run them on documents")
        index = cls(
            Dataset(dataset, dataset),
            api_key=api_key,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            storage_context=storage_context,
            callback_manager=callback_manager,
            show_progress=show_progress,
        )
        with index._callback_manager.as_trace("index_construction"):
            index._store(documents, on_update)
        return index

    @property
    def dataset(self) -> str:
        """Name of the dataset as the server stores it now; `refresh` changes it."""
        return self._dataset.name

    def close(self) -> None:
        """Close the index's own connections. A call after that opens new ones."""
        self._clients.close()

    def as_retriever(
        self, similarity_top_k: int = RETRIEVED_CHUNKS, min_score: float | None = None, **kwargs: Any
    ) -> RekaRetriever:
        """Make a retriever.

        Args:
            similarity_top_k: The most nodes that a call gives, 1 to 100.
            min_score: Leave out nodes with a lower score, or with none; None leaves out nothing.
            kwargs: Not used: LlamaIndex gives an engine's arguments to the retriever too.
        """
        return RekaRetriever(
            self._dataset,
            similarity_top_k,
            min_score=min_score,
            callback_manager=self._callback_manager,
            **self._connection,
        )

    def as_query_engine(self, llm: LLMType | None = None, **kwargs: Any) -> BaseQueryEngine:
        """Make a query engine that retrieves, and has a model answer from what was found.

        Args:
            llm: The model; None takes that of LlamaIndex's settings, and if none is set there, a `RekaLLM` at this
                index's server.
            kwargs: As `RetrieverQueryEngine.from_args` and `as_retriever` take them.
        """
        return super().as_query_engine(llm=self._llm(llm), **kwargs)

    def as_native_query_engine(self, llm: RekaLLM | None = None, *, streaming: bool = False) -> RekaQueryEngine:
        """Make a query engine that lets Reka retrieve and answer in one call.

        Args:
            llm: The model; None takes a `RekaLLM` at this index's server.
            streaming: Whether it gives the answer as it is written, where the server can.
        """
        return RekaQueryEngine(
            self._dataset, llm or self._own_llm(), streaming=streaming, callback_manager=self._callback_manager
        )

    def as_chat_engine(
        self, chat_mode: ChatMode = ChatMode.BEST, llm: LLMType | None = None, **kwargs: Any
    ) -> BaseChatEngine:
        """Make a chat engine.

        Args:
            chat_mode: `best`, `context`, `condense_question`, `condense_plus_context` or `simple`; the other two are no
                more in LlamaIndex.
            llm: As in `as_query_engine`.
            kwargs: As the engine's `from_defaults` and `as_retriever` take them.
        """
        return super().as_chat_engine(chat_mode=chat_mode, llm=self._llm(llm), **kwargs)

    def refresh_ref_docs(
        self, documents: Sequence[Document], *, on_update: OnUpdate | None = None, **update_kwargs: Any
    ) -> list[bool]:
        """Replace what is in the index by these documents.

        They are prepared as a new dataset, then the index and all that was made of it switch to that, then the old one
        is deleted. If the texts are the same, nothing is done.

        Args:
            documents: All that is to be in the index, not only what has changed.
            on_update: Called with each status of the job that prepares them.
            update_kwargs: Not used: they are for indexes that change one document at a time.

        Returns:
            For each document, whether it is new or changed, as far as is known here what was in the old dataset; one
            that was only opened counts as if nothing of it were the same.

        Raises:
            RekaError: As in `from_documents`; the index then stays as it was.
        """
        old_name, old_files = self._dataset.name, self._dataset.documents
        with self._callback_manager.as_trace("refresh_ref_docs"):
            self._store(documents, on_update)
            if self._dataset.name == old_name:
                return [False] * len(documents)
            with suppress(reka.DatasetError):  # somebody else has deleted it
                self._clients.sync(self._settings).delete_dataset(old_name)
        before = {(name, text_of(document)) for name, document in old_files.items()}
        now = {document.id_: (name, text_of(document)) for name, document in self._dataset.documents.items()}
        return [document.id_ in now and now[document.id_] not in before for document in documents]

    def refresh(self, documents: Sequence[Document], **update_kwargs: Any) -> list[bool]:
        """Replace what is in the index by these documents; see `refresh_ref_docs`."""
        return self.refresh_ref_docs(documents, **update_kwargs)

    async def arefresh_ref_docs(self, documents: Sequence[Document], **update_kwargs: Any) -> list[bool]:
        """The asynchronous twin of `refresh_ref_docs`, on a worker thread."""
        return await asyncio.to_thread(self.refresh_ref_docs, documents, **update_kwargs)

    @property
    def ref_doc_info(self) -> dict[str, RefDocInfo]:
        """The documents in the index, by their ids, with their metadata.

        Raises:
            DatasetImmutableError: The dataset was only opened: the API does not tell what is in one.
        """
        if not self._dataset.documents:
            raise DatasetImmutableError(
                f"ref_doc_info: the API does not tell what is in a dataset, and {self.dataset!r} was not made here, by "
                "from_documents"
            )
        return {document.id_: RefDocInfo(metadata=document.metadata) for document in self._dataset.documents.values()}

    def insert(self, document: Document, **insert_kwargs: Any) -> None:
        """Refuse: see `DatasetImmutableError`."""
        _refuse("insert")

    async def ainsert(self, document: Document, **insert_kwargs: Any) -> None:
        """Refuse: see `DatasetImmutableError`."""
        _refuse("ainsert")

    def insert_nodes(self, nodes: Sequence[BaseNode], **insert_kwargs: Any) -> None:
        """Refuse: see `DatasetImmutableError`."""
        _refuse("insert_nodes")

    async def ainsert_nodes(self, nodes: Sequence[BaseNode], **insert_kwargs: Any) -> None:
        """Refuse: see `DatasetImmutableError`."""
        _refuse("ainsert_nodes")

    def delete_ref_doc(self, ref_doc_id: str, delete_from_docstore: bool = False, **delete_kwargs: Any) -> None:
        """Refuse: see `DatasetImmutableError`."""
        _refuse("delete_ref_doc")

    async def adelete_ref_doc(self, ref_doc_id: str, delete_from_docstore: bool = False, **delete_kwargs: Any) -> None:
        """Refuse: see `DatasetImmutableError`."""
        _refuse("adelete_ref_doc")

    def update_ref_doc(self, document: Document, **update_kwargs: Any) -> None:
        """Refuse: see `DatasetImmutableError`."""
        _refuse("update_ref_doc")

    async def aupdate_ref_doc(self, document: Document, **update_kwargs: Any) -> None:
        """Refuse: see `DatasetImmutableError`."""
        _refuse("aupdate_ref_doc")

    def _insert(self, nodes: Sequence[BaseNode], **insert_kwargs: Any) -> None:
        _refuse("insert")

    def _delete_node(self, node_id: str, **delete_kwargs: Any) -> None:
        _refuse("delete_nodes")

    def _store(self, documents: Sequence[Document], on_update: OnUpdate | None) -> None:
        """Upload and prepare what is not there yet, then switch to it."""
        files = files_of(documents)
        texts = {name: text_of(document) for name, document in files.items()}
        with _progress(self._show_progress, on_update) as shown:
            name = self._clients.sync(self._settings).ensure_dataset(self._dataset.label, texts=texts, on_update=shown)
        self._dataset.name, self._dataset.documents = name, files

    def _llm(self, llm: LLMType | None) -> LLMType:
        if llm is not None:
            return resolve_llm(llm, callback_manager=self._callback_manager)
        # `Settings.llm` would make OpenAI's where none is set, and fail if that is not installed.
        return Settings._llm or self._own_llm()  # noqa: SLF001

    def _own_llm(self) -> RekaLLM:
        return RekaLLM(callback_manager=self._callback_manager, **self._connection)


def _refuse(what: str) -> NoReturn:
    raise DatasetImmutableError(
        f"{what}: Reka's datasets are replaced whole; give all documents that are to be in the index to refresh()"
    )


@contextmanager
def _progress(show: bool, on_update: OnUpdate | None) -> Iterator[OnUpdate]:
    """Give a function that shows statuses as a bar, and hands them on."""
    with tqdm(total=100, desc="Preparing", unit="%", disable=not show) as bar:

        def update(status: reka.PrepareRetrievalStatusResponse) -> None:
            done = 100 if status.is_complete() else _percent(status)
            bar.update(max(0, done - bar.n))
            if on_update is not None:
                on_update(status)

        yield update
        bar.update(100 - bar.n)


def _percent(status: reka.PrepareRetrievalStatusResponse) -> int:
    """How far a job is; 0 on a server that does not say."""
    progress = status.history[-1].get("progress") if status.history else None
    return int(progress * 100) if isinstance(progress, int | float) else 0
