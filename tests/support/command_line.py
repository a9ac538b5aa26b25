"""The `reka` command for tests: run in this process, or on a terminal of its own."""

import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

PATIENCE: Final = 30.0
"""Seconds that a test waits for a command."""


@dataclass(frozen=True)
class Outcome:
    """What a command wrote, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = json.loads(self.err)["error"]
        return error


Command = Callable[..., Outcome]
"""Runs a command line in this process; see the fixture `command`."""


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, arguments: Sequence[str], columns: int = 80) -> None:
        self._ours, theirs = pty.openpty()
        _set_size(theirs, columns)
        environment = {**os.environ, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
        for name in ("COLUMNS", "LINES"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reka.cli", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            # A session of its own, so that the terminal's Ctrl-C reaches the command and nobody else.
            preexec_fn=_own_terminal,
        )
        os.close(theirs)
        self.shown = ""
        self._seen = 0

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._ours, text.encode())

    def resize(self, columns: int) -> None:
        """Make the terminal wider or narrower."""
        _set_size(self._ours, columns)

    def interrupt(self) -> None:
        """Send the signal of Ctrl-C. The key itself also discards input that is not read yet, so a test would race."""
        self.process.send_signal(signal.SIGINT)

    def interrupt_until(self, text: str) -> None:
        """Press Ctrl-C again and again: readline misses a signal that comes just before it waits for a key."""
        deadline = time.monotonic() + PATIENCE
        self.interrupt()
        while not self._read(patience=1) and time.monotonic() < deadline:
            self.interrupt()
        self.expect(text)

    def expect(self, text: str) -> None:
        """Read on until a text is shown, after the text of the last call."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown[self._seen :]:
            if time.monotonic() > deadline or not self._read():
                raise AssertionError(f"{text!r} was not shown; the terminal shows {self.shown!r}")
        self._seen = self.shown.index(text, self._seen) + len(text)

    def end(self) -> int:
        """Read the rest; return the exit code."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """Kill the command if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)

    def _read(self, patience: float = PATIENCE) -> bool:
        ready, _, _ = select.select([self._ours], [], [], patience)
        if not ready:
            return False
        try:
            block = os.read(self._ours, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            return False
        self.shown += block.decode(errors="replace")
        return bool(block)


def _set_size(terminal: int, columns: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def enable_sigint() -> None:
    """Let a child that becomes a command react to SIGINT: a test run in the background ignores it, and so would it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _own_terminal() -> None:
    enable_sigint()
    os.setsid()
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
