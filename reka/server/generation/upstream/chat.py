"""The chat endpoint of an upstream: sends a request body, and reads the response whole or as it arrives."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

import aiohttp

from reka._protocol.responses import read_usage
from reka._protocol.sse import DONE, ServerSentEvent
from reka.server.generation.types import AnswerStream, Delta, Finish, GenerationError, GenerationResult, stream_result
from reka.server.generation.upstream.http import UpstreamHttp, sse_events
from reka.server.generation.upstream.lenient_json import read_chunk
from reka.server.generation.upstream.responses import estimate_usage, generated_texts, read_completion, usage_fields
from reka.server.generation.upstream.stream import StreamReader

__all__ = ["EmptyStreamError", "UpstreamChat", "has_tokens"]

_PATH: Final = "/chat/completions"
_TOKEN_FIELDS: Final = ("content", "tool_calls", "reasoning_content", "function_call", "refusal")
"""Fields of a delta that contain generated tokens."""

_SHAPE_ERRORS: Final = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""Exceptions raised while reading a response of an unexpected shape."""


class EmptyStreamError(GenerationError):
    """A stream ended properly, not by its length limit, without a token."""


class UpstreamChat:
    """Sends chat requests to an upstream.

    Args:
        http: The client for the upstream.
        count_tokens: Counts tokens if the upstream reports no usage.
    """

    def __init__(self, http: UpstreamHttp, count_tokens: Callable[[str], int]) -> None:
        self._http = http
        self._count_tokens = count_tokens

    async def complete(self, body: Mapping[str, Any]) -> GenerationResult:
        """Request a whole response.

        Raises:
            GenerationError: The request failed, or the response is not a chat completion (502).
        """
        return await self._to_result(await self._http.request_json("POST", _PATH, body), body)

    async def stream(self, body: Mapping[str, Any], *, refuse_empty: bool) -> AnswerStream:
        """Request a response, and give its events as they arrive. It is only retried before its first event.

        Args:
            body: Body of the request, which asks for a stream.
            refuse_empty: Whether to raise `EmptyStreamError` at the end of a stream without a token.

        Raises:
            GenerationError: The request failed, or the stream is interrupted (502) or falls silent (504).
        """
        async with self._http.stream(_PATH, body) as response:
            stream = await self._response_stream(response, body, refuse_empty)
            async with aclosing(stream):
                async for event in stream:
                    yield event

    async def _response_stream(
        self, response: aiohttp.ClientResponse, body: Mapping[str, Any], refuse_empty: bool
    ) -> AnswerStream:
        if "json" in response.headers.get("Content-Type", ""):  # the upstream does not stream
            return stream_result(await self._to_result(await self._http.read_json(response), body))
        return self._read_stream(response, body, refuse_empty)

    async def _read_stream(
        self, response: aiohttp.ClientResponse, body: Mapping[str, Any], refuse_empty: bool
    ) -> AnswerStream:
        reader = StreamReader()
        is_done, may_be_empty = False, refuse_empty
        async with aclosing(sse_events(response)) as events:
            async for event in events:
                if event.data == DONE:
                    is_done = True
                    break
                if (delta := self._read_event(reader, event)) is not None:
                    may_be_empty = may_be_empty and not has_tokens(delta)
                    yield delta
        finish_reason, rest = reader.end() if is_done else reader.finish_reason, reader.rest()
        has_ended = is_done or finish_reason is not None
        if may_be_empty and has_ended and rest is None and finish_reason != "length":
            raise EmptyStreamError(502, f"the upstream {self._http.url} streamed an empty response")
        if finish_reason is None:
            raise GenerationError(502, f"the upstream {self._http.url} ended its response before it was complete")
        if rest is not None:
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


def has_tokens(event: Delta | Finish) -> bool:
    """Whether an event of a stream contains generated tokens."""
    return isinstance(event, Delta) and any(event.fields.get(name) for name in _TOKEN_FIELDS)
