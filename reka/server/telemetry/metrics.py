"""Prometheus metrics. Each server has a registry of its own, because one process may run several servers."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from reka._version import __version__

__all__ = ["CONTENT_TYPE", "Metrics", "States"]

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
"""Content type of `Metrics.text`."""

_BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Upper bounds of the histogram buckets in seconds: the response of a large model takes minutes (ours)."""

_SEARCH_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
"""Those of retrievals."""

_CHUNK_BUCKETS: Final = (0, 1, 2, 4, 8, 16, 32, 64, 128)

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
        self._requests = self._counter(
            "reka_requests", "HTTP requests by method, route and response status.", ["method", "route", "status"]
        )
        self._request_seconds = self._histogram(
            "reka_request_seconds", "Seconds from the start of a request to the end of its response.", ["route"]
        )
        self._upstream_requests = self._counter(
            "reka_upstream_requests",
            'Upstream requests by response status, retries included; "none" if there was no response.',
            ["status"],
        )
        self._upstream_seconds = self._histogram(
            "reka_upstream_seconds", "Seconds from the start of a generation to the end of the upstream's response."
        )
        self._first_token = self._histogram(
            "reka_upstream_first_token_seconds",
            "Seconds from the start of a generation to the first token of a stream.",
        )
        self._tokens = self._counter(
            "reka_upstream_tokens", "Tokens of answered generations by direction, as reported or counted.", ["type"]
        )
        self._retrieval_seconds = self._histogram(
            "reka_retrieval_seconds", "Seconds of a retrieval by its mode.", ["mode"], _SEARCH_BUCKETS
        )
        self._retrieved_chunks = self._histogram(
            "reka_retrieved_chunks", "Chunks that a retrieval found.", buckets=_CHUNK_BUCKETS
        )
        self._refusals = self._counter(
            "reka_refused_requests", "Requests refused by a limit, under the name of its setting.", ["limit"]
        )
        self._faults = self._counter(
            "reka_storage_faults", "Requests that failed as the data could not be read or written.", ["kind"]
        )
        self.open_streams: Gauge = self._gauge("reka_streams_open", "Streamed responses being sent.")
        """Streamed responses that are being sent."""
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format, of all processes of the server."""
        self.sample()
        if self._shared is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._shared))  # type: ignore[no-untyped-call]  # it has no annotations
        for collector in self._collectors:
            registry.register(collector)
        return generate_latest(registry)

    def sample(self) -> None:
        """Read the figures that are only known at the time, for a scrape of this process or of another one."""
        for gauge, read in self._samples:
            gauge.set(read())

    def families(self) -> list[Metric]:
        """Collect the metrics of this process, and what is the same for all."""
        self.sample()
        return list(self._registry.collect())

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

    def record_tokens(self, input_tokens: int, output_tokens: int) -> None:
        """Record the tokens of a generation that has ended."""
        self._tokens.labels("input").inc(input_tokens)
        self._tokens.labels("output").inc(output_tokens)

    def record_retrieval(self, mode: str, seconds: float, chunks: int) -> None:
        """Record a retrieval: its mode, how long it took, and how many chunks it found."""
        self._retrieval_seconds.labels(mode).observe(seconds)
        self._retrieved_chunks.observe(chunks)

    def record_refusal(self, limit: str) -> None:
        """Record a request that a limit has refused; the limit is named by its setting."""
        self._refusals.labels(limit).inc()

    def record_fault(self, kind: str) -> None:
        """Record a request that failed by a fault of a kind: `disk_full`, `database` or `storage`."""
        self._faults.labels(kind).inc()

    def watch(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Report a figure of this process that is read at each scrape; those of several processes are added up."""
        self._samples.append((self._gauge(name, documentation), read))

    def add(self, collector: Collector) -> None:
        """Report what a collector collects at each scrape, and which is the same for all processes."""
        self._collectors.append(collector)
        self._registry.register(collector)

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, registry=self._registry, multiprocess_mode="livesum")

    def _counter(self, name: str, documentation: str, labels: list[str]) -> Counter:
        return Counter(name, documentation, labels, registry=self._registry)

    def _histogram(
        self,
        name: str,
        documentation: str,
        labels: list[str] | None = None,
        buckets: tuple[float, ...] = _BUCKETS,
    ) -> Histogram:
        return Histogram(name, documentation, labels or [], buckets=buckets, registry=self._registry)


class States(Collector):
    """The server's version, and whether each of its parts is as it should be; of what is not known there is no figure.

    Args:
        states: What tells of each state, by the name and the documentation of its figure; None if it is not known.
    """

    def __init__(self, states: Mapping[tuple[str, str], Callable[[], bool | None]]) -> None:
        self._states = states

    def describe(self) -> list[Metric]:
        """Name nothing: without this, registration would ask for the states, before there are any."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Ask for the states."""
        yield InfoMetricFamily("reka", "The server's version.", {"version": __version__})
        for (name, documentation), read in self._states.items():
            if (state := read()) is not None:
                yield GaugeMetricFamily(name, documentation, float(state))
