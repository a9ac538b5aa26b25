"""`langchain_reka.ChatReka` against LangChain's own cost, the libraries below it, and LangChain community's class."""

import sys
from typing import Final

from bench.adapters import Contest, Scenario
from bench.bounds import conclude
from bench.langchain_contestants import CHUNKS

CONTEST: Final = Contest(
    contestants="langchain_contestants",
    peer="community",
    requirements=("langchain-community==0.4.2", "reka-api==3.2.0", "langchain-core==1.7.2"),
    others=("bare aiohttp", "bare client"),
)
SCENARIOS: Final = (
    Scenario("abatch", "abatch of 2,000, 64 in flight", {"calls": 2000, "in_flight": 64}, "bare aiohttp", 1.3, 5),
    Scenario("batch", "batch of 2,000", {"calls": 2000}, None, 0, 3),
    Scenario("stream", f"stream of {CHUNKS:,} chunks", {"streams": 3}, "bare client", 1.5, 4),
    Scenario("astream", f"astream of {CHUNKS:,} chunks", {"streams": 3}, "bare client", 1.5, None),
)


def main() -> int:
    """Measure and print; 0 if every bound is met, else 1."""
    return conclude(CONTEST.run(SCENARIOS, CHUNKS))


if __name__ == "__main__":
    sys.exit(main())
