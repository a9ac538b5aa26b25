"""A server in a process of its own, with the processes that it starts; each can be killed."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic

from tests.support.caller import Caller

PATIENCE = 30.0
"""Seconds that a test waits for a process."""


class ServerProcess:
    """A server on a data folder; it listens once built."""

    def __init__(self, data_dir: Path, **settings: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reka.server", "--port", "0", "--data-dir", str(data_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {f"REKA_SERVER_{name.upper()}": str(value) for name, value in settings.items()},
        )
        assert self._process.stdout is not None
        self.api = Caller(self._process.stdout.readline().rsplit(maxsplit=1)[1])

    def kill(self) -> None:
        """End it as `kill -9` does: without a chance to do anything."""
        self.end(signal.SIGKILL)

    def end(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait until it has ended, and return its exit code."""
        self.send(sign)
        return self.wait()

    def send(self, sign: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(sign)

    def wait(self) -> int:
        """Wait until it has ended, and return its exit code."""
        code = self._process.wait(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self.api.close()
        return code

    def children(self, name: str) -> list[int]:
        """Ids of the child processes of a name that are at work."""
        return [
            pid for pid, (parent, command) in processes().items() if parent == self._process.pid and name in command
        ]

    def await_child(self, name: str, but: int = 0) -> int:
        """Wait for a child process of a name, another one than `but`, and return its id."""
        deadline = monotonic() + PATIENCE
        while not (found := [pid for pid in self.children(name) if pid != but]):
            assert monotonic() < deadline, f"no process {name} was started"
            threading.Event().wait(0.05)
        return found[0]


def processes() -> dict[int, tuple[int, str]]:
    """Parent and command of each process of the machine that has not ended."""
    listed = subprocess.run(["ps", "-Aww", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True)
    lines = [line.split(maxsplit=3) for line in listed.stdout.splitlines()]
    return {int(pid): (int(parent), command) for pid, parent, state, command in lines if not state.startswith("Z")}


def await_end_of(*pids: int) -> None:
    """Wait until processes have ended that are no children of this one."""
    deadline = monotonic() + PATIENCE
    while set(pids) & set(processes()):
        assert monotonic() < deadline, "a process does not end"
        threading.Event().wait(0.05)
