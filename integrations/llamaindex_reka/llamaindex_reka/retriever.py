"""Reka's retrieval datasets as a LlamaIndex retriever."""

import hashlib
import json
from collections.abc import Sequence

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode
from pydantic import SecretStr

import reka
from llamaindex_reka.dataset import PREPARE_HINT, Dataset, document_id
from reka.adapters import (
    MAX_RETRIEVED_CHUNKS,
    RETRIEVED_CHUNKS,
    ClientSettings,
    SharedClients,
    with_prepare_hint,
)


class RekaRetriever(BaseRetriever):
    """Finds the passages of a prepared dataset that fit a question best.

    `reka.ensure_dataset` makes such a dataset from files or texts, and `RekaIndex` from documents.

    A query bundle with `custom_embedding_strs` (a query transform makes such) is searched for by these, all at once.

    Args:
        dataset: Name of the dataset, as the server stores it.
        similarity_top_k: The most nodes that a call gives, 1 to 100.
        min_score: Leave out nodes with a lower score, or with none; None leaves out nothing.
        api_key: The key; None looks at `reka.API_KEY`, then at the environment's REKA_API_KEY, whenever a call is made.
        base_url: The server's address, or `local`; None looks at `reka.BASE_URL`, then at REKA_BASE_URL, then asks
            Reka itself.
        timeout: Seconds that a call may last, or a `reka.Timeout`; None is the client's default.
        max_retries: How often a failed call is sent again; None is the client's default, 0 never.
        callback_manager: LlamaIndex's; None makes an empty one.

    Raises:
        InvalidArgumentError: `dataset` is empty, or `similarity_top_k` out of range.

    Raises, when it is called:
        AuthError: There is no key, or the server does not take it.
        RetrievalError: There is no such dataset, or it is not prepared; the error names what prepares it.
        RekaError: The call failed otherwise: see `reka`'s own errors.

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
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        timeout: float | reka.Timeout | None = None,
        max_retries: int | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        if isinstance(dataset, str):
            dataset = Dataset(dataset, dataset)
        if not isinstance(dataset, Dataset) or not dataset.name.strip():
            raise reka.InvalidArgumentError(f"dataset: got {dataset!r}, want the name of a prepared dataset")
        if not 1 <= similarity_top_k <= MAX_RETRIEVED_CHUNKS:
            raise reka.InvalidArgumentError(
                f"similarity_top_k: got {similarity_top_k!r}, want 1 to {MAX_RETRIEVED_CHUNKS}"
            )
        super().__init__(callback_manager=callback_manager)
        self.similarity_top_k = similarity_top_k
        self.min_score = min_score
        self._dataset = dataset
        self._settings = client_settings(api_key, base_url, timeout, max_retries)
        self._clients = SharedClients()

    @property
    def dataset(self) -> str:
        """Name of the dataset that is searched now: one that belongs to an index follows it when it is refreshed."""
        return self._dataset.name

    def close(self) -> None:
        """Close the connections, but for those of event loops; a call after that opens new ones."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the connections, those of the running event loop too."""
        await self._clients.aclose()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        client, query = self._clients.sync(self._settings), _query(query_bundle)
        asked = self.dataset
        try:
            chunks = client.retrieve(query, asked, k=self.similarity_top_k)
        except reka.RetrievalError as error:
            if self.dataset == asked:
                raise with_prepare_hint(error, asked, PREPARE_HINT) from error
            chunks = client.retrieve(query, self.dataset, k=self.similarity_top_k)  # it was replaced meanwhile
        return self._nodes(chunks)

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        client, query = self._clients.aio(self._settings), _query(query_bundle)
        asked = self.dataset
        try:
            chunks = await client.retrieve(query, asked, k=self.similarity_top_k)
        except reka.RetrievalError as error:
            if self.dataset == asked:
                raise with_prepare_hint(error, asked, PREPARE_HINT) from error
            chunks = await client.retrieve(query, self.dataset, k=self.similarity_top_k)  # it was replaced meanwhile
        return self._nodes(chunks)

    def _nodes(self, chunks: Sequence[reka.RetrievedChunk]) -> list[NodeWithScore]:
        nodes = nodes_from_chunks(chunks, self._dataset)
        if self.min_score is None:
            return nodes
        return [node for node in nodes if node.score is not None and node.score >= self.min_score]


def client_settings(
    api_key: str | SecretStr | None,
    base_url: str | None,
    timeout: float | reka.Timeout | None,
    max_retries: int | None,
) -> ClientSettings:
    """What the clients of a retriever or an index are opened with."""
    key = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
    return ClientSettings(key, base_url, timeout, max_retries)


def nodes_from_chunks(chunks: Sequence[reka.RetrievedChunk], dataset: Dataset) -> list[NodeWithScore]:
    """Make the nodes that stand for retrieved chunks, in their order.

    Args:
        chunks: What the server sent, best first.
        dataset: What they are from.

    Returns:
        Each chunk's text with the score, if the server sent one. Its metadata has `dataset`, `rank` (from 1, the best)
        and every field that the server sent, and the document's own where it is known, which go first. The model is
        shown the document's, as the document wants it, or the source alone. `ref_doc_id` is the document's id. A node's
        id is the same whenever the same text of the same document is found.
    """
    return [_node(chunk, dataset, rank) for rank, chunk in enumerate(chunks, start=1)]


def _node(chunk: reka.RetrievedChunk, dataset: Dataset, rank: int) -> NodeWithScore:
    source = chunk.get("source")
    document = None if source is None else dataset.document_of(source)
    sent = {name: value for name, value in chunk.items() if name != "text"} | {"dataset": dataset.name, "rank": rank}
    if document is None:
        metadata, hidden = sent, [name for name in sent if name != "source"]
        ref_doc_id = None if source is None else document_id(source)
        related = {} if ref_doc_id is None else {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=ref_doc_id)}
    else:
        metadata = sent | document.metadata
        hidden = [name for name in sent if name not in document.metadata]
        hidden += [name for name in document.excluded_llm_metadata_keys if name not in hidden]
        related = {NodeRelationship.SOURCE: document.as_related_node_info()}
    node = TextNode(
        id_=_node_id(dataset.label, source, chunk["text"]),
        text=chunk["text"],
        metadata=metadata,
        excluded_llm_metadata_keys=hidden,
        excluded_embed_metadata_keys=hidden,
        relationships=related,
    )
    return NodeWithScore(node=node, score=chunk.get("score"))


def _node_id(label: str, source: str | None, text: str) -> str:
    return hashlib.sha256(json.dumps([label, source, text]).encode()).hexdigest()[:32]


def _query(bundle: QueryBundle) -> str:
    return "\n".join(bundle.embedding_strs)
