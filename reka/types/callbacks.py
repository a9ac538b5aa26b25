"""Callbacks of a client and their arguments."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from reka.types.options import Form

OnProgress: TypeAlias = Callable[[int, int | None], object]
"""Called during an upload with the bytes sent so far and the total (None if unknown)."""


@dataclass(frozen=True, slots=True)
class RequestEvent:
    """A finished request; a call that is retried makes several."""

    method: str
    path: str
    """Path without the host; never contains the key."""

    status_code: int | None
    """None if there was no response."""

    seconds: float
    """Duration until the head of the response is there, or the error; connecting is included."""

    request_id: str | None
    error: str | None
    """Class name of the error; None if there was a response."""

    form: Form | None = None
    """Form of a request to the completions endpoint; None for other endpoints."""


OnEvent: TypeAlias = Callable[[RequestEvent], object]
"""Called after each request, in the thread or task that made it."""
