"""Retries: the policy, and the loop that applies it, synchronous and asynchronous."""

import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, TypeVar

from reka._protocol.checks import integer
from reka._record import record

T = TypeVar("T")

RETRY_STATUSES: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Statuses that are worth a retry (ours, as in the best clients)."""

FIRST_WAIT: Final = 0.5
"""Upper bound of the first back-off in seconds; it doubles with each retry (ours)."""

LONGEST_WAIT: Final = 8.0
"""Maximum of the upper bound, in seconds (ours)."""

LONGEST_RETRY_AFTER: Final = 60.0
"""Longest `retry-after` that is honoured, in seconds; a longer one ends the call (ours)."""

NextWait: TypeAlias = Callable[[int, Exception], float | None]
"""Seconds until the next attempt, from the number of attempts and the last error; None to give up."""


@record
class RetryPolicy:
    """Number and timing of retries.

    Args:
        max_retries: Maximum number of retries.
        longest_retry_after: Longest `retry-after` to honour, in seconds.

    Raises:
        InvalidArgumentError: `max_retries` is not an integer of at least 0.
    """

    max_retries: int
    longest_retry_after: float = LONGEST_RETRY_AFTER

    def __post_init__(self) -> None:
        checked_retries(self.max_retries)

    def next_wait(self, attempt: int, retry_after: float | None, time_left: float = float("inf")) -> float | None:
        """Seconds until the next attempt; None to give up.

        Args:
            attempt: Number of attempts so far, from 1.
            retry_after: Seconds to wait, as the server asked; None or 0, which says no more, if it did not.
            time_left: Seconds within which the next attempt must start.
        """
        if attempt > self.max_retries or (retry_after or 0) > self.longest_retry_after:
            return None
        wait = retry_after or backoff(attempt)
        return wait if wait < time_left else None


def checked_retries(max_retries: object) -> int:
    """Require a number of retries.

    Raises:
        InvalidArgumentError: It is not an integer of at least 0.
    """
    return integer(max_retries, "max_retries", least=0)


def backoff(attempt: int) -> float:
    """Exponential back-off with full jitter after `attempt` attempts, in seconds."""
    ceiling = min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT)
    # Full jitter spreads clients that failed together.
    return random.uniform(0, ceiling)  # noqa: S311  # not for secrets


def with_retries(send: Callable[[], T], next_wait: NextWait) -> T:
    """Call `send` until it succeeds or `next_wait` gives up; then raise the last error."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return send()
        except Exception as error:
            wait = next_wait(attempt, error)
            if wait is None:
                raise
        time.sleep(wait)


async def with_retries_async(send: Callable[[], Awaitable[T]], next_wait: NextWait) -> T:
    """Async twin of `with_retries`."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return await send()
        except Exception as error:
            wait = next_wait(attempt, error)
            if wait is None:
                raise
        import asyncio  # loaded already by whoever awaits; the sync client does not need it

        await asyncio.sleep(wait)
