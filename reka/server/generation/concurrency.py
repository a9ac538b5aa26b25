"""A limit on concurrent requests to a model, with a bounded queue in front of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio

from reka.server.generation.types import GenerationError

__all__ = ["ConcurrencyLimiter"]

RETRY_AFTER: Final = 2.0
"""Seconds after which a rejected request may be retried (ours)."""


class ConcurrencyLimiter:
    """Limits concurrent requests; further ones wait in a first-come, first-served queue.

    Args:
        max_concurrent: Maximum number of running requests.
        max_waiting: Maximum number of requests in the queue.
        max_wait: Maximum time in the queue, in seconds.
        on_refusal: Called for each request that gets no slot.
    """

    def __init__(
        self, max_concurrent: int, max_waiting: int, max_wait: float, on_refusal: Callable[[], object] = int
    ) -> None:
        self._free = asyncio.Semaphore(max_concurrent)
        self._max_waiting = max_waiting
        self._max_wait = max_wait
        self._on_refusal = on_refusal
        self.running: int = 0
        """Number of running requests."""
        self.waiting: int = 0
        """Number of requests in the queue."""

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Occupy a slot until the block ends.

        Raises:
            GenerationError: The queue is full, or the request waited too long (503, with a time to retry).
        """
        await self._acquire()
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._free.release()

    async def _acquire(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        if self.waiting >= self._max_waiting:
            self._on_refusal()
            detail = f"the server is busy: {self.running} requests running, {self.waiting} waiting"
            raise GenerationError(503, detail, RETRY_AFTER)
        self.waiting += 1
        try:
            # Not asyncio.wait_for: until Python 3.12 it may swallow the cancellation of a disconnected client.
            with anyio.fail_after(self._max_wait):
                await self._free.acquire()
        except TimeoutError as error:
            self._on_refusal()
            detail = f"the server is busy: no running request ended within {self._max_wait:g} s"
            raise GenerationError(503, detail, RETRY_AFTER) from error
        finally:
            self.waiting -= 1
