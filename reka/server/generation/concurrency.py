"""How many questions a model is asked at once, how many wait, and for how long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from reka.server.generation.types import GenerationError

__all__ = ["ConcurrencyLimiter"]

RETRY_AFTER: Final = 2.0
"""Seconds after which who found no room may ask again (ours)."""


class ConcurrencyLimiter:
    """Room for a number of questions at once, and a queue in front of it, first come, first served.

    Args:
        max_concurrent: Questions that the model is asked at the same time.
        waiting: Questions that may wait for that.
        max_wait: Seconds that one waits at most.
    """

    def __init__(self, max_concurrent: int, waiting: int, max_wait: float) -> None:
        self._free = asyncio.Semaphore(max_concurrent)
        self._most_waiting = waiting
        self._max_wait = max_wait
        self.busy = 0
        """Questions that the model is asked now."""
        self.waiting = 0
        """Questions that wait now."""

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a place from now until the block ends.

        Raises:
            GenerationError: The queue is full, or the wait was too long (503, with a time to try again).
        """
        await self._take()
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1
            self._free.release()

    async def _take(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        if self.waiting >= self._most_waiting:
            raise GenerationError(
                503, f"the server is busy: {self.busy} questions under way, {self.waiting} wait", RETRY_AFTER
            )
        self.waiting += 1
        try:
            # Not asyncio.wait_for: until Python 3.12 it may swallow that the one who waits has gone away.
            with anyio.fail_after(self._max_wait):
                await self._free.acquire()
        except TimeoutError as error:
            detail = f"the server is busy: no question under way ended within {self._max_wait:g} s"
            raise GenerationError(503, detail, RETRY_AFTER) from error
        finally:
            self.waiting -= 1
