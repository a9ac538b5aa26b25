"""Imports at first use that a fork waits for.

A forked child has the import locks that its parent's threads held, but not the threads: it would wait for ever for a
module that one of them was importing.
"""

import logging  # noqa: F401  # takes its lock at a fork: after ours, which is asked for first if registered last
import os
from contextlib import suppress
from threading import RLock
from typing import Final

IMPORTING: Final = RLock()
"""Held around every import that is put off until it is needed."""

_PATIENCE: Final = 30.0
"""Seconds that a fork waits at most, should an import wait for the thread that forks."""


def _release() -> None:
    with suppress(RuntimeError):  # the patience was over
        IMPORTING.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: IMPORTING.acquire(timeout=_PATIENCE), after_in_parent=_release, after_in_child=_release
    )
