"""Time limits of waits, by one timer for each event loop.

`asyncio.timeout` sets and cancels a timer of the loop for each wait, which is a quarter of what this package adds to a
call. Here a wait only notes its deadline: one timer is set for the earliest, and set anew after it has fired.
"""

import asyncio
import math
import sys
import time
from types import TracebackType


class WaitTimer:
    """The waits of one event loop. Belongs to that loop's tasks alone."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waits: set[WaitLimit] = set()
        self._handle: asyncio.TimerHandle | None = None
        self._fires_at = math.inf

    def limit(self, seconds: float) -> "WaitLimit":
        """Create the context manager of one wait.

        Args:
            seconds: How long it may take; at once if it is not above 0.
        """
        return WaitLimit(self, time.monotonic() + seconds)

    def add(self, wait: "WaitLimit") -> None:
        """Watch a wait that begins."""
        self._waits.add(wait)
        if wait.deadline < self._fires_at:
            self._set(wait.deadline)

    def remove(self, wait: "WaitLimit") -> None:
        """Forget a wait that has ended. The timer stays set: it is likely to serve the next wait."""
        self._waits.discard(wait)

    def _set(self, deadline: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_later(deadline - time.monotonic(), self._fire)
        self._fires_at = deadline

    def _fire(self) -> None:
        self._handle, self._fires_at = None, math.inf
        now = time.monotonic()
        over = [wait for wait in self._waits if wait.deadline <= now]
        for wait in sorted(over, key=lambda wait: wait.deadline):
            self._waits.discard(wait)
            wait.expire()
        if self._waits:
            self._set(min(wait.deadline for wait in self._waits))


class WaitLimit:
    """Cancels what its task waits for when its time is over, and raises `asyncio.TimeoutError` in its place."""

    __slots__ = ("_cancelling", "_is_over", "_task", "_timer", "deadline")

    def __init__(self, timer: WaitTimer, deadline: float) -> None:
        self.deadline = deadline
        self._timer = timer
        self._is_over = False
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        if sys.version_info >= (3, 11) and self._task is not None:
            self._cancelling = self._task.cancelling()
        self._timer.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.remove(self)
        if not self._is_over:
            return
        is_ours = True
        if sys.version_info >= (3, 11) and self._task is not None:
            # Somebody else may have cancelled the task at the same time, and that goes first.
            is_ours = self._task.uncancel() <= self._cancelling
        if is_ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise asyncio.TimeoutError from error

    def expire(self) -> None:
        """End the wait now."""
        self._is_over = True
        if self._task is not None:
            self._task.cancel()
