"""What callers are told while a client works: their callbacks, and what these are called with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

OnProgress: TypeAlias = Callable[[int, int | None], object]
"""Called as an upload goes on, with the bytes sent so far and those in all (None if that is not known yet)."""


@dataclass(frozen=True, slots=True)
class RequestEvent:
    """One request, ended; a call that is tried again makes several."""

    method: str
    path: str
    """Without the host; never holds the key."""

    status_code: int | None
    """None if no answer came."""

    seconds: float
    """From the first byte sent to the end of the answer, or for a stream to its beginning."""

    request_id: str | None
    error: str | None
    """Name of the error's class; None if an answer came."""


OnEvent: TypeAlias = Callable[[RequestEvent], object]
"""Called after each request, in the thread or task that made it."""
