"""The answerer that asks a language model: any server that speaks OpenAI's chat API."""

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from reka.server import prompt
from reka.server.answers import Answer, AnswerError, Question

__all__ = ["UpstreamAnswerer", "chat_request", "upstream_url"]

CONNECT_TIMEOUT: Final = 10.0
"""Seconds to wait for a connection to the upstream (ours)."""

READ_TIMEOUT: Final = 300.0
"""Seconds of silence that end a request: a large model may think that long before its first byte (ours)."""

MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
"""Bytes of an upstream answer that are read; more is refused (ours)."""

_LONGEST_DETAIL: Final = 500
"""Characters of an upstream error message that are passed on."""

# A Question's fields that OpenAI's API has under the name beside them. It has none for `length_penalty`.
_PARAMETERS: Final[Mapping[str, str]] = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "seed": "seed",
    "top_k": "top_k",
    "top_p": "top_p",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}


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


def chat_request(question: Question, model: str) -> dict[str, Any]:
    """Write a question as the body of a chat request. What the caller left open is left to the upstream."""
    body: dict[str, Any] = {"model": model, "messages": prompt.messages(question)}
    for name, theirs in _PARAMETERS.items():
        value = getattr(question, name)
        if value is not None:
            body[theirs] = value
    if question.stop:
        body["stop"] = list(question.stop)
    return body


class UpstreamAnswerer:
    """Passes questions, with what retrieval found for them, to a language model behind an OpenAI-compatible API.

    Args:
        address: Base URL of the upstream, with or without `/v1`.
        model: Name of the model there; None for the first that the upstream lists, asked for once.
        key: The key that opens the upstream; None if it wants none. It is sent nowhere else and never shown.
        count_tokens: Counts where the upstream tells no usage.
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
        count_tokens: Callable[[str], int],
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> None:
        self._url = upstream_url(address)
        self._model = model
        self._key = _checked_key(key)
        self._count_tokens = count_tokens
        self._timeout = timeout or aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT, sock_read=READ_TIMEOUT)
        self._session: aiohttp.ClientSession | None = None
        self._asking_for_model = asyncio.Lock()

    @property
    def language_model(self) -> str:
        """Name of the model; until the upstream has told its first one, where that is."""
        return self._model or f"default model of {self._url}"

    async def answer(self, question: Question) -> Answer:
        """Ask the model.

        Raises:
            AnswerError: The upstream cannot be reached (502), is silent (504), is busy (429, 503), refuses the
                request or answers something else than a chat completion (502).
        """
        body = chat_request(question, await self._model_name())
        completion = await self._exchange("POST", "/chat/completions", body)
        try:
            return _read_completion(completion, body, self._count_tokens)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise self._garbage("/chat/completions") from error

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

    async def _exchange(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> object:
        """Send one request and give the JSON value of its answer."""
        url = self._url + path
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            # A redirect is an error: followed, it would take the key and the conversation to who knows whom.
            async with self._connected().request(
                method, url, json=body, headers=headers, proxy=_proxy(url), allow_redirects=False
            ) as response:
                status, reply_headers = response.status, response.headers
                data = await _read(response)
        except asyncio.TimeoutError as error:  # until Python 3.11 it is not the built-in TimeoutError
            raise AnswerError(504, f"the upstream {self._url} did not answer in time") from error
        except aiohttp.ClientError as error:
            raise AnswerError(502, f"no answer from the upstream {self._url}: {self._shown(_reason(error))}") from error
        if status != 200:
            raise _error_for(status, reply_headers, self._shown(_message(data)), self._url)
        try:
            return json.loads(data)
        except ValueError as error:
            raise self._garbage(path) from error

    def _connected(self) -> aiohttp.ClientSession:
        # Made at the first question: a session belongs to the event loop that runs, and there is none before.
        if self._session is None:
            # Proxies are looked up by `_proxy`: `trust_env` would look for a netrc file at every request as well.
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    def _shown(self, message: str) -> str:
        """Cut a foreign message to what may be passed on: some servers repeat the key that they refuse."""
        shown = message.replace(self._key, "***") if self._key else message
        return shown[:_LONGEST_DETAIL]

    def _garbage(self, path: str) -> AnswerError:
        return AnswerError(
            502, f"the upstream's answer cannot be read: {self._url}{path} is not OpenAI's API (is the path right?)"
        )


def _checked_key(key: str | None) -> str | None:
    if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key):
        raise ValueError("upstream_key: got something that no HTTP header can carry, want printable ASCII, no spaces")
    return key or None


def _proxy(url: str) -> str | None:
    """Find the proxy that the environment names for a URL."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    return None if proxy is None or proxy_bypass(parts.netloc) else proxy


