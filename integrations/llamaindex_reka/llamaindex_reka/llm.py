"""The LlamaIndex LLM for Reka's API."""

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, closing
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

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
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.types import PydanticProgramMode
from pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from typing_extensions import Self

import reka
from llamaindex_reka import media
from llamaindex_reka.answers import Answer, answer_from_completion, chat_item, completion_item, tool_selections
from llamaindex_reka.dataset import PREPARE_HINT
from llamaindex_reka.messages import messages_for
from llamaindex_reka.models import DEFAULT_OUTPUT, UNKNOWN_WINDOW
from llamaindex_reka.parameters import OF_MODEL, arguments, refuse_unknown
from llamaindex_reka.structured import StructuredOutput, structured_output
from llamaindex_reka.structured_llm import StructuredOutputLLM
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
Request = tuple[dict[str, Any], bool]
"""Arguments of `reka.complete`, and whether the answer may have more than one tool call."""

_PARALLEL = "allow_parallel_tool_calls"
"""LlamaIndex's argument for the latter."""


class RekaLLM(SamplingFields, StructuredOutputLLM):
    """LLM for Reka's API, or any server with the same API.

    A parameter that is None is not sent, and the server applies its default. Every parameter except those of the client
    (`api_key`, `base_url`, `api`, `form`, `max_retries`, `datasets`, `headers`, `proxies`, `ca_bundle`, `session`,
    `async_session`) and `media_root` may also be passed to a single call: `llm.chat(messages, temperature=0)`.

    One sync and one async client, each with a connection pool, serve all calls of an object, from any thread and any
    event loop. Shallow copies share them; deep copies and unpickled objects open their own.

    Raises:
        AuthError: The API key is missing, or the server rejects it.
        InvalidConversationError: A message cannot be converted; the error names the message and the block.
        UnsupportedRequestError: The server does not support the requested combination of features; the error names it.
        RetrievalError: The dataset does not exist, or is not prepared; the error names the commands that prepare it.
        RekaError: Any other failure; see `reka.errors`.

    Examples:
        >>> from llamaindex_reka import RekaLLM
        >>> llm = RekaLLM(base_url="local", temperature=0)
        >>> llm.complete("Hi, my name is John. What is my name?").text  # doctest: +SKIP
    """

    # Validation errors do not show input: a misplaced value may be the API key.
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", protected_namespaces=(), hide_input_in_errors=True)

    model: str = DEFAULT_MODEL
    """Name of the model."""

    # Excluded from `to_dict` and JSON; a pickle contains it.
    api_key: SecretStr | None = Field(default=None, exclude=True)
    """The API key; None reads `reka.API_KEY`, then the environment's REKA_API_KEY, at each call."""

    base_url: str | None = None
    """Address of the server, or `local`; None reads `reka.BASE_URL`, then REKA_BASE_URL, else it is Reka's host."""

    api: reka.Api = "auto"
    """API version: `v0` is the documented endpoint, `v1` the current API; `auto` picks one that fits the request."""

    form: reka.FormChoice | None = None
    """Form of requests to the current API: `openai`, or `reka`, which Reka's host accepted in 2025; `auto` finds out
    which one the server accepts. None reads the environment's REKA_FORM, else it is `auto`."""

    research: dict[str, Any] | None = None
    """Settings of `reka-flash-research`: `web_search`, `parallel_thinking`."""

    timeout: float | reka.Timeout | None = None
    """Limit on a call in seconds, or a `reka.Timeout`; None is the client's default."""

    max_retries: MaxRetries = None
    """Number of retries of a failed call; None is the client's default, 0 disables retries."""

    datasets: str | None = None
    """Where datasets live: `host`; `local` or `local:PATH`, the embedded server, over whose passages the host answers;
    or `auto`. None reads REKA_DATASETS, else it is `auto`."""

    # Headers and proxies may have secrets; these are excluded like the key.
    headers: dict[str, str] | None = Field(default=None, exclude=True, repr=False)
    """Headers of each request, added to the client's own."""

    proxies: dict[str, str] | None = Field(default=None, exclude=True, repr=False)
    """URL of a proxy by scheme (`http`, `https`, `all`); None reads the environment, `{}` uses none."""

    ca_bundle: str | PathLike[str] | None = None
    """File with the certificates to trust; None reads the environment, else it is certifi's."""

    session: Any = Field(default=None, exclude=True, repr=False)
    """`requests.Session` of synchronous calls, used as it is and not closed; None makes one."""

    async_session: Any = Field(default=None, exclude=True, repr=False)
    """`aiohttp.ClientSession` of asynchronous calls, of their event loop, used as it is and not closed; None makes
    one."""

    retrieval_dataset: str | None = None
    """Prepared dataset to answer from; a response has the chunks in `additional_kwargs["retrieved_chunks"]`."""

    retrieval_filter: dict[str, Any] | None = None
    """Condition on the metadata of the documents to answer from, such as `{"lang": "de"}`; see
    `reka.delete_documents`. A server that would ignore it is not asked."""

    media_root: str | PathLike[str] | None = None
    """Folder with the files that a `path` in a message may name, links included; None reads none. A message may come
    from others, so no path outside is read, and none in a tool's result."""

    additional_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request, sent unchanged."""

    context_window: int | None = Field(default=None, ge=1)
    """Maximum tokens of prompt and answer together; None looks the model up."""

    is_function_calling_model: bool | None = None
    """Whether the model supports tools; None looks the model up, and assumes it of an unknown one."""

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
        # The order of arguments is that of `llama-index-llms-reka`.
        fields: dict[str, Any] = {
            "model": model,
            "api_key": api_key,
            "temperature": temperature,
            "max_tokens": max_tokens,
            "additional_kwargs": additional_kwargs,
            "callback_manager": callback_manager,
        }
        refuse_unknown(parameters, type(self).model_fields, "an argument of RekaLLM")
        super().__init__(**{name: value for name, value in fields.items() if value is not None}, **parameters)

    @model_validator(mode="after")
    def _check_client_settings(self) -> Self:
        _ = self.client_settings
        return self

    @field_validator("model", "retrieval_dataset")
    @classmethod
    def _require_name(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is not None and not name.strip():
            raise reka.InvalidArgumentError(f"{info.field_name}: got {name!r}, want a name")
        return name

    @classmethod
    def class_name(cls) -> str:
        """Class name in LlamaIndex's serialized form."""
        return "RekaLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """Model limits by which LlamaIndex sizes prompts; conservative ones for an unknown model."""
        model = self.client_settings.known_model(self.model) or reka.Model(self.model)
        window = self.context_window or model.context_length or UNKNOWN_WINDOW
        calls_tools = self.is_function_calling_model
        if calls_tools is None:
            calls_tools = model.supports("tools") is not False
        return LLMMetadata(
            model_name=self.model,
            context_window=window,
            num_output=self.max_tokens or min(DEFAULT_OUTPUT, model.max_output_length or window),
            is_chat_model=True,
            is_function_calling_model=calls_tools and self.api != "v0",
        )

    @property
    def client_settings(self) -> ClientSettings:
        """Settings of this object's clients."""
        key = None if self.api_key is None else self.api_key.get_secret_value()
        return ClientSettings(
            key,
            self.base_url,
            self.timeout,
            self.max_retries,
            self.api,
            self.form,
            self.datasets,
            self.headers,
            self.proxies,
            self.ca_bundle,
            self.session,
            self.async_session,
            "none" if self.is_function_calling_model else "host",
        )

    def close(self) -> None:
        """Close the connections of the sync client. The next call opens new ones."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the same connections as `close`, and those of the running event loop."""
        await self._clients.aclose()

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Request the answer to a conversation."""
        return self._complete(self._request(media.read(messages, self.media_root), kwargs)).chat()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Request the answer to a prompt; `formatted` means that `completion_to_prompt` is already applied."""
        return self._complete(self._request(self._messages(prompt, formatted), kwargs)).completion()

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Request a streamed answer to a conversation; the last item has the token counts and other metadata."""
        return self._stream(self._request(media.read(messages, self.media_root), kwargs), chat_item)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Request a streamed answer to a prompt; see `stream_chat`."""
        return self._stream(self._request(self._messages(prompt, formatted), kwargs), completion_item)

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Async version of `chat`."""
        return (await self._acomplete(self._request(await media.read_async(messages, self.media_root), kwargs))).chat()

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Async version of `complete`."""
        return (await self._acomplete(self._request(self._messages(prompt, formatted), kwargs))).completion()

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """Async version of `stream_chat`."""
        return self._astream(self._request(await media.read_async(messages, self.media_root), kwargs), chat_item)

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """Async version of `stream_complete`."""
        return self._astream(self._request(self._messages(prompt, formatted), kwargs), completion_item)

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """Read the tool calls of a response.

        Raises:
            ValueError: The response has no tool call, and `error_on_no_tool_call` is set.
            UnexpectedResponseError: The arguments of a call are not a JSON object.
        """
        selections = tool_selections(response)
        if error_on_no_tool_call and not selections:
            raise ValueError(f"tool calls: got none, want at least one; the model said: {response.message.content!r}")
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
        """Return the arguments of `chat` for a request with tools. Without tools, `tool_choice` is not sent."""
        if isinstance(user_msg, str):
            user_msg = ChatMessage(role=MessageRole.USER, content=user_msg)
        messages = [*(chat_history or []), *([] if user_msg is None else [user_msg])]
        if not tools:
            return {"messages": messages, **kwargs}
        return {
            "messages": messages,
            "tools": [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools],
            "tool_choice": tool_choice or ("tool" if tool_required else None),
            _PARALLEL: allow_parallel_tool_calls,
            **kwargs,
        }

    def _structured_output(self, output_cls: type[Any], llm_kwargs: dict[str, Any]) -> StructuredOutput | None:
        """Describe a structured output by what the model supports; None if it has neither schemas nor tools."""
        if self.pydantic_program_mode is not PydanticProgramMode.DEFAULT or self.api == "v0":
            return None
        model = self.client_settings.known_model(llm_kwargs.get("model") or self.model)
        by_schema = model is not None and model.supports("structured_outputs") is True
        if not by_schema and not self.metadata.is_function_calling_model:
            return None
        return structured_output(output_cls, by_schema=by_schema)

    def _messages(self, prompt: str, formatted: bool) -> list[ChatMessage]:
        if not formatted and self.completion_to_prompt is not None:
            prompt = self.completion_to_prompt(prompt)
        return [ChatMessage(role=MessageRole.USER, content=prompt)]

    def _request(self, messages: Sequence[ChatMessage], call_kwargs: dict[str, Any]) -> Request:
        """Check and convert messages and parameters; nothing is sent yet."""
        parallel = call_kwargs.get(_PARALLEL, True)
        own = {name: getattr(self, name) for name in (*OF_MODEL, "additional_kwargs")}
        parameters = arguments(own, {name: value for name, value in call_kwargs.items() if name != _PARALLEL})
        return {"messages": messages_for(messages, documented_only=self.api == "v0"), **parameters}, parallel

    def _complete(self, request: Request) -> Answer:
        kwargs, parallel = request
        try:
            completion = self._clients.sync(self.client_settings).complete(**kwargs)
        except reka.RetrievalError as error:
            raise _with_hint(error, kwargs) from error
        return answer_from_completion(completion, parallel=parallel)

    async def _acomplete(self, request: Request) -> Answer:
        kwargs, parallel = request
        try:
            completion = await self._clients.aio(self.client_settings).complete(**kwargs)
        except reka.RetrievalError as error:
            raise _with_hint(error, kwargs) from error
        return answer_from_completion(completion, parallel=parallel)

    def _stream(
        self, request: Request, to_item: Callable[[Answer, reka.StreamEvent], Item | None]
    ) -> Generator[Item, None, None]:
        kwargs, parallel = request
        # The client checks arguments before it returns a stream, so invalid ones raise here, not at the first item.
        events = self._clients.sync(self.client_settings).stream_messages(**kwargs)

        def items() -> Generator[Item, None, None]:
            answer = Answer(parallel)
            try:
                with closing(events):
                    for event in events:
                        if (item := to_item(answer, event)) is not None:
                            yield item
            except reka.RetrievalError as error:
                raise _with_hint(error, kwargs) from error

        return items()

    def _astream(
        self, request: Request, to_item: Callable[[Answer, reka.StreamEvent], Item | None]
    ) -> AsyncGenerator[Item, None]:
        kwargs, parallel = request
        events = self._clients.aio(self.client_settings).stream_messages(**kwargs)

        async def items() -> AsyncGenerator[Item, None]:
            answer = Answer(parallel)
            try:
                async with aclosing(events):
                    async for event in events:
                        if (item := to_item(answer, event)) is not None:
                            yield item
            except reka.RetrievalError as error:
                raise _with_hint(error, kwargs) from error

        return items()


def _with_hint(error: reka.RetrievalError, kwargs: dict[str, Any]) -> reka.RetrievalError:
    dataset = kwargs.get("retrieval_dataset")
    return error if dataset is None else with_prepare_hint(error, dataset, PREPARE_HINT)
