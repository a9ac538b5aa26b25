"""Reka's models as a LangChain chat model."""

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any, Literal

from langchain_core.language_models import LangSmithParams, LanguageModelInput, ModelProfile
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.runnables import Runnable
from pydantic import AliasChoices, ConfigDict, Field, field_validator, model_validator
from typing_extensions import Self

import reka
from langchain_reka import structured, tokens
from langchain_reka.answers import PROVIDER, Chunks, to_ai_message
from langchain_reka.connection import ClientMixin
from langchain_reka.direct import DirectChatModel
from langchain_reka.errors import translate_errors
from langchain_reka.messages import media_in, reka_messages, source_indices
from langchain_reka.parameters import MODEL_PARAMS, call_arguments, refuse_unknown
from langchain_reka.profiles import MEDIA_INPUTS, is_another_models, profile_of
from reka.adapters import DEFAULT_MODEL, ClientSettings, SamplingFields


class ChatReka(ClientMixin, SamplingFields, DirectChatModel):
    """A chat model of Reka's API, or of any server that speaks it.

    What is None is left to the server. Every parameter of the answer may be given to one call too:
    `model.invoke(messages, temperature=0)`, `model.bind(retrieval_dataset="manual")`. A call also takes `tools`,
    `tool_choice`, `response_format`, `research` (settings of `reka-flash-research`) and `timeout`.

    One client of each kind serves all calls of a model object, from any thread and any event loop. Copies and pickles
    open their own.

    Raises, when it is called:
        AuthError: There is no key, or the server does not take it.
        InvalidConversationError: A message cannot be said in Reka's terms; the error names the message and the block.
        UnsupportedRequestError: No endpoint of the server can do all that is asked, or the model does not.
        RetrievalError: The dataset is not there, or not prepared.
        RekaError: Whatever else goes wrong between a call and its answer: see `reka`'s own errors.

    Each is at once the class that `langchain_core.exceptions` has for it, such as `ModelRateLimitError`.

    Example:
        >>> from langchain_reka import ChatReka
        >>> model = ChatReka(base_url="local", temperature=0)
        >>> model.invoke("Hi, my name is John. What is my name?").text  # doctest: +SKIP
    """

    # Errors do not show what was given: under a mistyped name, it may be the key.
    model_config = ConfigDict(extra="forbid", populate_by_name=True, protected_namespaces=(), hide_input_in_errors=True)

    model: str = Field(default=DEFAULT_MODEL, validation_alias=AliasChoices("model", "model_name"))
    """Name of the model; `reka:` before it, as LangChain's strings for models have it, is taken off."""

    stop: list[str] | None = Field(default=None, validation_alias=AliasChoices("stop", "stop_sequences"))
    """An answer ends before any of these words."""

    streaming: bool = False
    """Whether `invoke` streams behind the scenes, so that callbacks see each new piece."""

    stream_usage: bool = True
    """Whether the last chunk of a stream tells token counts, where the server tells them."""

    retrieval_dataset: str | None = None
    """A prepared dataset to answer from; `response_metadata["retrieved_chunks"]` then has what was found."""

    api: Literal["auto", "v0", "v1"] = "auto"
    """Which generation of the API is used: `v0`, the documented endpoint; `v1`, the present one; `auto`, what fits."""

    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request, as they are."""

    token_counter: Callable[[Any], int] | None = Field(default=None, exclude=True, repr=False)
    """Counts tokens of a text, a message or a list of them in place of the estimate that `get_num_tokens` makes."""

    def __init__(self, model: str | None = None, **parameters: Any) -> None:
        if model is not None:
            parameters["model"] = model
        super().__init__(**parameters)

    @model_validator(mode="before")
    @classmethod
    def _names_are_known(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            # The community class takes clients, and replaces them by its own.
            given = {name: value for name, value in given.items() if name not in ("client", "async_client")}
        refuse_unknown(cls, given)
        return given

    @field_validator("model")
    @classmethod
    def _without_provider(cls, model: str) -> str:
        return model.removeprefix(f"{PROVIDER}:")

    @model_validator(mode="after")
    def _profile_is_of_this_model(self) -> Self:
        self.profile = self._profile_of(self.model)
        return self

    @property
    def _llm_type(self) -> str:
        return "reka-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"base_url": self.base_url, **self._parameters()}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return super()._get_ls_params(stop=stop or self.stop, **kwargs)

    def _resolve_model_profile(self) -> ModelProfile | None:
        return profile_of(self.model)

    def _message(self, messages: list[BaseMessage], stop: list[str] | None, of_call: Mapping[str, Any]) -> AIMessage:
        asked, arguments = self._call(messages, stop, of_call)
        with translate_errors(_dataset(arguments), messages):
            completion = self._clients.sync(self._settings()).complete(asked, **arguments)
        return to_ai_message(completion, arguments["model"])

    async def _amessage(
        self, messages: list[BaseMessage], stop: list[str] | None, of_call: Mapping[str, Any]
    ) -> AIMessage:
        asked, arguments = self._call(messages, stop, of_call)
        with translate_errors(_dataset(arguments), messages):
            completion = await self._clients.aio(self._settings()).complete(asked, **arguments)
        return to_ai_message(completion, arguments["model"])

    def _message_chunks(
        self, messages: list[BaseMessage], stop: list[str] | None, of_call: Mapping[str, Any]
    ) -> Generator[AIMessageChunk, None, None]:
        asked, arguments = self._call(messages, stop, of_call)
        made = self._chunks(arguments, of_call)
        with (
            translate_errors(_dataset(arguments), messages),
            closing(self._clients.sync(self._settings()).stream_messages(asked, **arguments)) as events,
        ):
            for event in events:
                yield from made.of(event)

    async def _amessage_chunks(
        self, messages: list[BaseMessage], stop: list[str] | None, of_call: Mapping[str, Any]
    ) -> AsyncGenerator[AIMessageChunk, None]:
        asked, arguments = self._call(messages, stop, of_call)
        made = self._chunks(arguments, of_call)
        with translate_errors(_dataset(arguments), messages):
            async with aclosing(self._clients.aio(self._settings()).stream_messages(asked, **arguments)) as events:
                async for event in events:
                    for chunk in made.of(event):
                        yield chunk

    def bind_tools(
        self,
        tools: Sequence[structured.Tool],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Give the model tools that it may call.

        Args:
            tools: Functions, pydantic classes, TypedDicts, LangChain tools, JSON schemas, or tools in the forms of
                OpenAI and Anthropic.
            tool_choice: `auto` (the model decides), `none`, `any` (it must call one), or the name of the one that it
                must call. Reka's host knows "must call one" alone, so a named tool is sent alone.
            strict: Whether schemas are closed: no further properties, none left out; None leaves them as they are.
            **kwargs: Further parameters of the call.
        """
        formatted = [structured.to_openai_tool(tool, strict) for tool in tools]
        if tool_choice is not None:
            kwargs["tool_choice"] = structured.normalize_tool_choice(tool_choice)
        return self.bind(tools=formatted, **kwargs)

    def with_structured_output(
        self,
        schema: structured.Schema | None = None,
        *,
        include_raw: bool = False,
        method: structured.Method = "function_calling",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Make answers follow a schema.

        Args:
            schema: A pydantic class (answers are its objects), a TypedDict or a JSON schema (answers are dicts).
            include_raw: Whether to answer `{"raw": message, "parsed": ..., "parsing_error": ...}`, and not to raise
                what cannot be parsed.
            method: `function_calling` has the model call a tool with that schema. `json_schema` has the server hold it
                to the schema; a model whose profile does not know `structured_output` is made to call a tool instead.
                `json_mode` asks for any JSON: the prompt has to describe it.
            strict: As in `bind_tools`.
            **kwargs: Further parameters of the call.

        Raises:
            InvalidArgumentError: There is no such method, or no schema where the method needs one.
        """
        structured.check(method, schema)
        model: Runnable[LanguageModelInput, AIMessage]
        parser: Any
        traced = {"ls_structured_output_format": {"kwargs": {"method": method, "strict": strict}, "schema": schema}}
        if method == "json_mode":
            model = self.bind(response_format={"type": "json_object"}, **traced, **kwargs)
            parser = structured.json_parser(schema)
        elif (
            method == "json_schema"
            and schema is not None
            and (self._profile_of(self.model) or {}).get("structured_output")
        ):
            model = self.bind(response_format=structured.response_format(schema, strict), **traced, **kwargs)
            parser = structured.json_parser(schema)
        else:
            assert schema is not None
            choice = structured.to_function(schema, strict)["name"]
            model = self.bind_tools([schema], tool_choice=choice, strict=strict, **traced, **kwargs)
            parser = structured.tool_parser(schema)
        return structured.with_raw(model, parser) if include_raw else model | parser

    def get_num_tokens(self, text: str | BaseMessage | Sequence[BaseMessage]) -> int:
        """Count tokens by `token_counter`, else estimate them: Reka publishes no tokenizer that comes with a package.

        Args:
            text: A text; also a message or a list of messages, as the community class takes them.
        """
        if self.token_counter is not None:
            return self.token_counter(text)
        if self.custom_get_token_ids is not None and isinstance(text, str):
            return len(self.custom_get_token_ids(text))
        return tokens.estimate_tokens(text)

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Count the tokens of messages, and of tools, as `get_num_tokens` does."""
        if self.token_counter is not None or self.custom_get_token_ids is not None:
            return sum(self.get_num_tokens(message.text) for message in messages)
        return tokens.estimated_with_tools(messages, tools)

    def _call(
        self, messages: Sequence[BaseMessage], stop: list[str] | None, of_call: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Check and convert one call's messages and arguments."""
        with translate_errors():
            arguments = call_arguments(self._parameters(), of_call if stop is None else {**of_call, "stop": stop})
            asked = reka_messages(messages)
            self._refuse_media(messages, asked, arguments["model"])
        return asked, arguments

    def _refuse_media(self, messages: Sequence[BaseMessage], asked: Sequence[Mapping[str, Any]], model: str) -> None:
        """Refuse media that the model is known not to take."""
        found = media_in(asked)
        profile = self._profile_of(model) if found else None
        for place, kind in found:
            if profile is not None and profile.get(MEDIA_INPUTS[kind]) is False:
                raise reka.UnsupportedRequestError(
                    f"message {source_indices(messages)[place]}: got a block of type {kind!r}, and {model} takes none; "
                    f"take another model, or tell by profile={{'{MEDIA_INPUTS[kind]}': True}} that yours does"
                )

    def _profile_of(self, model: str) -> ModelProfile | None:
        """The profile of the model that a call asks: this object's own, if that is about it."""
        own = self.profile
        return own if own and model == self.model and not is_another_models(own, model) else profile_of(model)

    def _parameters(self) -> dict[str, Any]:
        """The parameters of a call, as this object has them."""
        set_here = {name: value for name in MODEL_PARAMS if (value := getattr(self, name)) is not None}
        return {**set_here, "model_kwargs": self.model_kwargs} if self.model_kwargs else set_here

    def _chunks(self, arguments: Mapping[str, Any], of_call: Mapping[str, Any]) -> Chunks:
        return Chunks(arguments["model"], with_usage=of_call.get("stream_usage", self.stream_usage))

    def _settings(self) -> ClientSettings:
        return self._settings_for(self.api)


def _dataset(arguments: Mapping[str, Any]) -> str | None:
    dataset: str | None = (arguments.get("extra_request_args") or {}).get("retrieval_dataset")
    return dataset
