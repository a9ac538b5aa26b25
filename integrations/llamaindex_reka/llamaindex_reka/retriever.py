"""The LlamaIndex retriever for Reka's retrieval datasets."""

import hashlib
import json
from collections.abc import Sequence

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode
from typing_extensions import Unpack

import reka
from llamaindex_reka.connection import Connection, client_settings
from llamaindex_reka.dataset import PREPARE_HINT, Dataset, as_dataset, document_id
from reka.adapters import (
    MAX_RETRIEVED_CHUNKS,
    RETRIEVED_CHUNKS,
    SharedClients,
    checks,
    with_prepare_hint,
)


class RekaRetriever(BaseRetriever):
    """Retrieves the passages of a prepared dataset that are most relevant to a query.

    `reka.ensure_dataset` creates such a dataset from files or texts, and `RekaIndex` from documents.

    If a query bundle has `custom_embedding_strs`, as query transforms set them, they are joined to one query.

    Args:
        dataset: Stored name of the dataset.
        similarity_top_k: Maximum number of nodes per call, 1 to 100.
        min_score: Minimum score; nodes with a lower score, or without one, are dropped. None keeps all nodes.
        callback_manager: Callback manager of LlamaIndex; None creates an empty one.
        **connection: `api_key`, `base_url`, `timeout`, `max_retries`, `datasets`, `headers`, `proxies`, `ca_bundle`,
            `session` and `async_session`, as `llamaindex_reka.connection.Connection` describes them.

    Raises:
        InvalidArgumentError: An argument is invalid; the message says which one.

    Calls raise:
        AuthError: The API key is missing, or the server rejects it.
        RetrievalError: The dataset does not exist, or is not prepared; the error names the commands that prepare it.
        RekaError: Any other failure; see `reka.errors`.

    Example:
        >>> from llamaindex_reka import RekaRetriever
        >>> retriever = RekaRetriever(dataset="manual", similarity_top_k=4, base_url="local")
    """

    def __init__(
        self,
        dataset: str | Dataset,
        similarity_top_k: int = RETRIEVED_CHUNKS,
        *,
        min_score: float | None = None,
        callback_manager: CallbackManager | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        super().__init__(callback_manager=callback_manager)
        self._dataset = as_dataset(dataset)
        self.similarity_top_k = checks.integer(similarity_top_k, "similarity_top_k", 1, MAX_RETRIEVED_CHUNKS)
        self.min_score = None if min_score is None else checks.number(min_score, "min_score")
        self._settings = client_settings(connection, "RekaRetriever")
        self._clients = SharedClients()

    @property
    def dataset(self) -> str:
        """Current stored name of the dataset; it changes when the index of this retriever is refreshed."""
        return self._dataset.name

    def close(self) -> None:
        """Close the connections of the sync client. The next call opens new ones."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the same connections as `close`, and those of the running event loop."""
        await self._clients.aclose()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        client, query = self._clients.sync(self._settings), _query_text(query_bundle)
        dataset = self.dataset
        try:
            chunks = client.retrieve(query, dataset, k=self.similarity_top_k)
        except reka.RetrievalError as error:
            if self.dataset == dataset:
                raise with_prepare_hint(error, dataset, PREPARE_HINT) from error
            chunks = client.retrieve(query, self.dataset, k=self.similarity_top_k)  # a refresh replaced it
        return self._nodes(chunks)

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        client, query = self._clients.aio(self._settings), _query_text(query_bundle)
        dataset = self.dataset
        try:
            chunks = await client.retrieve(query, dataset, k=self.similarity_top_k)
        except reka.RetrievalError as error:
            if self.dataset == dataset:
                raise with_prepare_hint(error, dataset, PREPARE_HINT) from error
            chunks = await client.retrieve(query, self.dataset, k=self.similarity_top_k)  # a refresh replaced it
        return self._nodes(chunks)

    def _nodes(self, chunks: Sequence[reka.RetrievedChunk]) -> list[NodeWithScore]:
        nodes = nodes_from_chunks(chunks, self._dataset)
        if self.min_score is None:
            return nodes
        return [node for node in nodes if node.score is not None and node.score >= self.min_score]


def nodes_from_chunks(chunks: Sequence[reka.RetrievedChunk], dataset: Dataset) -> list[NodeWithScore]:
    """Convert retrieved chunks to nodes.

    Args:
        chunks: The chunks, as received, best first.
        dataset: Their dataset.

    Returns:
        A node for each chunk, in the same order, with its text and, if the server sent one, its score. The metadata has
        `dataset`, `rank` (1 is the best) and every other field of the chunk; if the document is known, its metadata is
        included and takes precedence. The model sees the document's metadata, as the document allows, or else only the
        source. `ref_doc_id` is the document's id. A node's id depends on dataset, source and text only, so it is stable
        across calls.
    """
    return [_node(chunk, dataset, rank) for rank, chunk in enumerate(chunks, start=1)]


def _node(chunk: reka.RetrievedChunk, dataset: Dataset, rank: int) -> NodeWithScore:
    source = chunk.get("source")
    document = None if source is None else dataset.document_of(source)
    fields = {name: value for name, value in chunk.items() if name != "text"} | {"dataset": dataset.name, "rank": rank}
    if document is None:
        metadata, hidden_keys = fields, [name for name in fields if name != "source"]
        ref_doc_id = None if source is None else document_id(source)
        relationships = {} if ref_doc_id is None else {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=ref_doc_id)}
    else:
        metadata = fields | document.metadata
        hidden_keys = [name for name in fields if name not in document.metadata]
        hidden_keys += [name for name in document.excluded_llm_metadata_keys if name not in hidden_keys]
        relationships = {NodeRelationship.SOURCE: document.as_related_node_info()}
    node = TextNode(
        id_=_node_id(dataset.label, source, chunk["text"]),
        text=chunk["text"],
        metadata=metadata,
        excluded_llm_metadata_keys=hidden_keys,
        excluded_embed_metadata_keys=hidden_keys,
        relationships=relationships,
    )
    return NodeWithScore(node=node, score=chunk.get("score"))


def _node_id(label: str, source: str | None, text: str) -> str:
    return hashlib.sha256(json.dumps([label, source, text]).encode()).hexdigest()[:32]


def _query_text(bundle: QueryBundle) -> str:
    return "\n".join(bundle.embedding_strs)
