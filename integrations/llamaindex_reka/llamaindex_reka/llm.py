"""Reka's models as a LlamaIndex LLM."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.llms import LLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr, field_validator

import reka
from llamaindex_reka.connection import Connection, Settings
from llamaindex_reka.messages import chat_response, completion_response, turns_from_messages
from llamaindex_reka.models import DEFAULT_OUTPUT, context_window
from llamaindex_reka.parameters import CHAT_ARGUMENTS, chat_arguments


class RekaLLM(LLM):
    """A language model that answers through Reka's documented chat endpoint.

    What is None is left to the server. Every parameter but the client's own (`api_key`, `base_url`, `timeout`,
    `max_retries`) may be given to one call too: `llm.chat(messages, temperature=0)`.

    One client, with one pool of connections, serves all calls of an object, from any thread. The documented endpoint
    gives an answer whole: the `stream_...` methods yield it as one item, and the asynchronous methods wait for it on
    a worker thread, so that the event loop goes on.

    Raises, when it is called:
        AuthError: There is no key, or the server does not take it.
        InvalidConversationError: The messages cannot be said in Reka's terms; the error names the message and block.
        RekaError: Whatever else goes wrong between a call and its answer: see `reka`'s own errors.

    Example:
        >>> from llamaindex_reka import RekaLLM
        >>> llm = RekaLLM(base_url="local", temperature=0)
        >>> llm.complete("Hi, my name is John. What is my name?").text  # doctest: +SKIP
    """

    # Errors do not show what was given: under a mistyped name, it may be the key.
    model_config = ConfigDict(extra="forbid", protected_namespaces=(), hide_input_in_errors=True)

    model: str = "reka-flash"
    """Name of the model."""

    # Left out of `to_dict` and JSON; a pickle keeps it.
    api_key: SecretStr | None = Field(default=None, exclude=True)
    """The key; None looks at `reka.API_KEY`, then at the environment's REKA_API_KEY, whenever a call is made."""

    base_url: str | None = None
    """The server's address, or `local`; None looks at `reka.BASE_URL`, then at REKA_BASE_URL, then asks Reka itself."""

    temperature: float | None = None
    """Higher is more diverse."""

    max_tokens: int | None = None
    """The most tokens of an answer."""

    top_p: float | None = None
    """Sample from this top share of the probability alone."""

    top_k: int | None = None
    """Sample from this many likeliest tokens alone."""

    frequency_penalty: float | None = None
    """How much repetitions are penalised; 0 is not at all."""

    presence_penalty: float | None = None
    """How much using a token again is penalised; 0 is not at all."""

    length_penalty: float | None = None
    """How much short answers are penalised; 1 is not at all."""

    stop: list[str] | None = None
    """An answer ends before any of these words."""

    seed: int | None = None
    """Another seed gives another answer."""

    timeout: float | None = None
    """Seconds that a call may last; None is the client's default."""

    max_retries: int | None = None
    """How often a failed call is sent again; None is the client's default, 0 never."""

    retrieval_dataset: str | None = None
    """A prepared dataset to answer from; a response's `additional_kwargs["retrieved_chunks"]` has what was found."""

    additional_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request, as they are."""

    _connection: Connection = PrivateAttr(default_factory=Connection)

    def __init__(self, model: str | None = None, **parameters: Any) -> None:
        if model is not None:
            parameters["model"] = model
        super().__init__(**parameters)

    @field_validator("stop", mode="before")
    @classmethod
    def _stop_as_list(cls, stop: object) -> object:
        return [stop] if isinstance(stop, str) else stop

    @field_validator("additional_kwargs", mode="before")
    @classmethod
    def _none_as_empty(cls, further: object) -> object:
        return {} if further is None else further

    @classmethod
    def class_name(cls) -> str:
        """The name that LlamaIndex writes into serialized forms."""
        return "RekaLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """What LlamaIndex plans prompts with. A model that is not in the table is given cautious figures."""
        return LLMMetadata(
            model_name=self.model,
            context_window=context_window(self.model),
            num_output=self.max_tokens or DEFAULT_OUTPUT,
            is_chat_model=True,
            is_function_calling_model=False,
        )

    def close(self) -> None:
        """Close the connections. The next call opens new ones."""
        self._connection.close()

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer a conversation."""
        return chat_response(self._answer(messages, kwargs))

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Answer a prompt. `formatted` means that `completion_to_prompt` has been applied to it."""
        return completion_response(self._answer(self._messages(prompt, formatted), kwargs))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Answer a conversation, as a stream of one item."""

        def whole() -> ChatResponseGen:
            answer = self._answer(messages, kwargs)
            yield chat_response(answer, delta=answer["text"])

        return whole()

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Answer a prompt, as a stream of one item."""

        def whole() -> CompletionResponseGen:
            answer = self._answer(self._messages(prompt, formatted), kwargs)
            yield completion_response(answer, delta=answer["text"])

        return whole()

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The asynchronous twin of `chat`."""
        return chat_response(await asyncio.to_thread(self._answer, messages, kwargs))

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The asynchronous twin of `complete`."""
        messages = self._messages(prompt, formatted)
        return completion_response(await asyncio.to_thread(self._answer, messages, kwargs))

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """The asynchronous twin of `stream_chat`."""

        async def whole() -> ChatResponseAsyncGen:
            answer = await asyncio.to_thread(self._answer, messages, kwargs)
            yield chat_response(answer, delta=answer["text"])

        return whole()

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """The asynchronous twin of `stream_complete`."""

        async def whole() -> CompletionResponseAsyncGen:
            answer = await asyncio.to_thread(self._answer, self._messages(prompt, formatted), kwargs)
            yield completion_response(answer, delta=answer["text"])

        return whole()

    def _messages(self, prompt: str, formatted: bool) -> list[ChatMessage]:
        if not formatted and self.completion_to_prompt is not None:
            prompt = self.completion_to_prompt(prompt)
        return [ChatMessage(content=prompt)]

    def _answer(self, messages: Sequence[ChatMessage], of_call: Mapping[str, Any]) -> reka.ModelTurn:
        """Ask once; every public method ends here."""
        own = {name: value for name in CHAT_ARGUMENTS if (value := getattr(self, name)) not in (None, {})}
        arguments = chat_arguments(own, of_call)
        settings = Settings(self.api_key, self.base_url, self.timeout, self.max_retries)
        turns = turns_from_messages(messages)
        return self._connection.client(settings).chat(conversation_history=turns, **arguments)
