"""A query engine that lets Reka retrieve and answer in one call."""

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

import reka
from llamaindex_reka.dataset import Dataset
from llamaindex_reka.llm import RekaLLM
from llamaindex_reka.retriever import nodes_from_chunks


class RekaQueryEngine(BaseQueryEngine):
    """Has Reka answer a question from a dataset: one call finds the passages and writes the answer.

    The response's `source_nodes` are the passages that the server says it found. A streamed response has them when its
    text has come to its end, because the server sends them last. Reka's own host does not stream such answers: there
    the stream has one item.

    Args:
        dataset: Name of a prepared dataset, as the server stores it.
        llm: The model; None makes a `RekaLLM`.
        streaming: Whether the answer is given as it is written.
        callback_manager: LlamaIndex's; None makes an empty one.
    """

    def __init__(
        self,
        dataset: str | Dataset,
        llm: RekaLLM | None = None,
        *,
        streaming: bool = False,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager)
        self._dataset = Dataset(dataset, dataset) if isinstance(dataset, str) else dataset
        if not self._dataset.name.strip():
            raise reka.InvalidArgumentError(f"dataset: got {self._dataset.name!r}, want the name of a prepared dataset")
        self._llm = llm or RekaLLM()
        self._streaming = streaming

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}  # the server has the prompt

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        with self.callback_manager.event(
            CBEventType.QUERY, payload={EventPayload.QUERY_STR: query_bundle.query_str}
        ) as event:
            response: RESPONSE_TYPE
            if self._streaming:
                response = self._streamed(query_bundle)
            else:
                response = self._response(self._llm.chat(_question(query_bundle), retrieval_dataset=self._dataset.name))
            event.on_end(payload={EventPayload.RESPONSE: response})
        return response

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        with self.callback_manager.event(
            CBEventType.QUERY, payload={EventPayload.QUERY_STR: query_bundle.query_str}
        ) as event:
            response: RESPONSE_TYPE
            if self._streaming:
                response = await self._astreamed(query_bundle)
            else:
                asked = self._llm.achat(_question(query_bundle), retrieval_dataset=self._dataset.name)
                response = self._response(await asked)
            event.on_end(payload={EventPayload.RESPONSE: response})
        return response

    def _streamed(self, query_bundle: QueryBundle) -> StreamingResponse:
        items = self._llm.stream_chat(_question(query_bundle), retrieval_dataset=self._dataset.name)
        nodes: list[NodeWithScore] = []
        metadata: dict[str, Any] = {}

        def texts() -> TokenGen:
            for item in items:
                self._found(item, nodes, metadata)
                if item.delta:
                    yield item.delta

        return StreamingResponse(texts(), nodes, metadata)

    async def _astreamed(self, query_bundle: QueryBundle) -> AsyncStreamingResponse:
        items = await self._llm.astream_chat(_question(query_bundle), retrieval_dataset=self._dataset.name)
        nodes: list[NodeWithScore] = []
        metadata: dict[str, Any] = {}

        async def texts() -> TokenAsyncGen:
            async for item in items:
                self._found(item, nodes, metadata)
                if item.delta:
                    yield item.delta

        return AsyncStreamingResponse(texts(), nodes, metadata)

    def _response(self, answer: ChatResponse) -> Response:
        nodes: list[NodeWithScore] = []
        metadata: dict[str, Any] = {}
        self._found(answer, nodes, metadata)
        return Response(answer.message.content, nodes, metadata)

    def _found(self, answer: ChatResponse, nodes: list[NodeWithScore], metadata: dict[str, Any]) -> None:
        """Put what a response says was found into a response that may already be in use."""
        chunks: Sequence[reka.RetrievedChunk] = answer.additional_kwargs.get("retrieved_chunks") or ()
        nodes += nodes_from_chunks(chunks, self._dataset)
        metadata.update((node.node_id, node.metadata) for node in nodes)


def _question(bundle: QueryBundle) -> list[ChatMessage]:
    return [ChatMessage(role=MessageRole.USER, content=bundle.query_str)]
