"""`langchain_reka.ChatReka` against LangChain's own cost, the libraries below it, and the class of LangChain community.

All ask one constant server on loopback, each from a process of its own, in turn, round by round: what else the machine
does slows all of them alike, and ratios hold. The floor is what LangChain costs with a model that asks nobody.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from bench.clients import Runner
from bench.constant_server import constant_server
from bench.langchain_contestants import CHUNKS
from tests.peers import peer_environment

PEER: Final = ("langchain-community==0.4.2", "reka-api==3.2.0", "langchain-core==1.7.2")
ROUNDS: Final = 9


@dataclass(frozen=True, slots=True)
class Scenario:
    """One measurement, and what ours must be."""

    measure: str
    what: str
    settings: Mapping[str, int] = field(default_factory=dict)
    below: str | None = None
    """What ours is held against, together with the floor."""
    at_most: float = 0
    """Of the floor and `below` together."""
    faster: float | None = None
    """How many times as fast as the community class ours must be; None sets no bound."""


SCENARIOS: Final = (
    Scenario("abatch", "abatch of 2,000, 64 in flight", {"calls": 2000, "in_flight": 64}, "bare aiohttp", 1.3, 5),
    Scenario("batch", "batch of 2,000", {"calls": 2000}, None, 0, 3),
    Scenario("stream", f"stream of {CHUNKS:,} chunks", {"streams": 3}, "bare client", 1.5, 4),
    Scenario("astream", f"astream of {CHUNKS:,} chunks", {"streams": 3}, "bare client", 1.5, None),
)


@contextmanager
def running(name: str, url: str) -> Iterator[Runner]:
    """Start a contestant, and end it."""
    python = str(peer_environment(*PEER)) if name == "community" else sys.executable
    command = [python, str(Path(__file__).with_name("langchain_contestants.py")), name, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Runner(name, process)
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)
        finally:
            process.kill()


def measured(scenario: Scenario, runners: Mapping[str, Runner]) -> dict[str, float]:
    """The median seconds of each contestant, its rounds in turn with the others'. A first round is not counted."""
    names = ["ours", "floor", "community", *([scenario.below] if scenario.below else [])]
    rounds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(ROUNDS + 1):
        for name, seconds in rounds.items():
            seconds.append(runners[name].figures(scenario.measure, scenario.settings)["seconds"])
    return {name: median(seconds[1:]) for name, seconds in rounds.items()}


def report(scenario: Scenario, seconds: Mapping[str, float]) -> int:
    """Print the figures of one scenario, and give how many bounds are missed."""
    print(f"\n{scenario.what}")
    for name, median_seconds in seconds.items():
        print(f"  {name:14} {median_seconds * 1e3:9.1f} ms")
    missed = 0
    if scenario.below is not None:
        ratio = seconds["ours"] / (seconds["floor"] + seconds[scenario.below])
        missed += _told(
            ratio <= scenario.at_most, f"{ratio:.2f} x (floor + {scenario.below})", f"at most {scenario.at_most}"
        )
    faster = seconds["community"] / seconds["ours"]
    if scenario.faster is None:
        print(f"         {faster:.1f} times as fast as community")
    else:
        missed += _told(
            faster >= scenario.faster, f"{faster:.1f} times as fast as community", f"at least {scenario.faster}"
        )
    return missed


def _told(is_met: bool, what: str, wanted: str) -> int:
    print(f"  {'ok    ' if is_met else 'MISSED'} {what}, want {wanted}")
    return int(not is_met)


def main() -> int:
    """Measure and print; 0 if every bound is met, else 1."""
    with ExitStack() as stack:
        url = stack.enter_context(constant_server(CHUNKS))
        names = ("ours", "floor", "community", "bare aiohttp", "bare client")
        runners = {name: stack.enter_context(running(name, url)) for name in names}
        missed = sum(report(scenario, measured(scenario, runners)) for scenario in SCENARIOS)
    print(f"\n{missed} bounds missed" if missed else "\nevery bound is met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
