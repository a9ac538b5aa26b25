"""What the clients of `reka-api` 3 have and ours have otherwise: `client.chat.create`, `client.models.get`, and so on.

Requests go to the completions endpoint, as those of `complete`; answers and errors come as `reka-api` 3 gives them.
Their types are pydantic's, which would take a third of the time of a first answer: `_sdk3_values` comes at first use.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing, contextmanager
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Final, Generic, ParamSpec, TypeVar, overload

from reka._compat import Unpack
from reka._lazy import IMPORTING
from reka.errors import InvalidArgumentError, RekaError
from reka.errors.api_error import as_api_error
from reka.errors.http import APIConnectionError

if TYPE_CHECKING:
    from reka.types.sdk3 import ChatMessage, ChatResponse, ChunkChatResponse, CreateOptions, Model, RequestOptions

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
        self, *, messages: "Sequence[ChatMessage | Mapping[str, Any]]", model: str, **options: "Unpack[CreateOptions]"
    ) -> "ChatResponse":
        """Ask the model for a message, as `reka-api` 3 does; `complete` is ours.

        Args:
            messages: The conversation.
            model: Name of the model.
            **options: See `reka.types.sdk3.CreateOptions`.

        Raises:
            ApiError: The request failed; the error is also of a class of `reka.errors`.
        """
        with IMPORTING:
            from reka import _sdk3_values as values
        with _api_errors():
            client = _client_for(self._client, options)
            return values.response(client.complete(**values.arguments(messages, model, options)), model)

    def create_stream(
        self, *, messages: "Sequence[ChatMessage | Mapping[str, Any]]", model: str, **options: "Unpack[CreateOptions]"
    ) -> "Iterator[ChunkChatResponse]":
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
        with IMPORTING:
            from reka import _sdk3_values as values
        with _api_errors():
            client, chunks = _client_for(self._client, options), values.Chunks(model)
            with closing(client.stream_messages(**values.arguments(messages, model, options))) as events:
                for event in events:
                    if (chunk := chunks.of(event)) is not None:
                        yield chunk


class AsyncChat(BoundChat[P, T]):
    """`AsyncReka(...).chat`."""

    async def create(
        self, *, messages: "Sequence[ChatMessage | Mapping[str, Any]]", model: str, **options: "Unpack[CreateOptions]"
    ) -> "ChatResponse":
        """Async twin of `SyncChat.create`."""
        with IMPORTING:
            from reka import _sdk3_values as values
        with _api_errors():
            client = _client_for(self._client, options)
            return values.response(await client.complete(**values.arguments(messages, model, options)), model)

    async def create_stream(
        self, *, messages: "Sequence[ChatMessage | Mapping[str, Any]]", model: str, **options: "Unpack[CreateOptions]"
    ) -> "AsyncIterator[ChunkChatResponse]":
        """Async twin of `SyncChat.create_stream`."""
        with IMPORTING:
            from reka import _sdk3_values as values
        with _api_errors():
            client, chunks = _client_for(self._client, options), values.Chunks(model)
            async with aclosing(client.stream_messages(**values.arguments(messages, model, options))) as events:
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

    def get(self, *, request_options: "RequestOptions | None" = None) -> "list[Model]":
        """List the models that this key may use, as `reka-api` 3 does; `list_models` is ours.

        Args:
            request_options: See `reka.types.sdk3.RequestOptions`.

        Raises:
            ApiError: The request failed; the error is also of a class of `reka.errors`.
        """
        with IMPORTING:
            from reka import _sdk3_values as values
        with _api_errors():
            client = _client_for(self._client, {"request_options": request_options})
            return values.models(client.list_models())

    list = get


class AsyncModels(Models):
    """`AsyncReka(...).models`."""

    async def get(self, *, request_options: "RequestOptions | None" = None) -> "list[Model]":  # type: ignore[override]
        """Async twin of `Models.get`."""
        with IMPORTING:
            from reka import _sdk3_values as values
        with _api_errors():
            client = _client_for(self._client, {"request_options": request_options})
            return values.models(await client.list_models())

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
