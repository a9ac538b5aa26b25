"""`Reka`, the synchronous client: each method builds a request and runs it."""

from collections.abc import Callable, Generator, Mapping, Sequence
from copy import copy
from importlib import import_module
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import requests

from reka import config, endpoint
from reka._calls import flows
from reka._calls.capabilities import ServerCapabilities
from reka._calls.dataset_methods import DatasetMethods
from reka._calls.driver import drive
from reka._calls.flow import Flow
from reka._calls.model_methods import ModelMethods
from reka._compat import Never, Unpack
from reka._inputs import validation
from reka._inputs.chat_request import ChatRequest, chat_request, messages_request
from reka._sdk3 import SyncSdk3, base_url_of, chat_method
from reka._transport.retry import Limits
from reka._transport.steps import Performer
from reka._transport.sync import SyncTransport
from reka._wire.completions import as_chat_events, as_events
from reka._wire.documented import as_turn
from reka.base_client import BaseClient
from reka.config import Timeout
from reka.types import (
    Api,
    ChatCompletion,
    ChatEvent,
    CompletionOptions,
    FormChoice,
    Message,
    ModelTurn,
    OnEvent,
    StreamEvent,
    Turn,
)

T = TypeVar("T")


class Reka(DatasetMethods, ModelMethods, SyncSdk3, BaseClient):
    """A client of Reka's API with one pool of connections; share it between threads, and close it at the end.

    Key and address are looked up at each call, so setting `reka.API_KEY` or the environment later works.

    Args:
        api_key: The key; None reads `reka.API_KEY`, else the environment's REKA_API_KEY.
        base_url: Address of the server; None reads `reka.BASE_URL`, else REKA_BASE_URL, else REKA_SERVER, else it is
            Reka's own host. `local` or `local:PATH` is the server embedded in this process (needs `reka[server]`).
        timeout: Seconds that a call may take, or a `Timeout`; None is `Timeout()`: 10 s to connect, 300 s of silence,
            600 s in all.
        max_retries: How often a call is sent again after an error that a retry can help; 0 is never.
        api: Endpoint: `v0`, the documented one; `v1`, for completions; `auto`, the former wherever it can answer.
        datasets: Where retrieval datasets live: `host`; `local` or `local:PATH`, the embedded server, while the host
            answers over the chunks that it retrieves (needs `reka[server]`); `auto`, the host, with an
            `UnsupportedRequestError` if it has none. None reads REKA_DATASETS, else it is `auto`.
        max_media_bytes: Maximum size of a `media_filename` in bytes.
        headers: Headers of each request, added to the client's own; None leaves one out.
        proxies: URL of a proxy by scheme (`http`, `https`, `all`); None reads the environment, `{}` uses none.
        ca_bundle: File with the certificates to trust; None reads the environment's REQUESTS_CA_BUNDLE,
            CURL_CA_BUNDLE or SSL_CERT_FILE, else it is certifi's.
        on_event: Called after each request with a `RequestEvent`, for metrics.
        form: Form of the completions endpoint: `openai`, or `reka`, which Reka's host accepted in 2025; `auto` tries
            both. None reads the environment's REKA_FORM, else it is `auto`.
        session: A `requests.Session` to use as it is; the client does not close it. None makes one.
        pool_size: How many idle connections to a server stay open, unless `session` is given; None keeps them all.
        **sdk3: Other arguments of `reka-api` 3, for programs that have them.

    Raises:
        InvalidArgumentError: An argument is invalid; the message says which one.

    Examples:
        >>> with Reka(base_url="local") as client:  # doctest: +SKIP
        ...     client.chat("Hi, my name is John.")["text"]
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float | Timeout | None = None,
        max_retries: int = config.MAX_RETRIES,
        api: Api = "auto",
        datasets: str | None = None,
        max_media_bytes: int = config.MAX_MEDIA_BYTES,
        headers: Mapping[str, str | bytes | None] | None = None,
        proxies: Mapping[str, str] | None = None,
        ca_bundle: str | PathLike[str] | None = None,
        on_event: OnEvent | None = None,
        form: FormChoice | None = None,
        session: requests.Session | None = None,
        pool_size: int | None = None,
        **sdk3: Never,
    ) -> None:
        # An error of a constructor, too, comes with its local variables.
        api_key, headers, proxies = map(validation.hidden, (api_key, headers, proxies))
        super().__init__(
            api_key,
            base_url_of(base_url, sdk3),
            timeout,
            max_retries,
            api,
            datasets,
            max_media_bytes,
            headers,
            proxies,
            ca_bundle,
            on_event,
            form,
        )
        session = validation.session(session, "session", "prepare_request", "a requests.Session")
        self._transport = SyncTransport(self._transport_settings, session, pool_size)

    def __enter__(self) -> "Reka":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        self._transport.close()

    @chat_method
    def chat(
        self,
        human: str | None = None,
        media_url: str | None = None,
        media_filename: str | PathLike[str] | None = None,
        conversation_history: Sequence[Turn | Mapping[str, Any]] | None = None,
        retrieval_dataset: str | None = None,
        model_name: str | None = config.MODEL,
        request_output_len: int | None = None,
        temperature: float | None = None,
        random_seed: int | None = None,
        runtime_top_k: int | None = None,
        runtime_top_p: float | None = None,
        frequency_penalty: float | None = None,
        presence_penalty: float | None = None,
        length_penalty: float | None = None,
        stop_words: Sequence[str] | None = None,
        extra_request_args: Mapping[str, Any] | None = None,
        *,
        retrieval_filter: Mapping[str, Any] | None = None,
    ) -> ModelTurn:
        """Ask the model for its next turn.

        An option that is None is left to the server.

        Args:
            human: The user's latest message; None if `conversation_history` ends with it.
            media_url: An http(s) or `data:` URL of an image, a video, audio or a PDF to chat about; for the first turn
                only, so not together with a `conversation_history`.
            media_filename: Path of a local media file, in place of `media_url`.
            conversation_history: The turns so far: human first, then model and human alternate. It is not changed, and
                may hold turns that `chat` returned.
            retrieval_dataset: Name of a prepared dataset to answer from.
            model_name: Name of the model; `get_models` lists them. None is the default.
            request_output_len: Maximum length of the answer in tokens, at least 1.
            temperature: Softmax temperature, at least 0; higher is more diverse.
            random_seed: Seed of the sampling: another seed gives another answer.
            runtime_top_k: Sample from the k most likely tokens only.
            runtime_top_p: Sample from the most likely tokens that make up this probability only, 0 to 1.
            frequency_penalty: Penalty on a token for each time it has occurred; 0 is no penalty.
            presence_penalty: Penalty on a token that has occurred at all; 0 is no penalty.
            length_penalty: Penalty on short answers; 1 is no penalty.
            stop_words: Strings at which generation stops.
            extra_request_args: More fields of the request body; they override the other options.
            retrieval_filter: Condition on the metadata of the documents to answer from, as in `delete_documents`; a
                server that would ignore it is not asked.

        Returns:
            `{"type": "model", "text": ...}`, and with a `retrieval_dataset` also `"retrieved_chunks"`, best first.

        Raises:
            InvalidConversationError: The turns are not a valid conversation; nothing was sent.
            InvalidArgumentError: Another argument is invalid; nothing was sent.
            AuthError: There is no key, or the server refuses it.
            RetrievalError: The dataset does not exist, or is not prepared.
            RekaError: Any other failure; see `reka.errors`.

        Source: documented; `retrieval_filter` is an extension.
        """
        request = chat_request(
            human,
            media_url,
            media_filename,
            conversation_history,
            {
                "retrieval_dataset": retrieval_dataset,
                "model_name": model_name,
                "request_output_len": request_output_len,
                "temperature": temperature,
                "random_seed": random_seed,
                "runtime_top_k": runtime_top_k,
                "runtime_top_p": runtime_top_p,
                "frequency_penalty": frequency_penalty,
                "presence_penalty": presence_penalty,
                "length_penalty": length_penalty,
                "stop_words": stop_words,
                "extra_request_args": extra_request_args,
                "retrieval_filter": retrieval_filter,
            },
            max_media_bytes=self._max_media_bytes,
        )
        return as_turn(self._run(self._answer_flow(flows.chat, request)))

    def stream(
        self,
        human: str | None = None,
        media_url: str | None = None,
        media_filename: str | PathLike[str] | None = None,
        conversation_history: Sequence[Turn | Mapping[str, Any]] | None = None,
        retrieval_dataset: str | None = None,
        model_name: str | None = config.MODEL,
        request_output_len: int | None = None,
        temperature: float | None = None,
        random_seed: int | None = None,
        runtime_top_k: int | None = None,
        runtime_top_p: float | None = None,
        frequency_penalty: float | None = None,
        presence_penalty: float | None = None,
        length_penalty: float | None = None,
        stop_words: Sequence[str] | None = None,
        extra_request_args: Mapping[str, Any] | None = None,
        *,
        retrieval_filter: Mapping[str, Any] | None = None,
        timeout: float | Timeout | None = None,
    ) -> Generator[ChatEvent, None, None]:
        """Ask the model for its next turn, and yield it as it is generated.

        The arguments are checked at once; the request is sent at the first step of the iteration, which raises whatever
        fails from then on. Closing the generator closes the connection.

        Args:
            human: As in `chat`.
            media_url: As in `chat`.
            media_filename: As in `chat`.
            conversation_history: As in `chat`.
            retrieval_dataset: As in `chat`. The answer comes as one event if the server supports this option only at
                the documented endpoint, which has no streaming.
            model_name: As in `chat`.
            request_output_len: As in `chat`.
            temperature: As in `chat`.
            random_seed: As in `chat`.
            runtime_top_k: As in `chat`.
            runtime_top_p: As in `chat`.
            frequency_penalty: As in `chat`.
            presence_penalty: As in `chat`.
            length_penalty: As in `chat`; like `retrieval_dataset`, it may bring the answer as one event.
            stop_words: As in `chat`.
            extra_request_args: As in `chat`.
            retrieval_filter: As in `chat`.
            timeout: Seconds that this call may take, or a `Timeout`; None is the client's.

        Yields:
            Events whose `text` is the new text only. The last one has the finish reason, the usage and the retrieved
            chunks, if the server sends them.

        Raises:
            InvalidConversationError: The turns are not a valid conversation; nothing was sent.
            InvalidArgumentError: Another argument is invalid; nothing was sent.
            UnsupportedRequestError: No endpoint of the server supports all parts of the request.
            StreamInterruptedError: The answer broke off; `partial_text` holds the text until then.
            RekaError: Any other failure; see `reka.errors`.
        """
        request = chat_request(
            human,
            media_url,
            media_filename,
            conversation_history,
            {
                "retrieval_dataset": retrieval_dataset,
                "model_name": model_name,
                "request_output_len": request_output_len,
                "temperature": temperature,
                "random_seed": random_seed,
                "runtime_top_k": runtime_top_k,
                "runtime_top_p": runtime_top_p,
                "frequency_penalty": frequency_penalty,
                "presence_penalty": presence_penalty,
                "length_penalty": length_penalty,
                "stop_words": stop_words,
                "extra_request_args": extra_request_args,
                "retrieval_filter": retrieval_filter,
            },
            max_media_bytes=self._max_media_bytes,
        )
        return self._chat_events(request, self._limits.changed(timeout))

    def complete(
        self,
        messages: Sequence[Message],
        *,
        timeout: float | Timeout | None = None,
        **options: Unpack[CompletionOptions],
    ) -> ChatCompletion:
        """Ask the model for a message: `/v1/chat/completions`, with tools, structured output and research.

        Messages may have any form that the OpenAI protocol allows; the client converts them to what Reka's host
        accepts: system text goes in front of the next user text, adjacent messages of one role are merged, and a tool's
        result becomes user text labelled with the id of its call.

        Args:
            messages: `{"role": ..., "content": ...}`; roles are system, user, assistant and tool, the content is a
                string or a list of parts (`text`, `image_url`, `video_url`, `audio_url`, `pdf_url`; `reka.media` makes
                them).
            timeout: Seconds that this call may take, or a `Timeout`; None is the client's.
            **options: `model`, `max_tokens`, `temperature`, `top_p`, `top_k`, `frequency_penalty`, `presence_penalty`,
                `length_penalty`, `seed`, `reasoning_effort`, `stop`, `tools`, `tool_choice`, `response_format`,
                `retrieval_dataset`, `retrieval_filter`, `research` and `extra_request_args`, as `CompletionOptions`
                describes them. An option that is left out or None is left to the server, except `model`, which is
                `reka-flash` if left out.

        Returns:
            The whole answer, with its tool calls, finish reason and usage.

        Raises:
            InvalidConversationError: `messages` is no valid conversation; the error has the index. Nothing was sent.
            InvalidArgumentError: Another argument is invalid; nothing was sent.
            UnsupportedRequestError: No endpoint of the server supports all parts of the request.
            RekaError: Any other failure; see `reka.errors`.
        """
        request = messages_request(messages, options)
        return self._run(self._answer_flow(flows.complete, request), self._limits.changed(timeout))

    def stream_messages(
        self,
        messages: Sequence[Message],
        *,
        timeout: float | Timeout | None = None,
        **options: Unpack[CompletionOptions],
    ) -> Generator[StreamEvent, None, None]:
        """Ask the model for a message, and yield it as it is generated.

        A request with tools is sent without streaming, and its events come all at once: Reka's host answers tools in a
        stream with an empty one. Closing the generator closes the connection.

        Args:
            messages: As in `complete`.
            timeout: As in `complete`.
            **options: As in `complete`; see `CompletionOptions`.

        Yields:
            `TextDelta`, `ReasoningDelta`, `ToolCallDelta`, `Citation`, `Usage`, and at the end one `Finish`.

        Raises:
            InvalidConversationError: `messages` is not a valid conversation; nothing was sent.
            InvalidArgumentError: Another argument is invalid; nothing was sent.
            StreamInterruptedError: The answer broke off; `partial_text` holds the text until then.
            RekaError: Any other failure; see `reka.errors`.
        """
        return self._events(messages_request(messages, options), self._limits.changed(timeout))

    def with_options(self, *, timeout: float | Timeout | None = None, max_retries: int | None = None) -> "Reka":
        """Return a client with other limits on the same connections; closing either one closes them.

        Args:
            timeout: Seconds, or a `Timeout`; None keeps this client's.
            max_retries: None keeps this client's.
        """
        other = copy(self)
        other._limits = self._limits.changed(timeout, max_retries)  # noqa: SLF001  # an object of this class
        return other

    def _chat_events(self, request: ChatRequest, limits: Limits) -> Generator[ChatEvent, None, None]:
        yield from as_chat_events(self._run(self._answer_flow(flows.stream, request), limits))

    def _events(self, request: ChatRequest, limits: Limits) -> Generator[StreamEvent, None, None]:
        answer = self._run(self._answer_flow(flows.stream, request), limits)
        yield from as_events(answer) if isinstance(answer, ChatCompletion) else answer

    def _run_for_dataset(self, flow: Callable[[ServerCapabilities], Flow[T]]) -> T:
        place = self._place()
        if endpoint.is_local(place):
            return self._drive(flow, endpoint.dataset_server(place), self._limits)
        return self._run(self._host_flow(place, flow))

    def _run(self, flow: Callable[[ServerCapabilities], Flow[T]], limits: Limits | None = None) -> T:
        return self._drive(flow, endpoint.current_server(self._api_key, self._base_url), limits or self._limits)

    def _drive(self, flow: Callable[[ServerCapabilities], Flow[T]], server: endpoint.Server, limits: Limits) -> T:
        return drive(flow(self._capabilities_of(server)), Performer(self._transport, server, limits))


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name != "AsyncReka":  # which programs for `reka-api` 3 import from here
            raise AttributeError(f"module 'reka.client' has no attribute {name!r}")
        return import_module("reka.async_client").AsyncReka
