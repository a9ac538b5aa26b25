"""A fast server for long runs, in a process of its own: it echoes each chat's question, and fails now and then.

    python soak_server.py FAULTS_PER_MILLE

The first line of its output is its port; it ends with its standard input, and prints what it counted.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final


@dataclass
class Counts:
    """What the server counts; complete once it has ended."""

    url: str
    requests: int = 0
    failures: int = 0


@contextmanager
def run_soak_server(faults_per_mille: int) -> Iterator[Counts]:
    """Run the server in a process of its own until the block ends."""
    with subprocess.Popen(
        [sys.executable, __file__, str(faults_per_mille)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        counts = Counts(f"http://127.0.0.1:{process.stdout.readline().strip()}")
        try:
            yield counts
        finally:
            out, _ = process.communicate()
        counts.requests, counts.failures = map(int, out.split())


def _answer(status: str, body: bytes, content_type: str = "application/json", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


_BUSY: Final = _answer("503 Service Unavailable", b'{"detail": "busy"}', headers="retry-after-ms: 1\r\n")
_SLOW_DOWN: Final = _answer("429 Too Many Requests", b'{"detail": "slow down"}', headers="retry-after-ms: 1\r\n")
_HTML: Final = _answer("502 Bad Gateway", b"<html>Bad Gateway</html>", "text/html", "retry-after-ms: 1\r\n")


class _Connection(asyncio.Protocol):
    """One connection, with one request at a time. The counts are those of all connections."""

    requests = 0
    failures = 0
    per_mille = 0

    def __init__(self) -> None:
        self._received = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        size = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        if len(rest) >= size:
            self._received = b""
            self._reply(head.startswith(b"POST /v1/"), json.loads(rest))

    def _reply(self, is_stream: bool, body: dict[str, Any]) -> None:
        _Connection.requests += 1
        if self._fails(is_stream):
            return
        if is_stream:
            text = json.dumps(body["messages"][0]["content"])
            events = (
                f'data: {{"choices":[{{"delta":{{"content":{text}}},"finish_reason":"stop"}}]}}\n\ndata: [DONE]\n\n'
            )
            self._transport.write(_answer("200 OK", events.encode(), "text/event-stream"))
        else:
            text = json.dumps(body["conversation_history"][0]["text"])
            self._transport.write(_answer("200 OK", f'{{"type":"model","text":{text}}}'.encode()))

    def _fails(self, is_stream: bool) -> bool:
        """Fail so many requests in a thousand, evenly spread, in each way in turn."""
        if _Connection.requests * self.per_mille // 1000 == _Connection.failures:
            return False
        _Connection.failures += 1
        way = _Connection.failures % 5
        if way < 3:
            self._transport.write((_BUSY, _SLOW_DOWN, _HTML)[way])
        elif way == 3 or is_stream:
            self._transport.abort()
        else:
            self._transport.write(_answer("200 OK", b'{"type":"model","text":"half of it"}')[:-5])
            self._transport.close()
        return True


async def _serve(per_mille: int) -> None:
    _Connection.per_mille = per_mille
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    sys.stdout.write(f"{_Connection.requests} {_Connection.failures}\n")
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
