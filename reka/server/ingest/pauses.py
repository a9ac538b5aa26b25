"""How long what fails for a cause that can pass waits until it is tried again."""

from typing import Final

FIRST_SECONDS: Final = 0.25
"""Pause after the first failure; each further one doubles it (ours)."""

MAX_SECONDS: Final = 60.0
"""Longest pause: what waited for it goes on soon after its cause has passed (ours)."""


def pause_after(failures: int) -> float:
    """Return the pause in seconds after a number of failures in a row."""
    return min(FIRST_SECONDS * 2.0 ** min(failures - 1, 30), MAX_SECONDS)
