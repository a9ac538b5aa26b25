"""Work that waits in the background, one piece for each folder; the end of the process does not wait for it."""

from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Final

from reka.adapters.fork_locks import ForkLock

_timers: Final[dict[Path, Timer]] = {}
_lock: Final = ForkLock()


def start(folder: Path, seconds: float, work: Callable[[], object]) -> None:
    """Do some work after so many seconds, in place of the work that waits for the folder."""
    timer = Timer(seconds, _run, (folder, work))
    timer.daemon = True
    timer.name = "reka-retired-datasets"
    with _lock:
        earlier = _timers.pop(folder, None)
        _timers[folder] = timer
    if earlier is not None:
        earlier.cancel()
    timer.start()


def cancel() -> None:
    """Give up all work that waits."""
    with _lock:
        waiting = list(_timers.values())
        _timers.clear()
    for timer in waiting:
        timer.cancel()


def _run(folder: Path, work: Callable[[], object]) -> None:
    with _lock:
        _timers.pop(folder, None)
    work()
