"""What is sent again after it failed, and when: the policy, and the loop that keeps to it, with and without `await`."""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from reka._protocol.checks import integer

T = TypeVar("T")

RETRY_STATUSES: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Statuses that a later try may mend (ours, as the best clients do it)."""

FIRST_WAIT: Final = 0.5
"""Seconds: the ceiling of the wait before the first retry; it doubles with each (ours)."""

LONGEST_WAIT: Final = 8.0
"""Seconds: where the doubling of the ceiling ends (ours)."""

LONGEST_RETRY_AFTER: Final = 60.0
"""Seconds: a server that asks for a longer wait is not asked again (ours)."""

NextWait: TypeAlias = Callable[[int, Exception], float | None]
"""Seconds until the next try, from the number of tries so far and what the last one raised; None if it was the last."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often something is tried again, and after how many seconds.

    Args:
        max_retries: How often, at most.
        longest_retry_after: Seconds; a server that asks for a longer wait is not asked again.

    Raises:
        InvalidArgumentError: `max_retries` is no number of retries.
    """

    max_retries: int
    longest_retry_after: float = LONGEST_RETRY_AFTER

    def __post_init__(self) -> None:
        checked_retries(self.max_retries)

    def next_wait(self, attempt: int, retry_after: float | None, time_left: float = float("inf")) -> float | None:
        """Seconds until the next try; None if the last try was the last.

        Args:
            attempt: How many tries there were, from 1.
            retry_after: Seconds that the server asks to wait; None if it does not say.
            time_left: Seconds in which the next try must have begun.
        """
        if attempt > self.max_retries or (retry_after or 0) > self.longest_retry_after:
            return None
        wait = backoff(attempt) if retry_after is None else retry_after
        return wait if wait < time_left else None


def checked_retries(max_retries: object) -> int:
    """Check a number of retries, and give it back.

    Raises:
        InvalidArgumentError: It is none.
    """
    return integer(max_retries, "max_retries", least=0)


def backoff(attempt: int) -> float:
    """Seconds to wait after so many tries, if nobody says how long: ever more, up to a ceiling."""
    ceiling = min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT)
    # Full jitter: clients that failed together come back apart.
    return random.uniform(0, ceiling)  # noqa: S311  # not for secrets


def with_retries(once: Callable[[], T], next_wait: NextWait) -> T:
    """Try until it works, or no other try can help; then the last error is raised."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return once()
        except Exception as error:
            wait = next_wait(attempt, error)
            if wait is None:
                raise
        time.sleep(wait)


async def with_retries_async(once: Callable[[], Awaitable[T]], next_wait: NextWait) -> T:
    """Async twin of `with_retries`."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return await once()
        except Exception as error:
            wait = next_wait(attempt, error)
            if wait is None:
                raise
        import asyncio  # whoever awaits has loaded it; the client that waits would load it for nothing

        await asyncio.sleep(wait)
