"""A loopback server that gives the answers a test scripts, and records the requests it receives."""

import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

from typing_extensions import Self

from reka.testing.answers import answer, fails
from reka.testing.connection import NOT_SCRIPTED, PATIENCE, Connection, Listener, Script, require_script, run_script
from reka.testing.recorded import RecordedRequest
from reka.testing.says import Item, says

_MODEL_LISTS: Final = ("/models", "/v1/models")


class FakeReka:
    """A server on a free loopback port; it listens once built, until it is closed.

    Args:
        certificate: PEM file with a certificate and its key, to speak TLS; None speaks plain HTTP.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.requests: list[RecordedRequest] = []
        """The requests so far, but those of `listing_requests`."""
        self._otherwise: Script = _nothing_is_scripted
        self._listing: Script | None = None
        self.listing_requests: list[RecordedRequest] = []
        """Requests for the list of models, where that has an answer of its own."""
        self.takes_bodies = True
        """Whether the server reads the bodies of requests."""
        self._scripts: deque[Script] = deque()
        self._scheme = "http" if certificate is None else "https"
        self._listener = Listener(self, certificate)
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The server's address, for `base_url`; OpenAI's clients want `/v1` behind it."""
        return f"{self._scheme}://127.0.0.1:{self._listener.server_address[1]}"

    @property
    def otherwise(self) -> Script:
        """The answer to every request after those that have a scripted one; until it is set, a 501 that says so."""
        return self._otherwise

    @otherwise.setter
    def otherwise(self, script: Script) -> None:
        self._otherwise = require_script(script, "otherwise")

    @property
    def listing(self) -> Script | None:
        """The answer to requests for the list of models, which then are not among `requests`.

        Adapters ask for it once, and take a 404 for a server without one. None treats them as any other request.
        """
        return self._listing

    @listing.setter
    def listing(self, script: Script | None) -> None:
        self._listing = None if script is None else require_script(script, "listing")

    @property
    def paths(self) -> list[str]:
        """Method and path of each request, such as `POST /chat`."""
        return [f"{request.method} {request.path}" for request in self.requests]

    @property
    def connections(self) -> int:
        """How many connections clients have opened."""
        return len(self._listener.threads)

    def all_connections_closed(self, within: float = PATIENCE) -> bool:
        """Wait until every connection is closed; False if one is open after so many seconds."""
        return self._listener.all_closed(within)

    @property
    def all_answers_sent(self) -> bool:
        """Whether every scripted answer has been taken."""
        return not self._scripts

    def will_say(self, *items: Item) -> None:
        """Script the next answer as one of a model; see `says`."""
        self.will_give(says(*items))

    def will_fail(
        self, status: int, message: str = "scripted", *, code: str | None = None, retry_after: float | None = None
    ) -> None:
        """Script the next answer as an error; see `fails`."""
        self.will_give(fails(status, message, code=code, retry_after=retry_after))

    def will_answer(self, status: int, body: object = b"", headers: Mapping[str, str] | None = None) -> None:
        """Script the next answer as it is sent; see `answer`."""
        self.will_give(answer(status, body, headers))

    def will_stream(self, *pieces: bytes | threading.Event, ends: bool = True) -> threading.Event:
        """Script the next answer as a stream of events.

        Args:
            pieces: Sent one by one, each as a chunk; at an event the server waits until it is set.
            ends: Whether the stream ends after them; else the server waits until the client disconnects.

        Returns:
            An event that is set once the client disconnects; only where the stream does not end.

        Raises:
            TypeError: A piece is of another type.
        """
        for place, piece in enumerate(pieces):
            if not isinstance(piece, bytes | threading.Event):
                raise TypeError(f"pieces[{place}]: got {type(piece).__name__}, want bytes or a threading.Event")
        gone = threading.Event()

        def send(connection: Connection) -> None:
            try:
                connection.stream(*pieces, ends=ends)
                is_gone = not ends and connection.wait_for_end()
            except ConnectionError:  # the client has not read all
                is_gone = not ends
            if is_gone:
                gone.set()

        self.will_give(send)
        return gone

    def will_give(self, script: Script) -> None:
        """Script the next answer.

        Raises:
            TypeError: It is no script.
        """
        self._scripts.append(require_script(script, "script"))

    def next_script(self) -> Script:
        """Take the script of the next answer."""
        try:
            return self._scripts.popleft()
        except IndexError:  # asking first would let two connections take the last one
            return self.otherwise

    def respond(self, connection: Connection) -> None:
        """Record a request, and answer it."""
        request = connection.recorded
        if self.listing is not None and request.method == "GET" and urlsplit(request.path).path in _MODEL_LISTS:
            self.listing_requests.append(request)
            run_script(self.listing, connection)
            return
        self.requests.append(request)
        run_script(self.next_script(), connection)

    def close(self) -> None:
        """Stop listening at once; a second call does nothing."""
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _nothing_is_scripted(connection: Connection) -> None:
    request = connection.recorded
    answer(NOT_SCRIPTED, {"detail": f"nothing is scripted for this request: {request.method} {request.path}"})(
        connection
    )
