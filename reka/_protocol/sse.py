"""Server-sent events, decoded as the WHATWG's HTML standard says ("Interpreting an event stream"), with no I/O."""

import re
from typing import Final, NamedTuple

from reka._protocol.answers.budgets import MAX_EVENT_BYTES, OverBudgetError
from reka._protocol.answers.json_text import parse_json

DONE: Final = "[DONE]"
"""Data of the last event of a complete stream in OpenAI's protocol."""

# Not str.splitlines, nor bytes.splitlines: they also cut at characters that are legal inside JSON.
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """One event.

    Attributes:
        data: Its data lines, joined by newlines.
        event: Its type; `message` if the server names none.
    """

    data: str
    event: str = "message"


class SseDecoder:
    """Turns bytes, split anywhere, into events."""

    __slots__ = ("_at_start", "_data", "_event", "_size", "_swallow_newline", "_unfinished")

    def __init__(self) -> None:
        self._unfinished: list[bytes] = []
        self._size = 0  # of what is held: at most the bytes since the last feed that left no event open
        self._at_start = True
        self._swallow_newline = False
        self._data: list[str] = []
        self._event = ""

    def feed(self, received: bytes) -> list[ServerSentEvent]:
        """Take the next bytes and give the events that they complete.

        Raises:
            OverBudgetError: A line or an event is too large.
        """
        if self._swallow_newline and received:
            # The CR that ended the last line may have been the first half of a CR LF.
            received = received.removeprefix(b"\n")
            self._swallow_newline = False
        self._unfinished.append(received)
        if not self._at_start and b"\n" not in received and b"\r" not in received:
            self._hold(len(received))
            return []  # put together once it has ended: a long line would be looked at again with every piece
        text = b"".join(self._unfinished)
        if self._at_start:
            if _BOM.startswith(text):
                return []
            self._at_start = False
            text = text.removeprefix(_BOM)
        self._swallow_newline = text.endswith(b"\r")
        lines = _LINE_END.split(text)
        self._unfinished = [lines.pop()]
        events: list[ServerSentEvent] = []
        for line in lines:
            if line:
                self._field(line)
            else:
                self._dispatch(events)
        if self._data:
            self._hold(len(received))
        else:
            self._size = 0
        return events

    def finish(self) -> ServerSentEvent | None:
        """Take the end of the stream: give the last event if only the empty line after it is missing.

        The standard drops an event without an empty line, but some servers end their streams so. Only data that is
        a JSON object or `[DONE]` shows that the event was not cut off; any other is dropped.
        """
        events: list[ServerSentEvent] = []
        self._field(b"".join(self._unfinished))
        self._dispatch(events)
        return next((event for event in events if _is_whole(event.data)), None)

    def _hold(self, size: int) -> None:
        self._size += size
        if self._size > MAX_EVENT_BYTES:
            raise OverBudgetError(f"an event of more than {MAX_EVENT_BYTES // 1024:,} KiB")

    def _field(self, line: bytes) -> None:
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        # `id` and `retry` are for clients that reconnect, and a line that begins with a colon is a comment.

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        if self._data:
            events.append(ServerSentEvent("\n".join(self._data), self._event or "message"))
        self._data, self._event = [], ""


def _is_whole(data: str) -> bool:
    try:
        return data.strip() == DONE or isinstance(parse_json(data), dict)
    except ValueError:
        return False
