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
from reka._wire.dialect import ONLY_V0, Dialect, dialect
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
from reka.types import Api, ChatCompletion, OnUpdate, PrepareRetrievalStatusResponse, RetrievedChunk

T = TypeVar("T")

RETRIEVAL_TOP_K: Final = "retrieval_top_k"
"""Feature of a server, and extra argument of chat: how many chunks come back."""

_MISSING: Final = frozenset({404, 405, 410})
_PREPARED: Final = "already been prepared"
_PREPARING: Final = "already being prepared"
# A dataset's stored name must stay below every server's limit on names, with the hash behind it.
_NAME_CHARACTERS: Final = 64
_HASH_CHARACTERS: Final = 16


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
    of_v0 = ONLY_V0 & needs
    # What the server can do matters only where the generations clash, or where v1 would be the better one.
    asks = bool(of_v0) and (api == "v1" or needs != of_v0 or preferred == "v1")
    features = (yield from fetch_features(capabilities)) if asks and api != "v0" else frozenset()
    return dialect(api, preferred, needs, features)


def retrieve(query: str, dataset: str, k: int, capabilities: ServerCapabilities) -> Flow[list[RetrievedChunk]]:
    """Ask chat for chunks alone, with the fewest output tokens; see `Reka.retrieve`."""
    for argument, value in (("query", query), ("dataset", dataset)):
        if not isinstance(value, str) or not value.strip():
            raise InvalidArgumentError(f"{argument}: got {value!r}, want a text that is not empty")
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= config.MAX_RETRIEVED_CHUNKS:
        raise InvalidArgumentError(f"k: got {k!r}, want a whole number from 1 to {config.MAX_RETRIEVED_CHUNKS}")
    features = yield from fetch_features(capabilities)
    extra = {RETRIEVAL_TOP_K: k} if RETRIEVAL_TOP_K in features else None
    request = chat_request(query, retrieval_dataset=dataset, request_output_len=1, extra_request_args=extra)
    completion: ChatCompletion = yield endpoints.chat(request)
    return (completion.retrieved_chunks or [])[:k]


def ensure_dataset(name: str, source: ArchiveSource, digest: str, on_update: OnUpdate | None) -> Flow[str]:
    """Upload and prepare what is not there yet; see `Reka.ensure_dataset`.

    The API keeps no hash, so the stored name carries it.
    """
    suffix = f"-{digest[:_HASH_CHARACTERS]}"
    stored = _stored((yield endpoints.list_datasets()), suffix)
    if stored is None:
        try:
            result = yield endpoints.add_dataset(source, name[:_NAME_CHARACTERS] + suffix, None, None)
            stored = result["name"]
        except DatasetError:
            # Somebody else may have uploaded the very same texts since we looked.
            stored = _stored((yield endpoints.list_datasets()), suffix)
            if stored is None:
                raise
    yield from _ensure_prepared(stored, on_update)
    return stored


def _stored(names: list[str], suffix: str) -> str | None:
    # By its end, since the server may have changed the rest into a secure name. The hash covers the asked name too.
    return next((name for name in names if name.endswith(suffix)), None)


def _ensure_prepared(dataset: str, on_update: OnUpdate | None) -> Flow[None]:
    for interval in chain(config.POLL_INTERVALS, repeat(config.POLL_INTERVALS[-1])):
        try:
            job_id = yield endpoints.prepare_retrieval(dataset)
        except RetrievalError as error:
            if _PREPARED in error.message:
                return
            if _PREPARING not in error.message:
                raise
            # Another process's job, whose id we do not have: ask again until there is something to tell.
            yield Sleep(interval)
        else:
            yield from wait_for_retrieval(job_id, None, on_update)
            return
