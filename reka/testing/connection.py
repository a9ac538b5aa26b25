"""The connections of a scripted server: what a script can do to one, and the socket where they come in."""

import json
import selectors
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from reka.testing.recorded import RecordedRequest

PATIENCE = 10.0
"""Seconds that a server waits for a test, so that a failing one ends."""

NOT_SCRIPTED = 501
"""Status of requests that have no answer: one that no client tries again."""


class Connection(BaseHTTPRequestHandler):
    """A client's connection, with a request that waits for its answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer's body waits 40 ms for the acknowledgement of its head
    server: Any  # a Listener
    close_connection: bool
    """Whether the connection is closed after the answer."""
    recorded: RecordedRequest
    """The request."""
    has_begun: bool = False
    """Whether something of the answer was sent."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """Begin the head of an answer."""
        self.has_begun = True
        super().send_response(code, message)

    def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send a whole answer, and keep the connection open."""
        self.keep_open()  # unless a header says otherwise
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def begin(self, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """Send the head of a successful answer, whose body comes in chunks."""
        self.send_response(200)
        for name, value in {"Content-Type": content_type, "Transfer-Encoding": "chunked", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def chunk(self, piece: bytes) -> None:
        """Send a chunk of a body; an empty one ends it."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def stream(self, *pieces: bytes | threading.Event, ends: bool = True) -> None:
        """Send a stream of events.

        Args:
            pieces: Sent one by one, each as a chunk; at an event the server waits until it is set.
            ends: Whether the stream ends after them.
        """
        self.begin("text/event-stream")
        for piece in pieces:
            if isinstance(piece, bytes):
                self.chunk(piece)
            elif not piece.wait(PATIENCE):
                return
        if ends:
            self.chunk(b"")
            self.keep_open()

    def keep_open(self) -> None:
        """Take further requests on this connection after the answer, unless the client wants it closed."""
        self.close_connection = not self._may_stay_open

    def raw(self, sent: bytes) -> None:
        """Send bytes that may be no HTTP."""
        self.has_begun = True
        self.wfile.write(sent)

    def drip(self, sent: bytes, seconds: float, *, at_once: bytes = b"") -> None:
        """Send a byte every so many seconds, until the client disconnects."""
        self.has_begun = True
        self.wfile.write(at_once)
        self.connection.settimeout(seconds)
        for byte in sent:
            self.wfile.write(bytes([byte]))
            with suppress(TimeoutError):
                self.connection.recv(1)
                return

    def pause(self, seconds: float) -> None:
        """Wait for so many seconds, or until the client disconnects."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            selector.select(seconds)

    def wait_for_end(self) -> bool:
        """Send nothing more until the client disconnects; False if it sends something instead."""
        return not self.connection.recv(1)

    def _handle_any(self) -> None:
        self._may_stay_open = not self.close_connection
        self.close_connection = True  # unless the answer is whole
        self.has_begun = False
        host: Host = self.server.host
        headers = {name.lower(): ", ".join(self.headers.get_all(name, [])) for name in self.headers}
        self.recorded = RecordedRequest(self.command, self.path, headers, self._body() if host.takes_bodies else b"")
        host.respond(self)

    def __getattr__(self, name: str) -> Any:
        """Answer requests of every method alike: the base looks `do_GET` and so on up."""
        if name.startswith("do_"):
            return self._handle_any
        raise AttributeError(name)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        blocks: list[bytes] = []
        while size := int(self.rfile.readline(), 16):
            blocks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(blocks)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base's name
        """Print nothing."""


Script: TypeAlias = Callable[[Connection], object]
"""Answers a request, by its connection; the connection is closed afterwards, unless the answer keeps it open."""


def require_script(value: Script, place: str) -> Script:
    """Require what can answer a request.

    Args:
        value: What was scripted.
        place: Where, for the error.

    Raises:
        TypeError: It is no script.
    """
    if not callable(value):
        raise TypeError(
            f"{place}: got {type(value).__name__}, want a script, as says(...), answer(...) and fails(...) make one"
        )
    return value


def run_script(script: Script, connection: Connection) -> None:
    """Answer a request; a script that fails is reported to the client, if that has got nothing yet, and by a traceback.

    The output of a test's threads is shown with the failure of the test.
    """
    try:
        script(connection)
    except (ConnectionError, TimeoutError, ssl.SSLError):
        raise  # the client is gone
    except BaseException as error:  # noqa: BLE001  # a test's own code can raise anything, such as pytest's failures
        traceback.print_exc()
        if not connection.has_begun:
            last = traceback.extract_tb(error.__traceback__)[-1]
            reason = f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
            body = json.dumps({"detail": f"the script of this answer failed: {reason}"}).encode()
            connection.send(NOT_SCRIPTED, {"Content-Type": "application/json"}, body)


class Host(Protocol):
    """What answers the requests of a listener."""

    takes_bodies: bool

    def respond(self, connection: Connection) -> None:
        """Answer a request."""


class Listener(ThreadingHTTPServer):
    """A free port of loopback, with a thread for each connection.

    Args:
        host: What answers.
        certificate: PEM file with a certificate and its key, to speak TLS; None speaks plain HTTP.
    """

    request_queue_size = 1024

    def __init__(self, host: Host, certificate: Path | None) -> None:
        self.host = host
        self.threads: list[threading.Thread] = []
        """A thread for each connection that was opened."""
        self._starting = threading.Lock()
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        super().__init__(("127.0.0.1", 0), Connection)

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection."""
        connection, address = super().get_request()
        return connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True), address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        with self._starting:
            self.threads.append(thread)
            thread.start()

    def all_closed(self, within: float) -> bool:
        """Wait until every connection is closed; False if one is open after so many seconds."""
        deadline = time.monotonic() + within
        with self._starting:
            threads = list(self.threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: some tests are about clients that disconnect."""
