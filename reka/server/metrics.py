"""What a server counts, for Prometheus. Each server has a registry of its own: one process may run several."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
"""What `Metrics.text` is."""

logger = logging.getLogger(__name__)

_SECONDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Bounds of the durations that are told apart: an answer of a large model takes minutes (ours)."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class UpstreamAttempt:
    """What became of a request to the upstream."""

    status: int | None = None
    """Status of its answer; None if there was none."""


class Metrics:
    """The counters of one server. Labels are from small fixed sets: nothing that a client writes becomes one."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "reka_requests",
            "Requests that have been answered.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._request_seconds = self._histogram(
            "reka_request_seconds", "Seconds from a request to the end of its answer.", ["route"]
        )
        self._upstream_requests = Counter(
            "reka_upstream_requests",
            "Requests to the upstream, every try counted, by the status of its answer: none if there was no answer.",
            ["status"],
            registry=self._registry,
        )
        self._upstream_seconds = self._histogram(
            "reka_upstream_seconds", "Seconds from a question to the end of the upstream's answer."
        )
        self._first_token = self._histogram(
            "reka_upstream_first_token_seconds", "Seconds from a question to the first text or tool call of a stream."
        )

    def text(self) -> bytes:
        """Write all of it as Prometheus reads it."""
        return generate_latest(self._registry)

    def request_ended(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: Its HTTP method.
            route: The path of its route, as it is declared; None if it had none.
            status: Of the answer.
            seconds: From the request to the end of the answer.
        """
        route = route or "none"
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    @contextmanager
    def count_upstream_request(self) -> Iterator[UpstreamAttempt]:
        """Count a request to the upstream; the block notes the status of the answer."""
        seen = UpstreamAttempt()
        try:
            yield seen
        finally:
            self._upstream_requests.labels(str(seen.status or "none")).inc()

    @contextmanager
    def time_generation(self) -> Iterator[Callable[[], None]]:
        """Time an answer of the upstream from now to the end of the block, if it comes to one.

        The block calls what it is given at the first piece of a stream, and may do so again.
        """
        started = time.monotonic()
        has_begun = False

        def first_token() -> None:
            nonlocal has_begun
            if not has_begun:
                has_begun = True
                self._first_token.observe(time.monotonic() - started)

        yield first_token
        self._upstream_seconds.observe(time.monotonic() - started)

    def watch_upstream(self, busy: Callable[[], float], waiting: Callable[[], float]) -> None:
        """Report how many requests to the upstream are in flight and how many wait, as of each scrape."""
        in_flight = Gauge("reka_upstream_busy", "Requests in flight to the upstream.", registry=self._registry)
        in_flight.set_function(busy)
        queued = Gauge("reka_upstream_waiting", "Requests waiting for a free slot.", registry=self._registry)
        queued.set_function(waiting)

    def watch_jobs(self, counted: Callable[[], Mapping[str, int]]) -> None:
        """Tell, whenever it is asked for, how many jobs there are of each status."""
        self._registry.register(_JobCollector(counted))

    def _histogram(self, name: str, told: str, labels: list[str] | None = None) -> Histogram:
        return Histogram(name, told, labels or [], buckets=_SECONDS, registry=self._registry)


class _JobCollector(Collector):
    def __init__(self, counted: Callable[[], Mapping[str, int]]) -> None:
        self._counted = counted

    def collect(self) -> Iterator[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("reka_jobs", "Jobs that prepare datasets, by status.", labels=["status"])
        try:
            counts = self._counted()
        except Exception:
            logger.warning("jobs cannot be counted: the database does not answer", exc_info=True)
            return  # the other figures are wanted most when something is wrong
        for status, number in counts.items():
            jobs.add_metric([status], number)
        yield jobs

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Name what `collect` gives: else it would be asked at once, and the database may not be there yet."""
        yield GaugeMetricFamily("reka_jobs", "", labels=["status"])
