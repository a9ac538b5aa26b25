"""The table of faults as data: what a server does wrong, and how each operation must end."""

import gzip
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final, TypeAlias

import reka
from reka.testing import Answer, Script, answer, reset, say_nothing
from reka.testing.bodies import DONE, chunk, events

TEXT: Final = "Grüße, 世界 😀"
HI: Final = [{"role": "user", "content": "Hi"}]
HTML: Final = b"<html><head><title>x</title></head><body><h1>502</h1>Bad Gateway</body></html>"

QUICK: Final = reka.Timeout(connect=2, read=5, total=10)
SLOW: Final = reka.Timeout(connect=0.5, read=0.3, total=1)

Ending: TypeAlias = type[reka.RekaError] | None
"""The class of the error that a call ends in; None is the right answer."""


@dataclass(frozen=True)
class Operation:
    """A method of the client, and the right answer to it."""

    name: str
    arguments: tuple[Any, ...]
    document: Callable[[str], Any]
    """Makes the answer that has a text in it."""

    text: Callable[[Any], str]
    """Reads the text from a result; of a stream, from the list of its events."""

    is_stream: bool = False

    def body(self, text: str = TEXT) -> bytes:
        """The right answer's body."""
        return _streamed(text) if self.is_stream else json.dumps(self.document(text), ensure_ascii=False).encode()

    def right(self, text: str = TEXT) -> Answer:
        """The right answer."""
        return Answer(200, self.body(text), {"Content-Type": self.content_type})

    @property
    def content_type(self) -> str:
        """The content type of the right answer."""
        return "text/event-stream" if self.is_stream else "application/json"

    @property
    def first_part(self) -> bytes:
        """The start of the right answer: half a document, or a stream's first event."""
        return events(chunk(content="Hel")) if self.is_stream else self.body()[: len(self.body()) // 2]


def _streamed(text: str) -> bytes:
    half = len(text) // 2
    return events(chunk(content=text[:half]), chunk(content=text[half:]), chunk("stop")) + DONE


def _result(text: str) -> dict[str, Any]:
    return {"name": "alice", "ok": True, "info": text}


def _joined(stream: list[Any]) -> str:
    return "".join(getattr(event, "text", "") for event in stream)


def operations(file: Path) -> list[Operation]:
    """Every operation of the table.

    Args:
        file: What `add_dataset` uploads.
    """
    completion = {"choices": [{"message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}]}
    return [
        Operation("chat", ("Hi",), lambda text: {"type": "model", "text": text}, lambda turn: str(turn["text"])),
        Operation(
            "complete",
            (HI,),
            lambda text: {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]},
            lambda answered: str(answered.text),
        ),
        Operation("stream", ("Hi",), lambda _: completion, _joined, is_stream=True),
        Operation("stream_messages", (HI,), lambda _: completion, _joined, is_stream=True),
        Operation("get_models", (), lambda text: [text], lambda names: str(names[0])),
        Operation("add_dataset", (file, "alice"), _result, lambda result: str(result["info"])),
        Operation("prepare_retrieval", ("alice",), lambda text: text, str),
        Operation(
            "retrieval_job_status",
            ("job-1",),
            lambda text: {"job_status": "COMPLETE", "detail": text, "history": []},
            lambda status: str(status.detail),
        ),
        Operation("delete_dataset", ("alice",), _result, lambda result: str(result["info"])),
    ]


Scripts: TypeAlias = Callable[[Operation, str], list[Script]]
"""Makes the answers for an operation, given the address of another server; the last one repeats."""


@dataclass(frozen=True)
class Fault:
    """Something a server does wrong."""

    name: str
    script: Scripts
    ends: Ending
    """How a call ends."""

    but: Mapping[str, Ending] = field(default_factory=dict)
    """How it ends for the operations that differ."""

    requests: int | None = None
    """How many requests the server receives; None where it varies."""

    timeout: reka.Timeout = QUICK
    is_of_streams: bool = False
    """Whether it is a fault of streams; other operations get the same bytes."""

    text: str = TEXT

    def ending(self, operation: Operation) -> Ending:
        """How a call of an operation ends."""
        return self.but.get(operation.name, self.ends)


def _streams(ends: Ending) -> dict[str, Ending]:
    return {"stream": ends, "stream_messages": ends}


def _prepare(ends: Ending) -> dict[str, Ending]:
    # A second request would be answered "already prepared", without the job's id: only a refused connection is
    # retried.
    return {"prepare_retrieval": ends}


def _misbehave(misbehave: Callable[[Operation], Script]) -> Scripts:
    return lambda operation, _: [misbehave(operation)]


def _once(script: Scripts) -> Scripts:
    return lambda operation, other: [*script(operation, other), operation.right()]


def _answers(status: int, body: object = b"", headers: Mapping[str, str] | None = None) -> Scripts:
    return lambda _operation, _other: [answer(status, body, headers)]


def _body(make: Callable[[Operation], bytes], **headers: str) -> Scripts:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda operation, _: [Answer(200, make(operation), {"Content-Type": operation.content_type, **named})]


def _chunks(make: Callable[[Operation], list[bytes]], then: Callable[[Any], object]) -> Scripts:
    def script(operation: Operation) -> Script:
        def send(handler: Any) -> None:
            handler.begin(operation.content_type)
            for piece in make(operation):
                handler.chunk(piece)
            then(handler)

        return send

    return _misbehave(script)


def _end(handler: Any) -> None:
    handler.chunk(b"")


def _stop(_handler: Any) -> None:
    """Close the connection with no last chunk."""


def _drip(seconds: float, make: Callable[[Operation], bytes]) -> Scripts:
    def script(operation: Operation) -> Script:
        return lambda handler: handler.drip(make(operation), seconds)

    return _misbehave(script)


def _head(operation: Operation) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {operation.content_type}\r\nContent-Length: 1000000\r\n\r\n".encode()


def _error(message: str, kind: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code, "param": None}}


def _redirect(status: int, to: Callable[[str], str]) -> Scripts:
    return lambda _, other: [answer(status, b"", {"Location": to(other)})]


_NOW: Final = {"retry-after-ms": "1"}
_BUSY: Final = {"detail": "busy"}
_LISTED: Final = {"detail": [{"loc": ["body", "x"], "msg": "wrong", "type": "value_error"}]}
_OF_DATASETS: Final[dict[str, Ending]] = {"add_dataset": reka.DatasetError, "delete_dataset": reka.DatasetError}
_OF_JOBS: Final[dict[str, Ending]] = {
    "prepare_retrieval": reka.RetrievalError,
    "retrieval_job_status": reka.RetrievalError,
}
_INTERRUPTED: Final = _streams(reka.StreamInterruptedError)
_BROKEN: Final = _prepare(reka.APIConnectionError)

REFUSED: Final = Fault("refused connection", _answers(500), reka.APIConnectionError)
"""The test closes the server before the call."""

FAULTS: Final = [
    REFUSED,
    Fault("reset before the answer", _misbehave(lambda _: reset), reka.APIConnectionError),
    Fault("reset before the answer, once", _once(_misbehave(lambda _: reset)), None, _BROKEN),
    Fault("no HTTP", _misbehave(lambda _: lambda handler: handler.raw(b"SSH-2.0-x\r\n")), reka.APIConnectionError),
    Fault("reset inside the body, once", _once(_chunks(lambda op: [op.body()[:5]], reset)), None, _BROKEN),
    Fault("reset inside the body", _chunks(lambda op: [op.body()[:5]], reset), reka.APIConnectionError),
    Fault(
        "reset mid-stream",
        _once(_chunks(lambda op: [op.first_part], reset)),
        None,
        {**_BROKEN, **_INTERRUPTED},
        is_of_streams=True,
    ),
    Fault(
        "truncated JSON",
        _body(lambda op: json.dumps(op.document(TEXT)).encode()[:-1], Content_Type="application/json"),
        reka.UnexpectedResponseError,
        requests=1,
    ),
    Fault("HTML 502", _answers(502, HTML, {"Content-Type": "text/html", **_NOW}), reka.ServerError),
    Fault("empty 200", _answers(200), reka.UnexpectedResponseError, _INTERRUPTED, requests=1),
    Fault("text/plain", _body(Operation.body, Content_Type="text/plain; charset=latin-1"), None, requests=1),
    Fault(
        "text/html",
        _body(Operation.body, Content_Type="text/html"),
        None,
        _streams(reka.UnexpectedResponseError),
        requests=1,
    ),
    Fault("a page", _body(lambda _: HTML, Content_Type="text/html"), reka.UnexpectedResponseError, requests=1),
    Fault("another document", _answers(200, {"greeting": "x"}), reka.UnexpectedResponseError, requests=1),
    Fault("an error with a success status", _answers(200, _error("x", "y")), reka.ServerError, requests=1),
    Fault("10 MiB answer", lambda op, _: [op.right("x" * 10 * 2**20)], None, requests=1, text="x" * 10 * 2**20),
    Fault("400", _answers(400, {"detail": "x"}), reka.InvalidRequestError, {**_OF_DATASETS, **_OF_JOBS}, 1),
    Fault("401", _answers(401, _error("x", "authentication_error")), reka.AuthError, requests=1),
    Fault("403", _answers(403, {"detail": "x"}), reka.PermissionDeniedError, requests=1),
    Fault(
        "404",
        _answers(404, {"detail": "x"}),
        reka.NotFoundError,
        # Its list of datasets is missing too, so it has none at all.
        dict.fromkeys([*_OF_DATASETS, *_OF_JOBS], reka.UnsupportedRequestError),
    ),
    Fault("413", _answers(413, b""), reka.InvalidRequestError, {"add_dataset": reka.DatasetError}, 1),
    Fault("422", _answers(422, {"detail": "x"}), reka.InvalidRequestError, {**_OF_DATASETS, **_OF_JOBS}, 1),
    Fault("422 with places", _answers(422, _LISTED), reka.InvalidRequestError, {**_OF_DATASETS, **_OF_JOBS}, 1),
    Fault("429, no seconds", _once(_answers(429, _BUSY, {"Retry-After": "0"})), None, _prepare(reka.RateLimitError)),
    Fault(
        "429, milliseconds",
        _once(_answers(429, _BUSY, {"retry-after-ms": "20", "Retry-After": "60"})),
        None,
        _prepare(reka.RateLimitError),
    ),
    Fault(
        "429, a date",
        lambda op, _: [answer(429, _BUSY, {"Retry-After": formatdate(time.time(), usegmt=True)}), op.right()],
        None,
        _prepare(reka.RateLimitError),
    ),
    Fault("429, for ever", _answers(429, _error("slow down", "rate_limit_error"), _NOW), reka.RateLimitError),
    Fault("429, in an hour", _answers(429, _BUSY, {"Retry-After": "3600"}), reka.RateLimitError, requests=1),
    Fault(
        "429, P001",
        _answers(429, _error("P001: Insufficient Balance", "billing", "P001"), _NOW),
        reka.InsufficientBalanceError,
        requests=1,
    ),
    *(
        Fault(f"{status}, once", _once(_answers(status, _BUSY, _NOW)), None, _prepare(reka.ServerError))
        for status in (500, 502, 503, 504)
    ),
    *(
        Fault(f"{status}, for ever", _answers(status, _error("x", "server_error"), _NOW), reka.ServerError)
        for status in (500, 502, 503, 504)
    ),
    Fault("slow first byte", _misbehave(lambda _: say_nothing), reka.APITimeoutError, timeout=SLOW),
    Fault(
        "slow first byte, once",
        _once(_misbehave(lambda _: say_nothing)),
        None,
        _prepare(reka.APITimeoutError),
        timeout=reka.Timeout(connect=0.5, read=0.3, total=5),
    ),
    # The first is slower than the read timeout; the others are faster, so that only the total timeout ends them.
    Fault("one byte a second", _drip(1, lambda op: _head(op) + op.body()), reka.APITimeoutError, timeout=SLOW),
    Fault("byte by byte", _drip(0.1, lambda op: _head(op) + op.body()), reka.APITimeoutError, timeout=SLOW),
    Fault(
        "byte by byte, the body",
        _misbehave(lambda op: lambda handler: handler.drip(op.body(), 0.1, at_once=_head(op))),
        reka.APITimeoutError,
        timeout=SLOW,
    ),
    Fault(
        "malformed event",
        _body(lambda _: events(chunk(content="Hel")) + b"data: {nonsense\n\n" + DONE),
        reka.UnexpectedResponseError,
        requests=1,
        is_of_streams=True,
    ),
    Fault(
        "split inside every character",
        _chunks(lambda op: [bytes([byte]) for byte in op.body()], _end),
        None,
        requests=1,
        is_of_streams=True,
    ),
    Fault(
        "error object mid-stream",
        _body(lambda _: events(chunk(content="Hel"), _error("overloaded", "server_error"))),
        reka.UnexpectedResponseError,
        _streams(reka.ServerError),
        requests=1,
        is_of_streams=True,
    ),
    Fault(
        "ends cleanly but early",
        _chunks(lambda op: [op.first_part], _end),
        reka.UnexpectedResponseError,
        _INTERRUPTED,
        requests=1,
        is_of_streams=True,
    ),
    Fault(
        "id, comment and retry alone",
        _body(lambda op: b": ping\n\nid: 7\n\nretry: 1\nid: 8\nevent: message\n\n:\n" + op.body()),
        reka.UnexpectedResponseError,
        _streams(None),
        requests=1,
        is_of_streams=True,
    ),
    *(
        Fault(
            f"{status} to another host",
            _redirect(status, lambda other: f"{other}/models"),
            reka.UnexpectedResponseError,
            requests=1,
        )
        for status in (302, 307)
    ),
    Fault(
        "redirect to another name of the host",
        _redirect(308, lambda other: other.replace("127.0.0.1", "localhost")),
        reka.UnexpectedResponseError,
        requests=1,
    ),
    Fault(
        "redirect to another scheme",
        _redirect(307, lambda other: other.replace("http:", "https:")),
        reka.UnexpectedResponseError,
        requests=1,
    ),
    Fault(
        "redirect loop",
        lambda _operation, _other: [answer(307, b"", {"Location": f"/{turn}"}) for turn in (1, 2, 3, 4, 5)],
        reka.UnexpectedResponseError,
        requests=5,
    ),
    Fault("redirect to itself", _redirect(307, lambda _: ""), reka.UnexpectedResponseError, requests=1),
    Fault("invalid gzip", _body(Operation.body, Content_Encoding="gzip"), reka.UnexpectedResponseError, requests=1),
    Fault("gzip", _body(lambda op: gzip.compress(op.body()), Content_Encoding="gzip"), None, requests=1),
    Fault(
        "chunks that stop, once",
        _once(_chunks(lambda op: [op.first_part], _stop)),
        None,
        {**_BROKEN, **_INTERRUPTED},
    ),
    Fault("chunks that stop", _chunks(lambda op: [op.body()[:5]], _stop), reka.APIConnectionError),
]
