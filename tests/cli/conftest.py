"""The command run in this process, or on a terminal of its own."""

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from reka.cli.app import run
from tests.conftest import KEY
from tests.support.fake_reka import FakeReka

PATIENCE = 30.0


@pytest.fixture
def server(fake: FakeReka, monkeypatch: pytest.MonkeyPatch) -> FakeReka:
    """The scripted server, as the environment's."""
    monkeypatch.setenv("REKA_BASE_URL", fake.url)
    monkeypatch.setenv("REKA_API_KEY", KEY)
    return fake


@dataclass(frozen=True)
class Outcome:
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


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command line in this process: `command("models", "--json")`, with what is piped in as `stdin`."""

    def call(*arguments: str, stdin: str = "") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = run(arguments)
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return call


class Terminal:
    """A command on a terminal of its own, 80 columns wide."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
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
        os.write(self._ours, text.encode())

    def interrupt(self) -> None:
        """What Ctrl-C does. The key itself also throws away what was typed and not read yet, so a test would race."""
        self.process.send_signal(signal.SIGINT)

    def interrupt_until(self, text: str) -> None:
        """Press Ctrl-C again and again: readline misses a signal that comes just before it waits for a key."""
        deadline = time.monotonic() + PATIENCE
        self.interrupt()
        while not self._read(patience=1) and time.monotonic() < deadline:
            self.interrupt()
        self.expect(text)

    def expect(self, text: str) -> None:
        """Read on until a text is shown that was not looked for yet."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown[self._seen :]:
            if time.monotonic() > deadline or not self._read():
                raise AssertionError(f"{text!r} was not shown; the terminal shows {self.shown!r}")
        self._seen = self.shown.index(text, self._seen) + len(text)

    def end(self) -> int:
        """Read the rest; give the exit code."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def close(self) -> None:
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


def heed_ctrl_c() -> None:
    """Heed SIGINT in a child that becomes a command: tests in the background ignore it, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _own_terminal() -> None:
    heed_ctrl_c()
    os.setsid()
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Starts a command on a terminal: `terminal("chat")`."""
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(arguments))
        return opened[-1]

    yield start
    for one in opened:
        one.close()
