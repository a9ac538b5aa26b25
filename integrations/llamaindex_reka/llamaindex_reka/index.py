"""The LlamaIndex index over a Reka retrieval dataset."""

import asyncio
import inspect
from collections.abc import Sequence
from functools import lru_cache
from os import PathLike, fspath
from typing import Any, Final, TypeAlias, cast

from llama_index.core import Settings, StorageContext, load_index_from_storage
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.callbacks import CallbackManager
from llama_index.core.chat_engine.types import BaseChatEngine, ChatMode
from llama_index.core.indices.registry import INDEX_STRUCT_TYPE_TO_INDEX_CLASS
from llama_index.core.llms import LLM
from llama_index.core.llms.utils import LLMType, resolve_llm
from llama_index.core.schema import BaseNode, Document, IndexNode, TransformComponent
from llama_index.core.vector_stores.types import BasePydanticVectorStore, MetadataFilters, VectorStoreQueryMode
from pydantic import SecretStr
from typing_extensions import Unpack

import reka
from llamaindex_reka.connection import Connection, client_settings
from llamaindex_reka.dataset import Dataset, as_dataset
from llamaindex_reka.documents.changes import ChangeableIndex, check_callable
from llamaindex_reka.documents.struct import STRUCT_TYPE, DatasetStruct
from llamaindex_reka.documents.vector_store import DatasetVectorStore
from llamaindex_reka.llm import RekaLLM
from llamaindex_reka.nodes import content_digest
from llamaindex_reka.parameters import refuse_unknown
from llamaindex_reka.query_engine import RekaQueryEngine
from llamaindex_reka.retriever import RekaRetriever
from reka.adapters import RETRIEVED_CHUNKS, SharedClients, Snapshot, stored_name

_AnyLLM: TypeAlias = LLM | str | Any | None
"""`LLMType`, but for the class of LangChain's models there, which has no type arguments."""

_NO_LABEL: Final = "documents"
"""Label of a dataset to which the caller gives none."""


