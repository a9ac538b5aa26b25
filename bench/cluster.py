"""Embedding on a Ray cluster: chunks a second with it and without it, and what a worker itself does for each chunk.

`python -m bench.cluster ADDRESS`, with a cluster that is there already (`ray start --head`).
"""

import resource
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Final

from reka.server.retrieval.building.cluster import ClusterRows
from reka.server.retrieval.building.rows import LocalRows, RowMaker
from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.embedders.choice import make_embedder
from reka.server.retrieval.embeddings import Embedder
from reka.server.retrieval.index import Index

CHUNKS: Final = {"wordllama": 60_000, "universal-sentence-encoder": 3_000}
CHUNK_CHARS: Final = 800
TEXTS: Final = sorted(Path(__file__).parents[1].glob("docs/**/*.md"))


def passages(count: int) -> Iterator[Chunk]:
    """Yield passages of the documentation, each another one, as documents of fifty."""
    text = "\n".join(path.read_text() for path in TEXTS)
    for number in range(count):
        start = number * 7919 % (len(text) - CHUNK_CHARS)
        yield Chunk(text[start : start + CHUNK_CHARS], f"{number // 50}.md", number % 50, document=number // 50)


def cpu_seconds() -> float:
    """CPU time of this process and of the driver that has ended; not that of the cluster."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def measure(name: str, maker: RowMaker, embedder: Embedder, count: int) -> None:
    """Build a table, and print how fast that was."""
    with tempfile.TemporaryDirectory() as folder:
        cpu, start = cpu_seconds(), perf_counter()
        Index(Path(folder), embedder, row_maker=maker).build("chunks", passages(count))
        seconds, cpu = perf_counter() - start, cpu_seconds() - cpu
    print(
        f"{embedder.name}, {count:,} chunks, {name}: {count / seconds:,.0f} chunks/s, "
        f"{cpu / count * 1e6:,.0f} us of the worker's CPU a chunk"
    )


def main() -> int:
    """Measure both ways with each embedder, one after the other."""
    if find_spec("ray") is None or len(sys.argv) < 2:
        print("left out: python -m bench.cluster ADDRESS measures a Ray cluster (extra ray)")
        return 0
    for choice, count in CHUNKS.items():
        embedder = make_embedder(choice)
        embedder.embed(["a"])
        measure("one process", LocalRows(), embedder, count)
        measure("cluster", ClusterRows(sys.argv[1], local_seconds=0), embedder, count)
    return 0


if __name__ == "__main__":
    sys.exit(main())
