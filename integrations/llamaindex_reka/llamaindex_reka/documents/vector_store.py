"""A dataset as LlamaIndex's vector store, for what searches an index through its store: the auto-retriever."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NoReturn

from llama_index.core.schema import BaseNode, NodeWithScore
from llama_index.core.vector_stores.types import BasePydanticVectorStore, VectorStoreQuery, VectorStoreQueryResult
from pydantic import PrivateAttr

import reka
from llamaindex_reka.dataset import Dataset
from llamaindex_reka.documents.search import Nodes, Selection, mode_of, search
from reka.adapters import ClientSettings, SharedClients, atake, take

_ANYTHING: Final = "text"
"""Query in place of an empty one, with which an auto-retriever asks for what a filter leaves."""


class DatasetVectorStore(BasePydanticVectorStore):
    """Queries of a dataset in the form of LlamaIndex's vector stores; `RekaIndex` has what changes it."""

    stores_text: bool = True
    is_embedding_query: bool = False

    _dataset: Dataset = PrivateAttr()
    _settings: ClientSettings = PrivateAttr()
    _clients: SharedClients = PrivateAttr()

    def __init__(self, dataset: Dataset, settings: ClientSettings, clients: SharedClients) -> None:
        super().__init__(stores_text=True)
        self._dataset, self._settings, self._clients = dataset, settings, clients

    @property
    def client(self) -> reka.Reka:
        """The client of the index."""
        return self._clients.sync(self._settings)

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Search for nodes; weights and embeddings of the query are not used."""
        return _result(take(self._search(query), self.client))

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Async version of `query`."""
        return _result(await atake(self._search(query), self._clients.aio(self._settings)))

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> NoReturn:
        """Not supported; `RekaIndex.insert_nodes` puts nodes into a dataset."""
        raise reka.UnsupportedRequestError("add: use RekaIndex.insert_nodes, which puts nodes into the dataset")

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> NoReturn:
        """Not supported; `RekaIndex.delete_ref_doc` deletes documents of a dataset."""
        raise reka.UnsupportedRequestError("delete: use RekaIndex.delete_ref_doc, which deletes it from the dataset")

    def _search(self, query: VectorStoreQuery) -> Nodes:
        text, k, datasets = query.query_str or _ANYTHING, query.similarity_top_k, self._dataset.on(self._settings)
        mode = mode_of(query.mode) if query.query_str else "vector"  # every text is more or less near
        # LlamaIndex passes the ids of the index's own docstore, of which there are none, as an empty list.
        selection = Selection(query.filters, query.doc_ids, query.node_ids or None, mode)
        try:
            return (yield from search(datasets, self._dataset, text, k, selection))
        except reka.UnsupportedRequestError:
            if query.query_str:
                raise
        # The host knows no modes, and finds something for every text.
        return (yield from search(datasets, self._dataset, text, k, replace(selection, mode="hybrid")))


def _result(found: list[NodeWithScore]) -> VectorStoreQueryResult:
    nodes = [each.node for each in found]
    return VectorStoreQueryResult(
        nodes=nodes, similarities=[each.score or 0.0 for each in found], ids=[node.node_id for node in nodes]
    )
