"""Decoding of streams that must bring something: some hosts answer tools in a stream with an empty one."""

from collections.abc import Sequence

from reka._calls.call import Decoder
from reka.errors import RekaError, StreamInterruptedError
from reka.types import Finish, ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta

_CONTENT = (TextDelta, ReasoningDelta, ToolCallDelta)


class EmptyStreamError(RekaError):
    """A stream ended properly, not by its length limit, without text, reasoning or a tool call."""


class NonEmptyDecoder:
    """Holds events back until the first content, and raises `EmptyStreamError` if a stream ends without any."""

    def __init__(self, decoder: Decoder[StreamEvent]) -> None:
        self._decoder = decoder
        self._held: list[StreamEvent] | None = []

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to come."""
        return self._decoder.is_done

    @property
    def partial_text(self) -> str:
        """See `Decoder`."""
        return self._decoder.partial_text

    def feed(self, received: bytes) -> Sequence[StreamEvent]:
        """Take the next bytes."""
        return self._release(self._decoder.feed(received))

    def finish(self) -> Sequence[StreamEvent]:
        """Take the end of the stream."""
        events = self._release(self._decoder.finish())
        if self._held is None:
            return events
        if any(isinstance(event, Finish) and event.reason == "length" for event in self._held):
            return self._held
        raise EmptyStreamError("the stream ended without text, reasoning or a tool call")

    def interrupted(self, reason: str) -> StreamInterruptedError:
        """Make the error for a stream that broke off."""
        return self._decoder.interrupted(reason)

    def _release(self, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        if self._held is None:
            return events
        self._held += events
        if not any(isinstance(event, _CONTENT) for event in events):
            return []
        released, self._held = self._held, None
        return released
