"""Pauses between the tries of what fails for a cause that can pass."""

import time
from collections.abc import Callable
from typing import Final

FIRST_SECONDS: Final = 0.25
"""Pause after the first failure; each further one doubles it (ours)."""

MAX_SECONDS: Final = 60.0
"""Longest pause: what waited for it goes on soon after its cause has passed (ours)."""


def pause_after(failures: int) -> float:
    """Return the pause in seconds after a number of failures in a row."""
    return min(FIRST_SECONDS * 2.0 ** min(failures - 1, 30), MAX_SECONDS)


class Pauses:
    """Until when each of several things waits. Used by one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Create it without any; `clock` returns seconds, and is not set back."""
        self._clock = clock
        self._ends: dict[str, float] = {}

    def begin(self, name: str, seconds: float) -> None:
        """Let something wait for some seconds from now."""
        self._ends[name] = self._clock() + seconds

    def waiting(self) -> set[str]:
        """Return what waits now; what has waited long enough is forgotten."""
        now = self._clock()
        self._ends = {name: end for name, end in self._ends.items() if end > now}
        return set(self._ends)

    def next_end(self) -> float | None:
        """Return the seconds until the first has waited long enough; None if `waiting` has left nothing."""
        return max(min(self._ends.values()) - self._clock(), 0.0) if self._ends else None
