"""Programs in processes of their own: servers, which print their address and run until they are stopped, and others."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.support.peers import ROOT


@contextmanager
def run_program(*command: str, folder: Path = ROOT) -> Iterator[str]:
    """Run a server until the block ends.

    Args:
        command: The program and its arguments. The last word of its first line of output is its address.
        folder: Where it runs.

    Yields:
        The address.
    """
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=_environment(), cwd=folder
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{' '.join(command)} ended with exit code {process.wait()} before it listened")
            yield line.split()[-1]
        finally:
            process.terminate()


def run_reka_serve(data_dir: Path, *options: str) -> AbstractContextManager[str]:
    """Run `reka serve` on a free port until the block ends, and give its address."""
    return run_program(sys.executable, "-m", "reka.cli", "serve", "--port", "0", "--data-dir", str(data_dir), *options)


def output_of(*command: str, **variables: str) -> str:
    """Run a program to its end and return its output.

    Args:
        command: The program and its arguments.
        variables: What to add to its environment.

    Raises:
        AssertionError: Its exit code is not 0; the message has its output.
    """
    done = subprocess.run(command, capture_output=True, text=True, env=_environment() | variables, check=False)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def _environment() -> dict[str, str]:
    """The user's environment without settings of this project and without proxies: tests use loopback alone."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("REKA_") and not name.upper().endswith("_PROXY")
    }
