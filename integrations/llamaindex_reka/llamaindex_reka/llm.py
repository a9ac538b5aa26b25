"""Reka's models as a LlamaIndex LLM."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, TypeVar

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.program.utils import get_program_for_llm
from llama_index.core.prompts import PromptTemplate
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr

import reka
from llamaindex_reka import media
from llamaindex_reka.answers import Answer, answer_from_completion, chat_item, completion_item, tool_selections
from llamaindex_reka.dataset import PREPARE_HINT
from llamaindex_reka.messages import messages_for
from llamaindex_reka.models import DEFAULT_OUTPUT, model_of
from llamaindex_reka.parameters import IN_EXTRA, OF_MODEL, arguments, refuse_unknown
from reka.adapters import (
    DEFAULT_MODEL,
    ClientSettings,
    MaxRetries,
    SamplingFields,
    SharedClients,
    with_prepare_hint,
)

if TYPE_CHECKING:
    from llama_index.core.tools.types import BaseTool

Item = TypeVar("Item", ChatResponse, CompletionResponse)
Ask = tuple[dict[str, Any], bool]
"""Arguments of `reka.complete`, and whether the answer may have more than one tool call."""

_PARALLEL = "allow_parallel_tool_calls"
"""LlamaIndex's name for the latter."""


def _cache_signature(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keep a function's signature with it: LlamaIndex's instrumentation works it out at each call, which takes long."""
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]  # functions may have any
    return function


class RekaLLM(SamplingFields, FunctionCallingLLM):
    """A language model of Reka's, or of any server that speaks its API.

    What is None is left to the server. Every parameter but the client's own (`api_key`, `base_url`, `api`,
    `max_retries`) may be given to one call too: `llm.chat(messages, temperature=0)`.

    One client of each kind, with one pool of connections, serves all calls of an object, from any thread and any event
    loop. Copies share them; what comes out of a pickle, or a deep copy, opens its own.

    Raises, when it is called:
        AuthError: There is no key, or the server does not take it.
        InvalidConversationError: The messages cannot be sent; the error names the message and the block.
        UnsupportedRequestError: No endpoint of the server can do all that is asked; the error names what clashes.
        RetrievalError: The dataset is not there, or not prepared; the error names what prepares it.
        RekaError: Whatever else goes wrong between a call and its answer: see `reka`'s own errors.

    Example:
        >>> from llamaindex_reka import RekaLLM
        >>> llm = RekaLLM(base_url="local", temperature=0)
        >>> llm.complete("Hi, my name is John. What is my name?").text  # doctest: +SKIP
    """

    # Errors do not show what was given: in a wrong place, it may be the key.
    model_config = ConfigDict(extra="forbid", protected_namespaces=(), hide_input_in_errors=True)

    model: str = DEFAULT_MODEL
    """Name of the model."""

    # Left out of `to_dict` and JSON; a pickle keeps it.
    api_key: SecretStr | None = Field(default=None, exclude=True)
    """The key; None looks at `reka.API_KEY`, then at the environment's REKA_API_KEY, whenever a call is made."""

    base_url: str | None = None
    """The server's address, or `local`; None looks at `reka.BASE_URL`, then at REKA_BASE_URL, then asks Reka itself."""

    api: str = Field(default="auto", pattern="^(auto|v0|v1)$")
    """The generation of the API: `v0`, the documented endpoint; `v1`, the completions endpoint; `auto`, whichever does
    what is asked."""

    research: dict[str, Any] | None = None
    """Settings of `reka-flash-research`: `web_search`, `parallel_thinking`."""

    timeout: float | reka.Timeout | None = None
    """Seconds that a call may last, or a `reka.Timeout`; None is the client's default."""

    max_retries: MaxRetries = None
    """How often a failed call is sent again; None is the client's default, 0 never."""

    retrieval_dataset: str | None = None
    """A prepared dataset to answer from; a response's `additional_kwargs["retrieved_chunks"]` has what was found."""

    additional_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request, as they are."""

    context_window: int | None = Field(default=None, ge=1)
    """Tokens of question and answer together; None looks the model up in a table."""

    is_function_calling_model: bool | None = None
    """Whether the model can call tools; None looks it up in the table, and an unknown model can."""

    _clients: SharedClients = PrivateAttr(default_factory=SharedClients)

    def __init__(
        self,
        model: str | None = None,
        api_key: str | SecretStr | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        additional_kwargs: dict[str, Any] | None = None,
        callback_manager: CallbackManager | None = None,
        **parameters: Any,
    ) -> None:
        # In the order in which `llama-index-llms-reka` takes its arguments.
        given: dict[str, Any] = {
            "model": model,
            "api_key": api_key,
            "temperature": temperature,
            "max_tokens": max_tokens,
            "additional_kwargs": additional_kwargs,
            "callback_manager": callback_manager,
        }
        refuse_unknown(parameters, type(self).model_fields, "an argument of RekaLLM")
        super().__init__(**{name: value for name, value in given.items() if value is not None}, **parameters)

    @classmethod
    def class_name(cls) -> str:
        """The name that LlamaIndex writes into serialized forms."""
        return "RekaLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """What LlamaIndex plans prompts with. A model that is not in the table is given cautious figures."""
        known = model_of(self.model)
        calls_tools = self.is_function_calling_model
        if calls_tools is None:
            calls_tools = known.calls_tools is not False
        return LLMMetadata(
            model_name=self.model,
            context_window=self.context_window or known.context_window,
            num_output=self.max_tokens or min(DEFAULT_OUTPUT, known.max_output or known.context_window),
            is_chat_model=True,
            is_function_calling_model=calls_tools and self.api != "v0",
        )

    @property
    def client_settings(self) -> ClientSettings:
        """What this object's clients are opened with."""
        key = None if self.api_key is None else self.api_key.get_secret_value()
        return ClientSettings(key, self.base_url, self.timeout, self.max_retries, self.api)  # type: ignore[arg-type]  # the field's pattern lets through no other

    def close(self) -> None:
        """Close the connections, but for those of event loops; a call after that opens new ones."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the connections, those of the running event loop too."""
        await self._clients.aclose()

    @_cache_signature
    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer a conversation."""
        return self._answer(self._ask(media.read(messages), kwargs)).chat()

    @_cache_signature
    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Answer a prompt. `formatted` means that `completion_to_prompt` has been applied to it."""
        return self._answer(self._ask(self._messages(prompt, formatted), kwargs)).completion()

    @_cache_signature
    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Answer a conversation as it is written; the last item has token counts, and what else comes at the end."""
        return self._stream(self._ask(media.read(messages), kwargs), chat_item)

    @_cache_signature
    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Answer a prompt as it is written; see `stream_chat`."""
        return self._stream(self._ask(self._messages(prompt, formatted), kwargs), completion_item)

    @_cache_signature
    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The asynchronous twin of `chat`."""
        return (await self._aanswer(self._ask(await _read(messages), kwargs))).chat()

    @_cache_signature
    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The asynchronous twin of `complete`."""
        return (await self._aanswer(self._ask(self._messages(prompt, formatted), kwargs))).completion()

    @_cache_signature
    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """The asynchronous twin of `stream_chat`."""
        return self._astream(self._ask(await _read(messages), kwargs), chat_item)

    @_cache_signature
    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """The asynchronous twin of `stream_complete`."""
        return self._astream(self._ask(self._messages(prompt, formatted), kwargs), completion_item)

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """Read the tool calls of a response.

        Raises:
            ValueError: There is none, and `error_on_no_tool_call` is set.
            UnexpectedResponseError: The model wrote arguments that are no JSON object.
        """
        selections = tool_selections(response)
        if error_on_no_tool_call and not selections:
            raise ValueError(f"want at least one tool call, got none; the model said: {response.message.content!r}")
        return selections

    def _prepare_chat_with_tools(
        self,
        tools: Sequence["BaseTool"],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        tool_choice: str | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Write what is asked with tools as arguments of `chat`. Without tools nothing can be required of them."""
        asked = [ChatMessage(role=MessageRole.USER, content=user_msg)] if isinstance(user_msg, str) else [user_msg]
        messages = [*(chat_history or []), *(message for message in asked if message is not None)]
        if not tools:
            return {"messages": messages, **kwargs}
        return {
            "messages": messages,
            "tools": [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools],
            "tool_choice": tool_choice or ("tool" if tool_required else None),
            _PARALLEL: allow_parallel_tool_calls,
            **kwargs,
        }

    def _structured_stream_call(
        self,
        output_cls: type[Any],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Any, None, None]:
        program = get_program_for_llm(output_cls, prompt, self, self.pydantic_program_mode, **self._tool_is_required())
        return program.stream_call(llm_kwargs=llm_kwargs, **prompt_args)

    async def _structured_astream_call(
        self,
        output_cls: type[Any],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Any, None]:
        program = get_program_for_llm(output_cls, prompt, self, self.pydantic_program_mode, **self._tool_is_required())
        return await program.astream_call(llm_kwargs=llm_kwargs, **prompt_args)

    def _tool_is_required(self) -> dict[str, Any]:
        """What makes a program ask for its tool: LlamaIndex's own, when it streams, leaves the choice to the model."""
        return {"tool_choice": "tool"} if self.metadata.is_function_calling_model else {}

    def _messages(self, prompt: str, formatted: bool) -> list[ChatMessage]:
        if not formatted and self.completion_to_prompt is not None:
            prompt = self.completion_to_prompt(prompt)
        return [ChatMessage(role=MessageRole.USER, content=prompt)]

    def _ask(self, messages: Sequence[ChatMessage], of_call: dict[str, Any]) -> Ask:
        """Check all that is asked, and write it as the client takes it. Nothing has been sent."""
        parallel = of_call.get(_PARALLEL, True)
        own = {name: getattr(self, name) for name in (*OF_MODEL, *IN_EXTRA, "additional_kwargs")}
        told = arguments(own, {name: value for name, value in of_call.items() if name != _PARALLEL})
        return {"messages": messages_for(messages, documented_only=self.api == "v0"), **told}, parallel

    def _answer(self, ask: Ask) -> Answer:
        asked, parallel = ask
        try:
            return answer_from_completion(self._clients.sync(self.client_settings).complete(**asked), parallel=parallel)
        except reka.RetrievalError as error:
            raise _explained(error, asked) from error

    async def _aanswer(self, ask: Ask) -> Answer:
        asked, parallel = ask
        try:
            return answer_from_completion(
                await self._clients.aio(self.client_settings).complete(**asked), parallel=parallel
            )
        except reka.RetrievalError as error:
            raise _explained(error, asked) from error

    def _stream(self, ask: Ask, item: Callable[[Answer, reka.StreamEvent], Item | None]) -> Generator[Item, None, None]:
        asked, parallel = ask
        # The client checks what it is asked before it gives a stream, so mistakes are raised here.
        events = self._clients.sync(self.client_settings).stream_messages(**asked)

        def items() -> Generator[Item, None, None]:
            answer = Answer(parallel)
            try:
                with closing(events):
                    for event in events:
                        if (made := item(answer, event)) is not None:
                            yield made
            except reka.RetrievalError as error:
                raise _explained(error, asked) from error

        return items()

    def _astream(self, ask: Ask, item: Callable[[Answer, reka.StreamEvent], Item | None]) -> AsyncGenerator[Item, None]:
        asked, parallel = ask
        events = self._clients.aio(self.client_settings).stream_messages(**asked)

        async def items() -> AsyncGenerator[Item, None]:
            answer = Answer(parallel)
            try:
                async with aclosing(events):
                    async for event in events:
                        if (made := item(answer, event)) is not None:
                            yield made
            except reka.RetrievalError as error:
                raise _explained(error, asked) from error

        return items()


def _explained(error: reka.RetrievalError, asked: dict[str, Any]) -> reka.RetrievalError:
    dataset = asked.get("extra_request_args", {}).get("retrieval_dataset")
    return error if dataset is None else with_prepare_hint(error, dataset, PREPARE_HINT)


async def _read(messages: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
    """Read files on a worker thread, so that the event loop goes on."""
    return messages if media.is_read(messages) else await asyncio.to_thread(media.read, messages)
