"""What the clients of `reka-api` 3 have and ours have otherwise: `client.chat.create`, `client.models.get`, and so on.

Requests go to the completions endpoint, as those of `complete`; answers and errors come as `reka-api` 3 gives them.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing, contextmanager
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Final, Generic, ParamSpec, TypeVar, overload

from typing_extensions import Unpack

from reka.errors import InvalidArgumentError, InvalidConversationError, RekaError
from reka.errors.api_error import as_api_error
from reka.errors.http import APIConnectionError
from reka.types import ChatCompletion, Finish, StreamEvent, TextDelta, ToolCallDelta
from reka.types import ToolCall as ReceivedToolCall
from reka.types import Usage as ReceivedUsage
from reka.types.sdk3 import (
    ChatMessage,
    ChatMessageChunk,
    ChatResponse,
    ChunkChatResponse,
    ChunkMessageResponse,
    CreateOptions,
    MessageResponse,
    Model,
    RequestOptions,
    ToolCall,
    Usage,
    plain,
)

P = ParamSpec("P")
T = TypeVar("T")

_CLIENT_OPTIONS: Final = frozenset({"environment", "follow_redirects", "httpx_client"})
_PER_CLIENT: Final = {
    "additional_headers": "headers are set for a client, Reka(headers=...)",
    "additional_query_parameters": "no endpoint takes any; fields of the body go into additional_body_parameters",
}


class BoundChat(partial[T], Generic[P, T]):
    """`chat` of a client: the method, and in the subclasses what `reka-api` 3 has under this name."""

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T: ...

    @property
    def __wrapped__(self) -> Callable[P, T]:
        """The method alone."""
        return MethodType(self.func, self._client)

    @property
    def _client(self) -> Any:
        return self.args[0]


class SyncChat(BoundChat[P, T]):
    """`Reka(...).chat`."""

    def create(
        self, *, messages: Sequence[ChatMessage | Mapping[str, Any]], model: str, **options: Unpack[CreateOptions]
    ) -> ChatResponse:
        """Ask the model for a message, as `reka-api` 3 does; `complete` is ours.

        Args:
            messages: The conversation.
            model: Name of the model.
            **options: See `reka.types.sdk3.CreateOptions`.

        Raises:
            ApiError: The request failed; the error is also of a class of `reka.errors`.
        """
        with _api_errors():
            client = _client_for(self._client, options)
            return _response(client.complete(**_arguments(messages, model, options)), model)

    def create_stream(
        self, *, messages: Sequence[ChatMessage | Mapping[str, Any]], model: str, **options: Unpack[CreateOptions]
    ) -> Iterator[ChunkChatResponse]:
        """Ask the model for a message, and yield it as far as it is; `stream_messages` is ours.

        Args:
            messages: The conversation.
            model: Name of the model.
            **options: See `reka.types.sdk3.CreateOptions`.

        Yields:
            The text so far, and in the last chunk tool calls, finish reason and usage.

        Raises:
            ApiError: The request failed; the error is also of a class of `reka.errors`.
        """
        with _api_errors():
            client, chunks = _client_for(self._client, options), _Chunks(model)
            with closing(client.stream_messages(**_arguments(messages, model, options))) as events:
                for event in events:
                    if (chunk := chunks.of(event)) is not None:
                        yield chunk


class AsyncChat(BoundChat[P, T]):
    """`AsyncReka(...).chat`."""

    async def create(
        self, *, messages: Sequence[ChatMessage | Mapping[str, Any]], model: str, **options: Unpack[CreateOptions]
    ) -> ChatResponse:
        """Async twin of `SyncChat.create`."""
        with _api_errors():
            client = _client_for(self._client, options)
            return _response(await client.complete(**_arguments(messages, model, options)), model)

    async def create_stream(
        self, *, messages: Sequence[ChatMessage | Mapping[str, Any]], model: str, **options: Unpack[CreateOptions]
    ) -> AsyncIterator[ChunkChatResponse]:
        """Async twin of `SyncChat.create_stream`."""
        with _api_errors():
            client, chunks = _client_for(self._client, options), _Chunks(model)
            async with aclosing(client.stream_messages(**_arguments(messages, model, options))) as events:
                async for event in events:
                    if (chunk := chunks.of(event)) is not None:
                        yield chunk


class chat_method(Generic[P, T]):  # noqa: N801  # a decorator
    """Decorator of `Reka.chat`: its bound form has `create` and `create_stream`."""

    def __init__(self, method: Callable[Concatenate[Any, P], T]) -> None:
        self._method = method

    @overload
    def __get__(self, client: None, owner: object = None) -> Callable[Concatenate[Any, P], T]: ...
    @overload
    def __get__(self, client: object, owner: object = None) -> SyncChat[P, T]: ...
    def __get__(self, client: object, owner: object = None) -> Any:
        return self._method if client is None else SyncChat(self._method, client)


class async_chat_method(Generic[P, T]):  # noqa: N801  # a decorator
    """Decorator of `AsyncReka.chat`."""

    def __init__(self, method: Callable[Concatenate[Any, P], T]) -> None:
        self._method = method

    @overload
    def __get__(self, client: None, owner: object = None) -> Callable[Concatenate[Any, P], T]: ...
    @overload
    def __get__(self, client: object, owner: object = None) -> AsyncChat[P, T]: ...
    def __get__(self, client: object, owner: object = None) -> Any:
        return self._method if client is None else AsyncChat(self._method, client)


class Models:
    """`Reka(...).models`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def get(self, *, request_options: RequestOptions | None = None) -> list[Model]:
        """List the models that this key may use, as `reka-api` 3 does; `list_models` is ours.

        Args:
            request_options: See `reka.types.sdk3.RequestOptions`.

        Raises:
            ApiError: The request failed; the error is also of a class of `reka.errors`.
        """
        with _api_errors():
            client = _client_for(self._client, {"request_options": request_options})
            return [Model(id=name) for name in client.list_models()]

    list = get


