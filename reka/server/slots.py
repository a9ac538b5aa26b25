"""How many questions a model is asked at once, how many wait, and for how long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from reka.server.answers import AnswerError

__all__ = ["Slots"]

RETRY_AFTER: Final = 2.0
"""Seconds after which who found no room may ask again (ours)."""


class Slots:
    """Room for a number of questions at once, and a queue in front of it, first come, first served.

    Args:
        at_once: Questions that the model is asked at the same time.
        waiting: Questions that may wait for that.
        patience: Seconds that one waits at most.
    """

    def __init__(self, at_once: int, waiting: int, patience: float) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._most_waiting = waiting
        self._patience = patience
        self.busy = 0
        """Questions that the model is asked now."""
        self.waiting = 0
        """Questions that wait now."""

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold a place from now until the block ends.

        Raises:
            AnswerError: The queue is full, or the wait was too long (503, with a time to try again).
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
            raise AnswerError(
                503, f"the server is busy: {self.busy} questions under way, {self.waiting} wait", RETRY_AFTER
            )
        self.waiting += 1
        try:
            # Not asyncio.wait_for: until Python 3.12 it may swallow that the one who waits has gone away.
            with anyio.fail_after(self._patience):
                await self._free.acquire()
        except TimeoutError as error:
            detail = f"the server is busy: no question under way ended within {self._patience:g} s"
            raise AnswerError(503, detail, RETRY_AFTER) from error
        finally:
            self.waiting -= 1
