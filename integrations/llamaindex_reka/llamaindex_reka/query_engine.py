"""A query engine that retrieves and answers in one call to Reka."""

from collections.abc import Sequence
from typing import Any

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.types import TokenAsyncGen, TokenGen
from llama_index.core.vector_stores.types import MetadataFilters

import reka
from llamaindex_reka.dataset import Dataset, as_dataset, nodes_from_chunks
from llamaindex_reka.documents.filters import condition_of, insensitive_keys
from llamaindex_reka.llm import RekaLLM
from reka.adapters import DocumentDatasets


class RekaQueryEngine(BaseQueryEngine):
    """Answers queries from a dataset; one call to Reka retrieves the passages and generates the answer.

    The response's `source_nodes` are the passages that the server retrieved. A streamed response has them after its
    last text, because the server sends them at the end. Reka's host does not stream these answers: its streams have one
    item.

    Args:
        dataset: Stored name of a prepared dataset.
        llm: The model; None creates a `RekaLLM`.
        streaming: Whether to stream the answer.
        filters: Filters on the metadata of the documents to answer from; see `RekaRetriever`.
        doc_ids: Ids of the documents to answer from; None answers from all.
        callback_manager: Callback manager of LlamaIndex; None creates an empty one.

    Raises:
        InvalidArgumentError: An argument is invalid; the message says which one.
    """

    def __init__(
        self,
        dataset: str | Dataset,
        llm: RekaLLM | None = None,
        *,
        streaming: bool = False,
        filters: MetadataFilters | None = None,
        doc_ids: Sequence[str] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager)
        self._dataset = as_dataset(dataset)
        self._llm = RekaLLM() if llm is None else llm
        if not isinstance(self._llm, RekaLLM):
            raise reka.InvalidArgumentError(
                f"llm: got {type(llm).__name__}, want a RekaLLM; other models answer through RekaIndex.as_query_engine"
            )
        self._streaming = streaming
        self._condition = condition_of(filters, doc_ids)
        if insensitive_keys(filters):
            raise reka.InvalidArgumentError(
                "filters: text_match_insensitive needs the texts that are there, which this engine does not ask for; "
                "use RekaIndex.as_query_engine"
            )

    @property
    def _retrieval(self) -> dict[str, Any]:
        """Arguments of a chat that say what it answers from."""
        name = self._datasets.stored_name(self._dataset.name)
        return {"retrieval_dataset": name, "retrieval_filter": self._condition}

    @property
    def _datasets(self) -> DocumentDatasets:
        return self._dataset.on(self._llm.client_settings)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}  # the prompt is on the server

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        with self.callback_manager.event(
            CBEventType.QUERY, payload={EventPayload.QUERY_STR: query_bundle.query_str}
        ) as event:
            response: RESPONSE_TYPE
            if self._streaming:
                response = self._stream_response(query_bundle)
            else:
                response = self._response(self._llm.chat(_to_messages(query_bundle), **self._retrieval))
            event.on_end(payload={EventPayload.RESPONSE: response})
        return response

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        with self.callback_manager.event(
            CBEventType.QUERY, payload={EventPayload.QUERY_STR: query_bundle.query_str}
        ) as event:
            response: RESPONSE_TYPE
            if self._streaming:
                response = await self._astream_response(query_bundle)
            else:
                response = self._response(await self._llm.achat(_to_messages(query_bundle), **self._retrieval))
            event.on_end(payload={EventPayload.RESPONSE: response})
        return response

    def _stream_response(self, query_bundle: QueryBundle) -> StreamingResponse:
        items = self._llm.stream_chat(_to_messages(query_bundle), **self._retrieval)
        nodes: list[NodeWithScore] = []
        metadata: dict[str, Any] = {}

        def texts() -> TokenGen:
            for item in items:
                self._add_sources(item, nodes, metadata)
                if item.delta:
                    yield item.delta

        return StreamingResponse(texts(), nodes, metadata)

    async def _astream_response(self, query_bundle: QueryBundle) -> AsyncStreamingResponse:
        items = await self._llm.astream_chat(_to_messages(query_bundle), **self._retrieval)
        nodes: list[NodeWithScore] = []
        metadata: dict[str, Any] = {}

        async def texts() -> TokenAsyncGen:
            async for item in items:
                self._add_sources(item, nodes, metadata)
                if item.delta:
                    yield item.delta

        return AsyncStreamingResponse(texts(), nodes, metadata)

    def _response(self, chat_response: ChatResponse) -> Response:
        nodes: list[NodeWithScore] = []
        metadata: dict[str, Any] = {}
        self._add_sources(chat_response, nodes, metadata)
        return Response(chat_response.message.content, nodes, metadata)

    def _add_sources(self, chat_response: ChatResponse, nodes: list[NodeWithScore], metadata: dict[str, Any]) -> None:
        """Add the retrieved chunks of a chat response to nodes and metadata, in place: a stream is already returned."""
        chunks: Sequence[reka.RetrievedChunk] = chat_response.additional_kwargs.get("retrieved_chunks") or ()
        nodes += nodes_from_chunks(self._datasets.located(chunks, self._dataset.name), self._dataset)
        metadata.update((node.node_id, node.metadata) for node in nodes)


def _to_messages(bundle: QueryBundle) -> list[ChatMessage]:
    return [ChatMessage(role=MessageRole.USER, content=bundle.query_str)]
