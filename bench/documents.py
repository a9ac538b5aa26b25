"""Datasets of many documents: how fast a change takes effect, what a filter costs, and where a query's time goes.

Everything is asked over HTTP on loopback, of a server with the default embedder, but for the parts of a query.
"""

import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Final

import requests

from reka.server.retrieval.embedders.wordllama import WordLlamaEmbedder
from reka.server.retrieval.features import query_of
from reka.server.retrieval.index import CANDIDATES
from reka.server.retrieval.memory import TableMemory
from reka.server.retrieval.ranking import Matches, rank
from reka.server.retrieval.search import HIT_COLUMNS, RANKED_COLUMNS, TableSearch, candidates_of
from reka.server.retrieval.tables import Tables
from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from reka.server.store.tables import FolderTables

DOCUMENTS: Final = 100_000
PUT: Final = 10_000
"""Documents of one request."""
QUERIES: Final = 30
WANTED_CHANGE, WANTED_FILTER, WANTED_QUERY = 1.0, 2.0, 20.0
"""Seconds of a change, times an unfiltered query of one that leaves 1 %, milliseconds of a query."""

FILTERS: Final[dict[str, dict[str, Any] | None]] = {
    "no filter": None,
    "1 %, equal": {"tenant": "t7"},
    "1 %, range": {"number": {"$lt": DOCUMENTS // 100}},
    "10 %": {"shelf": 3},
    "50 %": {"lang": "de"},
    "99 %": {"tenant": {"$ne": "t7"}},
}


class Library:
    """A dataset of made-up documents on the server at an address, of the owner of a key."""

    def __init__(self, url: str, key: str = "bench") -> None:
        self._url = f"{url}/datasets/library"
        self._jobs = f"{url}/jobs/prepare-retrieval"
        self._session = requests.Session()
        self._session.headers["X-Api-Key"] = key

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Send a request; return its JSON."""
        answer = self._session.request(method, self._url + path, timeout=600, **options)
        answer.raise_for_status()
        return answer.json()

    def history(self, job: str) -> list[dict[str, Any]] | None:
        """Return the history of a job that has ended; None while it runs."""
        status = self._session.get(f"{self._jobs}/{job}/status", timeout=60).json()
        assert status["job_status"] != "ERROR", status
        return list(status["history"]) if status["job_status"] == "COMPLETE" else None

    def await_job(self, job: str) -> list[dict[str, Any]]:
        """Wait until a job has ended, and return its history."""
        while (history := self.history(job)) is None:
            sleep(0.005)
        return history

    def put_many(self, number: int) -> str:
        """Put the first documents there are to make, and return the job of the last ones."""
        words, weights = vocabulary()
        job = ""
        for first in range(0, number, PUT):
            batch = [document(place, words, weights) for place in range(first, min(first + PUT, number))]
            job = self.ask("PUT", "/documents", json=batch)["job_id"]
        return job

    def put(self, documents: list[dict[str, Any]]) -> None:
        """Put documents, and wait until they are found."""
        self.await_job(self.ask("PUT", "/documents", json=documents)["job_id"])

    def delete(self, *ids: str) -> None:
        """Delete documents, and wait until they are not found."""
        self.await_job(self.ask("POST", "/documents/delete", json={"ids": ids})["job_id"])

    def search(self, query: str, condition: dict[str, Any] | None = None, mode: str = "hybrid") -> list[Any]:
        """Search."""
        body = {"query": query, "filter": condition, "mode": mode}
        return list(self.ask("POST", "/search", json=body)["retrieved_chunks"])


def document(number: int, words: list[str], weights: list[float]) -> dict[str, Any]:
    """Make a document of about 60 words, which are as frequent as those of a language."""
    chance = random.Random(number)
    return {
        "id": f"document-{number}",
        "text": " ".join(chance.choices(words, cum_weights=weights, k=60)) + ".",
        "metadata": {
            "tenant": f"t{number % 100}",
            "shelf": number % 10,
            "lang": ("de", "en")[number % 2],
            "number": number,
        },
    }


@cache
def vocabulary() -> tuple[list[str], list[float]]:
    """Return the words of the language reference in `bench/reference`, frequent ones first, with cumulated weights."""
    texts = [path.read_text(encoding="utf-8") for path in (Path(__file__).parent / "reference").glob("*.txt")]
    counts: dict[str, int] = {}
    for word in " ".join(texts).lower().split():
        if word.isalpha():
            counts[word] = counts.get(word, 0) + 1
    words = sorted(counts, key=lambda word: (-counts[word], word))
    total, weights = 0.0, []
    for word in words:
        total += counts[word]
        weights.append(total)
    return words, weights


def make_queries(chance: random.Random) -> Iterator[str]:
    """Make queries without end, of five words that are not the most frequent ones."""
    words, _ = vocabulary()
    while True:
        yield " ".join(chance.choices(words[20:], k=5))


@contextmanager
def run_library(folder: Path) -> Iterator[Library]:
    """Run a server on a folder, with the default embedder."""
    server = BackgroundServer(Settings(port=0, data_dir=folder))
    try:
        yield Library(server.url)
    finally:
        server.stop()


def milliseconds(work: Callable[..., object], *given: object) -> float:
    """Return the time of some work."""
    start = perf_counter()
    work(*given)
    return 1000 * (perf_counter() - start)


def measure_changes(library: Library, words: list[str], weights: list[float]) -> float:
    """Measure single changes; return the seconds of the slowest median."""
    new = document(DOCUMENTS + 1, words, weights)
    add = [milliseconds(library.put, [{**new, "id": f"new-{n}"}]) for n in range(5)]
    search = milliseconds(library.search, "the class statement")
    delete = [milliseconds(library.delete, f"new-{n}") for n in range(5)]
    for name, times in (("add one", add), ("delete one", delete)):
        print(f"{name:12} {statistics.median(times):7.0f} ms, at most {max(times):.0f} ms until it has taken effect")
    print(f"first query  {search:7.1f} ms after a change")
    return max(statistics.median(add), statistics.median(delete)) / 1000


def measure_filters(library: Library, queries: list[str]) -> dict[str, float]:
    """Measure queries with each filter; return the median of hybrid searches in milliseconds."""
    medians = {}
    print(f"\n{'':12} {'first':>7} {'hybrid':>7} {'keyword':>7} {'vector':>7} ms a query over HTTP")
    for name, condition in FILTERS.items():
        first = milliseconds(library.search, queries[0], condition)
        row = [
            statistics.median(milliseconds(library.search, query, condition, mode) for query in queries)
            for mode in ("hybrid", "keyword", "vector")
        ]
        medians[name] = row[0]
        print(f"{name:12} {first:7.1f}" + "".join(f" {value:7.1f}" for value in row))
    return medians


def measure_parts(folder: Path, queries: list[str]) -> None:
    """Measure the parts of a hybrid query on the table itself."""
    tables = Tables(FolderTables(folder / "index"))
    at = tables.latest(tables.names()[0])
    table, memory = tables.open(at), TableMemory(2**30)
    embedder = WordLlamaEmbedder()
    embedder.embed(["warm"])
    parts: dict[str, list[float]] = {}

    def timed(part: str, work: Callable[..., Any], *given: object) -> Any:
        start = perf_counter()
        result = work(*given)
        parts.setdefault(part, []).append(1000 * (perf_counter() - start))
        return result

    for query in queries:
        vector = timed("embed", embedder.embed, [query])[0]
        parsed = timed("parse", query_of, query, table.languages)
        search = TableSearch(table.source, copy=memory.of(at, table))
        timed("vector search", search.nearest, vector, CANDIDATES)
        rows = timed("keyword search", search.matching, parsed.telling, CANDIDATES)
        columns = timed("read candidates", search.read, rows, RANKED_COLUMNS)
        candidates = candidates_of(rows, columns)
        matches = timed("compare", Matches, candidates, parsed, table.chunks)
        ranked = timed("rank", rank, matches, 8)
        best = rows.take([place for place, _ in ranked])
        timed("read hits", search.read, best, HIT_COLUMNS)
        timed("read vectors", search.cosines, best, vector)
    print("\nparts of a hybrid query, ms: " + ", ".join(f"{p} {statistics.median(t):.1f}" for p, t in parts.items()))


def main() -> int:
    """Measure and print.

    Returns:
        0 if changes, filters and queries are quick enough; else 1.
    """
    words, weights = vocabulary()
    queries = list(islice(make_queries(random.Random(1)), QUERIES))
    with tempfile.TemporaryDirectory() as folder, run_library(Path(folder) / "data") as library:
        start = perf_counter()
        library.await_job(library.put_many(DOCUMENTS))
        print(f"{DOCUMENTS} documents put and indexed in {perf_counter() - start:.0f} s")
        library.search("warm")
        # Before the changes: when they are done, the worker writes the table anew beside the queries.
        medians = measure_filters(library, queries)
        change = measure_changes(library, words, weights)
        measure_parts(Path(folder) / "data", queries)
    ratio = max(value for name, value in medians.items() if name.startswith("1 %")) / medians["no filter"]
    print(f"\na change takes {change:.2f} s, want at most {WANTED_CHANGE} s")
    print(f"a filter that leaves 1 % costs {ratio:.2f} times no filter, want at most {WANTED_FILTER}")
    print(f"a query takes {medians['no filter']:.1f} ms, want at most {WANTED_QUERY} ms")
    is_quick = change <= WANTED_CHANGE and ratio <= WANTED_FILTER and medians["no filter"] <= WANTED_QUERY
    return 0 if is_quick else 1


if __name__ == "__main__":
    sys.exit(main())
