"""LLMs whose structured output is one chat: held to a schema, or with a forced tool."""

from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator
from typing import Any, Final

import llama_index.core.instrumentation as instrument
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.instrumentation.events.llm import LLMStructuredPredictEndEvent, LLMStructuredPredictStartEvent
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.prompts import PromptTemplate

from llamaindex_reka.structured import StructuredOutput

_DISPATCHER: Final = instrument.get_dispatcher(__name__)  # type: ignore[attr-defined]  # as in LlamaIndex

_OF_PROGRAMS: Final = frozenset({"tool_required", "tool_choice", "allow_parallel_tool_calls"})
"""Arguments that LlamaIndex's programs drop, too."""


class StructuredOutputLLM(FunctionCallingLLM):
    """LLM that replaces LlamaIndex's programs for structured output.

    Those fail on recursive and generic classes and on root models, let the model choose in a stream whether to call
    the tool, and end a stream with an incomplete object if the answer is cut off.
    """

    @abstractmethod
    def _structured_output(self, output_cls: type[Any], llm_kwargs: dict[str, Any]) -> StructuredOutput | None:
        """Describe the output of a call; None leaves it to LlamaIndex's programs."""

    @_DISPATCHER.span
    def structured_predict(
        self,
        output_cls: type[Any],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Any:
        """Request an object of a class.

        Args:
            output_cls: The pydantic class.
            prompt: The prompt's template.
            llm_kwargs: Arguments of the chat.
            prompt_args: Values of the template's variables.

        Raises:
            InvalidArgumentError: The class has no JSON schema; nothing was sent.
            UnexpectedResponseError: The answer has no complete JSON object.
            ValidationError: The object does not have the form of the class.
            RekaError: Any other failure; see `reka.errors`.
        """
        output = self._structured_output(output_cls, llm_kwargs or {})
        if output is None:
            return super().structured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
        _DISPATCHER.event(
            LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args)
        )
        messages = self._output_messages(prompt, prompt_args)
        result = output.read(self.chat(messages, **_arguments(output, llm_kwargs)))
        _DISPATCHER.event(LLMStructuredPredictEndEvent(output=result))
        return result

    @_DISPATCHER.span
    async def astructured_predict(
        self,
        output_cls: type[Any],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Any:
        """Async version of `structured_predict`."""
        output = self._structured_output(output_cls, llm_kwargs or {})
        if output is None:
            return await super().astructured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
        _DISPATCHER.event(
            LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args)
        )
        messages = self._output_messages(prompt, prompt_args)
        result = output.read(await self.achat(messages, **_arguments(output, llm_kwargs)))
        _DISPATCHER.event(LLMStructuredPredictEndEvent(output=result))
        return result

    def _structured_stream_call(
        self,
        output_cls: type[Any],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Any, None, None]:
        """Return the states of the output while it is written; the last one is an object of the class."""
        output = self._structured_output(output_cls, llm_kwargs or {})
        if output is None:
            return super()._structured_stream_call(output_cls, prompt, llm_kwargs, **prompt_args)
        items = self.stream_chat(self._output_messages(prompt, prompt_args), **_arguments(output, llm_kwargs))

        def states() -> Generator[Any, None, None]:
            stream = _OutputStream(output)
            for item in items:
                yield from stream.states(item)
            yield from stream.last()

        return states()

    async def _structured_astream_call(
        self,
        output_cls: type[Any],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Any, None]:
        """Async version of `_structured_stream_call`."""
        output = self._structured_output(output_cls, llm_kwargs or {})
        if output is None:
            return await super()._structured_astream_call(output_cls, prompt, llm_kwargs, **prompt_args)
        items = await self.astream_chat(self._output_messages(prompt, prompt_args), **_arguments(output, llm_kwargs))

        async def states() -> AsyncGenerator[Any, None]:
            stream = _OutputStream(output)
            async for item in items:
                for state in stream.states(item):
                    yield state
            for state in stream.last():
                yield state

        return states()

    def _output_messages(self, prompt: PromptTemplate, prompt_args: dict[str, Any]) -> list[ChatMessage]:
        return self._extend_messages(prompt.format_messages(llm=self, **prompt_args))


class _OutputStream:
    """The states of an output while its answer is written."""

    def __init__(self, output: StructuredOutput) -> None:
        self._output = output
        self._flexible_class = output.flexible_class()
        self._state: Any = None
        self._item: ChatResponse | None = None

    def states(self, item: ChatResponse) -> list[Any]:
        """Return the state after an item, if it is a new one."""
        self._item = item
        state = self._output.read_partial(item, self._flexible_class)
        if state is None or state == self._state:
            return []
        self._state = state
        return [state]

    def last(self) -> list[Any]:
        """Return the complete output, unless the last state is the same."""
        output = None if self._item is None else self._output.read(self._item)
        return [] if output is None or output == self._state else [output]


def _arguments(output: StructuredOutput, llm_kwargs: dict[str, Any] | None) -> dict[str, Any]:
    own = {name: value for name, value in (llm_kwargs or {}).items() if name not in _OF_PROGRAMS}
    return own | output.arguments()
