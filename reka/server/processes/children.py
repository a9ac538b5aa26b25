"""Child processes: each is started again when it ends, and none outlives this process."""

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from reka.server.ingest.pauses import pause_after

logger: Final = logging.getLogger(__name__)

STEADY_SECONDS: Final = 60.0
"""Seconds after which the end of a child does not count as a failure in a row any more (ours)."""

KILL_SECONDS: Final = 5.0
"""Seconds that a child has for what it does after its last request or batch; then it is killed (ours)."""


class Child:
    """A process that runs a function of `reka.server.processes.child`, and runs again when it ends.

    The child reads what it shall do from its standard input. The pipe's other end is this process's alone, so the child
    ends when this process does, however that ends.
    """

    def __init__(
        self, name: str, orders: Mapping[str, Any], handles: tuple[int, ...] = (), on_end: Callable[[], object] = int
    ) -> None:
        """Describe a child; it runs after `start`.

        Args:
            name: What the log calls it.
            orders: What it shall do: a value of JSON.
            handles: Handles of this process that it inherits, under the same numbers.
            on_end: Called each time it has ended, before it is started again.
        """
        self._name = name
        self._orders = json.dumps(orders)
        self._handles = handles
        self._on_end = on_end
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._is_stopping = threading.Event()
        self._has_started = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"reka-{name}", daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether the process is at work."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process."""
        self._thread.start()

    def wait_until_ready(self) -> bool:
        """Wait until the process is at work for the first time; return False if it has ended before that."""
        self._has_started.wait()
        return self.is_running

    def stop(self) -> None:
        """Begin to end the process. Called again, it asks it to hurry."""
        with self._lock:
            self._is_stopping.set()
            if self._process is not None:
                self._process.terminate()

    def wait(self, seconds: float) -> bool:
        """Wait until the process has ended; return False if it has not within some seconds."""
        self._thread.join(max(seconds, 0))
        return not self._thread.is_alive()

    def kill(self) -> None:
        """End the process as it stands."""
        with self._lock:
            self._is_stopping.set()
            if self._process is not None:
                self._process.kill()
        self._thread.join()

    def _run(self) -> None:
        failures = 0
        while process := self._start():
            with process:
                began = time.monotonic()
                assert process.stdout is not None
                process.stdout.readline()  # it has said that it is ready, or has ended
                self._has_started.set()
                code = process.wait()
            self._on_end()
            if self._is_stopping.is_set():
                return
            failures = 1 if time.monotonic() - began > STEADY_SECONDS else failures + 1
            pause = pause_after(failures)
            if code == 0:  # somebody has asked this one alone to end
                failures, pause = 0, 0.0
            logger.warning("the %s process has ended (%d), and is started again in %g s", self._name, code, pause)
            self._is_stopping.wait(pause)

    def _start(self) -> "subprocess.Popen[str] | None":
        with self._lock:
            if self._is_stopping.is_set():
                return None
            # With the path of this process, and not that of the folder that it happens to run in.
            code = f"import sys; sys.path[:] = {sys.path!r}; from reka.server.processes.child import main; main()"
            self._process = subprocess.Popen(  # noqa: S603  # it is this program
                [sys.executable, "-c", code, f"reka {self._name}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=self._handles,
                text=True,
            )
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{self._orders}\n")
            self._process.stdin.flush()
        except OSError:
            logger.warning("the %s process has ended before it began", self._name)
        return self._process


def end_together(children: "list[Child]", seconds: float) -> None:
    """End some children, and wait until they have ended; kill those that have not within some seconds."""
    deadline = time.monotonic() + seconds
    for child in children:
        child.stop()
    for child in children:
        if not child.wait(deadline - time.monotonic()):
            logger.warning("a process did not end within %g s, and is killed", seconds)
            child.kill()
