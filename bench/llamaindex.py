"""`llamaindex_reka.RekaLLM` against LlamaIndex's own cost, the libraries below it, and `llama-index-llms-reka`."""

import sys
from statistics import median
from typing import Final

from bench.adapters import Contest, Scenario, concluded, told
from bench.constant_server import constant_server
from bench.llamaindex_contestants import CHUNKS, LONGER
from tests.peers import LLAMAINDEX_PEER

CONTEST: Final = Contest(
    contestants="llamaindex_contestants",
    peer="llms-reka",
    requirements=LLAMAINDEX_PEER,
    below=("bare aiohttp", "bare client"),
    so_far=True,
)
SCENARIOS: Final = (
    Scenario("achat", "achat of 1,000, 64 in flight", {"calls": 1000, "in_flight": 64}, "bare aiohttp", 1.4, 6),
    Scenario("chat", "chat of 200, one after the other", {"calls": 200}),
    Scenario("stream_chat", f"stream_chat of {CHUNKS:,} chunks", {"streams": 1}, "bare client", 1.5, 3),
)
LONGER_ROUNDS: Final = 3
GROWTH: Final = 1.25
"""How many times as much a chunk of a longer stream may cost: a cost that grows with the text would be `LONGER`."""


def growth() -> int:
    """Print what a chunk costs in a short and in a long stream; 1 if ours grows, else 0."""
    print(f"\na chunk of {CHUNKS * LONGER:,} against one of {CHUNKS:,}")
    lengths = (CHUNKS, CHUNKS * LONGER)
    names = ("ours", CONTEST.peer)
    costs: dict[tuple[str, int], list[float]] = {(name, chunks): [] for name in names for chunks in lengths}
    with (
        constant_server(lengths[0], so_far=True) as short_url,
        constant_server(lengths[1], so_far=True) as long_url,
        CONTEST.runners(short_url) as short,
        CONTEST.runners(long_url) as long,
    ):
        for _ in range(LONGER_ROUNDS + 1):
            for (name, chunks), seconds in costs.items():
                runner = (short if chunks == CHUNKS else long)[name]
                seconds.append(runner.figures("stream_chat", {"streams": 1, "chunks": chunks})["seconds"] / chunks)
    medians = {each: median(seconds[1:]) for each, seconds in costs.items()}
    grown = {}
    for name in names:
        first, last = (medians[name, chunks] for chunks in lengths)
        grown[name] = last / first
        print(f"  {name:14} {first * 1e6:7.1f} µs -> {last * 1e6:7.1f} µs a chunk: {grown[name]:.2f} times")
    return told(grown["ours"] <= GROWTH, f"ours costs {grown['ours']:.2f} times as much", f"at most {GROWTH}")


def main() -> int:
    """Measure and print; 0 if every bound is met, else 1."""
    return concluded(CONTEST.held(SCENARIOS, CHUNKS) + growth())


if __name__ == "__main__":
    sys.exit(main())
