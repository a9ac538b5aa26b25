"""The LangChain chat model for Reka's API."""

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any, ClassVar

from langchain_core.language_models import LangSmithParams, LanguageModelInput, ModelProfile
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.runnables import Runnable
from pydantic import AliasChoices, ConfigDict, Field, PrivateAttr, field_validator, model_validator
from typing_extensions import Self

import reka
from langchain_reka import structured, tokens
from langchain_reka.answers import PROVIDER, Chunks, to_ai_message
from langchain_reka.connection import ClientMixin
from langchain_reka.direct import DirectChatModel
from langchain_reka.errors import translate_errors
from langchain_reka.messages import media_in, reka_messages, source_indices
from langchain_reka.parameters import MODEL_PARAMS, call_arguments, check_values, refuse_unknown
from langchain_reka.profiles import MEDIA_INPUTS, ReadProfile, profile_of
from reka.adapters import DEFAULT_MODEL, ClientSettings, SamplingFields, metadata_filter


class ChatReka(ClientMixin, SamplingFields, DirectChatModel):
    """Chat model for Reka's API, or any server with the same API.

    A parameter that is None is not sent, and the server applies its default. Every generation parameter may also be
    passed to a single call: `model.invoke(messages, temperature=0)`, `model.bind(retrieval_dataset="manual")`. A call
    also takes `tools`, `tool_choice`, `response_format`, `research` (settings of `reka-flash-research`) and `timeout`.

    One sync and one async client serve all calls of a model object, from any thread and any event loop. Shallow copies
    share them; deep copies and unpickled objects open their own.

    Each error of a call is also an instance of the matching class of `langchain_core.exceptions`, such as
    `ModelRateLimitError`.

    Raises:
        AuthError: The API key is missing, or the server rejects it.
        InvalidConversationError: A message cannot be converted; the error names the message and the block.
        UnsupportedRequestError: The server or the model does not support the requested combination of features.
        RetrievalError: The dataset does not exist, or is not prepared.
        RekaError: Any other failure; see `reka.errors`.

    Examples:
        >>> from langchain_reka import ChatReka
        >>> model = ChatReka(base_url="local", temperature=0)
        >>> model.invoke("Hi, my name is John. What is my name?").text  # doctest: +SKIP
    """

    # Validation errors do not show input: the value of a misspelt argument may be the API key.
    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", populate_by_name=True, protected_namespaces=(), hide_input_in_errors=True
    )

    model: str = Field(default=DEFAULT_MODEL, validation_alias=AliasChoices("model", "model_name"))
    """Name of the model. The prefix `reka:` of LangChain's model strings is removed."""

    stop: list[str] | None = Field(default=None, validation_alias=AliasChoices("stop", "stop_sequences"))
    """Texts at which generation stops; the answer does not include them."""

    streaming: bool = False
    """Whether `invoke` streams internally, so that callbacks receive each new token."""

    stream_usage: bool = True
    """Whether the last chunk of a stream has token counts, if the server sends them."""

    retrieval_dataset: str | None = None
    """Prepared dataset to answer from; `response_metadata["retrieved_chunks"]` has the retrieved chunks."""

    retrieval_filter: dict[str, Any] | None = None
    """Condition on the metadata of the documents to answer from, such as `{"lang": "de", "year": {"$gte": 2020}}`."""

    api: reka.Api = "auto"
    """API version: `v0` is the documented endpoint, `v1` the current API; `auto` picks one that fits the request."""

    form: reka.FormChoice | None = None
    """Form of requests to the current API: `openai`, or `reka`, which Reka's host accepted in 2025; `auto` finds out
    which one the server accepts. None reads the environment's REKA_FORM, else it is `auto`."""

    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request, sent unchanged."""

    token_counter: Callable[[Any], int] | None = Field(default=None, exclude=True, repr=False)
    """Counts the tokens of a text, a message or a list of messages; None estimates them. See `get_num_tokens`."""

    _has_asked: bool = PrivateAttr(default=False)

    def __init__(self, model: str | None = None, **parameters: Any) -> None:
        if model is not None:
            parameters["model"] = model
        super().__init__(**parameters)

    @model_validator(mode="before")
    @classmethod
    def _check_argument_names(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            # The community class accepts clients and replaces them by its own.
            # LangChain copies the profile of another object.
            values = {
                name: value
                for name, value in values.items()
                if name not in ("client", "async_client") and not isinstance(value, ReadProfile)
            }
        refuse_unknown(cls, values)
        return values

    @field_validator("model")
    @classmethod
    def _strip_provider(cls, model: str) -> str:
        return model.removeprefix(f"{PROVIDER}:")

    @model_validator(mode="after")
    def _match_profile_to_model(self) -> Self:
        if not self.profile:
            self._update_profile()
        return self

    @field_validator("retrieval_filter")
    @classmethod
    def _check_filter(cls, condition: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if condition is None else metadata_filter(condition, "retrieval_filter")

    @field_validator("model_kwargs")
    @classmethod
    def _check_model_kwargs(cls, fields: dict[str, Any]) -> dict[str, Any]:
        return check_values(fields)

    @property
    def _llm_type(self) -> str:
        return "reka-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"base_url": self.base_url, **self._parameters()}

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        # LangChain's cache finds answers by this text. Servers have other models of the same name, and each owner of
        # a key has other datasets of the same name.
        arguments = call_arguments(self._parameters(), kwargs)
        server = self._settings().identity(with_datasets=_dataset_of(arguments) is not None)
        return f"{super()._get_llm_string(stop=stop, **kwargs)}---{server}"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return super()._get_ls_params(stop=stop or self.stop, **kwargs)

    def _resolve_model_profile(self) -> ModelProfile | None:
        return self._known_profile(self.model)

    def _complete(
        self, messages: list[BaseMessage], stop: list[str] | None, call_kwargs: Mapping[str, Any]
    ) -> AIMessage:
        converted, arguments = self._prepare_call(messages, stop, call_kwargs)
        with translate_errors(_dataset_of(arguments)):
            completion = self.clients.sync(self._settings()).complete(converted, **arguments)
        self._learn_profile()
        return to_ai_message(completion, arguments["model"], parallel=_parallel(call_kwargs))

    async def _acomplete(
        self, messages: list[BaseMessage], stop: list[str] | None, call_kwargs: Mapping[str, Any]
    ) -> AIMessage:
        converted, arguments = self._prepare_call(messages, stop, call_kwargs)
        with translate_errors(_dataset_of(arguments)):
            completion = await self.clients.aio(self._settings()).complete(converted, **arguments)
        self._learn_profile()
        return to_ai_message(completion, arguments["model"], parallel=_parallel(call_kwargs))

    def _stream_chunks(
        self, messages: list[BaseMessage], stop: list[str] | None, call_kwargs: Mapping[str, Any]
    ) -> Generator[AIMessageChunk, None, None]:
        converted, arguments = self._prepare_call(messages, stop, call_kwargs)
        chunks = self._chunk_builder(arguments, call_kwargs)
        with (
            translate_errors(_dataset_of(arguments)),
            closing(self.clients.sync(self._settings()).stream_messages(converted, **arguments)) as events,
        ):
            for event in events:
                yield from chunks.of(event)
        self._learn_profile()

    async def _astream_chunks(
        self, messages: list[BaseMessage], stop: list[str] | None, call_kwargs: Mapping[str, Any]
    ) -> AsyncGenerator[AIMessageChunk, None]:
        converted, arguments = self._prepare_call(messages, stop, call_kwargs)
        chunks = self._chunk_builder(arguments, call_kwargs)
        with translate_errors(_dataset_of(arguments)):
            async with aclosing(self.clients.aio(self._settings()).stream_messages(converted, **arguments)) as events:
                async for event in events:
                    for chunk in chunks.of(event):
                        yield chunk
        self._learn_profile()

    def bind(self, **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:  # type: ignore[override]  # LangChain's class is private
        """Bind parameters of a call; see LangChain's `bind`.

        Raises:
            InvalidArgumentError: A parameter has an unknown name, or an invalid value.
        """
        with translate_errors():
            check_values(call_arguments({}, kwargs))
        return super().bind(**kwargs)

    def bind_tools(
        self,
        tools: Sequence[structured.Tool],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools that the model may call.

        Args:
            tools: Functions, pydantic classes, TypedDicts, LangChain tools, JSON schemas, or tools in OpenAI's or
                Anthropic's format.
            tool_choice: `auto` (the model decides), `none`, `any` (it must call one), or the name of the tool that it
                must call, also in OpenAI's and Anthropic's forms. The form `reka` has no choice of a specific tool:
                there, a named tool is sent alone.
            strict: Whether schemas are closed: no additional properties, and all properties required. None leaves them
                unchanged.
            **kwargs: Further parameters of the call, such as `parallel_tool_calls=False` for one call an answer.
        """
        openai_tools = [structured.to_openai_tool(tool, strict) for tool in tools]
        if tool_choice is not None:
            kwargs["tool_choice"] = structured.tool_choice_of(tool_choice, openai_tools)
        return self.bind(tools=openai_tools, **kwargs)

    def with_structured_output(
        self,
        schema: structured.Schema | None = None,
        *,
        include_raw: bool = False,
        method: structured.Method = "function_calling",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Return a runnable whose answers follow a schema.

        Args:
            schema: A pydantic class (answers are its instances), a TypedDict or a JSON schema (answers are dicts).
            include_raw: Whether to return `{"raw": message, "parsed": ..., "parsing_error": ...}`, with parsing errors
                as values instead of exceptions.
            method: `function_calling` makes the model call a tool with that schema. `json_schema` makes the server
                enforce the schema; if the model's profile lacks `structured_output`, a tool call is used instead.
                `json_mode` requests any JSON, if the model supports that; the prompt has to describe its structure.
            strict: As in `bind_tools`.
            **kwargs: Further parameters of the call.

        Raises:
            InvalidArgumentError: `method` is unknown, or `schema` is missing for a method that needs one.
        """
        structured.check_method(method, schema)
        model: Runnable[LanguageModelInput, AIMessage]
        parser: Any
        traced = {"kwargs": {"method": method, "strict": strict}, "schema": structured.tracing_schema(schema)}
        tracing = {"ls_structured_output_format": traced}
        if method == "json_mode":
            model = self.bind(
                response_format=structured.json_format(schema, self._settings().known_model(self.model)),
                **tracing,
                **kwargs,
            )
            parser = structured.json_parser(schema)
        elif (
            method == "json_schema"
            and schema is not None
            and (self._find_profile(self.model) or {}).get("structured_output")
        ):
            model = self.bind(response_format=structured.response_format(schema, strict), **tracing, **kwargs)
            parser = structured.json_parser(schema)
        else:
            assert schema is not None
            choice = structured.to_function(schema, strict)["name"]
            model = self.bind_tools([schema], tool_choice=choice, strict=strict, **tracing, **kwargs)
            parser = structured.tool_parser(schema)
        return structured.with_raw(model, parser) if include_raw else model | parser

    def get_num_tokens(self, text: str | BaseMessage | Sequence[BaseMessage]) -> int:
        """Count tokens with `token_counter`, or estimate them: Reka publishes no tokenizer as a package.

        Args:
            text: A text, or a message or a list of messages, as in the community class.
        """
        if self.token_counter is not None:
            return self.token_counter(text)
        if self.custom_get_token_ids is not None and isinstance(text, str):
            return len(self.custom_get_token_ids(text))
        return tokens.estimate_tokens(text)

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Count the tokens of messages and tools; see `get_num_tokens`."""
        if self.token_counter is not None or self.custom_get_token_ids is not None:
            return sum(self.get_num_tokens(message.text) for message in messages)
        return tokens.estimate_tokens_with_tools(messages, tools)

    def _prepare_call(
        self, messages: Sequence[BaseMessage], stop: list[str] | None, call_kwargs: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Check and convert the messages and arguments of one call."""
        with translate_errors():
            arguments = call_arguments(
                self._parameters(), call_kwargs if stop is None else {**call_kwargs, "stop": stop}
            )
            converted = reka_messages(messages)
            self._check_media(messages, converted, arguments["model"])
        return converted, arguments

    def _check_media(self, messages: Sequence[BaseMessage], converted: Sequence[Mapping[str, Any]], model: str) -> None:
        """Reject media of a type that the user's profile excludes; the client rejects what is known otherwise."""
        if model != self.model or not self._has_own_profile():
            return
        for index, kind in media_in(converted):
            if (self.profile or {}).get(MEDIA_INPUTS[kind]) is False:
                raise reka.UnsupportedRequestError(
                    f"message {source_indices(messages)[index]}: got {kind!r}, which {model} does not take by its "
                    f"profile; use another model, or set profile={{'{MEDIA_INPUTS[kind]}': True}} if yours does"
                )

    def _find_profile(self, model: str) -> ModelProfile | None:
        """Return the profile of the model of a call: the user's, if it describes that model, else what is known."""
        return self.profile if self._has_own_profile() and model == self.model else self._known_profile(model)

    def _has_own_profile(self) -> bool:
        """Whether the user has set `profile`."""
        return bool(self.profile) and not isinstance(self.profile, ReadProfile)

    def _known_profile(self, model: str) -> ModelProfile | None:
        return profile_of(model, self._settings().known_model(model))

    def _update_profile(self) -> None:
        """Put what is known of the model now into `profile`, unless the user has set that."""
        self.profile: ModelProfile | None = self._find_profile(self.model)

    def _learn_profile(self) -> None:
        """Update `profile` after the first call, which has asked the server."""
        if not self._has_asked:
            self._has_asked = True
            self._update_profile()

    def _parameters(self) -> dict[str, Any]:
        """Collect the parameters that are set on this object."""
        parameters = {name: value for name in MODEL_PARAMS if (value := getattr(self, name)) is not None}
        return {**parameters, "model_kwargs": self.model_kwargs} if self.model_kwargs else parameters

    def _is_bound_to_a_loop(self) -> bool:
        return self.async_session is not None

    def _chunk_builder(self, arguments: Mapping[str, Any], call_kwargs: Mapping[str, Any]) -> Chunks:
        with_usage = call_kwargs.get("stream_usage", self.stream_usage)
        return Chunks(arguments["model"], with_usage=with_usage, parallel=_parallel(call_kwargs))

    def _settings(self) -> ClientSettings:
        return self._settings_for(self.api, self.form, refusals="none" if self._has_own_profile() else "table")


def _dataset_of(arguments: Mapping[str, Any]) -> str | None:
    dataset: str | None = (arguments.get("extra_request_args") or {}).get(
        "retrieval_dataset", arguments.get("retrieval_dataset")
    )
    return dataset


def _parallel(call_kwargs: Mapping[str, Any]) -> bool:
    return call_kwargs.get("parallel_tool_calls") is not False
