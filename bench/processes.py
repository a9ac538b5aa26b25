"""How many queries a second `reka serve` answers with one process and with several, and how fast beside a large job.

The dataset is that of `bench.documents`: run `python -m bench.processes FOLDER` on a data folder that has it.
"""

import json
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Final
from urllib.parse import urlsplit

from bench.documents import Library, make_queries

CLIENTS: Final = 8
SECONDS: Final = 20.0
WARM_SECONDS: Final = 5.0
HEADERS: Final = {"X-Api-Key": "bench", "Content-Type": "application/json"}
JOB_DOCUMENTS: Final = 100_000


@contextmanager
def run_server(folder: Path, workers: int, *more: str) -> Iterator[str]:
    """Run `reka serve` on a folder, and give its address."""
    options = ["--port", "0", "--data-dir", str(folder), "--workers", str(workers), *more]
    with subprocess.Popen(
        [sys.executable, "-m", "reka.cli", "serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def ask(url: str, seed: int, seconds: float) -> list[float]:
    """Send one query after the other for some seconds, on one connection; return the seconds of each."""
    queries = make_queries(random.Random(seed))
    connection = HTTPConnection(urlsplit(url).netloc, timeout=60)
    times = []
    end = perf_counter() + seconds
    while (start := perf_counter()) < end:
        body = json.dumps({"query": next(queries), "mode": "hybrid"})
        connection.request("POST", "/datasets/library/search", body, HEADERS)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        times.append(perf_counter() - start)
    connection.close()
    return times


def measure(url: str, clients: int, seconds: float) -> tuple[float, float, float]:
    """Return the queries a second of some clients, and the median and 95th percentile of a query in milliseconds."""
    with ThreadPoolExecutor(clients) as pool:
        times = sorted(chain.from_iterable(pool.map(ask, [url] * clients, range(clients), [seconds] * clients)))
    return len(times) / seconds, 1000 * times[len(times) // 2], 1000 * times[len(times) * 95 // 100]


def measure_beside_job(url: str) -> None:
    """Compare the queries of one client while the server is idle, and while it indexes another owner's documents."""
    _, idle, _ = measure(url, 1, SECONDS)
    other = Library(url, "other")
    job = other.put_many(JOB_DOCUMENTS)
    times: list[float] = []
    while other.history(job) is None:
        times += ask(url, 1, 1.0)
    other.ask("DELETE", "")
    busy = 1000 * statistics.median(times)
    print(f"one client: median {idle:.1f} ms, while it indexes {busy:.1f} ms ({busy / idle:.2f} times)")


def main() -> int:
    """Measure one process and two, in turn, and one beside a job; 0, as there is no bound."""
    if len(sys.argv) == 1:
        print("no data folder: name one that has the dataset")
        return 0
    folder = Path(sys.argv[1])
    print(f"{CLIENTS} clients, hybrid queries over HTTP")
    print(f"{'workers':>8} {'queries/s':>10} {'median ms':>10} {'p95 ms':>7}")
    for workers in (1, 2, 1, 2):
        with run_server(folder, workers) as url:
            measure(url, CLIENTS, WARM_SECONDS)
            rate, median, p95 = measure(url, CLIENTS, SECONDS)
            print(f"{workers:8} {rate:10.1f} {median:10.1f} {p95:7.1f}", flush=True)
    with run_server(folder, 1) as url:
        measure(url, 1, WARM_SECONDS)
        measure_beside_job(url)
    return 0


if __name__ == "__main__":
    sys.exit(main())
