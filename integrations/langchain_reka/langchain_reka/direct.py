"""LangChain's entry points of a chat model, with a fast path for calls that nothing in LangChain observes.

LangChain notifies callbacks and tracers of each call, looks into its cache and waits for its rate limiter. Where none
of them is configured, a call goes straight to the model: the bookkeeping would take as long as the rest of the call.
Tracers also replace LangChain's methods, and subclasses override them; then no call skips any.
"""

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from operator import attrgetter
from types import FunctionType, MappingProxyType
from typing import Any, Final, cast
from uuid import uuid4

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.globals import get_llm_cache
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config, get_config_list
from langchain_core.utils.utils import LC_ID_PREFIX

from langchain_reka import batches
from reka.adapters import background_loop


class DirectChatModel(BaseChatModel):
    """A chat model that skips LangChain's bookkeeping where it has no effect, and runs batches on one event loop.

    A subclass implements the four request methods; everything else is built on them.
    """

    @abstractmethod
    def _complete(
        self, messages: list[BaseMessage], stop: list[str] | None, call_kwargs: Mapping[str, Any]
    ) -> AIMessage:
        """Request a whole answer."""

    @abstractmethod
    async def _acomplete(
        self, messages: list[BaseMessage], stop: list[str] | None, call_kwargs: Mapping[str, Any]
    ) -> AIMessage:
        """Async version of `_complete`."""

    @abstractmethod
    def _stream_chunks(
        self, messages: list[BaseMessage], stop: list[str] | None, call_kwargs: Mapping[str, Any]
    ) -> Generator[AIMessageChunk, None, None]:
        """Request a streamed answer."""

    @abstractmethod
    def _astream_chunks(
        self, messages: list[BaseMessage], stop: list[str] | None, call_kwargs: Mapping[str, Any]
    ) -> AsyncGenerator[AIMessageChunk, None]:
        """Async version of `_stream_chunks`."""

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002  # LangChain's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Request a whole answer; see LangChain's `ainvoke`, and `_has_listeners` for the fast path."""
        config = ensure_config(config)
        if self._has_listeners(config, kwargs):
            return await super().ainvoke(input, config, stop=stop, **kwargs)
        return await batches.abortable(self._ainvoke_fast(input, config, stop, kwargs))

    async def _ainvoke_fast(
        self,
        model_input: LanguageModelInput,
        config: RunnableConfig,
        stop: list[str] | None = None,
        call_kwargs: Mapping[str, Any] = MappingProxyType({}),
    ) -> AIMessage:
        message = await self._acomplete(self._convert_input(model_input).to_messages(), stop, call_kwargs)
        message.id = f"{_message_id(config)}-0"
        return message

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002  # LangChain's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """Request a streamed answer; see LangChain's `stream`, and `_has_listeners` for the fast path."""
        config = ensure_config(config)
        if self._has_listeners(config, kwargs):
            yield from super().stream(input, config, stop=stop, **kwargs)
            return
        message_id = _message_id(config)
        with closing(self._stream_chunks(self._convert_input(input).to_messages(), stop, kwargs)) as chunks:
            for chunk in chunks:
                chunk.id = message_id
                yield chunk

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002  # LangChain's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """Async version of `stream`."""
        config = ensure_config(config)
        if self._has_listeners(config, kwargs):
            # LangChain annotates its generator as an iterator.
            generator = cast(
                "AsyncGenerator[AIMessageChunk, None]", super().astream(input, config, stop=stop, **kwargs)
            )
            async with aclosing(generator) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        message_id = _message_id(config)
        async with aclosing(self._astream_chunks(self._convert_input(input).to_messages(), stop, kwargs)) as chunks:
            async for chunk in chunks:
                chunk.id = message_id
                yield chunk

    def _has_listeners(self, config: RunnableConfig, call_kwargs: Mapping[str, Any]) -> bool:
        """Whether LangChain has any work of its own in a call.

        It has with callbacks, tracers, a cache, a rate limiter, settings that change how a call is made, or methods
        that are not LangChain's and this class's own.
        """
        return bool(
            self.rate_limiter is not None
            or self.output_version == "v1"
            or self.disable_streaming
            or "streaming" in self.model_fields_set
            or "stream" in call_kwargs
            or self.cache
            or (self.cache is None and get_llm_cache() is not None)
            or self._has_replaced_methods()
            or AsyncCallbackManager.configure(config.get("callbacks"), self.callbacks, self.verbose).handlers
        )

    def _is_bound_to_a_loop(self) -> bool:
        """Whether asynchronous calls work on one event loop only, which is not the background loop."""
        return False

    def _has_replaced_methods(self) -> bool:
        """Whether a subclass overrides a method that the fast path skips, or a tracer replaced one."""
        return _methods_of(type(self)) != _OWN_METHODS or _methods_of(BaseChatModel) != _LANGCHAIN_METHODS

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _to_result(self._complete(messages, stop, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if self._is_overridden("_generate", unless="_agenerate"):
            return await super()._agenerate(messages, stop, run_manager, **kwargs)
        return _to_result(await self._acomplete(messages, stop, kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with closing(self._stream_chunks(messages, stop, kwargs)) as chunks:
            for chunk in chunks:
                yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        if self._is_overridden("_stream", unless="_astream"):
            async for generation in super()._astream(messages, stop, run_manager, **kwargs):
                yield generation
            return
        async with aclosing(self._astream_chunks(messages, stop, kwargs)) as chunks:
            async for chunk in chunks:
                yield ChatGenerationChunk(message=chunk)

    def _is_overridden(self, method: str, unless: str) -> bool:
        """Whether a subclass overrides a method and not its async twin, which then has to call it."""
        kind = type(self)
        return getattr(kind, method) is not getattr(DirectChatModel, method) and getattr(kind, unless) is getattr(
            DirectChatModel, unless
        )

    async def _agenerate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        # All that a call does between its callbacks; see `batches.abortable`.
        return await batches.abortable(
            super()._agenerate_with_cache(messages, stop=stop, run_manager=run_manager, **kwargs)
        )

    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any | None,
    ) -> list[AIMessage]:
        """Request answers to many inputs concurrently; see LangChain's `abatch`.

        The first error ends all other calls, unless `return_exceptions` is set.
        """
        configs = get_config_list(config, len(inputs))
        # One config for all inputs is checked once.
        use_fast_path = (
            bool(inputs) and not isinstance(config, Sequence) and not self._has_listeners(configs[0], kwargs)
        )
        stop = kwargs.pop("stop", None)

        async def call(model_input: LanguageModelInput, call_config: RunnableConfig) -> AIMessage:
            if use_fast_path:
                return await self._ainvoke_fast(model_input, call_config, stop, kwargs)
            return await self.ainvoke(model_input, call_config, stop=stop, **kwargs)

        return await batches.gather_bounded(
            call, inputs, configs, return_exceptions=return_exceptions, has_runs=not use_fast_path
        )

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any | None,
    ) -> list[AIMessage]:
        """Request answers to many inputs concurrently; see LangChain's `batch`.

        All calls run on one event loop in a background thread, 64 at a time unless `max_concurrency` is set: threads
        that each wait for one response contend for the GIL. With methods of a subclass or a tracer, or a session that
        is bound to another loop, LangChain's threads call `invoke`.
        """
        if (
            len(inputs) < 2
            or background_loop.in_background_loop()
            or self._is_bound_to_a_loop()
            or self._has_replaced_methods()
        ):
            return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        return background_loop.run(
            self.abatch(inputs, batches.with_default_concurrency(config), return_exceptions=return_exceptions, **kwargs)
        )


_methods_of: Final = attrgetter(
    *("invoke", "ainvoke", "stream", "astream", "batch", "abatch", "generate", "agenerate", "generate_prompt"),
    *("agenerate_prompt", "_generate_with_cache", "_agenerate_with_cache"),
    *("_generate", "_agenerate", "_stream", "_astream"),
)
"""The methods by which LangChain, a subclass or a tracer may see a call."""

_OWN_METHODS: Final = _methods_of(DirectChatModel)


def _is_langchains(method: object) -> bool:
    return (
        isinstance(method, FunctionType)
        and method.__module__.startswith("langchain_core.")
        and not hasattr(method, "__wrapped__")
    )


_LANGCHAIN_METHODS: Final = _methods_of(BaseChatModel) if all(map(_is_langchains, _methods_of(BaseChatModel))) else None
"""The methods as LangChain has them; None if one was replaced before this module was imported."""


def _to_result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])


def _message_id(config: RunnableConfig) -> str:
    """The id that LangChain itself would give a message."""
    return f"{LC_ID_PREFIX}-{config.get('run_id') or uuid4()}"
