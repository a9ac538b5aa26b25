"""What datasets of several sizes take: time to index, storage, memory, and the time of a query.

`python -m bench.sizes 1000 10000 100000` makes datasets of so many chunks, of the documents of `bench.documents`.
`python -m bench.sizes FOLDER` measures the one of a data folder that was made so.
"""

import random
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from bench.documents import Library, make_queries, milliseconds
from bench.processes import run_server
from reka.server.retrieval.embedders.wordllama import WordLlamaEmbedder
from reka.server.retrieval.index import Index
from reka.server.retrieval.memory import EXACT_CHUNKS

SIZES: Final = (1_000, 10_000, 100_000)
QUERIES: Final = 50
NEAREST: Final = 10
MODES: Final = ("keyword", "vector", "hybrid")


def queries() -> list[str]:
    """Return queries of five words."""
    return list(islice(make_queries(random.Random(1)), QUERIES))


def await_index(library: Library) -> float:
    """Wait until the documents can be found; return the seconds of the job, from its start to its end."""
    history = library.await_job(library.ask("GET", "")["job_id"])
    first, last = (datetime.fromisoformat(history[place]["time"].rstrip("Z")) for place in (1, -1))
    return (last - first).total_seconds()


def resident_bytes() -> int:
    """Return the resident memory of the largest process of the server that this process has started."""
    listed = subprocess.run(["ps", "-Aww", "-o", "rss=,args="], capture_output=True, text=True, check=True).stdout
    lines = (line.split(maxsplit=1) for line in listed.splitlines())
    return 1024 * max(int(size) for size, command in lines if "reka.cli serve" in command)


def stored_bytes(folder: Path) -> tuple[int, int]:
    """Return the bytes of the database and of the tables."""
    database = sum(path.stat().st_size for path in folder.glob("reka.sqlite*"))
    return database, sum(path.stat().st_size for path in (folder / "index").rglob("*") if path.is_file())


def recall(folder: Path) -> float:
    """Compare the nearest chunks of an index of vectors with those of all vectors: the share that it finds."""
    embedder = WordLlamaEmbedder()
    about, exact = Index(folder / "index", embedder), Index(folder / "index", embedder, 2**33, exact_chunks=10**8)
    (table,) = about.tables()
    found = [
        [{hit.id for hit in index.search(table, query, NEAREST, "vector")} for query in queries()]
        for index in (about, exact)
    ]
    return sum(len(some & all_) for some, all_ in zip(*found, strict=True)) / (NEAREST * QUERIES)


def measure(folder: Path, size: int | None) -> None:
    """Print a row: of a new dataset of some size, or of the one that is in the folder."""
    if size is not None:
        with run_server(folder, 1, "--no-worker") as url:
            Library(url).put_many(size)
    with run_server(folder, 1) as url:
        library = Library(url)
        seconds = await_index(library)
        chunks = library.ask("GET", "")["chunks"]
        for mode in MODES:
            library.search("warm", mode=mode)
        times = [
            statistics.median(milliseconds(library.search, query, None, mode) for query in queries()) for mode in MODES
        ]
        memory = resident_bytes()
    database, tables = stored_bytes(folder)
    found = recall(folder) if chunks > EXACT_CHUNKS else 1.0
    built = "" if size is None else f"{seconds:.1f}"
    row = f"{chunks:9} {built:>8} {database / 1e6:8.0f} {tables / 1e6:8.0f} {memory / 1e6:8.0f}"
    print(row + "".join(f" {value:8.1f}" for value in times) + f" {found:8.3f}", flush=True)


def main() -> int:
    """Print a table; 0, as there is no bound."""
    columns = "".join(f"{mode:>9}" for mode in MODES)
    print(f"   chunks  built s  data MB index MB  used MB{columns}  recall  (queries in ms, recall@{NEAREST})")
    for argument in sys.argv[1:] or map(str, SIZES):
        if not argument.isdigit():
            measure(Path(argument), None)
            continue
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), int(argument))
    return 0


if __name__ == "__main__":
    sys.exit(main())
