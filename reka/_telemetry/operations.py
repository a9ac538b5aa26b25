"""Operations of generative AI as spans and in metrics, by OpenTelemetry's conventions.

Names are those of the conventions as `opentelemetry-semantic-conventions` 0.66 has them (`gen_ai` is in development).
"""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, use_span
from opentelemetry.trace.propagation import set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from reka._telemetry.active import active_meter
from reka._telemetry.instruments import FIRST_CHUNK_SECONDS, OPERATION_SECONDS, TOKENS, measure

__all__ = ["REQUEST_ATTRIBUTES", "Operation", "address_attributes", "request_attributes"]

PROVIDER: Final = "reka"

OPERATION: Final = "gen_ai.operation.name"
MODEL: Final = "gen_ai.request.model"
ERROR_TYPE: Final = "error.type"

REQUEST_ATTRIBUTES: Final[Mapping[str, str]] = {
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_k": "gen_ai.request.top_k",
    "top_p": "gen_ai.request.top_p",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "reasoning_effort": "gen_ai.request.reasoning.level",
}
"""Attributes of sampling options, by the names of those in the messages API."""


def address_attributes(url: str) -> dict[str, Any]:
    """Return the attributes of a server's address."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {"server.address": parts.hostname or "", "server.port": port}


def request_attributes(options: Mapping[str, Any], stop: Any, response_format: Any, *, stream: bool) -> dict[str, Any]:
    """Return the attributes of a chat request.

    Args:
        options: Its sampling options, by their names in the messages API.
        stop: The texts at which it stops.
        response_format: The response format; None for text.
        stream: Whether its answer is streamed.
    """
    attributes = {
        attribute: options[name]
        for name, attribute in REQUEST_ATTRIBUTES.items()
        if isinstance(options.get(name), int | float | str)
    }
    if stop:
        attributes["gen_ai.request.stop_sequences"] = list(map(str, stop))
    if response_format:
        attributes["gen_ai.output.type"] = "json"
    if stream:
        attributes["gen_ai.request.stream"] = True
    return attributes


class Operation:
    """One operation, from its beginning to its end.

    Args:
        tracer: Makes its span, a child of the present one.
        name: `chat`, `retrieval` or `embeddings`.
        target: What its span's name ends with: the model, or the data source; None for nothing.
        attributes: What is known of it at its beginning, besides its name and `gen_ai.provider.name`.
        provider: The provider, or the form of its API.
        is_remote: Whether another process does the work.
    """

    __slots__ = ("_common", "_first_chunk", "_is_ended", "_results", "_started", "span")

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        target: str | None,
        attributes: Mapping[str, Any],
        *,
        provider: str = PROVIDER,
        is_remote: bool = True,
    ) -> None:
        self._common = {
            OPERATION: name,
            "gen_ai.provider.name": provider,
            **{key: attributes[key] for key in (MODEL, "server.address", "server.port") if key in attributes},
        }
        kind = SpanKind.CLIENT if is_remote else SpanKind.INTERNAL
        self.span: Span = tracer.start_span(
            f"{name} {target}" if target else name, kind=kind, attributes={**attributes, **self._common}
        )
        """Its span."""
        self._started = time.monotonic()
        self._first_chunk: float | None = None
        self._results: dict[str, Any] = {}
        self._is_ended = False

    @property
    def is_recording(self) -> bool:
        """Whether its span is kept: a sampler may have left it out."""
        return self.span.is_recording()

    def present(self) -> AbstractContextManager[Span]:
        """Make its span the present one in a block that runs in one context."""
        return use_span(self.span, record_exception=False, set_status_on_exception=False)

    def headers(self) -> dict[str, str]:
        """Return the headers that name its span."""
        headers: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(headers, set_span_in_context(self.span))
        return headers

    def first_chunk(self) -> None:
        """Note that the first part of its answer is there."""
        if self._first_chunk is None:
            self._first_chunk = time.monotonic() - self._started

    def set(self, attribute: str, value: Any) -> None:
        """Note something; None is left out."""
        if value is not None:
            self._results[attribute] = value

    def answered(
        self,
        input_tokens: int | None,
        output_tokens: int | None,
        finish_reason: str | None,
        *,
        model: str | None = None,
        response_id: str | None = None,
    ) -> None:
        """Note how its answer ended."""
        self.set("gen_ai.usage.input_tokens", input_tokens)
        self.set("gen_ai.usage.output_tokens", output_tokens)
        self.set("gen_ai.response.finish_reasons", None if finish_reason is None else [finish_reason])
        self.set("gen_ai.response.model", model)
        self.set("gen_ai.response.id", response_id)

    def failed(self, error: BaseException) -> None:
        """Note that it failed. The error's message stays out: it may repeat what was asked."""
        # What interrupts a flow or a generator is known to it as the context of its own end.
        cause = (error.__context__ or error) if isinstance(error, GeneratorExit) else error
        kind = type(cause).__name__
        self.set(ERROR_TYPE, kind)
        self.set("http.response.status_code", getattr(cause, "status_code", None))
        self.span.set_status(Status(StatusCode.ERROR, kind))

    def end(self) -> None:
        """End it, once."""
        if self._is_ended:
            return
        self._is_ended = True
        seconds = time.monotonic() - self._started
        if self._first_chunk is not None:
            self.set("gen_ai.response.time_to_first_chunk", self._first_chunk)
        self.span.set_attributes(self._results)
        self.span.end()
        self._measure(seconds)

    def _measure(self, seconds: float) -> None:
        meter = active_meter()
        if meter is None:
            return
        labels = dict(self._common)
        if (kind := self._results.get(ERROR_TYPE)) is not None:
            labels[ERROR_TYPE] = kind
        measure(meter, OPERATION_SECONDS, seconds, labels)
        if self._first_chunk is not None:
            measure(meter, FIRST_CHUNK_SECONDS, self._first_chunk, labels)
        for direction in ("input", "output"):
            if (tokens := self._results.get(f"gen_ai.usage.{direction}_tokens")) is not None:
                measure(meter, TOKENS, tokens, {**labels, "gen_ai.token.type": direction})
