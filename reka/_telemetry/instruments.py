"""Histograms of OpenTelemetry's conventions, made at their first use."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, Meter

__all__ = ["FIRST_CHUNK_SECONDS", "HTTP_SECONDS", "OPERATION_SECONDS", "TOKENS", "Instrument", "measure"]


class Instrument(NamedTuple):
    """What a histogram is, as the conventions have it."""

    name: str
    unit: str
    description: str
    boundaries: tuple[float, ...]


_SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)

OPERATION_SECONDS: Final = Instrument("gen_ai.client.operation.duration", "s", "GenAI operation duration.", _SECONDS)
FIRST_CHUNK_SECONDS: Final = Instrument(
    "gen_ai.client.operation.time_to_first_chunk", "s", "Time to receive the first chunk.", _SECONDS
)
TOKENS: Final = Instrument(
    "gen_ai.client.token.usage",
    "{token}",
    "Number of input and output tokens used.",
    tuple(float(4**power) for power in range(14)),
)
HTTP_SECONDS: Final = Instrument(
    "http.server.request.duration",
    "s",
    "Duration of HTTP server requests.",
    (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
)

_made: dict[str, "tuple[Meter, Histogram]"] = {}


def measure(meter: "Meter", instrument: Instrument, value: float, labels: Mapping[str, Any]) -> None:
    """Record a value in a histogram of a meter."""
    of, histogram = _made.get(instrument.name, (None, None))
    if histogram is None or of is not meter:
        histogram = meter.create_histogram(
            instrument.name,
            instrument.unit,
            instrument.description,
            explicit_bucket_boundaries_advisory=instrument.boundaries,
        )
        _made[instrument.name] = meter, histogram
    histogram.record(value, labels)
