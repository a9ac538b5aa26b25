"""Rows that are made on a Ray cluster, for datasets that take one machine too long.

Only the rows are: the worker keeps job, lease, table and publication. Its tables are on its local disk until they are
published, so that the nodes need no way to its disk, database or store.
"""

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final

from reka.server.retrieval.building.link import Link
from reka.server.retrieval.building.rows import Batch, local_rows
from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.embeddings import Embedder
from reka.server.retrieval.entries import entries

logger: Final = logging.getLogger(__name__)

LOCAL_SECONDS: Final = 10.0
"""Seconds for which rows are made here first: a cluster needs as long to start, so a job that is done by then is done
sooner without it (ours)."""

START_SECONDS: Final = 60.0
"""Seconds in which a cluster must have been reached (ours)."""

FIRST_SECONDS: Final = 120.0
"""Seconds in which the first task of a worker must be done, which loads its model (ours)."""

STALL_SECONDS: Final = 1200.0
"""Seconds without any result after which a job is put back, to be tried again: a busy cluster has others (ours)."""

TASK_BATCHES: Final = 8
"""Batches of a task: of 128 chunks each, half a second with the fastest embedder (ours)."""

TASKS_PER_PLACE: Final = 2
"""Tasks in flight for each that the cluster can work on at once, so that no core waits for the worker (ours)."""

MAX_TASKS: Final = 256
"""Tasks in flight at most: 1.5 GB of texts and rows in the cluster's memory, and none in the worker's (ours)."""


class ClusterRows:
    """Makes rows on a Ray cluster, by a driver process for each build, which ends with it."""

    def __init__(
        self,
        address: str,
        local_seconds: float = LOCAL_SECONDS,
        start_seconds: float = START_SECONDS,
        gpus: float = 0,
    ) -> None:
        """Choose a cluster; it is not asked before there is work.

        Args:
            address: Its address, as `ray.init` takes it: `HOST:PORT`, `auto` or `ray://HOST:PORT`.
            local_seconds: Seconds for which rows are made in this process before the cluster gets the rest.
            start_seconds: Seconds in which the cluster must have been reached.
            gpus: GPUs of a task; a share of one lets several tasks have it.
        """
        self._address = address
        self._local_seconds = local_seconds
        self._start_seconds = start_seconds
        self._gpus = gpus

    def check(self, embedder: Embedder) -> None:
        """Have the cluster make a row, which tells whether it is there, and has what an embedder needs.

        Raises:
            ClusterError: The cluster cannot be reached or used, or Ray is not installed; the message says why.
            Exception: What the embedder has raised on the cluster.
        """
        with Link(self._address, self._gpus, embedder) as link:
            link.wait_until_ready(_noop, self._start_seconds)
            link.send([list(entries([Chunk("reka", "reka", 0)]))])
            link.receive(_noop, FIRST_SECONDS)

    def rows(
        self, batches: Iterable[Batch], embedder: Embedder, check: Callable[[], None]
    ) -> Generator[Any, None, None]:
        """Yield the rows of each batch; see `RowMaker`.

        Raises:
            ClusterError: The cluster cannot be reached, or has gone.
        """
        remaining = iter(batches)
        yield from local_rows(_until(time.monotonic() + self._local_seconds, remaining), embedder)
        tasks = iter(lambda: list(islice(remaining, TASK_BATCHES)), [])
        if (first := next(tasks, None)) is not None:
            with Link(self._address, self._gpus, embedder) as link:
                places = link.wait_until_ready(check, self._start_seconds)
                logger.info("the Ray cluster at %s embeds the rest, %d tasks at once", self._address, places)
                yield from _rows_of(link, chain([first], tasks), min(places * TASKS_PER_PLACE, MAX_TASKS), check)


def _until(end: float, batches: Iterator[Batch]) -> Iterator[Batch]:
    while time.monotonic() < end and (batch := next(batches, None)) is not None:
        yield batch


def _rows_of(link: Link, tasks: Iterable[list[Batch]], most: int, check: Callable[[], None]) -> Iterator[Any]:
    """Yield the rows of tasks, in order; there are at most so many in flight, whatever becomes of the first of them."""
    in_flight = 0
    for task in tasks:
        if in_flight == most:
            yield from link.receive(check, STALL_SECONDS)
            in_flight -= 1
        link.send(task)
        in_flight += 1
    for _ in range(in_flight):
        yield from link.receive(check, STALL_SECONDS)


def _noop() -> None:
    """Do nothing: nobody ends a check."""
