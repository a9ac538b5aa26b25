"""A server of constant answers, fast enough never to be what is measured: a bare asyncio protocol, fixed bytes.

It speaks all generations of the API: `/chat`, `/v1/chat` and `/v1/chat/completions`, the latter two also streamed, with
one event per chunk of the transfer encoding, as servers send them. Below `/held`, a streamed answer stays at its first
chunk, as that of a model which thinks.
"""

import argparse
import asyncio
import json
import resource
import ssl
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

TEXT: Final = "Hello John, how can I help you today? " * 5
STREAMED_CHUNKS: Final = 5000
CERTIFICATE: Final = Path(__file__).parents[1] / "tests/support/loopback.pem"
"""Certificate and key of the loopback address, to be trusted by whoever connects over TLS."""

_LAST_CHUNK: Final = b"0\r\n\r\n"
_LATE_SECONDS: Final = 0.002
_WORD: Final = "word "
_USAGE: Final = {"input_tokens": 12, "output_tokens": 48}
_OPENAI_USAGE: Final = {"prompt_tokens": 12, "completion_tokens": 48, "total_tokens": 60}


def _whole(document: object) -> bytes:
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _streamed(first: object, rest: Iterable[object]) -> tuple[bytes, bytes]:
    """Give what is sent at once, head and first event, and all the rest."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + _framed(_event(first)), b"".join(_framed(_event(event)) for event in rest) + _LAST_CHUNK


def _event(data: object) -> bytes:
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def _framed(block: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(block), block)


def _completion(choice: dict[str, Any], kind: str, **more: object) -> dict[str, Any]:
    return {"id": "c-1", "object": kind, "created": 1, "model": "reka-flash", "choices": [{"index": 0} | choice]} | more


def _delta(delta: dict[str, Any], finish_reason: str | None, **more: object) -> dict[str, Any]:
    return _completion({"delta": delta, "finish_reason": finish_reason}, "chat.completion.chunk", **more)


def _response(field: str, text: str, finish_reason: str | None) -> dict[str, Any]:
    message = {field: {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    return {"id": "c-1", "model": "reka-flash", "responses": [message], "usage": _USAGE}


_MESSAGE: Final = {"message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
_WHOLE: Final = {
    b"/chat": _whole({"type": "model", "text": TEXT, "finish_reason": "stop"}),
    b"/v1/chat": _whole(_response("message", TEXT, "stop")),
    b"/v1/chat/completions": _whole(_completion(_MESSAGE, "chat.completion", usage=_OPENAI_USAGE)),
}
_NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def _streams(chunks: int, so_far: bool) -> dict[bytes, tuple[bytes, bytes]]:
    native = (_response("chunk", _WORD * (number if so_far else 1), None) for number in range(1, chunks + 1))
    end = _response("chunk", _WORD * chunks if so_far else "", "stop")
    word = _delta({"content": _WORD}, None)
    first, rest = _streamed(word, (*[word] * (chunks - 1), _delta({}, "stop", usage=_OPENAI_USAGE), "[DONE]"))
    return {
        b"/v1/chat": _streamed(next(native), (*native, end)),
        b"/v1/chat/completions": (first, rest),
        b"/held/v1/chat/completions": (first, b""),
    }


class _Connection(asyncio.Protocol):
    def __init__(self, streams: dict[bytes, tuple[bytes, bytes]], late_end: bool) -> None:
        self._streams = streams
        self._late_end = late_end
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (head_end := self._received.find(b"\r\n\r\n")) >= 0:
            head, body = self._received[:head_end], self._received[head_end + 4 :]
            length = _content_length(head)
            if len(body) < length:
                return
            self._received = body[length:]
            self._answer(head.split(b" ", 2)[1], body[:length])

    def _answer(self, path: bytes, body: bytes) -> None:
        assert self._transport is not None
        if b'"stream":true' in body.replace(b" ", b"") and path in self._streams:
            first, rest = self._streams[path]
            self._transport.write(first)
            if self._late_end:
                self._transport.write(rest.removesuffix(_LAST_CHUNK))
                asyncio.get_running_loop().call_later(_LATE_SECONDS, self._transport.write, _LAST_CHUNK)
            else:
                self._transport.write(rest)
        else:
            self._transport.write(_WHOLE.get(path, _NOT_FOUND))


def _content_length(head: bytes) -> int:
    start = head.lower().find(b"content-length:")
    return 0 if start < 0 else int(head[start + 15 :].split(b"\r\n", 1)[0])


def allow_many_connections() -> None:
    """Raise this process's limit of open files to the most it may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def constant_server(
    chunks: int = STREAMED_CHUNKS, *, so_far: bool = False, tls: bool = False, late_end: bool = False
) -> Iterator[str]:
    """Run the server in a process of its own and give its address.

    Args:
        chunks: How many a stream has.
        so_far: Whether a chunk of `/v1/chat` has the whole text so far, as Reka's host sends it, and not one word.
        tls: Whether it is served over TLS, with `CERTIFICATE`.
        late_end: Whether the last chunk of the transfer encoding comes some time behind the last event, as from servers
            that write it apart.
    """
    given = {"--so-far": so_far, "--tls": tls, "--late-end": late_end}
    options = [option for option, is_set in given.items() if is_set]
    command = [sys.executable, "-m", "bench.constant_server", str(chunks), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


async def _serve(chunks: int, *, so_far: bool, tls: bool, late_end: bool) -> None:
    loop = asyncio.get_running_loop()
    streams = _streams(chunks, so_far)
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
    server = await loop.create_server(lambda: _Connection(streams, late_end), "127.0.0.1", 0, backlog=4096, ssl=context)
    print(f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    # Whoever started it closes its input, by intent or by ending.
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("chunks", type=int)
    parser.add_argument("--so-far", action="store_true")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--late-end", action="store_true")
    allow_many_connections()
    asyncio.run(_serve(**vars(parser.parse_args())))
