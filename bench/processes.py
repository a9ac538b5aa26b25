"""How many queries a second `reka serve` answers with one process and with several, and with what share of the cores.

The dataset is that of `bench.documents`: run `python -m bench.processes FOLDER` on a data folder that has it.
"""

import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter
from typing import Final
from urllib.parse import urlsplit

from bench.documents import vocabulary

CLIENTS: Final = 8
SECONDS: Final = 20.0
WARM_SECONDS: Final = 5.0
HEADERS: Final = {"X-Api-Key": "bench", "Content-Type": "application/json"}


@contextmanager
def run_server(folder: Path, workers: int) -> Iterator[str]:
    """Run `reka serve` on a folder, and give its address."""
    options = ["--port", "0", "--data-dir", str(folder), "--workers", str(workers)]
    with subprocess.Popen(
        [sys.executable, "-m", "reka.cli", "serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()


def ask(url: str, seed: int, seconds: float, times: list[float]) -> None:
    """Send one query after the other for some seconds, on one connection; add the seconds of each to `times`."""
    words, _ = vocabulary()
    chance = random.Random(seed)
    connection = HTTPConnection(urlsplit(url).netloc, timeout=60)
    end = perf_counter() + seconds
    while (start := perf_counter()) < end:
        body = json.dumps({"query": " ".join(chance.choices(words[20:], k=5)), "mode": "hybrid"})
        connection.request("POST", "/datasets/library/search", body, HEADERS)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        times.append(perf_counter() - start)
    connection.close()


def measure(url: str, clients: int, seconds: float) -> tuple[float, float, float]:
    """Return the queries a second of some clients, and the median and 95th percentile of a query in milliseconds."""
    times: list[float] = []
    threads = [threading.Thread(target=ask, args=(url, number, seconds, times)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.sort()
    return len(times) / seconds, 1000 * times[len(times) // 2], 1000 * times[len(times) * 95 // 100]


def main() -> None:
    """Measure one process and two, in turn."""
    folder = Path(sys.argv[1])
    print(f"{CLIENTS} clients, hybrid queries over HTTP")
    print(f"{'workers':>8} {'queries/s':>10} {'median ms':>10} {'p95 ms':>7}")
    for workers in (1, 2, 1, 2):
        with run_server(folder, workers) as url:
            measure(url, CLIENTS, WARM_SECONDS)
            rate, median, p95 = measure(url, CLIENTS, SECONDS)
            print(f"{workers:8} {rate:10.1f} {median:10.1f} {p95:7.1f}", flush=True)


if __name__ == "__main__":
    main()
