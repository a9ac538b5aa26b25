"""The LlamaIndex retriever for Reka's retrieval datasets."""

from collections.abc import Sequence
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.vector_stores.types import MetadataFilters, VectorStoreQueryMode
from typing_extensions import Unpack

import reka
from llamaindex_reka.connection import Connection, client_settings
from llamaindex_reka.dataset import PREPARE_HINT, Dataset, as_dataset
from llamaindex_reka.documents.search import Nodes, Selection, mode_of, search
from reka.adapters import (
    MAX_SEARCH_CHUNKS,
    RETRIEVED_CHUNKS,
    SharedClients,
    atake,
    checks,
    take,
    with_prepare_hint,
)


class RekaRetriever(BaseRetriever):
    """Retrieves the passages of a prepared dataset that are most relevant to a query.

    `reka.ensure_dataset` creates such a dataset from files or texts, and `RekaIndex` from documents.

    If a query bundle has `custom_embedding_strs`, as query transforms set them, they are joined to one query.

    Args:
        dataset: Stored name of the dataset.
        similarity_top_k: Maximum number of nodes per call, 1 to 1,000; a host whose datasets are not made of documents
            returns at most 100.
        min_score: Minimum score; nodes with a lower score, or without one, are dropped. None keeps all nodes.
        filters: Filters on the metadata of documents, with any operator and condition of LlamaIndex. What a host that
            does not filter returns is filtered here; a call raises `UnsupportedRequestError` if more may fit.
        doc_ids: Ids of the documents to search; None searches all. Like the next, of what an index has stored.
        node_ids: Ids of the nodes to search; None searches all.
        vector_store_query_mode: `default`, `hybrid` and `semantic_hybrid` find by words and by meaning, `sparse` and
            `text_search` by words alone.
        object_map: What index nodes stand for, by their `index_id`; it is asked where such a node is found.
        callback_manager: Callback manager of LlamaIndex; None creates an empty one.
        **connection: `api_key`, `base_url`, `timeout`, `max_retries`, `datasets`, `headers`, `proxies`, `ca_bundle`,
            `session` and `async_session`, as `llamaindex_reka.connection.Connection` describes them.

    Raises:
        InvalidArgumentError: An argument is invalid; the message says which one.

    Raises:
        AuthError: The API key is missing, or the server rejects it.
        RetrievalError: The dataset does not exist, or is not prepared; the error names the commands that prepare it.
        RekaError: Any other failure; see `reka.errors`.

    Examples:
        >>> from llamaindex_reka import RekaRetriever
        >>> retriever = RekaRetriever(dataset="manual", similarity_top_k=4, base_url="local")
    """

    def __init__(
        self,
        dataset: str | Dataset,
        similarity_top_k: int = RETRIEVED_CHUNKS,
        *,
        min_score: float | None = None,
        filters: MetadataFilters | None = None,
        doc_ids: Sequence[str] | None = None,
        node_ids: Sequence[str] | None = None,
        vector_store_query_mode: VectorStoreQueryMode | str = VectorStoreQueryMode.DEFAULT,
        object_map: dict[str, Any] | None = None,
        callback_manager: CallbackManager | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        super().__init__(callback_manager=callback_manager)
        # The index adds to it; the base class would replace an empty one by its own.
        self.object_map: dict[str, Any] = {} if object_map is None else object_map
        self._dataset = as_dataset(dataset)
        self.similarity_top_k: int = checks.integer(similarity_top_k, "similarity_top_k", 1, MAX_SEARCH_CHUNKS)
        self.min_score: float | None = None if min_score is None else checks.number(min_score, "min_score")
        self._selection = Selection(filters, doc_ids, node_ids, mode_of(vector_store_query_mode))
        self._settings = client_settings(connection, "RekaRetriever")
        self._clients = SharedClients()

    @property
    def dataset(self) -> str:
        """Stored name of the dataset now; see `RekaIndex.dataset`."""
        return self._dataset.on(self._settings).stored_name(self._dataset.name)

    def close(self) -> None:
        """Close the connections of the sync client. The next call opens new ones."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the same connections as `close`, and those of the running event loop."""
        await self._clients.aclose()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._scored(take(self._search(query_bundle), self._clients.sync(self._settings)))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._scored(await atake(self._search(query_bundle), self._clients.aio(self._settings)))

    def _search(self, query_bundle: QueryBundle) -> Nodes:
        query, datasets = _query_text(query_bundle), self._dataset.on(self._settings)
        try:
            return (yield from search(datasets, self._dataset, query, self.similarity_top_k, self._selection))
        except reka.RetrievalError as error:
            raise with_prepare_hint(error, self._dataset.name, PREPARE_HINT) from error

    def _scored(self, nodes: list[NodeWithScore]) -> list[NodeWithScore]:
        if self.min_score is None:
            return nodes
        return [node for node in nodes if node.score is not None and node.score >= self.min_score]


def _query_text(bundle: QueryBundle) -> str:
    return "\n".join(bundle.embedding_strs)
