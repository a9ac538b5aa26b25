"""Work in threads that ends when nobody waits for it: a thread cannot be stopped, so it asks at its steps."""

from contextvars import ContextVar
from typing import Final


class WorkCancelledError(Exception):
    """Nobody waits for the work."""


class Work:
    """Work that can be cancelled; it may run in threads, to which its context is copied."""

    __slots__ = ("_is_cancelled",)

    def __init__(self) -> None:
        """Begin work in the present context."""
        self._is_cancelled = False
        _WORK.set(self)

    def cancel(self) -> None:
        """End the work at its next step."""
        self._is_cancelled = True

    def check(self) -> None:
        """End the work here if it was cancelled.

        Raises:
            WorkCancelledError: It was.
        """
        if self._is_cancelled:
            raise WorkCancelledError


_WORK: Final[ContextVar[Work | None]] = ContextVar("reka.work", default=None)


def check_cancelled() -> None:
    """End the work of the present context here if nobody waits for it.

    Raises:
        WorkCancelledError: Nobody does.
    """
    work = _WORK.get()
    if work is not None:
        work.check()
