"""A clock that jumps, for the processes that a test starts: that of libfaketime, which Debian has as `faketime`."""

from pathlib import Path

import pytest


def find_library() -> Path | None:
    """Return the path of the library; None where it is not installed."""
    return next(Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1"), None)


class JumpingClock:
    """The time of day of processes that are started from now on; as of a real clock, monotonic time does not jump."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = path
        self.jump(0)
        environment = {
            "LD_PRELOAD": find_library(),
            "FAKETIME_TIMESTAMP_FILE": path,
            "FAKETIME_CACHE_DURATION": 1,
            "FAKETIME_DONT_FAKE_MONOTONIC": 1,
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))

    def jump(self, hours: int) -> None:
        """Set it to so many hours from now."""
        new = self._path.with_suffix(".new")
        new.write_text(f"{hours:+}h\n")
        new.replace(self._path)  # they never read half of it
