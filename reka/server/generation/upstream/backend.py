"""The chat backend that forwards requests to an upstream: any server with OpenAI's chat API, or Reka's own."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, nullcontext, suppress
from dataclasses import replace
from typing import Any, Final

import aiohttp

from reka._protocol.addresses import is_reka_host
from reka._protocol.forms import STREAM_OPTIONS
from reka._protocol.responses import read_usage
from reka._protocol.sse import DONE, ServerSentEvent
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
from reka.server.generation.upstream.http import UpstreamHttp, sse_events
from reka.server.generation.upstream.lenient_json import read_chunk
from reka.server.generation.upstream.models import ModelList
from reka.server.generation.upstream.payloads import chat_request
from reka.server.generation.upstream.responses import estimate_usage, generated_texts, read_completion, usage_fields
from reka.server.generation.upstream.stream import StreamReader
from reka.server.metrics import Metrics
from reka.types import Form

__all__ = ["UpstreamBackend"]

CHECK_TIMEOUT: Final = 3.0
"""Seconds within which a ready upstream lists its models (ours)."""

_CHAT_PATH: Final = "/chat/completions"
_UNLIMITED: Final = 1_000_000
_TOKEN_FIELDS: Final = ("content", "tool_calls", "reasoning_content", "function_call", "refusal")
"""Fields of a delta that contain generated tokens."""

_SHAPE_ERRORS: Final = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""Exceptions raised while reading a response of an unexpected shape."""


def form_of(url: str) -> Form:
    """Return the form of requests that an upstream accepts: Reka's own host supports less than OpenAI's API."""
    return "reka" if is_reka_host(url) else "openai"


class UpstreamBackend:
    """Forwards requests, with their retrieved chunks, to a language model behind an OpenAI-compatible API.

    Args:
        address: Base URL of the upstream, with or without `/v1`.
        model: Name of the model at the upstream that answers all requests; None for the one that a request names, or
            the first one that the upstream lists if it lists no model of that name.
        key: API key for the upstream; None if it needs none. It is sent nowhere else and never shown.
        form: Form of requests that the upstream accepts; None to choose it by the address.
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
        form: Form | None = None,
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
        self._form: Form = form or form_of(self._http.url)
        self._count_tokens = count_tokens
        self._limiter = limiter or ConcurrencyLimiter(_UNLIMITED, 0, 0)

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
            body = chat_request(request, await self._model_name(request), self._form)
            with self._metrics.time_generation():
                return await self._to_result(await self._http.request_json("POST", _CHAT_PATH, body), body)

    async def stream(self, request: GenerationRequest) -> AnswerStream:
        """Request a completion and forward it as it arrives. It is only retried before its first event.

        Raises:
            GenerationError: See `generate`; also if the stream is interrupted (502) or falls silent (504).
        """
        if self._form == "reka" and request.tools:
            # Reka's host streams an empty response to a request with tools (observed).
            stream = stream_result(await self.generate(request))
        else:
            stream = self._stream(request)
        async with aclosing(stream):
            async for event in stream:
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

    async def _stream(self, request: GenerationRequest) -> AnswerStream:
        async with self._limiter.slot():
            body = chat_request(request, await self._model_name(request), self._form)
            with self._metrics.time_generation() as first_token:
                async with (
                    self._http.stream(_CHAT_PATH, _stream_body(body, self._form)) as response,
                    aclosing(await self._response_stream(response, body)) as stream,
                ):
                    async for event in stream:
                        if isinstance(event, Delta) and any(event.fields.get(name) for name in _TOKEN_FIELDS):
                            first_token()
                        yield event

    async def _response_stream(self, response: aiohttp.ClientResponse, body: Mapping[str, Any]) -> AnswerStream:
        if "json" in response.headers.get("Content-Type", ""):  # the upstream does not stream
            return stream_result(await self._to_result(await self._http.read_json(response), body))
        return self._read_stream(response, body)

    async def _read_stream(self, response: aiohttp.ClientResponse, body: Mapping[str, Any]) -> AnswerStream:
        reader = StreamReader()
        is_done = False
        async with aclosing(sse_events(response)) as events:
            async for event in events:
                if event.data == DONE:
                    is_done = True
                    break
                if (delta := self._read_event(reader, event)) is not None:
                    yield delta
        finish_reason = reader.end() if is_done else reader.finish_reason
        if finish_reason is None:
            raise GenerationError(502, f"the upstream {self._http.url} ended its response before it was complete")
        if (rest := reader.rest()) is not None:
            yield rest
        counts = await self._token_counts(reader.usage, body, reader.texts)
        yield Finish(finish_reason, *counts, usage_fields(reader.usage))

    def _read_event(self, reader: StreamReader, event: ServerSentEvent) -> Delta | None:
        if event.event == "error":
            raise self._http.error_in_event(event.data)
        try:
            chunk, may_have_surrogates = read_chunk(event.data)
            self._http.check_for_error(chunk)
            return reader.read(chunk, may_have_surrogates=may_have_surrogates)
        except _SHAPE_ERRORS as error:
            raise self._http.unreadable_response() from error

    async def _to_result(self, completion: Any, body: Mapping[str, Any]) -> GenerationResult:
        try:
            result = read_completion(completion)
            usage = completion.get("usage")
        except _SHAPE_ERRORS as error:
            raise self._http.unreadable_response() from error
        calls = [call.nested() for call in result.tool_calls]
        texts = generated_texts({"content": result.text, "tool_calls": calls, **result.message_fields})
        input_tokens, output_tokens = await self._token_counts(usage, body, texts)
        return replace(result, input_tokens=input_tokens, output_tokens=output_tokens)

    async def _token_counts(self, usage: Any, body: Mapping[str, Any], texts: Sequence[str]) -> tuple[int, int]:
        """Return the numbers of input and output tokens: as the upstream reports them, else as counted here."""
        reported = read_usage(usage)
        if reported is None:
            return await asyncio.to_thread(estimate_usage, self._count_tokens, body, texts)  # counting takes a while
        return reported.input_tokens, reported.output_tokens


def _stream_body(body: Mapping[str, Any], form: Form) -> dict[str, Any]:
    # Reka's host always reports usage, and may not support this option.
    options = {} if form == "reka" else {STREAM_OPTIONS: {"include_usage": True}}
    return {**body, "stream": True, **options}
