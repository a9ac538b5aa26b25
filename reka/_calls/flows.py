"""Multi-call operations as I/O-free generators; both clients drive the same flows."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, repeat
from typing import Any, Final, TypeAlias, TypeVar

from reka import config
from reka._calls import endpoints
from reka._calls.call import Call
from reka._calls.capabilities import ServerCapabilities
from reka._calls.completion_flows import complete_at_v1, stream_at_v1
from reka._calls.flow import Flow, Sleep, at_most
from reka._calls.host_models import with_host_facts
from reka._calls.model_flows import lacks_model, with_existing_model
from reka._inputs import validation
from reka._inputs.chat_request import ChatRequest, chat_request
from reka._inputs.uploads import ArchiveSource
from reka._protocol.checks import require_utf8
from reka._protocol.constants import RETRIEVAL_TOP_K, V0_ONLY
from reka._protocol.datasets import ALREADY_PREPARED, BEING_PREPARED, has_digest, name_with_digest, refusal_code
from reka._protocol.errors import ENDPOINT_MISSING
from reka._wire.dialect import Dialect, dialect
from reka.errors import (
    APIStatusError,
    AuthError,
    DatasetError,
    RateLimitError,
    RetrievalError,
    ServerError,
    UnexpectedResponseError,
    WaitTimeoutError,
)
from reka.types import Api, ChatCompletion, ChatOptions, OnUpdate, PrepareRetrievalStatusResponse

T = TypeVar("T")

_AtV1: TypeAlias = Callable[[ChatRequest, ServerCapabilities], Flow[Any]]
"""A flow that sends a request to the completions endpoint."""

_MAX_CALLS: Final = 4
"""Requests of a call with all its fallbacks, retries apart."""

_OTHER: Final[Mapping[Dialect, Dialect]] = {"v0": "v1", "v1": "v0"}


def single(call: Call[T]) -> Flow[T]:
    """Send one call."""
    value: T = yield call
    return value


def embed(batches: Iterable[Sequence[str]], model: str | None) -> Flow[list[list[float]]]:
    """Embed texts, a batch at a time; see `Reka.embed`."""
    vectors: list[list[float]] = []
    for batch in batches:
        vectors += yield endpoints.embed(batch, model)
    return vectors


def wait_for_retrieval(
    job_id: str, timeout: float | None, on_update: OnUpdate | None
) -> Flow[PrepareRetrievalStatusResponse]:
    """Look at a job at growing intervals until it has ended; see `Reka.wait_for_retrieval`."""
    timeout = validation.wait_seconds(timeout, "timeout")
    deadline = None if timeout is None else time.monotonic() + timeout
    last: PrepareRetrievalStatusResponse | None = None
    for interval in chain(config.POLL_INTERVALS, repeat(config.POLL_INTERVALS[-1])):
        status: PrepareRetrievalStatusResponse = yield endpoints.retrieval_job_status(job_id)
        if on_update is not None and status != last:
            on_update(status)
        last = status
        if status.is_error():
            raise RetrievalError(f"job {job_id} failed: {status.detail or 'the server gives no reason'}")
        if status.is_complete():
            return status
        left = float("inf") if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise WaitTimeoutError(
                f"job {job_id} was still {status.job_status} after {timeout:g} s; it goes on, so you can wait again",
                status,
            )
        yield Sleep(min(interval, left))
    raise AssertionError("unreachable: the intervals have no end")


def fetch_features(capabilities: ServerCapabilities) -> Flow[frozenset[str]]:
    """Ask a server, once, what it can do beyond the documented API; one that does not say can do nothing more."""
    features = capabilities.features
    if features is None:
        try:
            features = yield endpoints.features()
        except (AuthError, RateLimitError, ServerError):
            return frozenset()  # it may say another time; whether the key is good the question itself will show
        except (APIStatusError, UnexpectedResponseError):
            features = frozenset()
        capabilities.features = features
    return features


def chat(request: ChatRequest, api: Api, capabilities: ServerCapabilities) -> Flow[ChatCompletion]:
    """Complete a chat: at the documented endpoint if the request fits it; see `dialect`."""
    return _with_fallbacks(complete_at_v1, "v0", request, api, capabilities)


def complete(request: ChatRequest, api: Api, capabilities: ServerCapabilities) -> Flow[ChatCompletion]:
    """Complete messages: at the completions endpoint if the server has it, or the request needs it."""
    return _with_fallbacks(complete_at_v1, "v1", request, api, capabilities)


def stream(request: ChatRequest, api: Api, capabilities: ServerCapabilities) -> Flow[Any]:
    """Stream an answer.

    Returns:
        An open stream of the client that drives the flow, or a `ChatCompletion` where the answer arrives as a whole:
        from the documented endpoint, which does not stream, and from hosts that do not stream tool calls.
    """
    return _with_fallbacks(stream_at_v1, "v1", request, api, capabilities)


def _with_fallbacks(
    at_v1: _AtV1, preferred: Dialect, request: ChatRequest, api: Api, capabilities: ServerCapabilities
) -> Flow[Any]:
    """Send a request with another model, or to the other endpoint, if the server lacks one."""
    send = partial(_to_existing_endpoint, at_v1, preferred, api, capabilities)
    return at_most(_MAX_CALLS, with_existing_model(request, capabilities, send))


def _to_existing_endpoint(
    at_v1: _AtV1, preferred: Dialect, api: Api, capabilities: ServerCapabilities, request: ChatRequest
) -> Flow[Any]:
    """Use one endpoint; if it is missing, the other, and remember that; if both are, raise the error of the first."""
    if capabilities.models.is_settled:
        request = with_host_facts(request, capabilities)
    where = yield from _dialect(request, api, capabilities, preferred)
    try:
        return (yield from _at(where, at_v1, request, capabilities))
    except APIStatusError as error:
        if not _may_fall_back(error, request, api):
            raise
        missing = error
    try:
        answer = yield from _at(_OTHER[where], at_v1, request, capabilities)
    except APIStatusError as error:
        if not lacks_model(error, request.model):
            raise (missing if _is_missing(error) else error) from None
        capabilities.lacking.add(where)
        raise
    capabilities.lacking.add(where)
    return answer


def _at(where: Dialect, at_v1: _AtV1, request: ChatRequest, capabilities: ServerCapabilities) -> Flow[Any]:
    return at_v1(request, capabilities) if where == "v1" else single(endpoints.chat(request))


def _may_fall_back(error: APIStatusError, request: ChatRequest, api: Api) -> bool:
    return (
        _is_missing(error)
        and api == "auto"
        and not request.required_features()
        and not lacks_model(error, request.model)
    )


def _is_missing(error: APIStatusError) -> bool:
    return error.status_code in ENDPOINT_MISSING


def _dialect(request: ChatRequest, api: Api, capabilities: ServerCapabilities, preferred: Dialect) -> Flow[Dialect]:
    if preferred in capabilities.lacking:
        preferred = _OTHER[preferred]
    needs = request.required_features()
    if not needs and api == "auto":
        return preferred
    of_v0 = V0_ONLY & needs
    # What the server can do matters only where the generations clash, or where v1 would be the better one.
    asks = bool(of_v0) and (api == "v1" or needs != of_v0 or preferred == "v1") and api != "v0"
    if asks:
        require_utf8(request.arguments())
    features = (yield from fetch_features(capabilities)) if asks else frozenset()
    return dialect(api, preferred, needs, features)


def retrieval(
    query: str, dataset: str, k: int | None, condition: Mapping[str, Any] | None = None
) -> Call[ChatCompletion]:
    """Make the call for chunks alone: a chat with the fewest output tokens.

    Args:
        query: The query.
        dataset: Name of the dataset.
        k: Maximum number of chunks; None leaves it to the server.
        condition: Filter of the documents; None searches all of them.
    """
    options: ChatOptions = {
        "retrieval_dataset": dataset,
        "request_output_len": 1,
        "extra_request_args": None if k is None else {RETRIEVAL_TOP_K: k},
        "retrieval_filter": condition,
    }
    return endpoints.chat(chat_request(query, options=options))


def list_datasets(capabilities: ServerCapabilities) -> Flow[list[str]]:
    """List the datasets of a server, which shows whether it has endpoints for them."""
    try:
        names: list[str] = yield endpoints.list_datasets()
    except APIStatusError as error:
        if _is_missing(error):
            capabilities.has_datasets = False
        raise
    capabilities.has_datasets = True
    return names


def ensure_dataset(
    name: str, source: ArchiveSource, digest: str, on_update: OnUpdate | None, capabilities: ServerCapabilities
) -> Flow[str]:
    """Upload and prepare what is not there yet; see `Reka.ensure_dataset`."""
    stored = _stored((yield from list_datasets(capabilities)), digest)
    if stored is None:
        try:
            result = yield endpoints.add_dataset(source, name_with_digest(name, digest), None, None)
            stored = result["name"]
        except DatasetError:
            # Somebody else may have uploaded the very same texts since we looked.
            stored = _stored((yield endpoints.list_datasets()), digest)
            if stored is None:
                raise
    yield from _ensure_prepared(stored, on_update)
    return stored


def _stored(names: list[str], digest: str) -> str | None:
    return next((name for name in names if has_digest(name, digest)), None)


def _ensure_prepared(dataset: str, on_update: OnUpdate | None) -> Flow[None]:
    for interval in chain(config.POLL_INTERVALS, repeat(config.POLL_INTERVALS[-1])):
        try:
            job_id = yield endpoints.prepare_retrieval(dataset)
        except RetrievalError as error:
            refusal = refusal_code(error.code, error.message)
            if refusal == ALREADY_PREPARED:
                return
            if refusal != BEING_PREPARED:
                raise
            # Another process's job, whose id we do not have: ask again until there is something to tell.
            yield Sleep(interval)
        else:
            yield from wait_for_retrieval(job_id, None, on_update)
            return
