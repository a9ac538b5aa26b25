"""How a decision is measured: rounds with and without it in turn, and one line of result."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any, Final

MIN_GAIN: Final = 0.10
"""Share of an operation's CPU time that a decision must save to stay."""

ROUNDS: Final = 61


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds that one operation takes."""

    cpu: float
    wall: float


Round = Callable[[], Awaitable[Cost]]
"""Runs some operations and returns the cost of one."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision made for speed, and the same work without it."""

    name: str
    operation: str
    """What it makes cheaper."""

    without: Round
    with_it: Round
    rounds: int = ROUNDS


def timed(
    work: Callable[[], Awaitable[object]], operations: int, cpu_clock: Callable[[], float] = time.process_time
) -> Round:
    """Make a round of some work.

    Args:
        work: What is timed.
        operations: Number of operations in it.
        cpu_clock: Returns the CPU seconds used so far by the process under test; by default this process.
    """

    async def run() -> Cost:
        wall, cpu = time.perf_counter(), cpu_clock()
        await work()
        return Cost((cpu_clock() - cpu) / operations, (time.perf_counter() - wall) / operations)

    return run


def inside(context: Callable[[], AbstractContextManager[object]], round_: Round) -> Round:
    """Make a round that runs inside a context."""

    async def run() -> Cost:
        with context():
            return await round_()

    return run


@contextmanager
def replaced(owner: Any, **substitutes: object) -> Iterator[None]:
    """Replace attributes of a module or class while the block runs.

    Raises:
        AttributeError: There is no such attribute: the decision lies elsewhere by now.
    """
    originals = {name: getattr(owner, name) for name in substitutes}
    try:
        for name, substitute in substitutes.items():
            setattr(owner, name, substitute)
        yield
    finally:
        for name, original in originals.items():
            setattr(owner, name, original)


async def report(decision: Decision, rounds: int | None = None) -> bool:
    """Measure a decision, print its line and return whether it stays.

    The verdict goes by CPU time, which holds on a busy machine.

    Args:
        decision: The decision to measure.
        rounds: Number of pairs of rounds; None for the decision's own number.
    """
    pairs = await _pairs(decision, rounds or decision.rounds)
    without, with_it = (median(cost.cpu for cost in costs) for costs in zip(*pairs, strict=True))
    low, gain, high = _quartiles([1 - with_it.cpu / without.cpu for without, with_it in pairs])
    _, wall_gain, _ = _quartiles([1 - with_it.wall / without.wall for without, with_it in pairs])
    stays = gain >= MIN_GAIN
    print(
        f"{'stays' if stays else 'GOES '}  {decision.name} | {decision.operation} | without {without * 1e6:.1f} µs, "
        f"with {with_it * 1e6:.1f} µs of CPU | gain {gain:.0%} ({low:.0%} to {high:.0%}), wall {wall_gain:.0%}",
        flush=True,
    )
    return stays


async def _pairs(decision: Decision, rounds: int) -> list[tuple[Cost, Cost]]:
    """Return the costs without and with a decision, in alternating order; the first pair is a warm-up."""
    pairs = []
    for number in range(rounds + 1):
        if number % 2:
            without, with_it = await decision.without(), await decision.with_it()
        else:
            with_it, without = await decision.with_it(), await decision.without()
        pairs.append((without, with_it))
    return pairs[1:]


def _quartiles(values: list[float]) -> list[float]:
    return quantiles(values, n=4) if len(values) > 1 else values * 3
