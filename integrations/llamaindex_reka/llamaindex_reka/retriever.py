"""Reka's retrieval datasets as a LlamaIndex retriever."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode
from pydantic import SecretStr

import reka
from llamaindex_reka.connection import Connection, Settings


class RekaRetriever(BaseRetriever):
    """Finds the passages of a prepared dataset that fit a question best.

    `reka.ensure_dataset` makes such a dataset from files or texts.

    Args:
        dataset: Name of the dataset, as the server stores it.
        similarity_top_k: The most nodes that a call gives, 1 to 100.
        api_key: The key; None looks at `reka.API_KEY`, then at the environment's REKA_API_KEY, whenever a call is made.
        base_url: The server's address, or `local`; None looks at `reka.BASE_URL`, then at REKA_BASE_URL, then asks
            Reka itself.
        timeout: Seconds that a call may last; None is the client's default.
        max_retries: How often a failed call is sent again; None is the client's default, 0 never.
        callback_manager: LlamaIndex's; None makes an empty one.

    Raises:
        InvalidArgumentError: `dataset` is empty, or `similarity_top_k` out of range.

    Raises, when it is called:
        AuthError: There is no key, or the server does not take it.
        RekaError: There is no such dataset, it is not prepared, or the call failed otherwise: see `reka`'s own errors.

    Example:
        >>> from llamaindex_reka import RekaRetriever
        >>> retriever = RekaRetriever(dataset="manual", similarity_top_k=4, base_url="local")
    """

    def __init__(
        self,
        dataset: str,
        similarity_top_k: int = 8,
        *,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        if not isinstance(dataset, str) or not dataset.strip():
            raise reka.InvalidArgumentError(f"dataset: got {dataset!r}, want the name of a prepared dataset")
        if not 1 <= similarity_top_k <= 100:
            raise reka.InvalidArgumentError(f"similarity_top_k: got {similarity_top_k!r}, want 1 to 100")
        super().__init__(callback_manager=callback_manager)
        self.dataset = dataset
        self.similarity_top_k = similarity_top_k
        key = SecretStr(api_key) if isinstance(api_key, str) else api_key
        self._settings = Settings(key, base_url, timeout, max_retries)
        self._connection = Connection()

    def close(self) -> None:
        """Close the connections. The next call opens new ones."""
        self._connection.close()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        client = self._connection.client(self._settings)
        chunks = client.retrieve(query_bundle.query_str, self.dataset, k=self.similarity_top_k)
        return [node_from_chunk(chunk, self.dataset, rank) for rank, chunk in enumerate(chunks, start=1)]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        # The base class's own would stop the event loop until the answer is there.
        return await asyncio.to_thread(self._retrieve, query_bundle)


def node_from_chunk(chunk: reka.RetrievedChunk, dataset: str, rank: int) -> NodeWithScore:
    """Make the node that stands for a retrieved chunk.

    Args:
        chunk: What the server sent.
        dataset: Name of the dataset it is from.
        rank: Its place among the chunks, from 1, the best.

    Returns:
        The text with the score, if the server sent one. Its metadata has `dataset`, `rank` and every field that the
        server sent; of these the model is shown `source` alone. `ref_doc_id` is the source. The id is the same
        whenever the same text of the same source is found.
    """
    sent: Mapping[str, Any] = chunk
    metadata = {name: value for name, value in sent.items() if name != "text"} | {"dataset": dataset, "rank": rank}
    hidden = [name for name in metadata if name != "source"]
    source = chunk.get("source")
    node = TextNode(
        id_=_node_id(dataset, chunk),
        text=chunk["text"],
        metadata=metadata,
        excluded_llm_metadata_keys=hidden,
        excluded_embed_metadata_keys=hidden,
        relationships={} if source is None else {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=source)},
    )
    return NodeWithScore(node=node, score=chunk.get("score"))


def _node_id(dataset: str, chunk: reka.RetrievedChunk) -> str:
    identity = json.dumps([dataset, chunk.get("source"), chunk["text"]])
    return hashlib.sha256(identity.encode()).hexdigest()[:32]
