"""What a first answer costs in a fresh interpreter, beside the vendor's client: `python -m bench first_answer`.

A program that asks one question pays for what `reka.chat` imports. CPU time is compared, of processes in turn, because
what else the machine does hardly changes it.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench.constant_server import constant_server
from tests.support.peers import ROOT, peer_environment

ROUNDS: Final = 15
LARGEST_RATIO: Final = 1.3
OURS: Final = "import reka; reka.API_KEY = 'k'; reka.BASE_URL = {url!r}; reka.chat('Hi')"
THEIRS: Final = "import reka; reka.API_KEY = 'k'; reka._SERVER = {url!r}; reka.chat('Hi')"


def main() -> int:
    """Print the medians and their ratio; 0 if it is at most `LARGEST_RATIO`."""
    theirs = peer_environment("reka-api==2.0.0")
    seconds: dict[str, list[float]] = {"reka": [], "reka-api 2.0.0": []}
    with constant_server() as url, tempfile.TemporaryDirectory() as compiled:
        for _ in range(ROUNDS + 1):  # the first one compiles
            seconds["reka"].append(_cpu_seconds(sys.executable, OURS.format(url=url), ROOT, compiled))
            seconds["reka-api 2.0.0"].append(_cpu_seconds(str(theirs), THEIRS.format(url=url), None, compiled))
    medians = [statistics.median(of_one[1:]) for of_one in seconds.values()]
    for name, median in zip(seconds, medians, strict=True):
        print(f"{name:16} {median * 1000:6.1f} ms")
    ratio = medians[0] / medians[1]
    print(f"ratio            {ratio:6.2f}")
    return int(ratio > LARGEST_RATIO)


def _cpu_seconds(python: str, code: str, package: Path | None, compiled: str) -> float:
    """CPU time of a program.

    Args:
        python: Its interpreter.
        code: The program.
        package: Folder of a package that is not installed; None if all are.
        compiled: Folder in which Python keeps what it has compiled.
    """
    variables = {**os.environ, "PYTHONPATH": str(package or ""), "PYTHONPYCACHEPREFIX": compiled}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, "-c", code], check=True, cwd="/", env=variables)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
