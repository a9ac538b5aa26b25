"""A program that has set OpenTelemetry up, and calls a server in every way; it prints its spans and its metrics."""

import asyncio
import json
import sys
from contextlib import suppress

from opentelemetry import metrics, trace
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import reka

way, base_url, question = sys.argv[1:]
spans, reader = InMemorySpanExporter(), InMemoryMetricReader()


def set_up():
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([reader]))


def call(client):
    client.chat(question)
    list(client.stream(question))
    events = client.stream(question)
    next(events)
    events.close()
    with suppress(reka.RekaError):
        client.complete([{"role": "user", "content": question}])


async def call_async(client):
    async with client:
        await client.chat(question)
        async for _ in client.stream(question):
            pass
        events = client.stream(question)
        await anext(events)
        await events.aclose()
        with suppress(reka.RekaError):
            await client.complete([{"role": "user", "content": question}])


def use_datasets(client):
    client.put_documents("notes", [{"id": "owls", "text": "The owl hunts at night."}])
    client.retrieve(question, "notes")
    client.chat(question, retrieval_dataset="notes")


client = reka.Reka(base_url=base_url, max_retries=0)
if way == "late":
    client.chat(question)
set_up()
if way == "without-the-extra":
    sys.modules["opentelemetry.exporter.otlp.proto.http"] = None  # as if it were not installed
    RequestsInstrumentor().instrument()
if way in ("sync", "late", "without-the-extra"):
    call(client)
elif way == "async":
    asyncio.run(call_async(reka.AsyncReka(base_url=base_url, max_retries=0)))
else:
    use_datasets(client)
client.close()
if way == "datasets":
    from reka.server.embedded import stop_local_servers

    stop_local_servers()  # its last span ends after the answer


def described(span):
    return {
        "name": span.name,
        "kind": span.kind.name,
        "status": span.status.status_code.name,
        "trace": f"{span.context.trace_id:032x}",
        "id": f"{span.context.span_id:016x}",
        "parent": span.parent and f"{span.parent.span_id:016x}",
        "attributes": dict(span.attributes),
        "events": len(span.events),
    }


measured = {
    metric.name: sum(point.count for point in metric.data.data_points)
    for resource in (reader.get_metrics_data() or type("", (), {"resource_metrics": ()})).resource_metrics
    for scope in resource.scope_metrics
    for metric in scope.metrics
}
print(json.dumps({"spans": [described(span) for span in spans.get_finished_spans()], "metrics": measured}))
