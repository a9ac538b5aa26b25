"""A loopback server that gives the answers a test scripts, and records the requests it receives."""

import json
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

LOOPBACK_CERTIFICATE: Final = Path(__file__).with_name("loopback.pem")
"""A certificate for 127.0.0.1 with its key."""

_MODEL_LISTS: Final = ("/models", "/v1/models")
_PATIENCE: Final = 10.0
"""Seconds that the server waits for a test, so that a failing one ends."""


@dataclass(frozen=True)
class RecordedRequest:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, Message]:
        """The parts of a multipart body, by name."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        parts = [part for part in message_from_bytes(head + self.body).walk() if not part.is_multipart()]
        return {str(part.get_param("name", header="content-disposition")): part for part in parts}


Misbehave = Callable[["_Handler"], object]
"""Answers a request in its own way, by the handler of the connection."""


@dataclass
class Answer:
    """What the server sends back; with `misbehave`, that takes the place of all else."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    misbehave: Misbehave | None = None


class FakeReka:
    """A server on a free loopback port; it listens once built.

    Args:
        certificate: PEM file with a certificate and its key, to speak TLS; None speaks plain HTTP.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.requests: list[RecordedRequest] = []
        self.otherwise = Answer(500, b'{"detail": "nothing is scripted"}')
        """The answer to every request after those that have a scripted one."""
        self.listing: Answer | None = None
        """The answer to requests for the list of models, which then are not among `requests`; None treats them as any
        other request."""
        self.listing_requests: list[RecordedRequest] = []
        """Requests for the list of models, where that has an answer of its own."""
        self.takes_bodies = True
        """Whether the server reads the bodies of requests."""
        self._answers: deque[Answer] = deque()
        self._scheme = "http" if certificate is None else "https"
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.fake = self
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._http.server_address[1]}"

    @property
    def connections(self) -> int:
        """How many connections clients have opened."""
        return len(self._http.threads)

    def all_connections_closed(self, within: float = _PATIENCE) -> bool:
        """Wait until every connection is closed; False if one is open after so many seconds."""
        deadline = time.monotonic() + within
        for thread in list(self._http.threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._http.threads)

    @property
    def paths(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]

    def will_answer(self, status: int, body: object = b"", headers: Mapping[str, str] | None = None) -> None:
        """Script the next answer; anything but bytes is sent as JSON."""
        self.will_give(answer(status, body, headers))

    def will_give(self, scripted: Answer) -> None:
        """Script the next answer."""
        self._answers.append(scripted)

    def will_stream(self, *pieces: "bytes | threading.Event", ends: bool = True) -> threading.Event:
        """Script the next answer as a stream of events.

        Args:
            pieces: Sent one by one, each as a chunk; at an event the server waits until it is set.
            ends: Whether the stream ends after them; else the server waits until the client disconnects.

        Returns:
            An event that is set once the client disconnects; only where the stream does not end.
        """
        gone = threading.Event()
        self.will_misbehave(lambda handler: handler.stream(pieces, gone, ends=ends))
        return gone

    def will_misbehave(self, misbehave: Misbehave) -> None:
        """Script the next answer as a function of the connection's handler."""
        self._answers.append(Answer(misbehave=misbehave))

    def next_answer(self) -> Answer:
        return self._answers.popleft() if self._answers else self.otherwise

    @property
    def all_answers_sent(self) -> bool:
        """Whether every scripted answer has been taken."""
        return not self._answers

    def close(self) -> None:
        """Stop listening at once; a second call does nothing."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def answer(status: int, body: object = b"", headers: Mapping[str, str] | None = None) -> Answer:
    """Make an answer; anything but bytes is sent as JSON."""
    sent = dict(headers or {})
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | sent
    return Answer(status, body, sent)


class _Server(ThreadingHTTPServer):
    fake: FakeReka
    request_queue_size = 1024

    def __init__(self, *arguments: Any) -> None:
        self.threads: list[threading.Thread] = []
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self.threads.append(thread)
        thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: some tests are about clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer's body waits 40 ms for the acknowledgement of its head
    server: Any  # a _Server
    recorded: RecordedRequest

    def handle_any(self) -> None:
        fake: FakeReka = self.server.fake
        headers = {name.lower(): ", ".join(self.headers.get_all(name, [])) for name in self.headers}
        self.recorded = RecordedRequest(self.command, self.path, headers, self._body() if fake.takes_bodies else b"")
        if fake.listing is not None and self.command == "GET" and urlsplit(self.path).path in _MODEL_LISTS:
            fake.listing_requests.append(self.recorded)
            self.send(fake.listing)
            return
        fake.requests.append(self.recorded)
        answer = fake.next_answer()
        if answer.misbehave is not None:
            self.close_connection = True
            answer.misbehave(self)
            return
        self.send(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_CONNECT = handle_any  # noqa: N815  # names that http.server looks up

    def send(self, answer: Answer) -> None:
        """Send a whole answer."""
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def stream(self, pieces: "tuple[bytes | threading.Event, ...]", gone: threading.Event, *, ends: bool) -> None:
        """Send a body piece by piece; see `FakeReka.will_stream`."""
        self.begin("text/event-stream")
        for piece in pieces:
            if isinstance(piece, bytes):
                self.chunk(piece)
            elif not piece.wait(_PATIENCE):
                return
        if ends:
            self.chunk(b"")
            self.close_connection = False
        elif self.connection.recv(1) == b"":
            gone.set()

    def begin(self, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """Send the head of a successful answer in chunks."""
        self.send_response(200)
        for name, value in {"Content-Type": content_type, "Transfer-Encoding": "chunked", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def raw(self, sent: bytes) -> None:
        """Send bytes that may be no HTTP."""
        self.wfile.write(sent)

    def drip(self, sent: bytes, seconds: float, *, at_once: bytes = b"") -> None:
        """Send a byte every so many seconds, until the client disconnects."""
        self.wfile.write(at_once)
        self.connection.settimeout(seconds)
        for byte in sent:
            self.wfile.write(bytes([byte]))
            with suppress(TimeoutError):
                self.connection.recv(1)
                return

    def chunk(self, piece: bytes) -> None:
        """Send a chunk of a body; an empty one ends it."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        blocks = []
        while size := int(self.rfile.readline(), 16):
            blocks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(blocks)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base's name
        """Print nothing."""


def reset(handler: _Handler) -> None:
    """Reset the connection without an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def stop_inside_the_body(handler: _Handler) -> None:
    """Send fewer bytes than the head announces."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"type": "model", "te')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def say_nothing(handler: _Handler) -> None:
    """Hold the connection without an answer until the client gives up."""
    handler.connection.recv(1)
