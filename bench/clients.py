"""The client against bare HTTP libraries and other clients: speed as ratios, and calls lost between threads.

All ask one constant server on loopback, each from a process of its own with its own packages, in turn: one short round
of each, then the next round. What else the machine does at the time thus slows all of them alike, and ratios hold.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from bench.bounds import conclude, report_bound
from bench.constant_server import STREAMED_CHUNKS, constant_server
from bench.contestants import CONTESTANTS
from bench.figures import record
from tests.support.peers import peer_environment

REQUIREMENTS: Final = {
    "reka-api 2.0.0": "reka-api==2.0.0",
    "reka-api 3.2.0": "reka-api==3.2.0",
    "openai": "openai==3.54.0",
}
"""What those that cannot live beside ours need in an environment of their own."""

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Bound:
    """What our figure must be, beside another's in the same rounds."""

    other: str
    figure: str = "seconds"
    at_most: float = 1.0
    """Of ours divided by the other's. 1 / N says: at least N times as fast."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One measurement, made of each contestant in turn."""

    name: str
    measure: str
    rounds: int
    settings: Mapping[str, int]
    contestants: Sequence[str]
    bounds: Sequence[Bound] = ()
    slow_settings: Mapping[str, int] = field(default_factory=dict)
    """In place of `settings` for those with packages of their own, which would take minutes."""


SCENARIOS: Final = (
    Scenario(
        "chat, one at a time",
        "chat_once",
        31,
        {"calls": 150},
        ("ours", "raw requests", "reka-api 2.0.0", "reka-api 3.2.0", "openai"),
        (Bound("raw requests"), Bound("reka-api 3.2.0")),
        {"calls": 40},
    ),
    Scenario(
        "chat, 64 in flight",
        "chat_at_once",
        15,
        {"calls": 1500, "in_flight": 64},
        ("ours", "raw aiohttp", "reka-api 3.2.0", "openai"),
        (Bound("raw aiohttp", at_most=1.35), Bound("reka-api 3.2.0", at_most=1 / 9)),
        {"calls": 256, "in_flight": 64},
    ),
    Scenario(
        "chat, 256 in flight",
        "chat_at_once",
        11,
        {"calls": 2500, "in_flight": 256},
        ("ours", "raw aiohttp"),
        (Bound("raw aiohttp", at_most=1.35),),
    ),
    Scenario(
        "chat, 1000 in flight",
        "chat_at_once",
        11,
        {"calls": 4000, "in_flight": 1000},
        ("ours", "raw aiohttp"),
        (Bound("raw aiohttp", at_most=1.35),),
    ),
    Scenario(
        f"stream of {STREAMED_CHUNKS} chunks, sync",
        "stream",
        15,
        {},
        ("ours", "raw requests", "reka-api 3.2.0", "openai"),
        (Bound("raw requests", at_most=2), Bound("reka-api 3.2.0", at_most=1 / 5), Bound("raw requests", "first")),
    ),
    Scenario(
        f"stream of {STREAMED_CHUNKS} chunks, async",
        "stream_async",
        15,
        {},
        ("ours", "raw aiohttp", "reka-api 3.2.0", "openai"),
        (Bound("raw aiohttp", at_most=2), Bound("reka-api 3.2.0", at_most=1 / 5), Bound("raw aiohttp", "first")),
    ),
)
THREADS: Final = {"calls": 256, "threads": 64}
OUR_TIMES, THEIR_TIMES = 100, 5


class Runner:
    """A contestant at work in its process."""

    def __init__(self, name: str, process: "subprocess.Popen[str]") -> None:
        self.name = name
        self._process = process

    def figures(self, measure: str, settings: Mapping[str, int]) -> Figures:
        """Have a measurement made."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"measure": measure, **settings}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended in {measure}, with exit code {self._process.wait()}")
        figures: Figures = json.loads(line)
        return figures


@contextmanager
def at_work(name: str, command: Sequence[str]) -> Iterator[Runner]:
    """Start a contestant by its command, and end it."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Runner(name, process)
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)
        finally:
            process.kill()


def running(name: str, url: str) -> AbstractContextManager[Runner]:
    """Start a contestant of `bench.contestants`, and end it."""
    requirement = REQUIREMENTS.get(name)
    python = sys.executable if requirement is None else str(peer_environment(requirement))
    return at_work(name, [python, str(Path(__file__).with_name("contestants.py")), name, url])


def measure(scenario: Scenario, runners: Mapping[str, Runner]) -> dict[str, dict[str, float]]:
    """The medians of each contestant's figures, its rounds in turn with the others'. A first round is not counted."""
    rounds: dict[str, list[Figures]] = {name: [] for name in scenario.contestants}
    for _ in range(scenario.rounds + 1):
        for name, figures in rounds.items():
            settings = scenario.slow_settings or scenario.settings if name in REQUIREMENTS else scenario.settings
            figures.append(runners[name].figures(scenario.measure, settings))
    return {
        name: {key: median(figures[key] for figures in of_name[1:]) for key in of_name[0]}
        for name, of_name in rounds.items()
    }


def report(scenario: Scenario, medians: Mapping[str, Mapping[str, float]]) -> int:
    """Print the figures of one scenario, and give how many bounds are missed."""
    print(f"\n{scenario.name}")
    record("clients", scenario.name, {name: figures["seconds"] for name, figures in medians.items()})
    ours = medians["ours"]
    for name, figures in medians.items():
        first = f"  first {figures['first'] * 1e6:8.0f} µs" if "first" in figures else ""
        ratio = f"ours / it = {ours['seconds'] / figures['seconds']:.3f}" if name != "ours" else ""
        print(f"  {name:16} {figures['seconds'] * 1e6:9.1f} µs{first}   {ratio}")
    missed = 0
    for bound in scenario.bounds:
        ratio_of = ours[bound.figure] / medians[bound.other][bound.figure]
        what = "to the first chunk" if bound.figure == "first" else "a chunk" if "first" in ours else "a call"
        took = f"time {what}: {ratio_of:.3f} of {bound.other}'s"
        missed += report_bound(ratio_of <= bound.at_most, took, f"at most {bound.at_most:.3f}")
    return missed


def lost_between_threads(runners: Mapping[str, Runner]) -> int:
    """Print how many calls each loses that 64 threads make on one client, and give how many ours does."""
    print(f"\n{THREADS['calls']} calls over {THREADS['threads']} threads, one client")
    ours = 0
    for name in (name for name in runners if name != "raw aiohttp"):
        times = OUR_TIMES if name == "ours" else THEIR_TIMES
        lost = sum(int(runners[name].figures("chat_in_threads", THREADS)["lost"]) for _ in range(times))
        print(f"  {name:16} lost {lost:5} of {THREADS['calls'] * times} calls ({times} times over)")
        ours = lost if name == "ours" else ours
    print(f"  {'MISSED' if ours else 'ok    '} ours loses none")
    return ours


def main() -> int:
    """Measure and print; 0 if every bound is met, else 1."""
    with ExitStack() as stack:
        url = stack.enter_context(constant_server())
        runners = {name: stack.enter_context(running(name, url)) for name in CONTESTANTS}
        missed = sum(report(scenario, measure(scenario, runners)) for scenario in SCENARIOS)
        missed += bool(lost_between_threads(runners))
    return conclude(missed)


if __name__ == "__main__":
    sys.exit(main())
