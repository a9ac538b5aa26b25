"""What each owner of keys may do: requests in a minute and chats at once. What they may store: `storage/quotas.py`."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from reka.server.errors import TooManyRequestsError
from reka.server.settings import Settings

__all__ = ["KeyLimits", "RateLimit"]

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
            )


class KeyLimits:
    """Counts for one server. It belongs to one event loop."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        """Start at zero.

        Args:
            settings: The settings `requests_per_minute` and `concurrent_chats`.
            clock: Returns the seconds since the epoch.
        """
        self._requests_per_minute = settings.requests_per_minute
        self._concurrent_chats = settings.concurrent_chats
        self._clock = clock
        self._minute = -1
        self._requests: Counter[str] = Counter()
        self._chats: Counter[str] = Counter()

    def count_request(self, owner: str) -> RateLimit | None:
        """Count a request; None if requests are not limited. The caller must `check` the result."""
        limit = self._requests_per_minute
        if limit is None:
            return None
        now = self._clock()
        minute = int(now // WINDOW_SECONDS)
        if minute != self._minute:
            self._minute = minute
            self._requests.clear()
        self._requests[owner] += 1
        reset = (minute + 1) * WINDOW_SECONDS
        return RateLimit(limit, max(limit - self._requests[owner], -1), reset, reset - now)

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
        if self._chats[owner] >= limit:
            raise TooManyRequestsError(
                f"This API key's limit of {limit} chats at once is reached: wait until one has ended", CHAT_RETRY_AFTER
            )
        self._chats[owner] += 1
        return partial(self._end_chat, owner)

    def _end_chat(self, owner: str) -> None:
        self._chats[owner] -= 1
        if not self._chats[owner]:
            del self._chats[owner]