async def _read(response: aiohttp.ClientResponse) -> bytes:
    blocks: list[bytes] = []
    size = 0
    async for block in response.content.iter_any():
        blocks.append(block)
        size += len(block)
        if size > MAX_ANSWER_BYTES:
            raise aiohttp.ClientPayloadError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    return b"".join(blocks)


def _read_completion(completion: Any, body: Mapping[str, Any], count_tokens: Callable[[str], int]) -> Answer:
    """Read a chat completion leniently: only the message's text must be there.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: It is of another shape.
    """
    choice = completion["choices"][0]
    text = _text(choice["message"].get("content"))
    usage = completion.get("usage") or {}
    return Answer(
        text=text,
        finish_reason=str(choice.get("finish_reason") or "stop"),
        input_tokens=_count(usage, "prompt_tokens", "input_tokens")
        or sum(count_tokens(_text(message["content"])) for message in body["messages"]),
        output_tokens=_count(usage, "completion_tokens", "output_tokens") or count_tokens(text),
    )


def _text(content: Any) -> str:
    """Give the text of a message's content: a string, parts with text and media, or nothing."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content or () if part.get("type") == "text")


def _count(usage: Mapping[str, Any], *names: str) -> int:
    return next((int(usage[name]) for name in names if usage.get(name)), 0)


def _first_model(listed: object) -> str | None:
    """Find the first name in a list of models: OpenAI's `{"data": [{"id"}]}`, or a bare list."""
    models = listed.get("data") if isinstance(listed, dict) else listed
    first = models[0] if isinstance(models, list) and models else None
    name = first.get("id") if isinstance(first, dict) else first
    return name if isinstance(name, str) and name else None


def _message(data: bytes) -> str:
    """Find what an error answer says: OpenAI's `{"error": {"message"}}`, `{"detail"}`, or plain text."""
    try:
        value = json.loads(data)
    except ValueError:
        return " ".join(data[: 4 * _LONGEST_DETAIL].decode("utf-8", "replace").split())
    error = (value.get("error") or value.get("detail") or value) if isinstance(value, dict) else value
    message = error.get("message", error) if isinstance(error, dict) else error
    return message if isinstance(message, str) else json.dumps(message)


def _error_for(status: int, headers: Mapping[str, str], message: str, url: str) -> AnswerError:
    """Say what an upstream's error status means for who asked this server: never that *their* key is wrong."""
    said = f": {message}" if message else ""
    match status:
        case 401 | 403:
            return AnswerError(
                502, f"the upstream {url} refuses this server's key ({status}{said}): see --upstream-key-env"
            )
        case 429 | 503:
            return AnswerError(status, f"the upstream {url} is busy ({status}{said})", _retry_after(headers))
        case 408 | 504:
            return AnswerError(504, f"the upstream {url} did not answer in time ({status}{said})")
        case _ if 300 <= status < 400:
            return AnswerError(502, f"the upstream {url} answers with a redirect ({status}): use the address it is at")
        case _:
            return AnswerError(502, f"the upstream {url} answers with an error ({status}{said})")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read a Retry-After header, which holds seconds or a date. None if there is none, or none that makes sense."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())


def _reason(error: aiohttp.ClientError) -> str:
    """Put an aiohttp error in a few words."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return f"TLS failed ({error})"
        case aiohttp.ClientConnectorError(os_error=os_error) if not isinstance(os_error, ssl.SSLError):
            return f"cannot connect ({os_error.strerror or os_error})"
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection"
        case _:
            return str(error) or type(error).__name__
