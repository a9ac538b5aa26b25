"""A fast server for long runs, in a process of its own: it answers a chat with the question, and fails now and then.

    python soak_server.py FAULTS_PER_MILLE

Its port is the first line that it prints; it ends when its standard input does.
"""

import asyncio
import json
import sys
from typing import Any

_HEAD = "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n"


def answer(status: str, body: bytes, content_type: str = "application/json", headers: str = "") -> bytes:
    return _HEAD.format(status, content_type, len(body), headers).encode() + body


BUSY = answer("503 Service Unavailable", b'{"detail": "busy"}', headers="Retry-After: 0\r\n")
SLOW_DOWN = answer("429 Too Many Requests", b'{"detail": "slow down"}', headers="retry-after-ms: 1\r\n")
HTML = answer("502 Bad Gateway", b"<html>Bad Gateway</html>", "text/html", "Retry-After: 0\r\n")


class Connection(asyncio.Protocol):
    """One connection; requests come one after the other."""

    request_line = 0
    failed = 0
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
            self._answer(head.startswith(b"POST /v1/"), json.loads(rest))

    def _answer(self, is_stream: bool, request_line: dict[str, Any]) -> None:
        Connection.request_line += 1
        if self._fails(is_stream):
            return
        if is_stream:
            text = json.dumps(request_line["messages"][0]["content"])
            events = (
                f'data: {{"choices":[{{"delta":{{"content":{text}}},"finish_reason":"stop"}}]}}\n\ndata: [DONE]\n\n'
            )
            self._transport.write(answer("200 OK", events.encode(), "text/event-stream"))
        else:
            text = json.dumps(request_line["conversation_history"][0]["text"])
            self._transport.write(answer("200 OK", f'{{"type":"model","text":{text}}}'.encode()))

    def _fails(self, is_stream: bool) -> bool:
        """Fail, each way in turn, so many times in a thousand, evenly spread."""
        if Connection.request_line * self.per_mille // 1000 == Connection.failed:
            return False
        Connection.failed += 1
        way = Connection.failed % 5
        if way < 3:
            self._transport.write((BUSY, SLOW_DOWN, HTML)[way])
        elif way == 3 or is_stream:
            self._transport.abort()
        else:
            self._transport.write(answer("200 OK", b'{"type":"model","text":"half of it"}')[:-5])
            self._transport.close()
        return True


async def serve(per_mille: int) -> None:
    Connection.per_mille = per_mille
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    sys.stdout.write(f"{Connection.request_line} {Connection.failed}\n")
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
