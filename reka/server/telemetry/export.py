"""OpenTelemetry of `reka serve`, set up by OpenTelemetry's own environment variables."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any, Final
from uuid import uuid4

from prometheus_client.core import Metric

from reka._telemetry.active import SCOPE, active_meter, active_tracer
from reka._version import __version__
from reka.server.errors import StartError
from reka.server.telemetry.metrics import Metrics

__all__ = ["opentelemetry"]

_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOLS: Final[Mapping[str, str]] = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_NONE: Final = "none"

_SNAPSHOT_SECONDS: Final = 1.0
"""Seconds for which a collection of the metrics stands (ours)."""

_END_SECONDS: Final = 5.0
"""Seconds in which the last spans and figures are sent when a server ends (ours)."""


@contextmanager
def opentelemetry(metrics: Metrics) -> Iterator[None]:
    """Send spans and metrics until the block ends, if the environment says where.

    `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_TRACES_EXPORTER` turn spans on, and the
    same with METRICS the metrics. `OTEL_SDK_DISABLED=true` turns all off. A program that has set providers up before,
    such as `opentelemetry-instrument`, keeps them.

    Args:
        metrics: The counts and states that are sent beside the histograms of the conventions.

    Raises:
        StartError: The packages of the extra `otel` are missing, or an exporter is unknown.
    """
    exporters = {} if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" else _wanted()
    ends: list[Callable[[], object]] = []
    try:
        if traces := exporters.get("traces"):
            ends.append(_send_spans(traces))
        if measures := exporters.get("metrics"):
            ends.append(_send_metrics(measures, metrics))
    except ImportError as error:
        raise StartError(
            f"the environment's OTEL_... variables need packages ({error.name} is missing): install this package "
            "with the extra `otel`, reka[otel], or set OTEL_SDK_DISABLED=true"
        ) from error
    try:
        yield
    finally:
        _send_the_rest(ends)


def _send_the_rest(ends: Sequence[Callable[[], object]]) -> None:
    """Send what is not sent yet, at once, for a few seconds: a collector that is away holds no end up."""
    threads = [threading.Thread(target=end, name="reka-telemetry", daemon=True) for end in ends]
    deadline = time.monotonic() + _END_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))


def _wanted() -> dict[str, list[str]]:
    """Return the names of the exporters of each signal that the environment asks for."""
    wanted = {}
    for signal in ("traces", "metrics"):
        upper = signal.upper()
        default = "otlp" if {_ENDPOINT, f"OTEL_EXPORTER_OTLP_{upper}_ENDPOINT"} & os.environ.keys() else _NONE
        names = (os.environ.get(f"OTEL_{upper}_EXPORTER") or default).split(",")
        if names := [name.strip() for name in names if name.strip() not in ("", _NONE)]:
            wanted[signal] = names
    return wanted


def _exporter(signal: str, name: str) -> Any:
    """Make an exporter by the name that OpenTelemetry's packages register it under."""
    if name == "otlp":
        variables = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
        protocol = next((value for one in variables if (value := os.environ.get(one))), "http/protobuf")
        name = _PROTOCOLS.get(protocol, protocol)
    found = list(entry_points(group=f"opentelemetry_{signal}_exporter", name=name))
    if not found:
        raise StartError(
            f"OTEL_{signal.upper()}_EXPORTER: no package here has the exporter {name!r}: install reka[otel] for OTLP "
            "over HTTP, or the package that has it"
        )
    return found[0].load()()


def _send_spans(names: list[str]) -> Any:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import set_tracer_provider

    if active_tracer() is not None:
        return int
    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    for name in names:
        provider.add_span_processor(BatchSpanProcessor(_exporter("traces", name)))
    set_tracer_provider(provider)
    return provider.shutdown


def _send_metrics(names: list[str], metrics: Metrics) -> Any:
    from opentelemetry.metrics import set_meter_provider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    if active_meter() is not None:
        return int
    readers = [PeriodicExportingMetricReader(_exporter("metrics", name)) for name in names]
    provider = MeterProvider(readers, _resource(), shutdown_on_exit=False)
    _observe(provider.get_meter(SCOPE, __version__), metrics)
    set_meter_provider(provider)
    return provider.shutdown


def _resource() -> Any:
    """Describe the server; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` override what we say of it."""
    from opentelemetry.sdk import resources
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    ours = Resource(
        {
            resources.SERVICE_NAME: SCOPE,
            resources.SERVICE_VERSION: __version__,
            resources.SERVICE_INSTANCE_ID: uuid4().hex,  # each process has counters of its own
        }
    )
    return Resource.create().merge(ours).merge(OTELResourceDetector().detect())


def _observe(meter: Any, metrics: Metrics) -> None:
    """Have a meter observe the counters and gauges that `/metrics` has; durations are histograms of the conventions."""
    from opentelemetry.metrics import Observation

    snapshot = _Snapshot(metrics)

    def observer(name: str) -> Callable[[object], Iterator[Any]]:
        def observe(_: object) -> Iterator[Any]:
            for sample in snapshot.family(name).samples:
                if not sample.name.endswith("_created"):
                    yield Observation(sample.value, dict(sample.labels))

        return observe

    for family in metrics.families():
        create = {"counter": meter.create_observable_counter, "gauge": meter.create_observable_gauge}.get(family.type)
        if create is not None:
            create(family.name, callbacks=[observer(family.name)], description=family.documentation)


class _Snapshot:
    """The metrics as they were last collected: once for all that observe them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._families: dict[str, Metric] = {}
        self._end = 0.0

    def family(self, name: str) -> Metric:
        if time.monotonic() >= self._end:
            self._families = {family.name: family for family in self._metrics.families()}
            self._end = time.monotonic() + _SNAPSHOT_SECONDS
        return self._families.get(name) or Metric(name, "", "unknown")
