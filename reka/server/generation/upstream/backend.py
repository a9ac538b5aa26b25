"""The chat backend that forwards requests to an upstream: any server with OpenAI's chat API, or Reka's own."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, nullcontext, suppress
from typing import Any, Final, TypeAlias, TypeVar

import aiohttp

from reka._protocol.forms import STREAM_OPTIONS
from reka.server.generation.concurrency import ConcurrencyLimiter
from reka.server.generation.types import (
    AnswerStream,
    Delta,
    Finish,
    GenerationError,
    GenerationRequest,
    GenerationResult,
    stream_result,
)
from reka.server.generation.upstream.chat import EmptyStreamError, UpstreamChat, has_tokens
from reka.server.generation.upstream.forms import UpstreamForms
from reka.server.generation.upstream.http import UpstreamHttp
from reka.server.generation.upstream.models import ModelList
from reka.server.generation.upstream.payloads import chat_request
from reka.server.telemetry.metrics import Metrics
from reka.types import Form, FormChoice

__all__ = ["UpstreamBackend"]

T = TypeVar("T")

_OpenStream: TypeAlias = tuple[list[Delta | Finish], AnswerStream]
"""The events that have been read of a stream, and the stream."""

CHECK_TIMEOUT: Final = 3.0
"""Seconds within which a ready upstream lists its models (ours)."""

_UNLIMITED: Final = 1_000_000


class UpstreamBackend:
    """Forwards requests, with their retrieved chunks, to a language model behind an OpenAI-compatible API.

    Args:
        address: Base URL of the upstream, with or without `/v1`.
        model: Name of the model at the upstream that answers all requests; None for the one that a request names, or
            the first one that the upstream lists if it lists no model of that name.
        key: API key for the upstream; None if it needs none. It is sent nowhere else and never shown.
        form: Form of requests that the upstream accepts; `auto` finds it out.
        count_tokens: Counts tokens if the upstream reports no usage.
        limiter: Limits concurrent requests; None for no limit.
        retries: Maximum number of retries while no part of a response has arrived.
        connect_timeout: Connect timeout in seconds; None for no limit.
        read_timeout: Maximum silence in seconds; None for no limit.
        metrics: Counts and times requests; None for no metrics.

    Raises:
        ValueError: `address` is not an address, or the key is not valid in an HTTP header.
    """

    def __init__(
        self,
        address: str,
        *,
        model: str | None = None,
        key: str | None = None,
        form: FormChoice = "auto",
        count_tokens: Callable[[str], int],
        limiter: ConcurrencyLimiter | None = None,
        retries: int = 0,
        connect_timeout: float | None = None,
        read_timeout: float | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._metrics = metrics or Metrics()
        # Not `connect`, which sets a timer at each request: it also bounds the wait for a free connection, and the
        # number of those is not limited here.
        timeout = aiohttp.ClientTimeout(total=None, connect=connect_timeout, sock_read=read_timeout)
        self._http = UpstreamHttp(address, key=key, retries=retries, timeout=timeout, metrics=self._metrics)
        self._model = model
        self._models = ModelList(lambda: self._http.request_json("GET", "/models"), self._http.url)
        self._forms = UpstreamForms(form)
        self._chat = UpstreamChat(self._http, count_tokens)
        self._limiter = limiter or ConcurrencyLimiter(_UNLIMITED, 0, 0)

    @property
    def url(self) -> str:
        """Base URL of the upstream."""
        return self._http.url

    @property
    def language_model(self) -> str:
        """Name of the model, or of the first of several; before they are listed, the address of the upstream."""
        return self._model or next(iter(self._models.known), f"default model of {self._http.url}")

    @property
    def model_names(self) -> tuple[str, ...]:
        """The name of the one model; empty if requests may select among the upstream's models."""
        return () if self._model is None else (self._model,)

    @property
    def known_models(self) -> Mapping[str, Mapping[str, Any]]:
        """The upstream's models as they were last listed; of one model alone if that answers all requests."""
        known = self._models.known
        return known if self._model is None else {self._model: known.get(self._model, {})}

    async def models(self) -> Mapping[str, Mapping[str, Any]]:
        """List the upstream's models, or the one that answers all requests; the list is at most a minute old.

        Raises:
            GenerationError: The upstream does not list its models, and has not before.
        """
        # What answers all requests need not be on the list.
        with suppress(GenerationError) if self._model else nullcontext():
            await self._models.get()
        return self.known_models

    async def generate(self, request: GenerationRequest) -> GenerationResult:
        """Request a completion.

        Raises:
            GenerationError: The upstream is unreachable (502), silent (504) or busy (429, 503), rejects the request
                (400), or its response is not a chat completion (502).
        """
        async with self._limiter.slot():
            model = await self._model_name(request)
            with self._metrics.time_generation():
                result = await self._complete(request, model)
        self._metrics.record_tokens(result.input_tokens, result.output_tokens)
        return result

    async def stream(self, request: GenerationRequest) -> AnswerStream:
        """Request a completion and forward it as it arrives. It is only retried before its first event.

        Raises:
            GenerationError: See `generate`; also if the stream is interrupted (502) or falls silent (504).
        """
        async with self._limiter.slot():
            model = await self._model_name(request)
            with self._metrics.time_generation() as first_token:
                first, stream = await self._open(request, model)
                async with aclosing(stream):
                    if any(map(has_tokens, first)):
                        first_token()
                    for event in first:
                        yield event
                    async for event in stream:
                        if has_tokens(event):
                            first_token()
                        elif isinstance(event, Finish):
                            self._metrics.record_tokens(event.input_tokens, event.output_tokens)
                        yield event

    async def check(self) -> None:
        """Check that the upstream lists its models.

        Raises:
            GenerationError: It does not.
        """
        try:
            await asyncio.wait_for(self._http.request_json_once("GET", "/models"), CHECK_TIMEOUT)
        except asyncio.TimeoutError as error:
            raise GenerationError(504, f"the upstream {self._http.url} did not answer in time") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._models.close()
        await self._http.close()

    async def _model_name(self, request: GenerationRequest) -> str:
        if self._model is not None:
            return self._model
        models = self._models.known or await self._models.get()
        return request.model if request.model in models else next(iter(models))

    async def _complete(self, request: GenerationRequest, model: str) -> GenerationResult:
        async def send(form: Form) -> GenerationResult:
            return await self._chat.complete(chat_request(request, model, form))

        return await self._in_either_form(request, model, send)

    async def _open(self, request: GenerationRequest, model: str) -> _OpenStream:
        async def send(form: Form) -> _OpenStream:
            if request.tools and not self._forms.streams_tools(form, model):
                return [], stream_result(await self._chat.complete(chat_request(request, model, form)))
            body = _stream_body(chat_request(request, model, form), form)
            return await _begin(self._chat.stream(body, refuse_empty=bool(request.tools)), bool(request.tools))

        try:
            return await self._in_either_form(request, model, send)
        except EmptyStreamError:
            result = await self._complete(request, model)
        if result.text or result.tool_calls:
            self._forms.learn_empty_stream(model)
        return [], stream_result(result)

    async def _in_either_form(self, request: GenerationRequest, model: str, send: Callable[[Form], Awaitable[T]]) -> T:
        """Send a request in one form and, if the upstream refuses that, once in the other."""
        try:
            return await send(self._forms.of(model))
        except GenerationError as error:
            other = self._forms.after(error, request, model)
            if other is None:
                raise
            refusal = error
        try:
            answer = await send(other)
        except EmptyStreamError:
            raise
        except GenerationError:
            raise refusal from None
        self._forms.learn(other, request, model)
        return answer


async def _begin(stream: AnswerStream, may_be_empty: bool) -> _OpenStream:
    """Read a stream's first event; of one that may be empty, all until its first token or its end."""
    first: list[Delta | Finish] = []
    async for event in stream:
        first.append(event)
        if not may_be_empty or has_tokens(event):
            break
    return first, stream


def _stream_body(body: Mapping[str, Any], form: Form) -> dict[str, Any]:
    # Reka's host always reports usage, and may not support this option.
    options = {} if form == "reka" else {STREAM_OPTIONS: {"include_usage": True}}
    return {**body, "stream": True, **options}
