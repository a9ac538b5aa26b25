"""Figures of what is stored and prepared, for `/metrics`: read from the database, whoever works on the jobs."""

import logging
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from reka.server.storage.database import Database, DatasetRow, DocumentRow, JobEventRow, JobRow, now
from reka.server.storage.database.job_rows import COMPLETE, ERROR, PENDING, RUNNING, count_by_status

__all__ = ["StoredFigures"]

COUNT_SECONDS: Final = 60.0
"""Seconds for which the number of chunks stands: counting them reads the rows of all documents (ours)."""

_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400)
"""Upper bounds in seconds: jobs take from a moment to hours (ours)."""

logger: Final = logging.getLogger(__name__)


class StoredFigures(Collector):
    """Collects the figures at each scrape. Those of jobs that have ended count from the start of the server."""

    def __init__(self, database: Database) -> None:
        """Read `database`, at the first scrape for the first time."""
        self._database = database
        self._lock = threading.Lock()
        self._last_event: int | None = None
        self._chunks, self._documents, self._count_at = 0, 0, 0.0
        self._seconds: dict[str, list[float]] = {}
        """Durations of jobs that have ended, by their last status: how many are in each bucket, and their sum."""
        self._retries = 0

    def start(self) -> None:
        """Count the jobs that end from now on."""
        with self._database.read() as session:
            self._last_event = _last_event(session)

    def describe(self) -> list[Metric]:
        """Name nothing: without this, registration would read the database, which may not be ready."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the figures; where the database does not answer, only that."""
        try:
            self._database.require_files()
            with self._lock, self._database.read() as session:
                figures = self._read(session)
        except Exception:
            logger.warning("cannot read figures of the database: it does not respond", exc_info=True)
            figures = []  # the other metrics must stay available when the database is not
        yield _gauge("reka_database_up", "Whether the database answers.", float(bool(figures)))
        yield from figures

    def _read(self, session: Session) -> list[Metric]:
        self._take_events(session)
        jobs = GaugeMetricFamily("reka_jobs", "Prepare-retrieval jobs by status.", labels=["status"])
        for status, count in count_by_status(session).items():
            jobs.add_metric([status], count)
        oldest = session.scalar(select(func.min(JobRow.created)).where(JobRow.status == PENDING))
        age = 0.0 if oldest is None else _seconds_between(oldest, now())
        datasets, size = session.execute(
            select(func.count(), func.coalesce(func.sum(DatasetRow.size_bytes), 0)).select_from(DatasetRow)
        ).one()
        if time.monotonic() >= self._count_at:
            self._documents, self._chunks = session.execute(
                select(func.count(), func.coalesce(func.sum(DocumentRow.chunks), 0)).select_from(DocumentRow)
            ).one()
            self._count_at = time.monotonic() + COUNT_SECONDS
        return [
            jobs,
            _gauge("reka_job_queue_seconds", "Seconds since the oldest waiting job was added; 0 if none waits.", age),
            _gauge("reka_datasets", "Stored datasets.", datasets),
            _gauge("reka_dataset_bytes", "Bytes of stored datasets, as uploaded.", size),
            _gauge("reka_documents", "Stored documents; up to a minute old.", self._documents),
            _gauge("reka_chunks", "Indexed chunks; up to a minute old.", self._chunks),
            self._durations(),
            CounterMetricFamily("reka_job_retries", "Jobs put back, to be tried again after a fault.", self._retries),
        ]

    def _take_events(self, session: Session) -> None:
        """Take what has happened to jobs since the last time."""
        if self._last_event is None:
            self._last_event = _last_event(session)
        before = aliased(JobEventRow)
        first_start = (
            select(func.min(before.time))
            .where(before.job_id == JobEventRow.job_id, before.status == RUNNING, before.id < JobEventRow.id)
            .scalar_subquery()
        )
        events = session.execute(
            select(JobEventRow.id, JobEventRow.status, JobEventRow.time, first_start)
            .where(JobEventRow.id > self._last_event, JobEventRow.status != RUNNING)
            .order_by(JobEventRow.id)
        ).all()
        for number, status, at, start in events:
            self._last_event = number
            if status in (COMPLETE, ERROR):
                self._observe(status, 0.0 if start is None else _seconds_between(start, at))
            elif start is not None:
                self._retries += 1

    def _observe(self, status: str, seconds: float) -> None:
        counts = self._seconds.setdefault(status, [0.0] * (len(_BUCKETS) + 2))
        counts[bisect_left(_BUCKETS, seconds)] += 1
        counts[-1] += seconds

    def _durations(self) -> Metric:
        """Make the histogram; not one of prometheus_client's own, whose values several processes add up."""
        text = "Seconds from the first start of a job to its end, by its last status."
        family = HistogramMetricFamily("reka_job_seconds", text, labels=["status"])
        for status, counts in self._seconds.items():
            bounds = [*map(str, map(float, _BUCKETS)), "+Inf"]
            family.add_metric([status], list(zip(bounds, accumulate(counts[:-1]), strict=True)), counts[-1])
        return family


def _last_event(session: Session) -> int:
    return session.scalar(select(func.max(JobEventRow.id))) or 0


def _seconds_between(first: str, last: str) -> float:
    begin, end = (datetime.fromisoformat(time.replace("Z", "+00:00")) for time in (first, last))
    return max(0.0, (end - begin).total_seconds())


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value)
