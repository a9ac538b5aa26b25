"""What is known of a request while it is answered, for its log line, its traces and the upstream."""

import logging
import re
from collections.abc import Iterable
from contextvars import ContextVar, Token
from typing import Final
from uuid import uuid4

__all__ = ["RequestRecord", "add_request_id", "begin_record", "current_record", "end_record", "new_record"]

REQUEST_ID: Final = "x-request-id"
TRACE_PARENT: Final = "traceparent"
TRACE_STATE: Final = "tracestate"

_ID_FORM: Final = re.compile(rb"[A-Za-z0-9._:=+/-]{1,128}")
"""Ids that are kept: those of proxies and of other programs, and nothing that breaks a log or a header (ours)."""

_TRACE_PARENT_FORM: Final = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, `traceparent`."""

_TRACE_STATE_FORM: Final = re.compile(rb"[\x20-\x7e]{1,512}")


class RequestRecord:
    """What is known of one request. Whoever learns something of it sets it."""

    __slots__ = ("chunks", "id", "input_tokens", "model", "outgoing", "output_tokens", "owner", "prompt", "trace_id")

    def __init__(self, request_id: str, outgoing: dict[str, str], trace_id: str | None = None) -> None:
        self.id: str = request_id
        """The caller's `x-request-id`, or one that was made."""
        self.outgoing: dict[str, str] = outgoing
        """Headers of requests that are sent on behalf of this one: its id, and its trace."""
        self.trace_id: str | None = trace_id
        """The trace that it belongs to; None if its caller names none and none is begun here."""
        self.owner: str | None = None
        """The owner of its key."""
        self.model: str | None = None
        """The model that answers."""
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.chunks: int | None = None
        """Number of chunks that were retrieved."""
        self.prompt: str | None = None
        """The text of the last message of the user, or of the query."""


def new_record(headers: Iterable[tuple[bytes, bytes]]) -> RequestRecord:
    """Make the record of a request from its headers, with names in lower case.

    An `x-request-id` and a trace context of a sane form are kept; any other is ignored.
    """
    request_id, trace_parent, trace_state = None, None, None
    for name, value in headers:
        if name == b"x-request-id" and _ID_FORM.fullmatch(value):
            request_id = value.decode()
        elif name == b"traceparent" and _TRACE_PARENT_FORM.fullmatch(value):
            trace_parent = value.decode()
        elif name == b"tracestate" and _TRACE_STATE_FORM.fullmatch(value):
            trace_state = value.decode()
    request_id = request_id or uuid4().hex
    outgoing = {REQUEST_ID: request_id}
    if trace_parent is None:
        return RequestRecord(request_id, outgoing)
    outgoing[TRACE_PARENT] = trace_parent
    if trace_state is not None:
        outgoing[TRACE_STATE] = trace_state
    return RequestRecord(request_id, outgoing, trace_parent.split("-")[1])


_RECORD: Final[ContextVar[RequestRecord | None]] = ContextVar("reka.request_record", default=None)


def begin_record(record: RequestRecord) -> Token[RequestRecord | None]:
    """Make a record that of the present context, and of the tasks and threads that it begins."""
    return _RECORD.set(record)


def end_record(token: Token[RequestRecord | None]) -> None:
    """End what `begin_record` has begun."""
    _RECORD.reset(token)


def current_record() -> RequestRecord | None:
    """Return the record of the request that the present context works for; None if for none."""
    return _RECORD.get()


def add_request_id(record: logging.LogRecord) -> bool:
    """Give a record of the server's own log the field `request`: the id of the request that it is about, in brackets.

    Returns:
        True: this filter of handlers holds nothing back.
    """
    request = current_record()
    record.request = f"[{request.id}] " if request else ""
    return True
