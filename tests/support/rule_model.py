"""A language model for tests: it speaks OpenAI's chat API and the live Reka host's, and answers by rules (`rules.py`).

Run it as a process with `python -m tests.support.rule_model --port 0`; its first line is its address.
"""

import argparse
import contextlib
import itertools
import json
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final

from tests.support import rule_wire
from tests.support.rules import answer

MODELS: Final = ("rules-1", "rules-2")


class RuleModel:
    """A model on a free loopback port; it listens once built.

    Args:
        port: Where to listen; 0 takes a free port.
        key: The key that requests must have; None accepts all requests.
    """

    def __init__(self, port: int = 0, key: str | None = None) -> None:
        self.requests: list[dict[str, Any]] = []
        """Bodies of the chat requests."""
        self.key = key
        self.gate: threading.Event | None = None
        """If set, a streamed answer's first piece is sent at once, and the rest when the gate opens."""
        self.abandoned = threading.Semaphore(0)
        """Released once for each stream whose client disconnected."""
        self.numbers = itertools.count(1)
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.model = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self.gate is not None:
            self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> "RuleModel":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    model: RuleModel


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Any  # a _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base's name
        """Say nothing."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client disconnected between two requests
            super().handle()

    def do_GET(self) -> None:
        if not self._is_authorized():
            return
        if self.path.removeprefix("/v1") == "/models":
            models = [{"id": name, "object": "model", "created": 0, "owned_by": "tests"} for name in MODELS]
            self._send(200, {"object": "list", "data": models})
        else:
            self._send(404, _error(f"there is nothing at {self.path}", "not_found_error"))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self._is_authorized():
            return
        if self.path.removeprefix("/v1") != "/chat/completions":
            self._send(404, _error(f"there is nothing at {self.path}", "not_found_error"))
            return
        try:
            body = json.loads(raw)
            conversation = rule_wire.conversation(body)
        except (rule_wire.RefusedError, ValueError, TypeError, KeyError, AttributeError) as error:
            self._send(400, _error(f"{type(error).__name__}: {error}", "invalid_request_error"))
            return
        model: RuleModel = self.server.model
        model.requests.append(body)
        completion = rule_wire.to_completion(body, conversation, answer(conversation), next(model.numbers))
        if not body.get("stream"):
            self._send(200, rule_wire.to_body(completion))
        elif rule_wire.is_flat(body):
            self._stream([])  # as the live host answers to tools in a stream
        else:
            # The live host, whose header for the key this is, sends usage unasked.
            with_usage = "X-Api-Key" in self.headers or bool((body.get("stream_options") or {}).get("include_usage"))
            self._stream(rule_wire.to_chunks(completion, with_usage=with_usage))

    def _is_authorized(self) -> bool:
        key = self.server.model.key
        if key is None or self.headers.get("Authorization") == f"Bearer {key}" or self.headers.get("X-Api-Key") == key:
            return True
        self._send(401, _error("this is not the key", "authentication_error"))
        return False

    def _send(self, status: int, value: Any) -> None:
        data = json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, chunks: Iterable[Any]) -> None:
        gate = self.server.model.gate
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for chunk in chunks:
                self._event(json.dumps(chunk, ensure_ascii=False))
                if gate is not None and chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                    self._await(gate)
            self._event("[DONE]")
            self.wfile.write(b"0\r\n\r\n")
        except ConnectionError:
            self.close_connection = True
            self.server.model.abandoned.release()

    def _event(self, data: str) -> None:
        event = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))

    def _await(self, gate: threading.Event) -> None:
        """Wait for the gate, or for the client to disconnect."""
        self.connection.settimeout(0.02)
        while not gate.is_set():
            try:
                if not self.connection.recv(1):
                    raise ConnectionResetError
            except TimeoutError:
                continue
        self.connection.settimeout(None)


def _error(message: str, kind: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": None, "param": None}}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.rule_model")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key")
    given = parser.parse_args()
    with RuleModel(given.port, given.key) as model:
        print(model.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
