"""LangChain's entry points, on four methods that ask the model and nothing else.

LangChain tells callbacks and tracers of each call, looks into its cache and waits for its rate limiter. Where none of
them takes part, calls go straight to the model: telling nobody would cost as much as all the rest of a call.
"""

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from types import MappingProxyType
from typing import Any, cast
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
    """A chat model that takes the short way where nobody listens, and makes batches on one event loop."""

    @abstractmethod
    def _message(self, messages: list[BaseMessage], stop: list[str] | None, of_call: Mapping[str, Any]) -> AIMessage:
        """Ask the model."""

    @abstractmethod
    async def _amessage(
        self, messages: list[BaseMessage], stop: list[str] | None, of_call: Mapping[str, Any]
    ) -> AIMessage:
        """Async twin of `_message`."""

    @abstractmethod
    def _message_chunks(
        self, messages: list[BaseMessage], stop: list[str] | None, of_call: Mapping[str, Any]
    ) -> Generator[AIMessageChunk, None, None]:
        """Ask the model, and give its answer as it is written."""

    @abstractmethod
    def _amessage_chunks(
        self, messages: list[BaseMessage], stop: list[str] | None, of_call: Mapping[str, Any]
    ) -> AsyncGenerator[AIMessageChunk, None]:
        """Async twin of `_message_chunks`."""

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002  # LangChain's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Ask the model; see LangChain's `ainvoke`, and `_has_listeners`."""
        config = ensure_config(config)
        if self._has_listeners(config, kwargs):
            return await super().ainvoke(input, config, stop=stop, **kwargs)
        return await self._ainvoke_fast(input, config, stop, kwargs)

    async def _ainvoke_fast(
        self,
        asked: LanguageModelInput,
        config: RunnableConfig,
        stop: list[str] | None = None,
        of_call: Mapping[str, Any] = MappingProxyType({}),
    ) -> AIMessage:
        message = await self._amessage(self._convert_input(asked).to_messages(), stop, of_call)
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
        """Ask the model, and give its answer as it is written; see LangChain's `stream`, and `_has_listeners`."""
        config = ensure_config(config)
        if self._has_listeners(config, kwargs):
            yield from super().stream(input, config, stop=stop, **kwargs)
            return
        message_id = _message_id(config)
        with closing(self._message_chunks(self._convert_input(input).to_messages(), stop, kwargs)) as chunks:
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
        """Async twin of `stream`."""
        config = ensure_config(config)
        if self._has_listeners(config, kwargs):
            # LangChain types its generator as an iterator.
            told = cast("AsyncGenerator[AIMessageChunk, None]", super().astream(input, config, stop=stop, **kwargs))
            async with aclosing(told) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        message_id = _message_id(config)
        async with aclosing(self._amessage_chunks(self._convert_input(input).to_messages(), stop, kwargs)) as chunks:
            async for chunk in chunks:
                chunk.id = message_id
                yield chunk

    def _has_listeners(self, config: RunnableConfig, of_call: Mapping[str, Any]) -> bool:
        """Whether LangChain has anything to do in a call but to hand it on.

        It has for callbacks, tracers, a cache, a rate limiter, and a change of form.
        """
        return bool(
            self.rate_limiter is not None
            or self.output_version == "v1"
            or self.disable_streaming
            or "streaming" in self.model_fields_set
            or "stream" in of_call
            or self.cache
            or (self.cache is None and get_llm_cache() is not None)
            or AsyncCallbackManager.configure(config.get("callbacks"), self.callbacks, self.verbose).handlers
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _result(self._message(messages, stop, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _result(await self._amessage(messages, stop, kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with closing(self._message_chunks(messages, stop, kwargs)) as chunks:
            for chunk in chunks:
                yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(self._amessage_chunks(messages, stop, kwargs)) as chunks:
            async for chunk in chunks:
                yield ChatGenerationChunk(message=chunk)

    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any | None,
    ) -> list[AIMessage]:
        """Call the model with many inputs at a time; see LangChain's `abatch`.

        The first error ends all calls.
        """
        configs = get_config_list(config, len(inputs))
        # One config for all is looked at once.
        unattended = bool(inputs) and not isinstance(config, Sequence) and not self._has_listeners(configs[0], kwargs)
        stop = kwargs.pop("stop", None)

        async def ask(asked: LanguageModelInput, its_config: RunnableConfig) -> AIMessage:
            if unattended:
                return await self._ainvoke_fast(asked, its_config, stop, kwargs)
            return await self.ainvoke(asked, its_config, stop=stop, **kwargs)

        return await batches.gather_bounded(ask, inputs, configs, return_exceptions=return_exceptions)

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any | None,
    ) -> list[AIMessage]:
        """Call the model with many inputs at a time; see LangChain's `batch`.

        They run on one event loop in a thread of this process, 64 at a time unless `max_concurrency` says otherwise:
        threads that each wait for one answer get in each other's way.
        """
        if len(inputs) < 2 or background_loop.in_background_loop():
            return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        return background_loop.run(
            self.abatch(inputs, batches.with_default_concurrency(config), return_exceptions=return_exceptions, **kwargs)
        )


def _result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])


def _message_id(config: RunnableConfig) -> str:
    """The id of a message, as LangChain makes it."""
    return f"{LC_ID_PREFIX}-{config.get('run_id') or uuid4()}"
