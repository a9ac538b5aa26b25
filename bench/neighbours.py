"""Retrieval side by side with what a user would otherwise run, on the collections of `bench.ranking`.

LangChain's BM25Retriever and Chroma (EnsembleRetriever), LlamaIndex's default store and BM25 (QueryFusionRetriever),
and LanceDB's hybrid search behind the same HTTP server; all with the same embeddings. Ours is asked over HTTP, too.
LangChain and LlamaIndex are asked in their process, as their users do, in an environment of their own, which is made at
first use; REKA_BENCH_NEIGHBOURS names a Python that has them. Times are CPU time, which others on the machine do not
change; of those over HTTP it is that of client and server.

    python -m bench.neighbours [COLLECTION ...]
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import mean, median
from typing import Any, Final

from bench.neighbour_contestants import CONTESTANTS
from bench.ranking import FOLDER, RANKED, Collection, ndcg, read_collections
from tests.support.peers import peer_environment

REQUIREMENTS: Final = (
    "langchain-chroma==1.1.0",
    "langchain-classic==1.0.8",
    "langchain-community==0.4.2",
    "llama-index-core==0.14.25",
    "llama-index-retrievers-bm25==0.8.0",
    "rank-bm25==0.2.2",
    "wordllama==0.4.0.post1",
)
OURS, IN_OUR_ENVIRONMENT = "ours, HTTP", ("ours, HTTP", "LanceDB alone, HTTP")


class Runner:
    """A contestant in its process."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        own = name in IN_OUR_ENVIRONMENT
        python = (
            sys.executable if own else os.environ.get("REKA_BENCH_NEIGHBOURS") or str(peer_environment(*REQUIREMENTS))
        )
        script = str(Path(__file__).with_name("neighbour_contestants.py"))
        self._process = stack.enter_context(
            subprocess.Popen([python, script, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        stack.callback(self._process.kill)

    def search(self, collection: Collection) -> Mapping[str, Any]:
        """Have a collection searched: the ranked names of each query, and the milliseconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"documents": collection.documents, "queries": collection.queries}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer: Mapping[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def gains_of(collection: Collection, ranked: Mapping[str, Sequence[str]]) -> float:
    """Mean nDCG@10 of a collection."""
    return mean(ndcg(ranked[name][:RANKED], relevant) for name, relevant in collection.relevant.items())


def main() -> int:
    """Measure and print.

    Returns:
        0 if ours ranks at least as well as each other one, in the mean of all collections; else 1.
    """
    wanted = sys.argv[1:]
    collections = [one for one in read_collections(FOLDER) if not wanted or one.name in wanted]
    if not collections:
        print(f"no collections in {FOLDER}: set REKA_COLLECTIONS")
        return 0
    gains: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    times: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    print(f"{'nDCG@10, CPU ms':18}" + "".join(f"{name:>22}" for name in CONTESTANTS))
    with ExitStack() as stack:
        runners = {name: Runner(name, stack) for name in CONTESTANTS}
        for collection in collections:
            for name, runner in runners.items():
                answer = runner.search(collection)
                gains[name].append(gains_of(collection, answer["ranked"]))
                times[name].append(median(answer["milliseconds"]))
            row = "".join(f"{gains[name][-1]:14.3f}{times[name][-1]:8.1f}" for name in CONTESTANTS)
            print(f"{collection.name:18} {row}", flush=True)
    print(f"{'mean':18} " + "".join(f"{mean(gains[name]):14.3f}{mean(times[name]):8.1f}" for name in CONTESTANTS))
    best = max(mean(gains[name]) for name in CONTESTANTS if name != OURS)
    is_best = mean(gains[OURS]) >= best
    print(f"{'ok' if is_best else 'MISSED'}: {mean(gains[OURS]):.3f}, want at least the others' best, {best:.3f}")
    return int(not is_best)


if __name__ == "__main__":
    sys.exit(main())
