"""The answerer that asks a language model: any server that speaks OpenAI's chat API, or Reka's own."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

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
from reka.server.generation.upstream.errors import error_in_stream
from reka.server.generation.upstream.http import UpstreamHttp, events
from reka.server.generation.upstream.payloads import Form, chat_request, estimate_usage, read_completion, read_usage
from reka.server.generation.upstream.stream import StreamReader
from reka.server.metrics import Metrics

__all__ = ["UpstreamBackend", "form_of"]

CHECK_TIMEOUT: Final = 3.0
"""Seconds in which an upstream that is ready lists its models (ours)."""

_CHAT: Final = "/chat/completions"
_DONE: Final = "[DONE]"
_NO_LIMIT: Final = 1_000_000
_TOKENS: Final = ("content", "tool_calls", "reasoning_content")
"""Where the tokens of a model are in a piece of its answer."""

_OTHER_SHAPE: Final = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What reading an answer of another shape raises."""


def form_of(url: str) -> Form:
    """Tell which form an upstream takes: Reka's own host takes less than OpenAI's API allows."""
    return "reka" if urlsplit(url).hostname == "api.reka.ai" else "openai"


class UpstreamBackend:
    """Passes questions, with what retrieval found for them, to a language model behind an OpenAI-compatible API.

    Args:
        address: Base URL of the upstream, with or without `/v1`.
        model: Name of the model there; None for the first that the upstream lists, asked for once.
        key: The key that opens the upstream; None if it wants none. It is sent nowhere else and never shown.
        form: The form of requests that it takes; None to tell by the address.
        count_tokens: Counts where the upstream tells no usage.
        limiter: Room for questions at once; None for no limit.
        retries: How often it is asked again when it fails before it has answered anything.
        connect_timeout: Seconds a connection may take; None for no limit.
        read_timeout: Seconds the upstream may be silent; None for no limit.
        metrics: Where questions are counted and timed; None for nowhere.

    Raises:
        ValueError: `address` is none, or the key cannot stand in an HTTP header.
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
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout, sock_read=read_timeout)
        self._http = UpstreamHttp(address, key=key, retries=retries, timeout=timeout, metrics=self._metrics)
        self._model = model
        self._form: Form = form or form_of(self._http.url)
        self._count_tokens = count_tokens
        self._slots = limiter or ConcurrencyLimiter(_NO_LIMIT, 0, 0)
        self._asking_for_model = asyncio.Lock()

    @property
    def language_model(self) -> str:
        """Name of the model; until the upstream has told its first one, where that is."""
        return self._model or f"default model of {self._http.url}"

    @property
    def model_names(self) -> tuple[str, ...]:
        """The model's name at the upstream, once it is known."""
        return () if self._model is None else (self._model,)

    async def answer(self, question: GenerationRequest) -> GenerationResult:
        """Ask the model.

        Raises:
            GenerationError: The upstream cannot be reached (502), is silent (504), is busy (429, 503), refuses the
                request (400) or answers something else than a chat completion (502).
        """
        async with self._slots.slot():
            body = chat_request(question, await self._model_name(), self._form)
            with self._metrics.upstream_answer():
                return await self._read(await self._http.ask("POST", _CHAT, body), body)

    async def stream(self, question: GenerationRequest) -> AnswerStream:
        """Ask the model, and pass its answer on as it comes. Only what has not begun is tried again.

        Raises:
            GenerationError: As `answer`; also where an answer breaks off (502) or falls silent (504).
        """
        if self._form == "reka" and question.tools:
            # Reka's host answers tools in a stream with an empty one (observed).
            whole = stream_result(await self.answer(question))
        else:
            whole = self._streamed(question)
        async with aclosing(whole):
            async for piece in whole:
                yield piece

    async def check(self) -> None:
        """See whether the upstream lists its models.

        Raises:
            GenerationError: It does not.
        """
        try:
            await asyncio.wait_for(self._http.ask_once("GET", "/models"), CHECK_TIMEOUT)
        except asyncio.TimeoutError as error:
            raise GenerationError(504, f"the upstream {self._http.url} did not answer in time") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _model_name(self) -> str:
        if self._model is None:
            async with self._asking_for_model:  # of questions that come at once, one asks and the others wait
                if self._model is None:
                    self._model = _first_model(await self._http.ask("GET", "/models"))
        if self._model is None:
            raise GenerationError(502, f"the upstream {self._http.url} lists no model: name one with --upstream-model")
        return self._model

    async def _streamed(self, question: GenerationRequest) -> AnswerStream:
        async with self._slots.slot():
            body = chat_request(question, await self._model_name(), self._form)
            with self._metrics.upstream_answer() as first_token:
                async with (
                    self._http.streaming(_CHAT, _streaming(body, self._form)) as response,
                    aclosing(await self._response_stream(response, body)) as pieces,
                ):
                    async for piece in pieces:
                        if isinstance(piece, Delta) and any(piece.fields.get(name) for name in _TOKENS):
                            first_token()
                        yield piece

    async def _response_stream(self, response: aiohttp.ClientResponse, body: Mapping[str, Any]) -> AnswerStream:
        if "json" in response.headers.get("Content-Type", ""):  # it does not stream
            return stream_result(await self._read(await self._http.whole(response), body))
        return self._pieces(response, body)

    async def _pieces(self, response: aiohttp.ClientResponse, body: Mapping[str, Any]) -> AnswerStream:
        """Read a stream of chunks."""
        stream = StreamReader()
        is_done = False
        async with aclosing(events(response)) as datas:
            async for data in datas:
                if data == _DONE:
                    is_done = True
                    break
                if (delta := self._read_chunk(stream, data)) is not None:
                    yield delta
        finish_reason = stream.end() if is_done else stream.finish_reason
        if finish_reason is None:
            raise GenerationError(502, f"the upstream {self._http.url} ended its answer before it was whole")
        yield Finish(finish_reason, *await self._tokens(stream.usage, body, stream.texts))

    def _read_chunk(self, stream: StreamReader, data: str) -> Delta | None:
        chunk = self._http.parsed(data)
        try:
            if chunk.get("error"):
                raise error_in_stream(chunk, self._http.url, self._http.key)
            return stream.read(chunk)
        except _OTHER_SHAPE as error:
            raise self._http.unreadable_response() from error

    async def _read(self, completion: Any, body: Mapping[str, Any]) -> GenerationResult:
        try:
            answer = read_completion(completion)
            usage = completion.get("usage") or {}
        except _OTHER_SHAPE as error:
            raise self._http.unreadable_response() from error
        texts = [answer.text, *(call.arguments for call in answer.tool_calls)]
        input_tokens, output_tokens = await self._tokens(usage, body, texts)
        return replace(answer, input_tokens=input_tokens, output_tokens=output_tokens)

    async def _tokens(self, usage: Any, body: Mapping[str, Any], texts: Sequence[str]) -> tuple[int, int]:
        """How many tokens went in and came out: what the upstream tells, else counted, which takes a while."""
        try:
            told = read_usage(usage)
        except _OTHER_SHAPE as error:
            raise self._http.unreadable_response() from error
        if told is None:
            return await asyncio.to_thread(estimate_usage, self._count_tokens, body, texts)
        return told


def _streaming(body: Mapping[str, Any], form: Form) -> dict[str, Any]:
    # Reka's host tells usage unasked, and is not known to take this option.
    options = {} if form == "reka" else {"stream_options": {"include_usage": True}}
    return {**body, "stream": True, **options}


def _first_model(listed: object) -> str | None:
    """Find the first name in a list of models: OpenAI's `{"data": [{"id"}]}`, or a bare list."""
    models = listed.get("data") if isinstance(listed, dict) else listed
    first = models[0] if isinstance(models, list) and models else None
    name = first.get("id") if isinstance(first, dict) else first
    return name if isinstance(name, str) and name else None
