"""What takes several calls, as generators that know no socket.

A flow yields a `Call` and is sent its value (or thrown its error), or yields a `Sleep`. Both clients drive the same
flows; see `Reka` and its twin.
"""

import time
from collections.abc import Generator
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Final, TypeAlias, TypeVar

from reka import config
from reka._calls import endpoints
from reka._calls.call import Call
from reka._inputs.chat_request import ChatRequest, chat_request
from reka._inputs.uploads import ArchiveSource
from reka._protocol.constants import RETRIEVAL_TOP_K, V0_ONLY
from reka._protocol.datasets import ALREADY_PREPARED, BEING_PREPARED, has_digest, name_with_digest, refusal_code
from reka._protocol.sampling import PARAMETERS
from reka._wire.dialect import Dialect, dialect
from reka.errors import (
    APIStatusError,
    AuthError,
    DatasetError,
    InvalidArgumentError,
    RateLimitError,
    RetrievalError,
    ServerError,
    UnexpectedResponseError,
    WaitTimeoutError,
)
from reka.types import Api, ChatCompletion, ChatOptions, OnUpdate, PrepareRetrievalStatusResponse, RetrievedChunk

T = TypeVar("T")

_MISSING: Final = frozenset({404, 405, 410})


@dataclass(slots=True)
class ServerCapabilities:
    """What a client has learned of one server."""

    features: frozenset[str] | None = None
    """What it can do beyond the documented API; None until it was asked."""

    lacks_v0: bool = False
    """Whether it has no documented endpoint; the completions endpoint answered in its place."""

    lacks_v1: bool = False
    """Whether it has no completions endpoint; the documented one answered in its place."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Go on after so many seconds."""

    seconds: float


Flow: TypeAlias = Generator[Call[Any] | Sleep, Any, T]


def single(call: Call[T]) -> Flow[T]:
    """Send one call."""
    value: T = yield call
    return value


def wait_for_retrieval(
    job_id: str, timeout: float | None, on_update: OnUpdate | None
) -> Flow[PrepareRetrievalStatusResponse]:
    """Look at a job at growing intervals until it has ended; see `Reka.wait_for_retrieval`."""
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout >= 0):
        raise InvalidArgumentError(f"timeout: got {timeout!r}, want seconds, or None to wait as long as it takes")
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
    """Ask for a whole answer: at the documented endpoint if the question fits it; see `dialect`."""
    where = yield from _dialect(request, api, capabilities, "v1" if capabilities.lacks_v0 else "v0")
    return (yield from _answer(request, api, capabilities, where))


def complete(request: ChatRequest, api: Api, capabilities: ServerCapabilities) -> Flow[ChatCompletion]:
    """Ask for a whole answer: at the completions endpoint if the server has it, or the question needs it."""
    where = yield from _dialect(request, api, capabilities, "v0" if capabilities.lacks_v1 else "v1")
    return (yield from _answer(request, api, capabilities, where))


def stream(request: ChatRequest, api: Api, capabilities: ServerCapabilities) -> Flow[Any]:
    """Ask for a streamed answer.

    Returns:
        An open stream of the client that drives the flow, or a `ChatCompletion` where the answer came in whole: from
        the documented endpoint, which has no streaming, and wherever there are tools, because the live host answers
        those with an empty stream (observed).
    """
    where = yield from _dialect(request, api, capabilities, "v0" if capabilities.lacks_v1 else "v1")
    if where == "v0":
        return (yield endpoints.chat(request))
    if request.v1_fields.get("tools"):
        return (yield endpoints.complete(request))
    try:
        return (yield endpoints.stream_completion(request))
    except APIStatusError as error:
        if not _is_missing(error) or api != "auto" or request.required_features():
            raise
        missing = error
    completion = yield from _fallback(endpoints.chat(request), missing)
    capabilities.lacks_v1 = True
    return completion


def _answer(request: ChatRequest, api: Api, capabilities: ServerCapabilities, where: Dialect) -> Flow[ChatCompletion]:
    first, other = (endpoints.complete, endpoints.chat) if where == "v1" else (endpoints.chat, endpoints.complete)
    completion: ChatCompletion
    try:
        completion = yield first(request)
        return completion
    except APIStatusError as error:
        if not _is_missing(error) or api != "auto" or request.required_features():
            raise
        missing = error
    completion = yield from _fallback(other(request), missing)
    if where == "v1":
        capabilities.lacks_v1 = True
    else:
        capabilities.lacks_v0 = True
    return completion


def _fallback(call: Call[ChatCompletion], missing: APIStatusError) -> Flow[ChatCompletion]:
    """Ask the other generation's endpoint; if that is missing too, the first one's error is what counts."""
    try:
        completion: ChatCompletion = yield call
    except APIStatusError as error:
        raise (missing if _is_missing(error) else error) from None
    return completion


def _is_missing(error: APIStatusError) -> bool:
    return error.status_code in _MISSING


def _dialect(request: ChatRequest, api: Api, capabilities: ServerCapabilities, preferred: Dialect) -> Flow[Dialect]:
    needs = request.required_features()
    if not needs and api == "auto":
        return preferred
    of_v0 = V0_ONLY & needs
    # What the server can do matters only where the generations clash, or where v1 would be the better one.
    asks = bool(of_v0) and (api == "v1" or needs != of_v0 or preferred == "v1")
    features = (yield from fetch_features(capabilities)) if asks and api != "v0" else frozenset()
    return dialect(api, preferred, needs, features)


def retrieve(query: str, dataset: str, k: int, capabilities: ServerCapabilities) -> Flow[list[RetrievedChunk]]:
    """Ask chat for chunks alone, with the fewest output tokens; see `Reka.retrieve`."""
    for argument, value in (("query", query), ("dataset", dataset)):
        if not isinstance(value, str) or not value.strip():
            raise InvalidArgumentError(f"{argument}: got {value!r}, want a text that is not empty")
    PARAMETERS[RETRIEVAL_TOP_K].check(k, "k")
    features = yield from fetch_features(capabilities)
    extra = {RETRIEVAL_TOP_K: k} if RETRIEVAL_TOP_K in features else None
    options: ChatOptions = {"retrieval_dataset": dataset, "request_output_len": 1, "extra_request_args": extra}
    request = chat_request(query, options=options)
    completion: ChatCompletion = yield endpoints.chat(request)
    return (completion.retrieved_chunks or [])[:k]


def ensure_dataset(name: str, source: ArchiveSource, digest: str, on_update: OnUpdate | None) -> Flow[str]:
    """Upload and prepare what is not there yet; see `Reka.ensure_dataset`."""
    stored = _stored((yield endpoints.list_datasets()), digest)
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
