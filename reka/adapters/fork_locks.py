"""Locks that a forked child has anew: another thread of its parent, which the child does not have, may hold them."""

import os
from threading import Lock
from types import TracebackType
from typing import Final
from weakref import WeakSet


class ForkLock:
    """A lock that nobody holds in a forked child."""

    def __init__(self) -> None:
        self._lock = Lock()
        _ALL.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Forget who holds it."""
        self._lock = Lock()


_ALL: Final[WeakSet[ForkLock]] = WeakSet()


def _renew_all() -> None:
    for lock in list(_ALL):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
