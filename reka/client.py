"""`Reka`, the client that waits: each method builds a call and sends it."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from copy import copy
from functools import partial
from os import PathLike
from types import TracebackType
from typing import Any, TypeVar

import requests

from reka import config, endpoint
from reka._calls import endpoints, flows
from reka._calls.call import Call, StreamCall
from reka._calls.flows import Flow, ServerCapabilities, Sleep
from reka._inputs import uploads, validation
from reka._inputs.chat_request import ChatRequest, chat_request, messages_request
from reka._transport.retry import Limits
from reka._transport.sync import SyncTransport
from reka._wire.completions import ChatEvents, as_chat_event, as_events
from reka._wire.documented import as_turn
from reka.base_client import BaseClient
from reka.config import Timeout
from reka.errors import InvalidArgumentError, RekaError
from reka.types import (
    Api,
    ChatCompletion,
    ChatEvent,
    DatasetResult,
    Message,
    ModelTurn,
    OnEvent,
    OnProgress,
    OnUpdate,
    PrepareRetrievalStatusResponse,
    RetrievedChunk,
    StreamEvent,
    Turn,
)

T = TypeVar("T")


class Reka(BaseClient):
    """A client of Reka's API, with one pool of connections; share it between threads, and close it at the end.

    Key and address are looked up at each call, so setting `reka.API_KEY` or the environment later works.

    Args:
        api_key: The key; None reads `reka.API_KEY`, else the environment's REKA_API_KEY.
        base_url: The server's address; None reads `reka.BASE_URL`, else REKA_BASE_URL, else REKA_SERVER, else it is
            Reka's own host. `local` or `local:PATH` is the server embedded in this process (needs `reka[server]`).
        timeout: Seconds a call may take, or a `Timeout`; None is `Timeout()`: 10 s to connect, 300 s of silence, 600 s
            in all.
        max_retries: How often a call that failed on its way, or on a busy server, is sent again; 0 is never.
        api: Which generation of the API is used: `v0`, the documented endpoint; `v1`, the completions endpoint; `auto`,
            the documented one wherever the request fits it.
        max_media_bytes: The most bytes a `media_filename` may have.
        headers: Sent with each request, besides the client's own.
        proxies: URL of a proxy by scheme (`http`, `https`, `all`); None reads the environment, `{}` uses none.
        ca_bundle: File with the certificates to trust; None reads the environment's REQUESTS_CA_BUNDLE,
            CURL_CA_BUNDLE or SSL_CERT_FILE, else it is certifi's.
        on_event: Called after each request with a `RequestEvent`, for metrics.
        session: A session of your own; it is used as it is, and not closed.

    Raises:
        InvalidArgumentError: An argument is not what it must be.

    Example:
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
        max_media_bytes: int = config.MAX_MEDIA_BYTES,
        headers: Mapping[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
        ca_bundle: str | PathLike[str] | None = None,
        on_event: OnEvent | None = None,
        session: requests.Session | None = None,
    ) -> None:
        super().__init__(
            api_key, base_url, timeout, max_retries, api, max_media_bytes, headers, proxies, ca_bundle, on_event
        )
        session = validation.session(session, "session", "prepare_request", "a requests.Session")
        self._transport = SyncTransport(self._transport_settings, session)

    def __enter__(self) -> "Reka":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. A call after that opens new ones."""
        self._transport.close()

    def chat(
        self,
        human: str | None = None,
        media_url: str | None = None,
        media_filename: str | PathLike[str] | None = None,
        conversation_history: Sequence[Turn] | None = None,
        retrieval_dataset: str | None = None,
        model_name: str = config.MODEL,
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
    ) -> ModelTurn:
        """Ask the model for its next turn.

        A parameter left None is left to the server.

        Args:
            human: The user's latest message; None if `conversation_history` ends with it.
            media_url: An http(s) or `data:` URL of an image, a video, audio or a PDF to chat about; for the first turn
                only, so not together with a `conversation_history`.
            media_filename: A local media file in its place.
            conversation_history: The turns so far, beginning with a human one; human and model take turns. It is not
                changed, and may hold turns that `chat` returned.
            retrieval_dataset: Name of a prepared dataset to answer from.
            model_name: The model; `get_models` lists them.
            request_output_len: The most tokens of the answer, from 1.
            temperature: Softmax temperature, from 0; higher is more diverse.
            random_seed: Seed to obtain different results.
            runtime_top_k: Keep only the k most likely tokens when sampling.
            runtime_top_p: Keep only the most likely tokens that make up this probability, 0 to 1.
            frequency_penalty: Penalizes repetitions by their number; 0 is no penalty.
            presence_penalty: Penalizes repetitions once; 0 is no penalty.
            length_penalty: Penalizes short answers; 1 is no penalty.
            stop_words: Texts at which generation stops.
            extra_request_args: More fields of the request; they override the others.

        Returns:
            `{"type": "model", "text": ...}`, and with a `retrieval_dataset` also `"retrieved_chunks"`, best first.

        Raises:
            InvalidConversationError: The conversation is not one; nothing was sent.
            InvalidArgumentError: Another argument is wrong; nothing was sent.
            AuthError: There is no key, or the server does not take it.
            RetrievalError: There is no such dataset, or it is not prepared.
            RekaError: Anything else, as `reka.errors` draws it.

        Source: documented.
        """
        request = chat_request(
            human,
            media_url,
            media_filename,
            conversation_history,
            retrieval_dataset,
            model_name,
            request_output_len,
            temperature,
            random_seed,
            runtime_top_k,
            runtime_top_p,
            frequency_penalty,
            presence_penalty,
            length_penalty,
            stop_words,
            extra_request_args,
            max_media_bytes=self._max_media_bytes,
        )
        return as_turn(self._ask(partial(flows.chat, request, self._api)))

    def stream(
        self,
        human: str | None = None,
        media_url: str | None = None,
        media_filename: str | PathLike[str] | None = None,
        conversation_history: Sequence[Turn] | None = None,
        retrieval_dataset: str | None = None,
        model_name: str = config.MODEL,
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
        timeout: float | Timeout | None = None,
    ) -> Generator[ChatEvent, None, None]:
        """Ask the model for its next turn, and give it as it is written.

        The arguments are `chat`'s, and are checked at once; the request is sent at the first step of the iteration, and
        what goes wrong from then on is raised inside it. Closing the generator closes the connection.

        Args:
            human: As in `chat`.
            media_url: As in `chat`.
            media_filename: As in `chat`.
            conversation_history: As in `chat`.
            retrieval_dataset: As in `chat`. Where the server answers this at the documented endpoint alone, which has
                no streaming, the answer comes as one event.
            model_name: As in `chat`.
            request_output_len: As in `chat`.
            temperature: As in `chat`.
            random_seed: As in `chat`.
            runtime_top_k: As in `chat`.
            runtime_top_p: As in `chat`.
            frequency_penalty: As in `chat`.
            presence_penalty: As in `chat`.
            length_penalty: As in `chat`; as for `retrieval_dataset`, the answer may come as one event.
            stop_words: As in `chat`.
            extra_request_args: As in `chat`.
            timeout: Seconds this call may take, or a `Timeout`; None is the client's.

        Yields:
            Events whose `text` is the new text only. The last one has the finish reason, the usage and the retrieved
            chunks, as far as the server sends them.

        Raises:
            InvalidConversationError: The conversation is not one; nothing was sent.
            InvalidArgumentError: Another argument is wrong; nothing was sent.
            UnsupportedRequestError: No endpoint of the server can do all that is asked.
            StreamInterruptedError: The answer broke off; `partial_text` has what had come.
            RekaError: Anything else, as `reka.errors` draws it.
        """
        request = chat_request(
            human,
            media_url,
            media_filename,
            conversation_history,
            retrieval_dataset,
            model_name,
            request_output_len,
            temperature,
            random_seed,
            runtime_top_k,
            runtime_top_p,
            frequency_penalty,
            presence_penalty,
            length_penalty,
            stop_words,
            extra_request_args,
            max_media_bytes=self._max_media_bytes,
        )
        return self._chat_events(request, self._limits.changed(timeout))

    def complete(
        self,
        messages: Sequence[Message],
        *,
        model: str = config.MODEL,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        frequency_penalty: float | None = None,
        presence_penalty: float | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        response_format: Mapping[str, Any] | None = None,
        research: Mapping[str, Any] | None = None,
        extra_request_args: Mapping[str, Any] | None = None,
        timeout: float | Timeout | None = None,
    ) -> ChatCompletion:
        """Ask the model for a message: `/v1/chat/completions`, with tools, structured output and research.

        A parameter left None is left to the server. The messages may be written in any form the OpenAI protocol allows;
        they are brought to what Reka's host takes: system text goes in front of the next user text, neighbours of one
        role are merged, a tool's result becomes user text labelled with its call's id.

        Args:
            messages: `{"role": ..., "content": ...}`; roles system, user, assistant and tool, contents a string or a
                list of parts (`text`, `image_url`, `video_url`, `audio_url`, `pdf_url`; `reka.media` makes them).
            model: The model.
            max_tokens: The most tokens of the answer, from 1.
            temperature: Softmax temperature, from 0.
            top_p: Keep only the most likely tokens that make up this probability, 0 to 1.
            top_k: Keep only the k most likely tokens.
            frequency_penalty: Penalizes repetitions by their number; 0 is no penalty.
            presence_penalty: Penalizes repetitions once; 0 is no penalty.
            seed: Seed to obtain different results.
            stop: Texts at which generation stops.
            tools: `{"name", "description", "parameters"}`, parameters being a JSON schema of an object.
            tool_choice: `auto`, `none`, `tool` (must call one), or the name of the one to call.
            response_format: As the OpenAI protocol has it. Reka documents `json_schema` for `reka-flash-research`.
            research: Settings of `reka-flash-research`: `web_search`, `parallel_thinking`.
            extra_request_args: More fields of the request; they override the others. `retrieval_dataset` and
                `length_penalty` belong here; they send the request to the documented endpoint, unless the server takes
                them at this one.
            timeout: Seconds this call may take, or a `Timeout`; None is the client's.

        Raises:
            InvalidConversationError: The messages are none; the error names the index. Nothing was sent.
            InvalidArgumentError: Another argument is wrong; nothing was sent.
            UnsupportedRequestError: No endpoint of the server can do all that is asked.
            RekaError: Anything else, as `reka.errors` draws it.
        """
        request = messages_request(
            messages,
            model=model,
            max_tokens=max_tokens,
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            frequency_penalty=frequency_penalty,
            presence_penalty=presence_penalty,
            seed=seed,
            stop=stop,
            tools=tools,
            tool_choice=tool_choice,
            response_format=response_format,
            research=research,
            extra_request_args=extra_request_args,
        )
        return self._ask(partial(flows.complete, request, self._api), self._limits.changed(timeout))

    def stream_messages(
        self,
        messages: Sequence[Message],
        *,
        model: str = config.MODEL,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        frequency_penalty: float | None = None,
        presence_penalty: float | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        response_format: Mapping[str, Any] | None = None,
        research: Mapping[str, Any] | None = None,
        extra_request_args: Mapping[str, Any] | None = None,
        timeout: float | Timeout | None = None,
    ) -> Generator[StreamEvent, None, None]:
        """Ask the model for a message, and give it as it is written.

        With tools the answer comes in one step: Reka's host answers tools with streaming by an empty stream, so it is
        asked without. Closing the generator closes the connection.

        Args:
            messages: As in `complete`.
            model: As in `complete`.
            max_tokens: As in `complete`.
            temperature: As in `complete`.
            top_p: As in `complete`.
            top_k: As in `complete`.
            frequency_penalty: As in `complete`.
            presence_penalty: As in `complete`.
            seed: As in `complete`.
            stop: As in `complete`.
            tools: As in `complete`.
            tool_choice: As in `complete`.
            response_format: As in `complete`.
            research: As in `complete`.
            extra_request_args: As in `complete`.
            timeout: As in `complete`.

        Yields:
            `TextDelta`, `ReasoningDelta`, `ToolCallDelta`, `Citation`, `Usage`, and at last one `Finish`.

        Raises:
            InvalidConversationError: The messages are none; nothing was sent.
            InvalidArgumentError: Another argument is wrong; nothing was sent.
            StreamInterruptedError: The answer broke off; `partial_text` has what had come.
            RekaError: Anything else, as `reka.errors` draws it.
        """
        request = messages_request(
            messages,
            model=model,
            max_tokens=max_tokens,
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            frequency_penalty=frequency_penalty,
            presence_penalty=presence_penalty,
            seed=seed,
            stop=stop,
            tools=tools,
            tool_choice=tool_choice,
            response_format=response_format,
            research=research,
            extra_request_args=extra_request_args,
        )
        return self._events(request, self._limits.changed(timeout))

    def get_models(self) -> list[str]:
        """List the names of the models that this key may use.

        Source: documented, and as `list_models` in the vendor's package; both names are one function.
        """
        return self._send(endpoints.get_models())

    list_models = get_models

    def add_dataset(
        self,
        filepath: str | PathLike[str],
        name: str,
        description: str | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> DatasetResult:
        """Upload a dataset. The file is read as it is sent and never held in memory.

        Args:
            filepath: A UTF-8 text file, or a zip of such files in any folders and of nothing else.
            name: What to call it. A name that cannot be stored safely, such as `../../etc/shadow`, is changed by the
                server; the stored one is in the answer.
            description: A note to keep with it.
            on_progress: Called with the bytes sent so far and those in all.

        Returns:
            `{"name": ..., "ok": ..., "info": ...}`, the name as stored.

        Raises:
            InvalidArgumentError: There is no such file, it is a folder or empty, or the name is none; nothing was sent.
            DatasetError: The server refused it, and stored nothing.
            RekaError: Anything else, as `reka.errors` draws it.

        Source: documented; `on_progress` ours.
        """
        return self._send(endpoints.add_dataset(uploads.file_source(filepath), name, description, on_progress))

    def add_folder(
        self,
        folder: str | PathLike[str],
        name: str,
        description: str | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> DatasetResult:
        """Upload the text files below a folder as one dataset; they are zipped as they are sent.

        Args:
            folder: The folder. Hidden files and folders in it stay out.
            name: As in `add_dataset`.
            description: As in `add_dataset`.
            on_progress: Called with the compressed bytes sent so far, and None: how many there will be is not known.

        Returns:
            As `add_dataset`.

        Raises:
            InvalidArgumentError: There is no such folder, or no file in it; nothing was sent.
            DatasetError: The server refused it, and stored nothing.
            RekaError: Anything else, as `reka.errors` draws it.
        """
        return self._send(endpoints.add_dataset(uploads.folder_source(folder), name, description, on_progress))

    def list_datasets(self) -> list[str]:
        """List the names of this key's datasets.

        Source: documented.
        """
        return self._send(endpoints.list_datasets())

    def delete_dataset(self, name: str) -> DatasetResult:
        """Delete a dataset; one that is being prepared is given up first.

        Args:
            name: Its stored name.

        Returns:
            `{"name": ..., "ok": ..., "info": ...}`.

        Raises:
            InvalidArgumentError: The name cannot be one; nothing was sent.
            DatasetError: There is no such dataset.
            RekaError: Anything else, as `reka.errors` draws it.

        Source: documented.
        """
        return self._send(endpoints.delete_dataset(name))

    def prepare_retrieval(self, dataset_name: str) -> str:
        """Begin to prepare a dataset for retrieval; the server works on after this returns.

        Args:
            dataset_name: Its stored name.

        Returns:
            The id of the job, for `retrieval_job_status` and `wait_for_retrieval`.

        Raises:
            InvalidArgumentError: The name cannot be one; nothing was sent.
            RetrievalError: There is no such dataset, or it is prepared or being prepared already.
            RekaError: Anything else, as `reka.errors` draws it.

        Source: documented.
        """
        return self._send(endpoints.prepare_retrieval(dataset_name))

    def retrieval_job_status(self, job_id: str) -> PrepareRetrievalStatusResponse:
        """Look at a prepare-retrieval job.

        Args:
            job_id: What `prepare_retrieval` returned.

        Raises:
            RetrievalError: There is no such job.
            RekaError: Anything else, as `reka.errors` draws it.

        Source: documented.
        """
        return self._send(endpoints.retrieval_job_status(job_id))

    def wait_for_retrieval(
        self, job_id: str, *, timeout: float | None = None, on_update: OnUpdate | None = None
    ) -> PrepareRetrievalStatusResponse:
        """Wait until a prepare-retrieval job has ended.

        Asks for its status at growing intervals. The job runs on the server: an exception here does not stop it.

        Args:
            job_id: What `prepare_retrieval` returned.
            timeout: Longest wait in seconds; None waits as long as the job takes.
            on_update: Called in this thread with each status that differs from the one before.

        Returns:
            The last status; its `is_complete()` is true.

        Raises:
            RetrievalError: The job failed (the message has its detail), or there is no such job.
            WaitTimeoutError: `timeout` passed; `last_status` on the error is the last one seen.
            RekaError: Anything else, as `reka.errors` draws it.
        """
        return self._ask(lambda _: flows.wait_for_retrieval(job_id, timeout, on_update))

    def retrieve(self, query: str, dataset: str, k: int = config.RETRIEVED_CHUNKS) -> list[RetrievedChunk]:
        """Retrieve the chunks of a dataset that fit a question, without an answer.

        The documented API retrieves for chat alone, so chat is asked, for one token.

        Args:
            query: The question.
            dataset: Name of a prepared dataset.
            k: The most chunks, 1 to 100. A server that cannot be told gives its own number, cut to k.

        Returns:
            Chunks, best first.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            RetrievalError: There is no such dataset, or it is not prepared.
            RekaError: Anything else, as `reka.errors` draws it.
        """
        return self._ask(partial(flows.retrieve, query, dataset, k))

    def ensure_dataset(
        self,
        name: str,
        *,
        files: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
        texts: Mapping[str, str] | Sequence[str] | None = None,
        on_update: OnUpdate | None = None,
    ) -> str:
        """Make sure that a dataset with just these texts is there and prepared: uploads and waits only if needed.

        The stored name ends in a hash of name and contents, so equal texts are uploaded once, and other texts become
        another dataset. Those of earlier texts stay until they are deleted.

        Args:
            name: What to call it.
            files: A folder, a file, or a list of text files. Either this or `texts`.
            texts: Texts by name, or a list of texts; the names are shown to the model beside the snippets.
            on_update: Called with each status of the job, if one is needed.

        Returns:
            The stored name, ready to be a `retrieval_dataset`.

        Raises:
            InvalidArgumentError: Neither or both of `files` and `texts`, or one of them cannot be sent.
            DatasetError: The server refused the texts.
            RetrievalError: They could not be prepared.
            RekaError: Anything else, as `reka.errors` draws it.
        """
        if (files is None) == (texts is None):
            raise InvalidArgumentError("files, texts: want one of them")
        source = uploads.texts_source(texts) if files is None else uploads.files_source(files)
        digest = source.digest(validation.non_empty_string(name, "name"))
        return self._ask(lambda _: flows.ensure_dataset(name, source, digest, on_update))

    def with_options(self, *, timeout: float | Timeout | None = None, max_retries: int | None = None) -> "Reka":
        """Give a client with other limits on the same connections; closing either closes them.

        Args:
            timeout: Seconds, or a `Timeout`; None keeps this client's.
            max_retries: None keeps this client's.
        """
        twin = copy(self)
        twin._limits = self._limits.changed(timeout, max_retries)  # noqa: SLF001  # it is one of us
        return twin

    def _chat_events(self, request: ChatRequest, limits: Limits) -> Generator[ChatEvent, None, None]:
        answer = self._ask(partial(flows.stream, request, self._api), limits)
        if isinstance(answer, ChatCompletion):
            yield as_chat_event(answer)
            return
        chat_events = ChatEvents()
        with closing(answer):
            for event in answer:
                if (chat_event := chat_events.of(event)) is not None:
                    yield chat_event

    def _events(self, request: ChatRequest, limits: Limits) -> Generator[StreamEvent, None, None]:
        answer = self._ask(partial(flows.stream, request, self._api), limits)
        yield from as_events(answer) if isinstance(answer, ChatCompletion) else answer

    def _send(self, call: Call[T]) -> T:
        return self._ask(lambda _: flows.single(call))

    def _ask(self, flow: Callable[[ServerCapabilities], Flow[T]], limits: Limits | None = None) -> T:
        """Drive a flow: send what it yields, and give or throw back what comes of it."""
        server, limits = endpoint.current_server(self._api_key, self._base_url), limits or self._limits
        driven = flow(self._capabilities_of(server))
        try:
            step = next(driven)
            while True:
                try:
                    value = self._take(step, server, limits)
                except RekaError as error:
                    step = driven.throw(error)
                else:
                    step = driven.send(value)
        except StopIteration as end:
            result: T = end.value
            return result

    def _take(self, step: Call[Any] | Sleep, server: endpoint.Server, limits: Limits) -> object:
        if isinstance(step, Sleep):
            time.sleep(step.seconds)
            return None
        if isinstance(step, StreamCall):
            return self._transport.stream(step, server, limits)
        return self._transport.send(step, server, limits)
