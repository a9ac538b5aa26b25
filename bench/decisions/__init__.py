"""What each decision made for speed saves; docs/architecture.md states the decisions and their figures.

`python -m bench.decisions [WORD ...]` measures all, or those whose names contain one of the words. Each is measured
with it and without it in turn, on loopback, so that what else the machine does slows both alike. "Without" is working
code, mostly the plain way of the library below. A decision that saves less than a tenth of its operation goes.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from importlib import import_module
from typing import Final

from bench.constant_server import allow_many_connections
from bench.decisions.measure import Decision, report

AREAS: Final = ("imports", "calls", "streams", "server", "adapters")


async def all_decisions() -> AsyncIterator[Decision]:
    """Yield every decision; what it needs runs until the next one is requested."""
    for area in AREAS:
        # Imported when measured: a server that is measured is of this package too, and loads none of the others.
        async with aclosing(import_module(f"bench.decisions.{area}").decisions()) as decisions:
            async for decision in decisions:
                yield decision


async def measure(words: Sequence[str] = (), rounds: int | None = None) -> int:
    """Print a line for each decision and return how many do not stay.

    Args:
        words: Parts of names; none selects all.
        rounds: Number of pairs of rounds; None for each decision's own number.
    """
    gone = 0
    async for decision in all_decisions():
        if not words or any(word.lower() in decision.name.lower() for word in words):
            gone += not await report(decision, rounds)
    return gone


def main(words: Sequence[str] = ()) -> int:
    """Measure and print; 0 if every decision stays, else 1."""
    allow_many_connections()
    gone = asyncio.run(measure(words))
    print(f"\n{gone} save too little" if gone else "\nevery decision stays")
    return 1 if gone else 0
