"""When waiting ends: one timer for all calls of an event loop.

A timer costs asyncio more than most of what this package does for a call, and aiohttp would set three for each, nearly
all of them in vain. Here a call only notes its deadline; the one timer is set for the earliest of them, and anew when
it has gone off.
"""

import asyncio
import math
import sys
import time
from types import TracebackType

import aiohttp


class Deadlines:
    """The waits of an event loop's calls; made and used on that loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waits: set[Wait] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next_look = math.inf

    def add(self, wait: "Wait") -> None:
        """Watch a wait."""
        self._waits.add(wait)
        if wait.deadline < self._next_look:
            self._set_timer(wait.deadline)

    def remove(self, wait: "Wait") -> None:
        """Watch it no more. A timer set for it stays, for it is likely to serve the next one."""
        self._waits.discard(wait)

    def _set_timer(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(deadline - time.monotonic(), self._look)
        self._next_look = deadline

    def _look(self) -> None:
        self._timer, self._next_look = None, math.inf
        now = time.monotonic()
        for wait in [wait for wait in self._waits if wait.deadline <= now]:
            self._waits.discard(wait)
            wait.end()
        if self._waits:
            self._set_timer(min(wait.deadline for wait in self._waits))


class Wait:
    """A stretch of a task that ends at its deadline at the latest; a context manager.

    Raises, when the deadline ends it, what aiohttp's own timers raise: `aiohttp.SocketTimeoutError` after silence,
    `asyncio.TimeoutError` when the time in all is over.

    Args:
        deadlines: Where it is watched.
        silence: Seconds it may last without progress.
        end: When it is over in all, by `time.monotonic`.
    """

    __slots__ = ("_cancelling", "_deadlines", "_end", "_is_over", "_silence", "_task", "deadline")

    def __init__(self, deadlines: Deadlines, silence: float, end: float) -> None:
        self._deadlines = deadlines
        self._silence = silence
        self._end = end
        self._is_over = False
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self.deadline = min(time.monotonic() + silence, end)

    def __enter__(self) -> "Wait":
        self._task = asyncio.current_task()
        if sys.version_info >= (3, 11) and self._task is not None:
            self._cancelling = self._task.cancelling()
        self._deadlines.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadlines.remove(self)
        if not self._is_over:
            return
        is_ours = True
        if sys.version_info >= (3, 11) and self._task is not None:
            # Somebody else may have cancelled the task at the same time, and that goes first.
            is_ours = self._task.uncancel() <= self._cancelling
        if is_ours and kind is asyncio.CancelledError:
            if self.deadline < self._end:
                raise aiohttp.SocketTimeoutError from error
            raise asyncio.TimeoutError from error

    def progress(self) -> None:
        """Note that the wait was not in vain: the silence begins anew."""
        self.deadline = min(time.monotonic() + self._silence, self._end)

    def end(self) -> None:
        """End it now, by cancelling what its task waits for."""
        self._is_over = True
        if self._task is not None:
            self._task.cancel()