class AsyncModels(Models):
    """`AsyncReka(...).models`."""

    async def get(self, *, request_options: RequestOptions | None = None) -> "list[Model]":  # type: ignore[override]
        """Async twin of `Models.get`."""
        with _api_errors():
            client = _client_for(self._client, {"request_options": request_options})
            return [Model(id=name) for name in await client.list_models()]

    list = get  # type: ignore[assignment]


class SyncSdk3:
    """Part of `Reka`."""

    @property
    def models(self) -> Models:
        """The models that the server offers, as `reka-api` 3 lists them."""
        return Models(self)


class AsyncSdk3:
    """Part of `AsyncReka`."""

    @property
    def models(self) -> AsyncModels:
        """Async twin of `Reka.models`."""
        return AsyncModels(self)


def base_url_of(base_url: str | None, options: Mapping[str, Any]) -> str | None:
    """Read the arguments of a client of `reka-api` 3.

    Returns:
        The address that they name.

    Raises:
        TypeError: There is no such argument.
        InvalidArgumentError: One cannot be kept; the message says what to write instead.
    """
    for name in options.keys() - _CLIENT_OPTIONS:
        raise TypeError(f"got an unexpected keyword argument {name!r}")
    if options.get("httpx_client") is not None:
        raise InvalidArgumentError(
            "httpx_client: this client does not use httpx; write session=requests.Session() (of AsyncReka: "
            "session=aiohttp.ClientSession()), or timeout=, proxies=, headers=, ca_bundle="
        )
    if options.get("follow_redirects", True) is False:
        raise InvalidArgumentError(
            "follow_redirects: got False; redirects are followed within the origin of the key only, so leave it out"
        )
    environment = options.get("environment")
    return environment.value if base_url is None and environment is not None else base_url


