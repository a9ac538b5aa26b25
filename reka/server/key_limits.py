"""What each owner of keys may do: requests in a minute and chats at once. What they may store: `storage/quotas.py`."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from reka.server.errors import TooManyRequestsError
from reka.server.settings import Settings

__all__ = ["Counts", "KeyLimits", "RateLimit"]

WINDOW_SECONDS: Final = 60

CHAT_RETRY_AFTER: Final = 2.0
"""Seconds after which a chat beyond the number at once may be sent again (ours)."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The requests of an owner in the present minute."""

    limit: int
    remaining: int
    """Requests that are left; -1 after one that was too many."""
    reset: int
    """When the next minute begins, in seconds since the epoch."""
    seconds_left: float
    """Seconds until then."""

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Write the headers of a response, under the names of Reka's host."""
        values = {"limit": self.limit, "remaining": max(self.remaining, 0), "reset": self.reset}
        return [(f"x-ratelimit-{name}".encode(), str(value).encode()) for name, value in values.items()]

    def check(self) -> None:
        """Refuse the request that was too many.

        Raises:
            TooManyRequestsError: It was; with the seconds until the next minute, at most 60.
        """
        if self.remaining < 0:
            raise TooManyRequestsError(
                f"This API key's limit of {self.limit} requests a minute is reached: try again in "
                f"{self.seconds_left:.0f} s",
                max(1.0, round(self.seconds_left + 0.5)),
                "requests_per_minute",
            )


class Counts(Protocol):
    """What the owners of keys are counted by."""

    def add_request(self, owner: str, minute: int) -> int:
        """Count a request in a minute since the epoch; return how many the owner has sent in it."""
        ...

    def begin_chat(self, owner: str, limit: int) -> bool:
        """Count a chat as running; return False, with nothing changed, if as many as the limit are."""
        ...

    def end_chat(self, owner: str) -> None:
        """Count a chat as ended."""
        ...


class LocalCounts:
    """Counts of one process. They belong to one event loop."""

    def __init__(self) -> None:
        """Start at zero."""
        self._minute = -1
        self._requests: Counter[str] = Counter()
        self._chats: Counter[str] = Counter()

    def add_request(self, owner: str, minute: int) -> int:
        """Count a request; see `Counts`."""
        if minute != self._minute:
            self._minute = minute
            self._requests.clear()
        self._requests[owner] += 1
        return self._requests[owner]

    def begin_chat(self, owner: str, limit: int) -> bool:
        """Count a chat as running; see `Counts`."""
        if self._chats[owner] >= limit:
            return False
        self._chats[owner] += 1
        return True

    def end_chat(self, owner: str) -> None:
        """Count a chat as ended."""
        self._chats[owner] -= 1
        if not self._chats[owner]:
            del self._chats[owner]


class KeyLimits:
    """The limits of one server. They belong to one event loop."""

    def __init__(
        self, settings: Settings, counts: Counts | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Set the limits.

        Args:
            settings: The settings `requests_per_minute` and `concurrent_chats`.
            counts: What is counted so far; None to start at zero, in this process alone.
            clock: Returns the seconds since the epoch.
        """
        self._requests_per_minute = settings.requests_per_minute
        self._concurrent_chats = settings.concurrent_chats
        self._counts = LocalCounts() if counts is None else counts
        self._clock = clock

    def count_request(self, owner: str) -> RateLimit | None:
        """Count a request; None if requests are not limited. The caller must `check` the result."""
        limit = self._requests_per_minute
        if limit is None:
            return None
        now = self._clock()
        minute = int(now // WINDOW_SECONDS)
        count = self._counts.add_request(owner, minute)
        reset = (minute + 1) * WINDOW_SECONDS
        return RateLimit(limit, max(limit - count, -1), reset, reset - now)

    def begin_chat(self, owner: str) -> Callable[[], None] | None:
        """Count a chat as running.

        Returns:
            A function that ends it; None if chats are not limited.

        Raises:
            TooManyRequestsError: As many as are allowed are running.
        """
        limit = self._concurrent_chats
        if limit is None:
            return None
        if not self._counts.begin_chat(owner, limit):
            raise TooManyRequestsError(
                f"This API key's limit of {limit} chats at once is reached: wait until one has ended",
                CHAT_RETRY_AFTER,
                "concurrent_chats",
            )
        return partial(self._counts.end_chat, owner)
