import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    key: str | None
    body: Any


class FakeReka:
    """A server on loopback that gives the answers it was told to, in their order, and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._answers: list[tuple[int, Any]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def chats(self) -> list[Any]:
        """Bodies of what was asked of `/chat`."""
        return [request.body for request in self.requests if (request.method, request.path) == ("POST", "/chat")]

    def will_answer(self, document: Any, status: int = 200) -> None:
        """Give this to the next chat that has no answer yet."""
        self._answers.append((status, document))

    def will_say(self, text: str, **fields: Any) -> None:
        self.will_answer({"type": "model", "text": text, **fields})

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _reply(self, request: Request) -> tuple[int, Any]:
        self.requests.append(request)
        if request.path == "/":
            return 200, {"name": "fake", "features": ["retrieval_top_k"]}
        if request.path == "/chat" and self._answers:
            return self._answers.pop(0)
        return 404, {"detail": f"no answer for {request.method} {request.path}"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._serve(None)

            def do_POST(self) -> None:
                self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _serve(self, body: Any) -> None:
                status, document = fake._reply(Request(self.command, self.path, self.headers["X-Api-Key"], body))
                content = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: Any) -> None:
                """Keep the tests' output free of requests."""

        return Handler


@pytest.fixture
def server() -> Iterator[FakeReka]:
    fake = FakeReka()
    yield fake
    fake.close()


@pytest.fixture(scope="session", autouse=True)
def no_event_loop_outside_asynchronous_tests() -> None:
    # LlamaIndex's synchronous methods ask for the thread's event loop, which makes one that nobody closes. When they
    # are told that there is none, they run a loop of their own to its end.
    asyncio.set_event_loop(None)
