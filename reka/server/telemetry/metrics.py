"""Prometheus metrics. Each server has a registry of its own, because one process may run several servers."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
"""Content type of `Metrics.text`."""

logger = logging.getLogger(__name__)

_BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Upper bounds of the histogram buckets in seconds: the response of a large model takes minutes (ours)."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class UpstreamAttempt:
    """One attempt of a request to the upstream."""

    status: int | None = None
    """HTTP status of the response; None if there was no response."""


class Metrics:
    """The metrics of one server. Labels are from small fixed sets; none contains text from a client."""

    def __init__(self, shared: Path | None = None) -> None:
        """Create all metrics, at zero or at what the processes of the server have counted so far.

        Args:
            shared: Folder of the figures of all processes of the server, in which prometheus_client keeps those of this
                one; None for a server of one process.
        """
        self._shared = shared
        self._samples: list[tuple[Gauge, Callable[[], float]]] = []
        self._collectors: list[Collector] = []
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "reka_requests",
            "HTTP requests by method, route and response status.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._request_seconds = self._histogram(
            "reka_request_seconds", "Seconds from the start of a request to the end of its response.", ["route"]
        )
        self._upstream_requests = Counter(
            "reka_upstream_requests",
            'Upstream requests by response status, retries included; "none" if there was no response.',
            ["status"],
            registry=self._registry,
        )
        self._upstream_seconds = self._histogram(
            "reka_upstream_seconds", "Seconds from the start of a generation to the end of the upstream's response."
        )
        self._first_token = self._histogram(
            "reka_upstream_first_token_seconds",
            "Seconds from the start of a generation to the first token of a stream.",
        )

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format, of all processes of the server."""
        self.sample()
        if self._shared is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._shared))  # type: ignore[no-untyped-call]
        for collector in self._collectors:
            registry.register(collector)
        return generate_latest(registry)

    def sample(self) -> None:
        """Read the figures that are only known at the time, for a scrape of this process or of another one."""
        for gauge, read in self._samples:
            gauge.set(read())

    def record_request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Record a request.

        Args:
            method: HTTP method.
            route: Path of the matched route, with its parameters' names; None if no route matched.
            status: HTTP status of the response.
            seconds: Time from the start of the request to the end of the response.
        """
        route = route or "none"
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    @contextmanager
    def count_upstream_request(self) -> Iterator[UpstreamAttempt]:
        """Record the request to the upstream that the block sends; the block sets the status."""
        attempt = UpstreamAttempt()
        try:
            yield attempt
        finally:
            self._upstream_requests.labels(str(attempt.status or "none")).inc()

    @contextmanager
    def time_generation(self) -> Iterator[Callable[[], None]]:
        """Record the duration of a generation: the block, unless it raises.

        Yields:
            A function to call at every token of a stream; its first call records the time to the first token.
        """
        started_at = time.monotonic()
        has_token = False

        def first_token() -> None:
            nonlocal has_token
            if not has_token:
                has_token = True
                self._first_token.observe(time.monotonic() - started_at)

        yield first_token
        self._upstream_seconds.observe(time.monotonic() - started_at)

    def watch_upstream(self, running: Callable[[], float], waiting: Callable[[], float]) -> None:
        """Report the numbers of running and waiting requests to the upstream."""
        self._samples += [
            (self._gauge("reka_upstream_busy", "Requests in flight to the upstream."), running),
            (self._gauge("reka_upstream_waiting", "Requests waiting for a free slot."), waiting),
        ]

    def watch_jobs(self, count_by_status: Callable[[], Mapping[str, int]]) -> None:
        """Report the number of jobs in each status, read at each scrape."""
        self._collectors.append(_JobCollector(count_by_status))
        self._registry.register(self._collectors[-1])

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, registry=self._registry, multiprocess_mode="livesum")

    def _histogram(self, name: str, documentation: str, labels: list[str] | None = None) -> Histogram:
        return Histogram(name, documentation, labels or [], buckets=_BUCKETS, registry=self._registry)


class _JobCollector(Collector):
    def __init__(self, count_by_status: Callable[[], Mapping[str, int]]) -> None:
        self._count_by_status = count_by_status

    def collect(self) -> Iterator[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("reka_jobs", "Prepare-retrieval jobs by status.", labels=["status"])
        try:
            counts = self._count_by_status()
        except Exception:
            logger.warning("cannot count jobs: the database does not respond", exc_info=True)
            return  # the other metrics must stay available when the database is not
        for status, count in counts.items():
            jobs.add_metric([status], count)
        yield jobs

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Name the metric: without this, registration calls `collect`, when the database may not be ready."""
        yield GaugeMetricFamily("reka_jobs", "", labels=["status"])
