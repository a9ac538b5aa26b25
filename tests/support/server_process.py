"""A server in a process of its own, which can be killed."""

import subprocess
import sys
from pathlib import Path

from tests.support.caller import Caller


class ServerProcess:
    """A server on a data folder; it listens once built."""

    def __init__(self, data_dir: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reka.server", "--port", "0", "--data-dir", str(data_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.api = Caller(self._process.stdout.readline().rsplit(maxsplit=1)[1])

    def kill(self) -> None:
        """End it as `kill -9` does: without a chance to do anything."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self.api.close()
