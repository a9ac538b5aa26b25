"""Whole answers of any endpoint: a status, headers and a body."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reka._protocol.errors import type_of_status
from reka.testing.connection import Connection, Script


@dataclass(frozen=True)
class Answer:
    """A whole answer, as it is sent."""

    status: int = 200
    """The HTTP status."""

    body: bytes = b""
    """The body."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers besides Content-Length."""

    def __call__(self, connection: Connection) -> None:
        """Send it."""
        connection.send(self.status, self.headers, self.body)


def answer(status: int, body: object = b"", headers: Mapping[str, str] | None = None) -> Answer:
    """Make an answer of any endpoint.

    Args:
        status: The HTTP status.
        body: Bytes are sent as they are, anything else as JSON.
        headers: Headers; None for none besides those of the body.

    Raises:
        TypeError: The status is no whole number, or the body cannot be written as JSON.
    """
    _require_status(status)
    sent = dict(headers or {})
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | sent
    return Answer(status, body, sent)


def fails(
    status: int, message: str = "scripted", *, code: str | None = None, retry_after: float | None = None
) -> Script:
    """Make an error, in the form of the endpoint that is asked: `detail`, or at `/v1/...` an `error` object.

    Args:
        status: The HTTP status. Clients try 408, 409, 425, 429, 500, 502, 503 and 504 again.
        message: What the error says.
        code: The error's code, such as `P001` for an account without balance; None for none.
        retry_after: Seconds that the client is asked to wait, to a millisecond; None has a client that tries again
            wait one, so that tests are fast.

    Raises:
        TypeError: The status is no whole number, or the time to wait no number.
    """
    _require_status(status)
    if isinstance(retry_after, bool) or not isinstance(retry_after, int | float | None):
        raise TypeError(f"retry_after: got {type(retry_after).__name__}, want seconds, or None")
    wait = 1 if retry_after is None else round(retry_after * 1000)
    headers = {"retry-after-ms": str(wait)}

    def send(connection: Connection) -> None:
        body: dict[str, Any] = {"detail": message}
        if connection.recorded.path.startswith("/v1/"):
            body = {"error": {"message": message, "type": type_of_status(status), "code": code, "param": None}}
        elif code is not None:
            body["code"] = code
        answer(status, body, headers)(connection)

    return send


def _require_status(status: int) -> None:
    if isinstance(status, bool) or not isinstance(status, int):
        raise TypeError(f"status: got {type(status).__name__}, want an HTTP status such as 503")
