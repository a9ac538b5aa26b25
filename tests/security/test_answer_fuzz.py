"""Whatever a server sends, each client gives an answer or a typed error, and goes on with the next call."""

import gzip
import json
import random
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

import reka
from tests.support.clients import KEY, Connect

FEW = 480
MANY = 20_004
SLOWEST = 20.0
"""Seconds within which any answer is done with."""

TURN = {"type": "model", "text": "Hello", "finish_reason": "stop", "usage": {"input_tokens": 1, "output_tokens": 2}}
COMPLETION = {
    "id": "c",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": [{"type": "text", "text": "Hi"}],
                "reasoning": "so",
                "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
                "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "start_index": 1}}],
            },
            "finish_reason": "stop",
            "logprobs": {"content": [{"token": "Hi", "logprob": -0.1}]},
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.1, "prompt_tokens_details": {"cached_tokens": 1}},
}
CHUNK = {"choices": [{"delta": {"content": "Hi", "tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}}]}
ENDED = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
SO_FAR = {"responses": [{"chunk": {"content": "Hi", "tool_calls": [{"id": "1", "parameters": {}}]}}]}
FAILURE = {"error": {"message": "no", "type": "server_error", "code": 500}}
DOCUMENTS = (
    TURN,
    COMPLETION,
    CHUNK,
    ENDED,
    SO_FAR,
    FAILURE,
    {"detail": [{"loc": ["body", "a"], "msg": "wrong"}]},
    ["reka-flash"],
    {"data": [{"id": "reka-flash", "context_length": 1, "pricing": {"prompt": "0.1"}, "input_modalities": ["text"]}]},
    {"name": "n", "ok": True, "info": "i"},
    {"job_status": "RUNNING", "detail": "d", "history": [{"progress": 0.5}]},
)
FITTING = {  # by the beginning of a request's line
    b"POST /chat": (TURN,),
    b"POST /v1/chat": (COMPLETION, CHUNK, ENDED, SO_FAR),
    b"GET /datasets": (["n"], []),
    b"POST /datasets ": ({"name": "n", "ok": True, "info": "i"},),
    b"DELETE": ({"name": "n", "ok": True, "info": "i"},),
    b"POST /datasets/": ("job",),
    b"GET /jobs": ({"job_status": "RUNNING", "detail": "d", "history": [{"progress": 0.5}]},),
    b"GET /models": (["reka-flash"], {"data": [{"id": "reka-flash", "context_length": 1, "pricing": {"prompt": "0"}}]}),
}
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**400,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "a" * 2000,
    "\ud800",
    "\x1b[2J\u202e",
    [],
    {},
    [None],
    [[]],
    {"": None},
    {"a": {"b": []}},
    [{"index": {}, "function": [], "id": 1}],
)
HEADERS = (
    b"Content-Type: application/json",
    b"Content-Type: text/event-stream",
    b"Content-Type: text/html; charset=\xff",
    b"Content-Encoding: gzip",
    b"Content-Encoding: deflate, br, gzip, zstd, x",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Content-Length: 0",
    b"Content-Length: 999999999999999999999",
    b"Content-Length: -1",
    b"Content-Length: a, 3",
    b"Retry-After: 1e999",
    b"Retry-After: Fri, 31 Dec 99999999 23:59:59 GMT",
    b"retry-after-ms: -0",
    b"x-request-id: \xe9\xff\x80",
    b"X-RateLimit-Limit: nan",
    b"x-ratelimit-reset: 1e308",
    b"Location: http://[",
    b"Location: //\\@evil.example/\x00",
    b"Location: /" + b"a" * 5000,
    b"Set-Cookie: a=b; domain=.example",
    b"Proxy-Authenticate: Basic",
    b"Connection: close",
    b"no colon",
    b" folded: line",
    b": empty",
)
STATUSES = (
    200,
    200,
    200,
    200,
    201,
    204,
    206,
    301,
    304,
    307,
    308,
    400,
    401,
    404,
    407,
    413,
    422,
    429,
    500,
    503,
    599,
    999,
)
CALLS: tuple[Callable[[reka.Reka], object], ...] = (
    lambda client: client.chat("Hi"),
    lambda client: client.complete([{"role": "user", "content": "Hi"}]),
    lambda client: list(client.stream("Hi")),
    lambda client: list(client.stream_messages([{"role": "user", "content": "Hi"}])),
    lambda client: client.describe_models(),
    lambda client: client.get_models(),
    lambda client: client.list_datasets(),
    lambda client: client.retrieve("q", "n"),
    lambda client: client.add_dataset(__file__, "n", "d"),
    lambda client: client.delete_dataset("n"),
    lambda client: client.prepare_retrieval("n"),
    lambda client: client.retrieval_job_status("j"),
)


def mutated(value: Any, chance: random.Random) -> Any:
    """A value with some of its parts replaced, left out or repeated."""
    if chance.random() < 0.08:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {
            name if chance.random() < 0.97 else "\x00": mutated(part, chance)
            for name, part in value.items()
            if chance.random() < 0.95
        }
    if isinstance(value, (list, tuple)):
        return [mutated(part, chance) for part in value for _ in range(chance.choice((0, 1, 1, 1, 1, 2)))]
    return value


def body(request: bytes, chance: random.Random) -> bytes:
    """A body: documents, mostly such as the request asks for, events, or neither."""
    fitting = next((documents for line, documents in FITTING.items() if request.startswith(line)), DOCUMENTS)
    choices = fitting if chance.random() < 0.8 else DOCUMENTS
    documents = [json.dumps(mutated(chance.choice(choices), chance)).encode() for _ in range(chance.randint(1, 4))]
    if chance.random() < 0.4:
        is_stream = b'"stream":true' in request.replace(b" ", b"")
        return b"".join(b"data: %b\n\n" % document for document in documents) if is_stream else documents[0]
    written = chance.choice(
        (
            documents[0],
            b"".join(b"data: %b\n\n" % document for document in documents) + b"data: [DONE]\n\n",
            b"\r".join(b"event: error\rdata:%b\r" % document for document in documents),
            b"<html><head>" + documents[0] + b"<script" * chance.randint(0, 50),
            chance.randbytes(chance.randint(0, 300)),
            b"[" * chance.randint(0, 5000),
        )
    )
    for _ in range(chance.choice((0, 0, 0, 1, 5))):
        place = chance.randrange(len(written) + 1)
        written = written[:place] + chance.randbytes(chance.randint(0, 3)) + written[place + chance.randint(0, 3) :]
    return written


def hostile_answer(request: bytes, chance: random.Random) -> bytes:
    """An answer: status, headers and body, of which any may be wrong."""
    content = body(request, chance)
    if chance.random() < 0.5:  # what is wrong is inside
        kind = HEADERS[b"data:" in content[:30]]
        return b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(content), content)
    headers = chance.sample(HEADERS, chance.choice((0, 0, 1, 1, 2, 4)))
    if chance.random() < 0.7:
        headers.append(chance.choice(HEADERS[:2]))
    if b"Content-Encoding: gzip" in headers and chance.random() < 0.7:
        content = gzip.compress(content) if chance.random() < 0.7 else zlib.compress(content)
    if b"Transfer-Encoding: chunked" in headers and chance.random() < 0.8:
        half = len(content) // 2
        pieces = (content[:half], content[half:], b"")
        content = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece or chance.random() < 0.8)
    elif chance.random() < 0.5:
        headers.append(b"Content-Length: %d" % len(content))
    line = chance.choice((b"HTTP/1.1 %d OK",) * 20 + (b"HTTP/1.0 %d", b"HTTP/9 %d \xff", b"%d", b"HTTP/1.1 1%d X"))
    answer = b"\r\n".join([line % chance.choice(STATUSES), *headers, b"", content])
    return answer[: chance.randrange(len(answer) + 1)] if chance.random() < 0.1 else answer


class HostileServer:
    """Gives each request one of many answers, and closes its connection."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.answer = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(1)
                request = connection.recv(65_536)
                head, _, received = request.partition(b"\r\n\r\n")
                length = int((re.findall(rb"(?i)content-length: (\d+)", head) or [0])[0])
                while len(received) < length:
                    received += connection.recv(65_536)
                self.answer = hostile_answer(head + received, self._chance)
                connection.sendall(self.answer)


@pytest.fixture
def server() -> Iterator[HostileServer]:
    server = HostileServer(random.Random(20_261_126))
    yield server
    server.close()


def attempt(call: Callable[[reka.Reka], object], client: reka.Reka) -> str:
    """Make a call, and tell what came of it."""
    try:
        return str(call(client))
    except reka.RekaError as error:
        return str(error)


@pytest.mark.parametrize("answers", [FEW, pytest.param(MANY, marks=(pytest.mark.prove, pytest.mark.timeout(3600)))])
def test_every_hostile_answer_ends_in_a_value_or_a_typed_error(
    connect: Connect, server: HostileServer, answers: int
) -> None:
    chance, failures = random.Random(7), []

    for _ in range(answers // len(CALLS)):
        with connect(KEY, server.url, timeout=SLOWEST, max_retries=0) as client:  # a new one, which has learned nothing
            for call in chance.sample(CALLS, len(CALLS)):
                began = time.monotonic()
                try:
                    attempt(call, client).encode()
                except Exception as error:  # noqa: BLE001  # what must not come
                    failures.append((repr(error), server.answer))
                if time.monotonic() - began > SLOWEST:
                    failures.append(("slow", server.answer))

    assert failures[:3] == []
