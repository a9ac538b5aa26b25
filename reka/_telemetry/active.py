"""Whether the program wants spans. Nothing of OpenTelemetry is imported here: a program that uses it has imported it.

There are spans where the extra `otel` is installed and a provider is set: by the program, `opentelemetry-instrument` or
`reka serve`. A program without the extra that has its HTTP library traced sees each request once.
"""

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from reka._version import __version__

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Tracer

__all__ = ["active_meter", "active_tracer", "trace_headers"]

SCOPE: Final = "reka"
"""Name of the instrumentation scope."""

_DISABLED: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
"""Variable of OpenTelemetry's Python with the names of what shall make no spans, separated by commas."""

_EXTRA: Final = "opentelemetry.exporter.otlp.proto.http"
"""What the extra `otel` installs, and OpenTelemetry itself does not."""

_VARIABLES: Final = {
    "tracer": ("opentelemetry.trace", "_TRACER_PROVIDER"),
    "meter": ("opentelemetry.metrics._internal", "_METER_PROVIDER"),
}
"""Where the API keeps the providers that are set. Its functions look into the environment each time, for microseconds;
they are asked only if it keeps them elsewhere, or has one."""

_made: dict[str, tuple[Any, Any]] = {}
"""The last provider of each kind, and what it has made for us."""


def active_tracer() -> "Tracer | None":
    """Return the tracer of the program's OpenTelemetry; None if none is set up, or the extra is not installed.

    Where metrics alone are set up, it is one whose spans are nothing.
    """
    if "opentelemetry.trace" not in sys.modules:
        return None
    tracer: Tracer | None = _of_provider("tracer")
    if tracer is not None or active_meter() is None:
        return tracer
    from opentelemetry.trace import NoOpTracer

    return NoOpTracer()


def active_meter() -> "Meter | None":
    """Return the meter of the program's OpenTelemetry; None if none is set up, or the extra is not installed."""
    meter: Meter | None = _of_provider("meter")
    return meter


def trace_headers() -> dict[str, str]:
    """Return the headers that name the present span, `traceparent` and `tracestate`; none if there is none.

    Baggage is not among them: it is the program's own, and servers of others need not know it.
    """
    if active_tracer() is None:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers)
    return headers


def _of_provider(kind: str) -> Any:
    """Return what a provider makes, made once for each; None of a provider that stands for none."""
    module, variable = _VARIABLES[kind]
    provider = getattr(sys.modules.get(module), variable, _made)
    if provider is None:
        return None
    if provider is _made:
        get_provider = getattr(sys.modules.get(module.removesuffix("._internal")), f"get_{kind}_provider", None)
        if get_provider is None:
            return None  # it is not imported, or another thread is just importing it
        provider = get_provider()
    known, made = _made.get(kind, (None, None))
    if provider is not known:
        made = None
        if not _stands_for_none(provider) and _is_wanted():
            made = getattr(provider, f"get_{kind}")(SCOPE, __version__)
            made = None if _stands_for_none(made) else made  # as OTEL_SDK_DISABLED has it
        _made[kind] = provider, made
    return made


def _is_wanted() -> bool:
    if SCOPE in os.environ.get(_DISABLED, "").replace(" ", "").split(","):
        return False
    try:
        return find_spec(_EXTRA) is not None
    except (ModuleNotFoundError, ValueError):  # a package above it is not there, or its import is forbidden
        return False


def _stands_for_none(given: Any) -> bool:
    return type(given).__name__.startswith(("Proxy", "_Proxy", "NoOp"))
