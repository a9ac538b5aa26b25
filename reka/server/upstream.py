"""The answerer that asks a language model: any server that speaks OpenAI's chat API, or Reka's own."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from reka.server.answers import Answer, AnswerError, Delta, End, Pieces, Question, in_pieces
from reka.server.slots import Slots
from reka.server.upstream_bodies import Form, chat_request, read_completion, read_count, tokens_of
from reka.server.upstream_errors import PassingError, error_for, error_in_stream, reason, shown
from reka.wire.sse import SseDecoder

__all__ = ["UpstreamAnswerer", "form_of", "upstream_url"]

T = TypeVar("T")

CONNECT_TIMEOUT: Final = 10.0
"""Seconds to wait for a connection to the upstream (ours)."""

READ_TIMEOUT: Final = 300.0
"""Seconds of silence that end a request: a large model may think that long before its first byte (ours)."""

CHECK_TIMEOUT: Final = 3.0
"""Seconds in which an upstream that is ready lists its models (ours)."""

MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
"""Bytes of an upstream answer that are read; more is refused (ours)."""

_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 5.0
"""Seconds before another try; an upstream that asks for a longer wait is not asked again, the caller is told (ours)."""

_DONE: Final = "[DONE]"
_NO_LIMIT: Final = 1_000_000


def upstream_url(address: str) -> str:
    """Bring the address of an OpenAI-compatible server to the form that `/chat/completions` is appended to.

    An address without a path gets `/v1`; one with a path is taken to be complete, as hosts differ in theirs.

    Raises:
        ValueError: It is no http(s) address, or carries a user name, a query or a fragment.
    """
    wanted = "want the base URL of an OpenAI-compatible server, such as http://127.0.0.1:11434/v1"
    url = address.strip().rstrip("/").removesuffix("/chat/completions")
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ValueError(f"upstream: got {address!r}, {wanted}")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"upstream: got an address with a user name, query or fragment, {wanted}; a key is set apart")
    return url if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/v1"


def form_of(url: str) -> Form:
    """Tell which form an upstream takes: Reka's own host takes less than OpenAI's API allows."""
    return "reka" if urlsplit(url).hostname == "api.reka.ai" else "openai"


class UpstreamAnswerer:
    """Passes questions, with what retrieval found for them, to a language model behind an OpenAI-compatible API.

    Args:
        address: Base URL of the upstream, with or without `/v1`.
        model: Name of the model there; None for the first that the upstream lists, asked for once.
        key: The key that opens the upstream; None if it wants none. It is sent nowhere else and never shown.
        form: The form of requests that it takes; None to tell by the address.
        count_tokens: Counts where the upstream tells no usage.
        slots: Room for questions at once; None for no limit.
        retries: How often it is asked again when it fails before it has answered anything.
        timeout: Connect and read timeouts; None for this module's.

    Raises:
        ValueError: `address` is none, or the key cannot stand in an HTTP header.
    """

    def __init__(
        self,
        address: str,
        *,
        model: str | None = None,
        key: str | None = None,
        form: Form | None = None,
        count_tokens: Callable[[str], int],
        slots: Slots | None = None,
        retries: int = 0,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> None:
        self._url = upstream_url(address)
        self._model = model
        self._key = _checked_key(key)
        self._form = form or form_of(self._url)
        self._count_tokens = count_tokens
        self._slots = slots or Slots(_NO_LIMIT, 0, 0)
        self._retries = retries
        self._timeout = timeout or aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT, sock_read=READ_TIMEOUT)
        self._session: aiohttp.ClientSession | None = None
        self._asking_for_model = asyncio.Lock()

    @property
    def language_model(self) -> str:
        """Name of the model; until the upstream has told its first one, where that is."""
        return self._model or f"default model of {self._url}"

    @property
    def model_names(self) -> tuple[str, ...]:
        """The model's name at the upstream, once it is known."""
        return () if self._model is None else (self._model,)

    async def answer(self, question: Question) -> Answer:
        """Ask the model.

        Raises:
            AnswerError: The upstream cannot be reached (502), is silent (504), is busy (429, 503), refuses the
                request (400) or answers something else than a chat completion (502).
        """
        async with self._slots.one():
            body = chat_request(question, await self._model_name(), self._form)
            return self._read(await self._exchange("POST", "/chat/completions", body), body)

    async def stream(self, question: Question) -> Pieces:
        """Ask the model, and pass its answer on as it comes. Only what has not begun is tried again.

        Raises:
            AnswerError: As `answer`; also where an answer breaks off (502) or falls silent (504).
        """
        if self._form == "reka" and question.tools:
            # Reka's host answers tools in a stream with an empty one (observed).
            whole = in_pieces(await self.answer(question))
        else:
            whole = self._streamed(question)
        async with aclosing(whole):
            async for piece in whole:
                yield piece

    async def check(self) -> None:
        """See whether the upstream lists its models.

        Raises:
            AnswerError: It does not.
        """
        try:
            await asyncio.wait_for(self._exchange_once("GET", "/models"), CHECK_TIMEOUT)
        except asyncio.TimeoutError as error:
            raise AnswerError(504, f"the upstream {self._url} did not answer in time") from error

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _model_name(self) -> str:
        if self._model is None:
            async with self._asking_for_model:  # of questions that come at once, one asks and the others wait
                if self._model is None:
                    self._model = _first_model(await self._exchange("GET", "/models"))
        if self._model is None:
            raise AnswerError(502, f"the upstream {self._url} lists no model: name one with --upstream-model")
        return self._model

    async def _streamed(self, question: Question) -> Pieces:
        async with self._slots.one():
            body = chat_request(question, await self._model_name(), self._form)
            response = await self._retried(
                lambda: self._opened("POST", "/chat/completions", _streaming(body, self._form))
            )
            try:
                with self._failures():
                    if "json" in response.headers.get("Content-Type", ""):  # it does not stream
                        pieces = in_pieces(self._read(_parsed(await _whole(response), self._garbage), body))
                    else:
                        pieces = self._pieces(response, body)
                    async for piece in pieces:
                        yield piece
            finally:
                response.close()

    async def _pieces(self, response: aiohttp.ClientResponse, body: Mapping[str, Any]) -> Pieces:
        """Read a stream of chunks."""
        stream = _Chunks()
        async for data in _events(response):
            if data == _DONE:
                break
            chunk = _parsed(data, self._garbage)
            if not isinstance(chunk, dict):
                raise self._garbage()
            if chunk.get("error"):
                raise error_in_stream(chunk, self._url, self._key)
            try:
                delta = stream.read(chunk)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise self._garbage() from error
            if delta is not None:
                yield delta
        if stream.finish_reason is None:
            raise AnswerError(502, f"the upstream {self._url} ended its answer before it was whole")
        usage = stream.usage
        yield End(
            stream.finish_reason,
            read_count(usage, "prompt_tokens", "input_tokens") or tokens_of(body, self._count_tokens),
            read_count(usage, "completion_tokens", "output_tokens") or self._count_tokens("".join(stream.texts)),
        )

    async def _exchange(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> object:
        """Send a request, again if need be, and give the JSON value of its answer."""
        return await self._retried(lambda: self._exchange_once(method, path, body))

    async def _exchange_once(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> object:
        response = await self._opened(method, path, body)
        try:
            with self._failures():
                return _parsed(await _whole(response), self._garbage)
        finally:
            response.release()

    async def _opened(self, method: str, path: str, body: Mapping[str, Any] | None) -> aiohttp.ClientResponse:
        """Send a request and give its answer, of which the body is not read yet; the caller lets go of it."""
        url = self._url + path
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        with self._failures():
            # A redirect is an error: followed, it would take the key and the conversation to who knows whom.
            response = await self._connected().request(
                method, url, json=body, headers=headers, proxy=_proxy(url), allow_redirects=False
            )
            if response.status == 200:
                return response
            try:
                data = await _whole(response)
            finally:
                response.release()
        raise error_for(response.status, response.headers, data, self._url, self._key)

    async def _retried(self, once: Callable[[], Awaitable[T]]) -> T:
        for attempt in range(self._retries):
            try:
                return await once()
            except PassingError as error:
                wait = _wait(attempt, error.retry_after)
                if wait > _LONGEST_WAIT:
                    raise
            await asyncio.sleep(wait)
        return await once()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn what can go wrong on a connection into an error that says what it means."""
        try:
            yield
        except asyncio.TimeoutError as error:  # until Python 3.11 it is not the built-in TimeoutError
            raise AnswerError(504, f"the upstream {self._url} did not answer in time") from error
        except aiohttp.ClientError as error:
            said = shown(reason(error), self._key)
            raise PassingError(502, f"no answer from the upstream {self._url}: {said}") from error

    def _read(self, completion: object, body: Mapping[str, Any]) -> Answer:
        try:
            return read_completion(completion, body, self._count_tokens)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise self._garbage() from error

    def _connected(self) -> aiohttp.ClientSession:
        # Made at the first question: a session belongs to the event loop that runs, and there is none before.
        if self._session is None:
            # Proxies are looked up by `_proxy`: `trust_env` would look for a netrc file at every request as well.
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    def _garbage(self) -> AnswerError:
        return AnswerError(
            502, f"the upstream's answer cannot be read: {self._url} does not speak OpenAI's API (is the path right?)"
        )


class _Chunks:
    """Reads the chunks of a stream, and keeps what its end needs."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self.usage: Mapping[str, Any] = {}
        self.texts: list[str] = []

    def read(self, chunk: Mapping[str, Any]) -> Delta | None:
        """Give what a chunk brings; None if that is nothing but usage, or the reason of the end.

        Raises:
            LookupError, TypeError, ValueError, AttributeError: It is of another shape.
        """
        self.usage = chunk.get("usage") or self.usage
        choices = chunk.get("choices")
        if not choices:
            return None
        choice = choices[0]
        if choice.get("finish_reason"):
            self.finish_reason = str(choice["finish_reason"])
        delta = {name: value for name, value in (choice.get("delta") or {}).items() if value is not None}
        if content := delta.get("content"):
            self.texts.append(content)
        return Delta(delta, choice.get("logprobs")) if delta else None


def _streaming(body: Mapping[str, Any], form: Form) -> dict[str, Any]:
    # Reka's host tells usage unasked, and is not known to take this option.
    options = {} if form == "reka" else {"stream_options": {"include_usage": True}}
    return {**body, "stream": True, **options}


def _wait(attempt: int, told: float | None) -> float:
    """Seconds before the next try: what the upstream asks for, or ever more, at random, so that callers come apart."""
    ceiling = min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT)
    return random.uniform(0, ceiling) if told is None else told  # noqa: S311 - not for secrets


def _checked_key(key: str | None) -> str | None:
    if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key):
        raise ValueError("upstream_key: got something that no HTTP header can carry, want printable ASCII, no spaces")
    return key or None


def _proxy(url: str) -> str | None:
    """Find the proxy that the environment names for a URL."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    return None if proxy is None or proxy_bypass(parts.netloc) else proxy


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    blocks = [block async for block in _blocks(response)]
    return b"".join(blocks)


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[str]:
    """Give the data of a stream's events."""
    decoder = SseDecoder()
    async for block in _blocks(response):
        for event in decoder.feed(block):
            if event.data:
                yield event.data


async def _blocks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    size = 0
    async for block in response.content.iter_any():
        size += len(block)
        if size > MAX_ANSWER_BYTES:
            raise aiohttp.ClientPayloadError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        yield block


def _parsed(data: bytes | str, garbage: Callable[[], AnswerError]) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise garbage() from error


def _first_model(listed: object) -> str | None:
    """Find the first name in a list of models: OpenAI's `{"data": [{"id"}]}`, or a bare list."""
    models = listed.get("data") if isinstance(listed, dict) else listed
    first = models[0] if isinstance(models, list) and models else None
    name = first.get("id") if isinstance(first, dict) else first
    return name if isinstance(name, str) and name else None
