"""Spans of the server's own work, where OpenTelemetry is set up: of a request, a retrieval, an embedding."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from reka._telemetry.active import active_meter, active_tracer
from reka._telemetry.messages import captures_content, retrieved_documents
from reka.server.telemetry.request_record import TRACE_PARENT, TRACE_STATE, RequestRecord, current_record

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

__all__ = ["RequestSpan", "embedding_span", "retrieval_span"]

_SERVER_ERROR: Final = 500
"""Least status that is an error of the server."""


class RequestSpan:
    """The span of a request, from now on the present one; a child of its caller's span.

    Args:
        tracer: Makes the span.
        method: The request's method.
        scheme: `http` or `https`.
        record: The request's record, which gets the trace.
    """

    def __init__(self, tracer: "Tracer", method: str, scheme: str, record: RequestRecord) -> None:
        from opentelemetry import context
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation import set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        propagator = TraceContextTextMapPropagator()
        parent = propagator.extract(record.outgoing)
        self._labels: dict[str, Any] = {"http.request.method": method, "url.scheme": scheme}
        self._span = tracer.start_span(method, parent, SpanKind.SERVER, {**self._labels, "reka.request_id": record.id})
        here = set_span_in_context(self._span, parent)
        self._context, self._token = context, context.attach(here)
        propagator.inject(record.outgoing, here)
        if (made := self._span.get_span_context()).is_valid:
            record.trace_id = f"{made.trace_id:032x}"

    def end(self, route: str | None, status: int, seconds: float) -> None:
        """End the span, and measure the request.

        Args:
            route: Path of the matched route, with its parameters' names; None if no route matched. The path itself,
                in which names of datasets are, is not told.
            status: HTTP status of the response.
            seconds: Duration of the request.
        """
        from opentelemetry.trace import Status, StatusCode

        from reka._telemetry.instruments import HTTP_SECONDS, measure

        self._context.detach(self._token)
        self._labels["http.response.status_code"] = status
        if route is not None:
            self._labels["http.route"] = route
            self._span.update_name(f"{self._labels['http.request.method']} {route}")
        if status >= _SERVER_ERROR:
            self._labels["error.type"] = str(status)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.set_attributes(self._labels)
        self._span.end()
        if (meter := active_meter()) is not None:
            measure(meter, HTTP_SECONDS, seconds, self._labels)


@contextmanager
def retrieval_span(dataset: str, query: str, k: int) -> Iterator[list[tuple[str, float]]]:
    """Make a block the span of a retrieval; the block appends the ids and scores of what it finds.

    The name of the dataset and the query are told only where spans may have contents.
    """
    found: list[tuple[str, float]] = []
    tracer = active_tracer()
    if tracer is None:
        yield found
        return
    from reka._telemetry.operations import Operation

    attributes: dict[str, Any] = {"gen_ai.request.top_k": k}
    is_captured = captures_content()
    if is_captured:
        attributes |= {"gen_ai.data_source.id": dataset, "gen_ai.retrieval.query.text": query}
    operation = Operation(tracer, "retrieval", dataset if is_captured else None, attributes, is_remote=False)
    with _ended(operation):
        yield found
        operation.set("reka.retrieval.chunks", len(found))
        if is_captured:
            operation.set("gen_ai.retrieval.documents", retrieved_documents(found))


@contextmanager
def embedding_span(model: str, url: str | None) -> Iterator[None]:
    """Make a block the span of the embedding of a query: by another server at an address, or in this process.

    The server is sent the span's `traceparent` by who asks with `current_record().outgoing`.
    """
    tracer = active_tracer()
    if tracer is None:
        yield
        return
    from reka._telemetry.operations import MODEL, Operation, address_attributes

    attributes: dict[str, Any] = {MODEL: model}
    if url is not None:
        attributes |= address_attributes(url)
    provider = {"provider": "openai"} if url is not None else {}
    operation = Operation(tracer, "embeddings", model, attributes, is_remote=url is not None, **provider)
    record = current_record()
    with _ended(operation), _sent(record, operation.headers()):
        yield


@contextmanager
def _ended(operation: Any) -> Iterator[None]:
    """Make the span of an operation the present one, and end it."""
    try:
        with operation.present():
            yield
    except BaseException as error:
        operation.failed(error)
        raise
    finally:
        operation.end()


@contextmanager
def _sent(record: RequestRecord | None, headers: dict[str, str]) -> Iterator[None]:
    """Send these headers with what is asked on behalf of a request, until the block ends."""
    if record is None:
        yield
        return
    before = record.outgoing
    record.outgoing = {
        **{name: value for name, value in before.items() if name not in (TRACE_PARENT, TRACE_STATE)},
        **headers,
    }
    try:
        yield
    finally:
        record.outgoing = before
