"""When a process that is nothing but a server collects garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

THRESHOLD: Final = 20_000
"""Allocated objects that trigger a garbage collection; a request allocates some hundreds for a short time (ours)."""


@contextmanager
def load_without_gc() -> Iterator[None]:
    """Collect no garbage while modules are loaded, a seventh of that time, and none of what is loaded ever after."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def tune_gc() -> None:
    """Make garbage collections rarer."""
    gc.set_threshold(THRESHOLD, *gc.get_threshold()[1:])
