"""`AsyncReka`, the asynchronous client: `Reka`, awaited, on another transport."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from copy import copy
from os import PathLike
from types import TracebackType
from typing import Any, TypeVar

import aiohttp

from reka import config, endpoint
from reka._calls import flows
from reka._calls.async_dataset_methods import AsyncDatasetMethods
from reka._calls.capabilities import ServerCapabilities
from reka._calls.driver import drive_async
from reka._calls.flow import Flow
from reka._calls.model_methods import AsyncModelMethods
from reka._compat import Never, Unpack
from reka._inputs import validation
from reka._inputs.chat_request import ChatRequest, chat_request, messages_request
from reka._sdk3 import AsyncSdk3, async_chat_method, base_url_of
from reka._transport.aio import AsyncTransport
from reka._transport.retry import Limits
from reka._transport.steps import AsyncPerformer
from reka._wire.completions import ChatEvents, as_chat_event, as_events
from reka._wire.documented import as_turn
from reka.base_client import BaseClient
from reka.config import Timeout
from reka.types import (
    Api,
    ChatCompletion,
    ChatEvent,
    CompletionOptions,
    FormChoice,
    Message,
    ModelTurn,
    OnEvent,
    StreamEvent,
    Turn,
)

T = TypeVar("T")


class AsyncReka(AsyncDatasetMethods, AsyncModelMethods, AsyncSdk3, BaseClient):
    """Async twin of `Reka`: the same methods, awaited; share it between tasks, and between event loops.

    Each event loop has connections of its own, which are closed when it ends, even if the client is never closed.

    Args:
        api_key: As in `Reka`.
        base_url: As in `Reka`.
        timeout: As in `Reka`.
        max_retries: As in `Reka`.
        api: As in `Reka`.
        datasets: As in `Reka`.
        max_media_bytes: As in `Reka`.
        headers: As in `Reka`.
        proxies: As in `Reka`.
        ca_bundle: As in `Reka`.
        on_event: As in `Reka`.
        session: An `aiohttp.ClientSession` of the event loop that makes the calls, to use as it is; the client does not
            close it. None makes one for each event loop.
        pool_size: How many connections to a server are open at a time, unless `session` is given; further calls wait
            for one. None is no limit.
        **sdk3: As in `Reka`.

    Raises:
        InvalidArgumentError: An argument is invalid; the message says which one.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float | Timeout | None = None,
        max_retries: int = config.MAX_RETRIES,
        api: Api = "auto",
        datasets: str | None = None,
        max_media_bytes: int = config.MAX_MEDIA_BYTES,
        headers: Mapping[str, str | bytes | None] | None = None,
        proxies: Mapping[str, str] | None = None,
        ca_bundle: str | PathLike[str] | None = None,
        on_event: OnEvent | None = None,
        form: FormChoice | None = None,
        session: aiohttp.ClientSession | None = None,
        pool_size: int | None = None,
        **sdk3: Never,
    ) -> None:
        # An error of a constructor, too, comes with its local variables.
        api_key, headers, proxies = map(validation.hidden, (api_key, headers, proxies))
        super().__init__(
            api_key,
            base_url_of(base_url, sdk3),
            timeout,
            max_retries,
            api,
            datasets,
            max_media_bytes,
            headers,
            proxies,
            ca_bundle,
            on_event,
            form,
        )
        session = validation.session(session, "session", "request", "an aiohttp.ClientSession")
        self._transport = AsyncTransport(self._transport_settings, session, pool_size)

    async def __aenter__(self) -> "AsyncReka":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Async twin of `Reka.close`."""
        await self._transport.close()

    @async_chat_method
    async def chat(
        self,
        human: str | None = None,
        media_url: str | None = None,
        media_filename: str | PathLike[str] | None = None,
        conversation_history: Sequence[Turn | Mapping[str, Any]] | None = None,
        retrieval_dataset: str | None = None,
        model_name: str | None = config.MODEL,
        request_output_len: int | None = None,
        temperature: float | None = None,
        random_seed: int | None = None,
        runtime_top_k: int | None = None,
        runtime_top_p: float | None = None,
        frequency_penalty: float | None = None,
        presence_penalty: float | None = None,
        length_penalty: float | None = None,
        stop_words: Sequence[str] | None = None,
        extra_request_args: Mapping[str, Any] | None = None,
        *,
        retrieval_filter: Mapping[str, Any] | None = None,
    ) -> ModelTurn:
        """Async twin of `Reka.chat`."""
        request = chat_request(
            human,
            media_url,
            media_filename,
            conversation_history,
            {
                "retrieval_dataset": retrieval_dataset,
                "model_name": model_name,
                "request_output_len": request_output_len,
                "temperature": temperature,
                "random_seed": random_seed,
                "runtime_top_k": runtime_top_k,
                "runtime_top_p": runtime_top_p,
                "frequency_penalty": frequency_penalty,
                "presence_penalty": presence_penalty,
                "length_penalty": length_penalty,
                "stop_words": stop_words,
                "extra_request_args": extra_request_args,
                "retrieval_filter": retrieval_filter,
            },
            max_media_bytes=self._max_media_bytes,
        )
        return as_turn(await self._run(self._answer_flow(flows.chat, request)))

    def stream(
        self,
        human: str | None = None,
        media_url: str | None = None,
        media_filename: str | PathLike[str] | None = None,
        conversation_history: Sequence[Turn | Mapping[str, Any]] | None = None,
        retrieval_dataset: str | None = None,
        model_name: str | None = config.MODEL,
        request_output_len: int | None = None,
        temperature: float | None = None,
        random_seed: int | None = None,
        runtime_top_k: int | None = None,
        runtime_top_p: float | None = None,
        frequency_penalty: float | None = None,
        presence_penalty: float | None = None,
        length_penalty: float | None = None,
        stop_words: Sequence[str] | None = None,
        extra_request_args: Mapping[str, Any] | None = None,
        *,
        retrieval_filter: Mapping[str, Any] | None = None,
        timeout: float | Timeout | None = None,
    ) -> AsyncGenerator[ChatEvent, None]:
        """Async twin of `Reka.stream`."""
        request = chat_request(
            human,
            media_url,
            media_filename,
            conversation_history,
            {
                "retrieval_dataset": retrieval_dataset,
                "model_name": model_name,
                "request_output_len": request_output_len,
                "temperature": temperature,
                "random_seed": random_seed,
                "runtime_top_k": runtime_top_k,
                "runtime_top_p": runtime_top_p,
                "frequency_penalty": frequency_penalty,
                "presence_penalty": presence_penalty,
                "length_penalty": length_penalty,
                "stop_words": stop_words,
                "extra_request_args": extra_request_args,
                "retrieval_filter": retrieval_filter,
            },
            max_media_bytes=self._max_media_bytes,
        )
        return self._chat_events(request, self._limits.changed(timeout))

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        timeout: float | Timeout | None = None,
        **options: Unpack[CompletionOptions],
    ) -> ChatCompletion:
        """Async twin of `Reka.complete`."""
        request = messages_request(messages, options)
        return await self._run(self._answer_flow(flows.complete, request), self._limits.changed(timeout))

    def stream_messages(
        self,
        messages: Sequence[Message],
        *,
        timeout: float | Timeout | None = None,
        **options: Unpack[CompletionOptions],
    ) -> AsyncGenerator[StreamEvent, None]:
        """Async twin of `Reka.stream_messages`."""
        return self._events(messages_request(messages, options), self._limits.changed(timeout))

    def with_options(self, *, timeout: float | Timeout | None = None, max_retries: int | None = None) -> "AsyncReka":
        """Async twin of `Reka.with_options`."""
        other = copy(self)
        other._limits = self._limits.changed(timeout, max_retries)  # noqa: SLF001  # an object of this class
        return other

    async def _chat_events(self, request: ChatRequest, limits: Limits) -> AsyncGenerator[ChatEvent, None]:
        answer = await self._run(self._answer_flow(flows.stream, request), limits)
        if isinstance(answer, ChatCompletion):
            yield as_chat_event(answer)
            return
        chat_events = ChatEvents()
        async with aclosing(answer):
            async for event in answer:
                if (chat_event := chat_events.of(event)) is not None:
                    yield chat_event

    async def _events(self, request: ChatRequest, limits: Limits) -> AsyncGenerator[StreamEvent, None]:
        answer = await self._run(self._answer_flow(flows.stream, request), limits)
        if isinstance(answer, ChatCompletion):
            for event in as_events(answer):
                yield event
            return
        async with aclosing(answer):
            async for event in answer:
                yield event

    async def _run_for_dataset(self, flow: Callable[[ServerCapabilities], Flow[T]]) -> T:
        place = self._place()
        if endpoint.is_local(place):
            return await self._drive(flow, await asyncio.to_thread(endpoint.dataset_server, place), self._limits)
        return await self._run(self._host_flow(place, flow))

    def _run(self, flow: Callable[[ServerCapabilities], Flow[T]], limits: Limits | None = None) -> Awaitable[T]:
        limits = limits or self._limits
        if endpoint.is_local(self._base_url):
            return self._run_locally(flow, limits)
        # No coroutine of its own, which would keep the flow's arguments while the call is in flight.
        return self._drive(flow, endpoint.current_server(self._api_key, self._base_url), limits)

    async def _run_locally(self, flow: Callable[[ServerCapabilities], Flow[T]], limits: Limits) -> T:
        # Starting the embedded server takes a moment, during which the loop must serve its other tasks.
        server = await asyncio.to_thread(endpoint.current_server, self._api_key, self._base_url)
        return await self._drive(flow, server, limits)

    def _drive(
        self, flow: Callable[[ServerCapabilities], Flow[T]], server: endpoint.Server, limits: Limits
    ) -> Awaitable[T]:
        return drive_async(flow(self._capabilities_of(server)), AsyncPerformer(self._transport, server, limits))