@contextmanager
def _api_errors() -> Iterator[None]:
    """Raise errors as `ApiError` too, except those of connections, which `reka-api` 3 leaves to its HTTP library."""
    try:
        yield
    except APIConnectionError:
        raise
    except RekaError as error:
        raise as_api_error(error) from error


def _client_for(client: Any, options: Mapping[str, Any]) -> Any:
    """Give a client the limits of one call."""
    request_options = options.get("request_options") or {}
    for name, instead in _PER_CLIENT.items():
        if request_options.get(name):
            raise InvalidArgumentError(f"request_options: {name} cannot be kept: {instead}")
    timeout, max_retries = request_options.get("timeout_in_seconds"), request_options.get("max_retries")
    if timeout is None and max_retries is None:
        return client
    return client.with_options(timeout=timeout, max_retries=max_retries)


def _arguments(messages: Sequence[Any], model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the arguments of `create` to those of `complete`."""
    for name in options.keys() - CreateOptions.__annotations__.keys():
        raise TypeError(f"got an unexpected keyword argument {name!r}")
    arguments = {name: plain(value) for name, value in options.items()}
    extra = dict((arguments.pop("request_options", None) or {}).get("additional_body_parameters") or {})
    if (search := arguments.pop("use_search_engine", None)) is not None:
        extra["use_search_engine"] = search
    converted = [each for message in messages for each in _messages(plain(message))]
    return {"messages": converted, "model": model, "extra_request_args": extra, **arguments}


def _messages(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Convert a message; one with the outputs of several tools becomes several."""
    if message.get("role") != "tool_output":
        return [message]
    outputs = message.get("content")
    if not isinstance(outputs, list) or not all(isinstance(output, Mapping) for output in outputs):
        raise InvalidConversationError("a message with the role tool_output has no list of ToolOutput as its content")
    return [
        {"role": "tool", "tool_call_id": output.get("tool_call_id"), "content": output.get("output")}
        for output in outputs
    ]


def _response(completion: ChatCompletion, model: str) -> ChatResponse:
    message = ChatMessage(**_message(completion.text, completion.tool_calls))
    return ChatResponse(
        id=completion.id or "",
        model=completion.model or model,
        responses=[MessageResponse(finish_reason=completion.finish_reason, message=message)],
        usage=_usage(completion.usage),
    )


def _message(text: str, calls: Sequence[ReceivedToolCall]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [ToolCall(id=call.id, name=call.name, parameters=call.parameters) for call in calls]
    return message


def _usage(usage: ReceivedUsage | None) -> Usage:
    if usage is None:
        return Usage(input_tokens=0, output_tokens=0)
    return Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)


class _Chunks:
    """Makes the chunks of a stream, each with the text so far."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._text = ""
        self._calls: dict[int, list[str]] = {}
        self._usage: ReceivedUsage | None = None

    def of(self, event: StreamEvent) -> ChunkChatResponse | None:
        """Make the chunk of an event; None if it has none of its own."""
        if isinstance(event, TextDelta):
            self._text += event.text
            return self._chunk("", self._model, None)
        if isinstance(event, ToolCallDelta):
            call = self._calls.setdefault(event.index, ["", "", ""])
            call[0], call[1], call[2] = event.id or call[0], event.name or call[1], call[2] + event.arguments
        elif isinstance(event, ReceivedUsage):
            self._usage = event
        elif isinstance(event, Finish):
            return self._chunk(event.id or "", event.model or self._model, event)
        return None

    def _chunk(self, answer_id: str, model: str, finish: Finish | None) -> ChunkChatResponse:
        calls = [ReceivedToolCall(*call) for call in self._calls.values()] if finish is not None else []
        response = ChunkMessageResponse(
            chunk=ChatMessageChunk(**_message(self._text, calls)), finish_reason=finish and finish.reason
        )
        return ChunkChatResponse(id=answer_id, model=model, responses=[response], usage=_usage(self._usage))
