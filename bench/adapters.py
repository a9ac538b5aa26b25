"""What the benchmarks of both adapters share: contestants in processes of their own, in turn, and bounds on ours.

All ask one constant server on loopback, round by round: what else the machine does slows all of them alike, and ratios
hold. The floor is what a framework costs with a model that asks nobody.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from bench.bounds import report_bound
from bench.clients import Runner, at_work
from bench.constant_server import constant_server
from bench.figures import record
from tests.support.peers import peer_environment

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
    """How many times as fast as the peer ours must be; None sets no bound."""
    beside: tuple[str, ...] = ()
    """Who else is measured in the same rounds, with no bound."""


@dataclass(frozen=True, slots=True)
class Contest:
    """An adapter against its framework's floor, what is below it, and another adapter for the same API."""

    contestants: str
    """The module of this folder that has them."""
    peer: str
    """The other adapter's name among the contestants."""
    requirements: tuple[str, ...]
    """What the peer's own environment has."""
    others: Sequence[str]
    """What scenarios name besides: `below`, `beside`."""
    so_far: bool = False
    """Whether a native stream repeats the whole text in each chunk: see `constant_server`."""

    @contextmanager
    def runners(self, url: str) -> Iterator[dict[str, Runner]]:
        """Start all contestants, and end them."""
        with ExitStack() as stack:
            names = ("ours", "floor", self.peer, *self.others)
            yield {name: stack.enter_context(self._running(name, url)) for name in names}

    def _running(self, name: str, url: str) -> AbstractContextManager[Runner]:
        python = str(peer_environment(*self.requirements)) if name == self.peer else sys.executable
        script = str(Path(__file__).with_name("adapter_contestant.py"))
        return at_work(name, [python, script, self.contestants, name, url])

    def measure(self, scenario: Scenario, runners: Mapping[str, Runner]) -> dict[str, float]:
        """The median seconds of each, its rounds in turn with the others'. A first round is not counted."""
        names = ["ours", "floor", self.peer, *([scenario.below] if scenario.below else []), *scenario.beside]
        rounds: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(ROUNDS + 1):
            for name, seconds in rounds.items():
                seconds.append(runners[name].figures(scenario.measure, scenario.settings)["seconds"])
        return {name: median(seconds[1:]) for name, seconds in rounds.items()}

    def report(self, scenario: Scenario, seconds: Mapping[str, float]) -> int:
        """Print the figures of one scenario, and give how many bounds are missed."""
        print(f"\n{scenario.what}")
        record(self.contestants.removesuffix("_contestants"), scenario.what, seconds)
        for name, median_seconds in seconds.items():
            print(f"  {name:14} {median_seconds * 1e3:9.1f} ms")
        missed = 0
        if scenario.below is not None:
            ratio = seconds["ours"] / (seconds["floor"] + seconds[scenario.below])
            missed += report_bound(
                ratio <= scenario.at_most, f"{ratio:.2f} x (floor + {scenario.below})", f"at most {scenario.at_most}"
            )
        faster = seconds[self.peer] / seconds["ours"]
        if scenario.faster is None:
            print(f"         {faster:.1f} times as fast as {self.peer}")
        else:
            missed += report_bound(
                faster >= scenario.faster, f"{faster:.1f} times as fast as {self.peer}", f"at least {scenario.faster}"
            )
        return missed

    def run(self, scenarios: Sequence[Scenario], chunks: int) -> int:
        """Measure and print, at a server whose streams have so many chunks; how many bounds are missed."""
        with constant_server(chunks, so_far=self.so_far) as url, self.runners(url) as runners:
            return sum(self.report(scenario, self.measure(scenario, runners)) for scenario in scenarios)
