"""`llamaindex_reka.RekaLLM` against LlamaIndex's own cost, the libraries below it, and `llama-index-llms-reka`."""

import sys
from statistics import median
from typing import Final

from bench.adapters import Contest, Scenario
from bench.bounds import conclude, report_bound
from bench.constant_server import constant_server
from bench.llamaindex_contestants import CHUNKS, LONGER
from tests.support.peers import LLAMAINDEX_PEER

CONTEST: Final = Contest(
    contestants="llamaindex_contestants",
    peer="llms-reka",
    requirements=LLAMAINDEX_PEER,
    others=("bare aiohttp", "least"),
    so_far=True,
)
SCENARIOS: Final = (
    Scenario(
        "achat", "achat of 1,000, 64 in flight", {"calls": 1000, "in_flight": 64}, "bare aiohttp", 1.4, 6, ("least",)
    ),
    Scenario("chat", "chat of 200, one after the other", {"calls": 200}),
    Scenario("stream_chat", f"stream_chat of {CHUNKS:,} chunks", {"streams": 1}, None, 0, 3),
)
GROWTH_ROUNDS: Final = {"ours": 5, CONTEST.peer: 1}
"""The peer's long streams take so long that one shows it."""
GROWTH: Final = 1.25
"""How many times as much a chunk of a longer stream may cost: a cost that grows with the text would be `LONGER`."""


def growth() -> int:
    """Print what a chunk costs in a short and in a long stream; 1 if ours grows, else 0."""
    print(f"\na chunk of {CHUNKS * LONGER:,} against one of {CHUNKS:,}")
    costs: dict[str, dict[int, float]] = {name: {} for name in GROWTH_ROUNDS}
    for chunks in (CHUNKS, CHUNKS * LONGER):
        with constant_server(chunks, so_far=CONTEST.so_far) as url, CONTEST.runners(url) as runners:
            for name, rounds in GROWTH_ROUNDS.items():
                asked = {"streams": 1, "chunks": chunks}
                seconds = [runners[name].figures("stream_chat", asked)["seconds"] for _ in range(rounds)]
                costs[name][chunks] = median(seconds) / chunks
    grown = {name: of_name[CHUNKS * LONGER] / of_name[CHUNKS] for name, of_name in costs.items()}
    for name, of_name in costs.items():
        first, last = (cost * 1e6 for cost in of_name.values())
        print(f"  {name:14} {first:7.1f} µs -> {last:7.1f} µs a chunk: {grown[name]:.2f} times")
    return report_bound(grown["ours"] <= GROWTH, f"ours costs {grown['ours']:.2f} times as much", f"at most {GROWTH}")


def main() -> int:
    """Measure and print; 0 if every bound is met, else 1."""
    return conclude(CONTEST.run(SCENARIOS, CHUNKS) + growth())


if __name__ == "__main__":
    sys.exit(main())