class RekaIndex(ChangeableIndex):
    """Managed index: the server stores the texts, and splits, embeds and searches them.

    `RekaIndex(dataset)` opens a dataset, in any process: what it is made of is on the server.
    `RekaIndex.from_documents` makes one of documents. Changes of an index are changes of its dataset, which every other
    index, retriever and engine over it searches at once. A host that replaces datasets as a whole is sent all documents
    at each change; what they are is kept on this machine, and where the index is persisted.

    Args:
        dataset: Label of the dataset, or its stored name.
        nodes: Nodes to put into it, which are split already; each comes back whole, with its relationships. None opens
            what is there.
        objects: Nodes that stand for an index, an engine, a retriever or another node (`obj`), which is asked where the
            node is found. What cannot be stored is asked in this process only.
        transformations: What splits the documents that are put into the index. None lets the server do so.
        index_struct: What a storage context has kept of an index, in place of `dataset`.
        storage_context: Storage context of LlamaIndex; None creates an empty one. It keeps where the dataset is, and
            none of the texts.
        callback_manager: Callback manager of LlamaIndex; None uses that of `Settings`.
        show_progress: Whether changes show a progress bar.
        **connection: `api_key`, `base_url`, `timeout`, `max_retries`, `datasets`, `headers`, `proxies`, `ca_bundle`,
            `session` and `async_session`, as `llamaindex_reka.connection.Connection` describes them.

    Raises:
        InvalidArgumentError: An argument is invalid; the message says which one.

    Examples:
        >>> from llamaindex_reka import RekaIndex
        >>> index = RekaIndex("manual", base_url="local")
    """

    index_struct_cls: type[DatasetStruct] = DatasetStruct  # pyright: ignore[reportIncompatibleVariableOverride]  # as all indexes of the library have it

    def __init__(
        self,
        dataset: str | Dataset | None = None,
        *,
        nodes: Sequence[BaseNode] | None = None,
        objects: Sequence[IndexNode] | None = None,
        transformations: Sequence[TransformComponent] | None = None,
        index_struct: DatasetStruct | None = None,
        storage_context: StorageContext | None = None,
        callback_manager: CallbackManager | None = None,
        show_progress: bool = False,
        **connection: Unpack[Connection],
    ) -> None:
        if index_struct is not None:
            kept = {name: value for name, value in index_struct.connection.items() if value is not None}
            connection = {**kept, **connection}  # type: ignore[typeddict-item]  # the names are its own
            dataset = Dataset(
                index_struct.dataset, index_struct.name, snapshot=cast("Snapshot | None", index_struct.manifest)
            )
        elif isinstance(dataset, str) and dataset.strip():
            dataset = Dataset(dataset, stored_name(dataset))
        self._dataset = as_dataset(dataset)
        self._settings = client_settings(connection, "RekaIndex")
        self._clients = SharedClients()
        # The key as a secret, so that no text form shows it.
        key = connection.get("api_key")
        self._connection: Connection = {**connection, "api_key": SecretStr(key) if isinstance(key, str) else key}
        self._splitters = list(transformations or ())
        self._embed_model = None  # an auto-retriever reads it; the server embeds
        self._struct = index_struct or self._new_struct()
        super().__init__(
            index_struct=self._struct,
            storage_context=storage_context,
            callback_manager=callback_manager,
            show_progress=show_progress,
            transformations=self._splitters,
        )
        if nodes or objects:
            self.insert_nodes([*(nodes or ()), *(objects or ())])

    @classmethod
    def from_documents(  # type: ignore[override]  # names all arguments, where the base class takes any
        cls,
        documents: Sequence[Document],
        storage_context: StorageContext | None = None,
        show_progress: bool = False,
        callback_manager: CallbackManager | None = None,
        transformations: Sequence[TransformComponent] | None = None,
        *,
        dataset: str = _NO_LABEL,
        on_update: reka.OnUpdate | None = None,
        **connection: Unpack[Connection],
    ) -> "RekaIndex":
        """Make these documents the whole content of a dataset, and wait until it is searchable.

        Only what is new or changed is sent, and what is no longer among them is deleted, so that each run of a program
        may call it. Without a label the name of the dataset has a hash of its documents, so that one index is never
        another one's content. A document with an id that LlamaIndex generated is identified by its content instead.

        Args:
            documents: Documents with text.
            storage_context: See `RekaIndex`.
            show_progress: Whether to show a progress bar.
            callback_manager: See `RekaIndex`.
            transformations: See `RekaIndex`; such as a `SentenceSplitter`.
            dataset: Label of the dataset, by which `RekaIndex(label)` opens it.
            on_update: Called with each status of the job that makes the documents searchable.
            **connection: See `RekaIndex`; `timeout` does not limit the wait for the preparation.

        Raises:
            InvalidArgumentError: There are no documents, or one cannot be stored; nothing was sent.
            DatasetError: The server rejected a document.
            RetrievalError: The preparation failed.
            RekaError: Any other failure; see `reka.errors`.
        """
        check_callable(on_update)
        index = cls(
            dataset,
            transformations=transformations,
            storage_context=storage_context,
            callback_manager=callback_manager,
            show_progress=show_progress,
            **connection,
        )
        with index._callback_manager.as_trace("index_construction"):
            if dataset == _NO_LABEL:
                index._dataset.name = f"{_NO_LABEL}-{content_digest(documents)}"
            index._store(documents, on_update)
        return index

    @classmethod
    async def afrom_documents(cls, documents: Sequence[Document], **arguments: Any) -> "RekaIndex":
        """Async version of `from_documents`; it runs in a worker thread."""
        return await asyncio.to_thread(cls.from_documents, documents, **arguments)

    @classmethod
    def from_persist_dir(
        cls, persist_dir: str | PathLike[str], index_id: str | None = None, **arguments: Any
    ) -> "RekaIndex":
        """Open the index that `index.storage_context.persist(persist_dir)` has kept.

        Args:
            persist_dir: The folder.
            index_id: Id of the index, if several are kept there.
            arguments: Those of `RekaIndex`; the API key is not kept.

        Raises:
            InvalidArgumentError: What is kept there is another index.
        """
        context = StorageContext.from_defaults(persist_dir=fspath(persist_dir))
        index = load_index_from_storage(context, index_id, **arguments)
        if not isinstance(index, cls):
            raise reka.InvalidArgumentError(
                f"persist_dir: {fspath(persist_dir)!r} has a {type(index).__name__}, want a RekaIndex; "
                "load_index_from_storage loads it"
            )
        return index

    @property
    def dataset(self) -> str:
        """Stored name of the dataset now; on a host whose datasets are replaced as a whole, each change makes another.

        `RekaIndex` opens the dataset by any of them.
        """
        return self._datasets.stored_name(self._dataset.name)

    @property
    def vector_store(self) -> BasePydanticVectorStore:
        """The dataset in the form that LlamaIndex's auto-retriever searches."""
        return DatasetVectorStore(self._dataset, self._settings, self._clients)

    def close(self) -> None:
        """Close the connections of the index itself. The next call opens new ones."""
        self._clients.close()

    def as_retriever(
        self,
        similarity_top_k: int = RETRIEVED_CHUNKS,
        min_score: float | None = None,
        filters: MetadataFilters | None = None,
        doc_ids: Sequence[str] | None = None,
        node_ids: Sequence[str] | None = None,
        vector_store_query_mode: VectorStoreQueryMode | str = VectorStoreQueryMode.DEFAULT,
        **kwargs: Any,
    ) -> RekaRetriever:
        """Create a retriever.

        Args:
            similarity_top_k: Maximum number of nodes per call, 1 to 1,000.
            min_score: Minimum score; nodes with a lower score, or without one, are dropped. None keeps all nodes.
            filters: Filters on the metadata of documents; this and the next three are as in `RekaRetriever`.
            doc_ids: Ids of the documents to search; None searches all.
            node_ids: Ids of the nodes to search; None searches all.
            vector_store_query_mode: How nodes are found.
            kwargs: Arguments of engines, which LlamaIndex also passes to their retriever, are ignored.

        Raises:
            InvalidArgumentError: An argument is unknown or invalid.
        """
        known = tuple(name for name in inspect.signature(self.as_retriever).parameters if name != "kwargs")
        refuse_unknown(kwargs, (*known, *sorted(_engine_arguments())), "an argument of as_retriever", "")
        return RekaRetriever(
            self._dataset,
            similarity_top_k,
            min_score=min_score,
            filters=filters,
            doc_ids=doc_ids,
            node_ids=node_ids,
            vector_store_query_mode=vector_store_query_mode,
            object_map=self._object_map,
            callback_manager=self._callback_manager,
            **self._connection,
        )

    def as_query_engine(self, llm: _AnyLLM = None, **kwargs: Any) -> BaseQueryEngine:
        """Create a query engine that retrieves nodes, and has a model answer from them.

        Args:
            llm: The model; None uses `Settings.llm`, or if it is not set, a `RekaLLM` on the server of this index.
            kwargs: Arguments of `RetrieverQueryEngine.from_args` and `as_retriever`.
        """
        return super().as_query_engine(llm=self._resolve_llm(llm), **kwargs)

    def as_native_query_engine(
        self,
        llm: RekaLLM | None = None,
        *,
        streaming: bool = False,
        filters: MetadataFilters | None = None,
        doc_ids: Sequence[str] | None = None,
    ) -> RekaQueryEngine:
        """Create a query engine that retrieves and answers in one call to Reka.

        Args:
            llm: The model; None uses a `RekaLLM` on the server of this index.
            streaming: Whether to stream the answer, if the server supports it.
            filters: As in `as_retriever`.
            doc_ids: As in `as_retriever`.
        """
        return RekaQueryEngine(
            self._dataset,
            llm or self._default_llm(),
            streaming=streaming,
            filters=filters,
            doc_ids=doc_ids,
            callback_manager=self._callback_manager,
        )

    def as_chat_engine(self, chat_mode: ChatMode = ChatMode.BEST, llm: _AnyLLM = None, **kwargs: Any) -> BaseChatEngine:
        """Create a chat engine.

        Args:
            chat_mode: `best`, `context`, `condense_question`, `condense_plus_context` or `simple`; LlamaIndex has
                removed the engines of the other two.
            llm: As in `as_query_engine`.
            kwargs: Arguments of the engine's `from_defaults` and of `as_retriever`.
        """
        return super().as_chat_engine(chat_mode=chat_mode, llm=self._resolve_llm(llm), **kwargs)

    def _resolve_llm(self, llm: _AnyLLM) -> LLMType:
        if llm is not None:
            return resolve_llm(llm, callback_manager=self._callback_manager)
        # Reading `Settings.llm` while it is unset would load OpenAI's LLM, and fail if that is not installed.
        return Settings._llm or self._default_llm()  # noqa: SLF001  # the public name loads it

    def _default_llm(self) -> RekaLLM:
        return RekaLLM(callback_manager=self._callback_manager, **self._connection)

    def _client(self) -> reka.Reka:
        return self._clients.sync(self._settings)

    def _new_struct(self) -> DatasetStruct:
        return DatasetStruct(
            summary=self._dataset.label,
            dataset=self._dataset.label,
            name=self._dataset.name,
            base_url=self._settings.base_url,
            datasets=self._settings.datasets,
        )

    def _keep(self) -> None:
        self._struct.name = self._dataset.name
        self._struct.manifest = cast("dict[str, Any] | None", self._datasets.snapshot(self._dataset.name))
        self._storage_context.index_store.add_index_struct(self._struct)


@lru_cache(maxsize=1)
def _engine_arguments() -> frozenset[str]:
    """Return the arguments that LlamaIndex's query and chat engines take."""
    from llama_index.core import chat_engine
    from llama_index.core.query_engine import RetrieverQueryEngine

    makers: list[Any] = [
        RetrieverQueryEngine.from_args,
        chat_engine.CondensePlusContextChatEngine.from_defaults,
        chat_engine.CondenseQuestionChatEngine.from_defaults,
        chat_engine.ContextChatEngine.from_defaults,
        chat_engine.SimpleChatEngine.from_defaults,
    ]
    names = {name for maker in makers for name in inspect.signature(maker).parameters}
    return frozenset(names - {"kwargs", "retriever", "query_engine"})


# So that LlamaIndex's `load_index_from_storage` gives this index back, and none of another kind.
INDEX_STRUCT_TYPE_TO_INDEX_CLASS[STRUCT_TYPE] = RekaIndex
