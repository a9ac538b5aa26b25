"""Flows for hosts without datasets: one clear error, or the datasets of the embedded server in their place."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeAlias, TypeVar

from reka._calls import flows
from reka._calls.capabilities import ServerCapabilities
from reka._calls.flow import Flow, Local
from reka._inputs.chat_request import ChatRequest
from reka._protocol.constants import RETRIEVAL_TOP_K, RETRIEVED_CHUNKS
from reka._protocol.errors import ENDPOINT_MISSING
from reka._protocol.prompt import Passage
from reka._protocol.sampling import PARAMETERS
from reka.errors import RekaError, UnsupportedRequestError
from reka.types import Api, ChatCompletion, RetrievedChunk

T = TypeVar("T")

AnswerFlow: TypeAlias = Callable[[ChatRequest, Api, ServerCapabilities], Flow[T]]
"""A flow that has a host answer a request."""

_RETRIEVAL_FIELDS: Final = frozenset({"retrieval_dataset", "retrieval_filter", RETRIEVAL_TOP_K})


def on_host(flow: Callable[[ServerCapabilities], Flow[T]], capabilities: ServerCapabilities) -> Flow[T]:
    """Run a flow that uses a dataset of the host, which may have no datasets at all.

    A missing endpoint and a missing dataset are answered alike; listing the datasets, once per server, tells which one
    it is.

    Raises:
        UnsupportedRequestError: The host has no datasets. If that is known, nothing is sent.
    """
    missing: RekaError | None = None
    if capabilities.has_datasets is not False:
        try:
            return (yield from flow(capabilities))
        except RekaError as error:
            if error.status_code not in ENDPOINT_MISSING:
                raise
            missing = error
        if (yield from _may_have_datasets(capabilities)):
            raise missing
    raise UnsupportedRequestError(
        f"{capabilities.url} has no datasets: it has no GET /datasets. To keep them on this machine, and have this "
        'host\'s model answer from them, set datasets="local" (or REKA_DATASETS=local); a server that has them is '
        "`reka serve`"
    ) from missing


def answer_over_passages(
    answer: AnswerFlow[T], request: ChatRequest, api: Api, address: str, capabilities: ServerCapabilities
) -> Flow[T]:
    """Retrieve passages from an embedded server, and have the host answer the conversation that quotes them.

    Args:
        answer: Has the host answer.
        request: Names a dataset of the embedded server; the host is not sent this name.
        api: As in `answer`.
        address: `local` or `local:PATH`.
        capabilities: What is known of the host.

    Raises:
        InvalidConversationError: The conversation has no text of the user's to retrieve for.
        InvalidArgumentError: The number of chunks is invalid.
        RetrievalError: The embedded server has no such dataset, or it is not prepared.
    """
    k = request.extra.get(RETRIEVAL_TOP_K)
    k = RETRIEVED_CHUNKS if k is None else PARAMETERS[RETRIEVAL_TOP_K].check(k, RETRIEVAL_TOP_K)
    call = flows.retrieval(request.conversation.query(), str(request.dataset), k, request.filter)
    found: ChatCompletion = yield Local(call, address)
    return (yield from answer(_quoting(request, found.retrieved_chunks or []), api, capabilities))


def _may_have_datasets(capabilities: ServerCapabilities) -> Flow[bool]:
    """Ask a server, once, whether it has datasets; one that does not say may have some."""
    if capabilities.has_datasets is None:
        with suppress(RekaError):
            yield from flows.list_datasets(capabilities)
    return capabilities.has_datasets is not False


def _quoting(request: ChatRequest, chunks: list[RetrievedChunk]) -> ChatRequest:
    """Quote retrieved chunks in a request, in place of its dataset."""
    passages = [Passage(chunk.get("source", ""), chunk["text"], chunk.get("context", "")) for chunk in chunks]
    return replace(
        request,
        conversation=request.conversation.with_passages(passages),
        options=_without_retrieval(request.options),
        extra=_without_retrieval(request.extra),
        retrieved_chunks=chunks,
    )


def _without_retrieval(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in _RETRIEVAL_FIELDS}
