"""Operations on documents, on servers that have them and on those that do not."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, get_args

from reka._calls import flows
from reka._calls.call import Call
from reka._calls.capabilities import ServerCapabilities
from reka._calls.documents import endpoints
from reka._calls.endpoints import features as ask_features
from reka._calls.flow import Flow
from reka._inputs import validation
from reka._inputs.documents import metadata_filter
from reka._lazy import IMPORTING
from reka._protocol.checks import integer, require_utf8
from reka._protocol.constants import DOCUMENTS, MAX_RETRIEVED_CHUNKS, MAX_SEARCH_CHUNKS, RETRIEVAL_TOP_K
from reka._telemetry.active import active_tracer
from reka.errors import InvalidArgumentError, UnsupportedRequestError
from reka.types import ChatCompletion, RetrievalMode, RetrievedChunk

T = TypeVar("T")

_MODES: Final = get_args(RetrievalMode)
WAYS_OUT: Final = '`reka serve` has them, and so has the embedded server: datasets="local" (or REKA_DATASETS=local)'


def on_documents(function: str, call: Call[T], capabilities: ServerCapabilities) -> Flow[T]:
    """Send a call that needs a server with documents.

    Raises:
        UnsupportedRequestError: The server has none; the message names what replaces the function there.
    """
    yield from _require_documents(
        f"{function}: the datasets of {capabilities.url} are no sets of documents, but replaced as a whole: "
        f"ensure_dataset uploads texts there as a new dataset. {WAYS_OUT}",
        capabilities,
    )
    value: T = yield call
    return value


def with_filter(flow: Callable[[ServerCapabilities], Flow[T]], capabilities: ServerCapabilities) -> Flow[T]:
    """Run the flow of a chat with a `retrieval_filter`, which a server without documents would ignore.

    Raises:
        UnsupportedRequestError: The server has no documents; it was not sent the chat.
    """
    yield from _require_documents(_no_filters("retrieval_filter", capabilities), capabilities)
    return (yield from flow(capabilities))


def retrieve(
    query: str,
    dataset: str,
    k: int,
    condition: Mapping[str, Any] | None,
    mode: RetrievalMode,
    capabilities: ServerCapabilities,
) -> Flow[list[RetrievedChunk]]:
    """Search a dataset, or ask chat for chunks alone, with the fewest output tokens; see `Reka.retrieve`."""
    for argument, value in (("query", query), ("dataset", dataset)):
        if not isinstance(value, str) or not value.strip():
            raise InvalidArgumentError(f"{argument}: got {value!r}, want a text that is not empty")
        require_utf8(value, argument)
    k = integer(k, "k", 1, MAX_SEARCH_CHUNKS)
    condition = None if condition is None else metadata_filter(condition, "filter")
    flow = _search(query, dataset, k, condition, validation.one_of(mode, "mode", _MODES), capabilities)
    if (tracer := active_tracer()) is not None:
        with IMPORTING:
            from reka._calls.traced import traced_retrieval

        flow = traced_retrieval(tracer, flow, query, dataset, k, capabilities.url)
    return (yield from flow)


def _search(
    query: str,
    dataset: str,
    k: int,
    condition: Mapping[str, Any] | None,
    mode: RetrievalMode,
    capabilities: ServerCapabilities,
) -> Flow[list[RetrievedChunk]]:
    search = endpoints.search(dataset, query, k, condition, mode)
    features = yield from flows.fetch_features(capabilities)
    if DOCUMENTS not in features:
        if condition is not None:
            yield from _require_documents(_no_filters("filter", capabilities), capabilities)
        elif mode != "hybrid":
            message = f"mode: {capabilities.url} knows none; leave it out for its own way to search. {WAYS_OUT}"
            yield from _require_documents(message, capabilities)
        else:
            most = min(k, MAX_RETRIEVED_CHUNKS) if RETRIEVAL_TOP_K in features else None
            completion: ChatCompletion = yield flows.retrieval(query, dataset, most)
            return (completion.retrieved_chunks or [])[:k]
    found: list[RetrievedChunk] = yield search
    return found[:k]


def _no_filters(argument: str, capabilities: ServerCapabilities) -> str:
    return f"{argument}: {capabilities.url} does not filter what it retrieves, and would ignore it. {WAYS_OUT}"


def has_documents(capabilities: ServerCapabilities) -> Flow[bool]:
    """Whether a server's datasets are made of documents.

    Raises:
        RekaError: It does not say.
    """
    features = yield from flows.fetch_features(capabilities)
    if capabilities.features is None:
        # It could not say just now. Its error is the one to raise: nothing may go to a server that may ignore a filter.
        features = capabilities.features = yield ask_features()
    return DOCUMENTS in features


def _require_documents(message: str, capabilities: ServerCapabilities) -> Flow[None]:
    """Raise the error for a server without documents.

    Raises:
        UnsupportedRequestError: It has none.
        RekaError: It does not say.
    """
    if not (yield from has_documents(capabilities)):
        raise UnsupportedRequestError(message)
