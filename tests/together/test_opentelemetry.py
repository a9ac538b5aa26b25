"""What a program with OpenTelemetry sees of the client and the server, and what `reka serve` sends over OTLP."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import reka
from reka._calls.capabilities import ServerCapabilities
from reka._calls.traced import traced_answer
from reka._inputs.chat_request import chat_request
from reka._telemetry.messages import input_messages
from reka.testing import FakeReka, answer
from reka.testing.bodies import chunk, events, texts
from tests.support.clients import KEY
from tests.support.command_line import enable_sigint
from tests.support.peers import ROOT
from tests.support.processes import output_of

PROGRAM = ROOT / "tests/together/programs/traced.py"
QUESTION = "What is the secret-question?"
TURN = {"type": "model", "text": "The secret-answer"}
USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}
CAPTURE = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY"}
ANSWER = {
    "id": "c-1",
    "choices": [{"message": {"content": "The secret-answer"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3},
}


def seen(way: str, base_url: str, **variables: str) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Run the program, and give its spans, and how often each of its histograms was measured."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    printed = output_of(
        sys.executable, str(PROGRAM), way, base_url, QUESTION, REKA_API_KEY=KEY, PYTHONPATH=path, **variables
    )
    told = json.loads(printed)
    return told["spans"], told["metrics"]


def script(fake: FakeReka) -> None:
    """Script the answers to the program's calls: a chat, a stream, a stream that is left, and an error."""
    fake.will_answer(200, TURN)
    fake.will_stream(
        events(chunk(content="The "), chunk(content="secret-answer"), chunk("stop"), USAGE), b"data: [DONE]\n\n"
    )
    fake.will_stream(texts("The ", "secret-answer"))
    fake.will_answer(429, {"detail": "slow down"})


@pytest.mark.parametrize("way", ["sync", "async"])
def test_each_call_of_the_client_is_a_span_that_ends_with_its_answer(way: str, fake: FakeReka) -> None:
    script(fake)

    spans, metrics = seen(way, fake.url)

    chat, streamed, left, failed = spans
    assert {(span["name"], span["kind"]) for span in spans} == {("chat reka-flash", "CLIENT")}
    port = int(fake.url.rpartition(":")[2])
    common = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "reka",
        "gen_ai.request.model": "reka-flash",
        "server.address": "127.0.0.1",
        "server.port": port,
    }
    assert chat["attributes"] == common
    assert streamed["attributes"].pop("gen_ai.response.time_to_first_chunk") > 0
    assert streamed["attributes"] == {
        **common,
        "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.model": "reka-flash",
        "gen_ai.response.id": "c-1",
    }
    assert (left["status"], "error.type" in left["attributes"]) == ("UNSET", False)
    assert (failed["status"], failed["attributes"]["error.type"]) == ("ERROR", "RateLimitError")
    assert failed["attributes"]["http.response.status_code"] == 429
    assert metrics == {
        "gen_ai.client.operation.duration": 4,
        "gen_ai.client.operation.time_to_first_chunk": 2,
        "gen_ai.client.token.usage": 2,
    }


@pytest.mark.parametrize("way", ["sync", "async"])
def test_the_server_is_sent_the_span_of_the_call(way: str, fake: FakeReka) -> None:
    script(fake)

    spans, _ = seen(way, fake.url)

    sent = [request.headers["traceparent"].split("-")[1:3] for request in fake.requests]
    assert sent == [[span["trace"], span["id"]] for span in spans]


def test_no_text_and_no_key_is_told_unless_the_user_opts_in(fake: FakeReka) -> None:
    script(fake)
    silent, _ = seen("sync", fake.url)
    script(fake)
    telling, _ = seen("sync", fake.url, **CAPTURE)

    assert not [text for text in ("secret", KEY) if text in json.dumps(silent)]
    assert KEY not in json.dumps(telling)
    for span in telling[:2]:
        (asked,) = json.loads(span["attributes"]["gen_ai.input.messages"])
        (answered,) = json.loads(span["attributes"]["gen_ai.output.messages"])
        assert asked == {"role": "user", "parts": [{"type": "text", "content": QUESTION}]}
        assert answered["parts"] == [{"type": "text", "content": "The secret-answer"}]


def test_a_text_that_utf8_cannot_write_is_in_no_span() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    request = chat_request("Hi", options={"stop_words": ["caf\udce9"]})
    call = traced_answer(provider.get_tracer("t"), not_called, request, False, ServerCapabilities("u"))

    with pytest.raises(reka.InvalidArgumentError, match=r"stop_words\[0\]: got the lone surrogate"):
        next(call)
    assert exporter.get_finished_spans() == ()


def test_the_texts_of_a_span_are_of_characters_that_utf8_can_write() -> None:
    messages = input_messages([{"role": "user", "content": "caf\udce9"}])

    assert messages.isascii()
    assert json.loads(messages)[0]["parts"][0]["content"] == "caf\udce9"


def not_called(_: ServerCapabilities) -> Any:
    pytest.fail("the request is not sent")


def test_a_provider_that_is_set_after_the_first_call_is_used(fake: FakeReka) -> None:
    fake.will_answer(200, TURN)
    script(fake)

    spans, _ = seen("late", fake.url)

    assert len(spans) == 4
    assert "traceparent" not in fake.requests[0].headers


def test_who_disables_the_instrumentation_has_no_spans(fake: FakeReka) -> None:
    script(fake)

    spans, metrics = seen("sync", fake.url, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="requests, reka")

    assert (spans, metrics) == ([], {})
    assert "traceparent" not in fake.requests[0].headers


def test_without_the_extra_a_traced_http_library_sees_each_request_once(fake: FakeReka) -> None:
    script(fake)

    spans, _ = seen("without-the-extra", fake.url)

    assert [span["name"] for span in spans] == ["POST"] * 4
    assert [request.headers["traceparent"].split("-")[2] for request in fake.requests] == [span["id"] for span in spans]


def test_a_program_without_opentelemetry_imports_nothing_of_it(fake: FakeReka) -> None:
    fake.will_answer(200, TURN)
    code = (
        f"import sys, reka; reka.Reka(base_url={fake.url!r}).chat('Hi'); "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )

    assert output_of(sys.executable, "-c", code, REKA_API_KEY=KEY).strip() == "[]"


def test_the_embedded_server_joins_the_trace_of_its_program(tmp_path: Path) -> None:
    spans, metrics = seen("datasets", f"local:{tmp_path / 'data'}")

    by_id = {span["id"]: span for span in spans}
    paths = []
    for span in spans:
        path = [span["name"]]
        while span["parent"] is not None:
            span = by_id[span["parent"]]
            path.append(span["name"])
        paths.append(" < ".join(path))
    search = "retrieval < POST /datasets/{name}/search < retrieval notes"
    assert search in paths
    assert [path for path in paths if path.startswith("embeddings ") and path.endswith(search)]
    assert "retrieval < POST /chat < chat reka-flash" in paths
    assert "chat reka-flash < POST /chat < chat reka-flash" in paths
    assert metrics["http.server.request.duration"] > 0
    server = [span for span in spans if span["kind"] != "CLIENT"]
    assert not [text for text in ("secret", "owl", "notes") if text in json.dumps(server)]


@contextmanager
def serving(data_dir: Path, *options: str, **variables: str) -> Iterator[str]:
    """Run `reka serve`, and stop it as Ctrl-C does."""
    command = [sys.executable, "-m", "reka.cli", "serve", "--port", "0", "--data-dir", str(data_dir), *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("REKA_", "OTEL_"))}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment | variables,
        preexec_fn=enable_sigint,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.send_signal(2)
            process.wait(30)


def test_a_server_sends_spans_and_metrics_where_the_environment_says(fake: FakeReka, tmp_path: Path) -> None:
    collector = FakeReka()
    collector.otherwise = answer(200)
    fake.will_answer(200, ANSWER)
    options = ("--upstream", fake.url, "--upstream-model", "m")
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "answers"}
    try:
        with serving(tmp_path / "data", *options, **variables) as url:
            body = {"messages": [{"role": "user", "content": QUESTION}]}
            assert requests.post(f"{url}/v1/chat/completions", json=body, headers={"X-Api-Key": KEY}).ok
    finally:
        collector.close()

    bodies = {
        path: b"".join(one.body for one in collector.requests if one.path == path)
        for path in ("/v1/traces", "/v1/metrics")
    }
    traces = ExportTraceServiceRequest.FromString(bodies["/v1/traces"])
    measures = ExportMetricsServiceRequest.FromString(bodies["/v1/metrics"])
    spans = {span.name: span for sent in traces.resource_spans for scope in sent.scope_spans for span in scope.spans}
    names = {one.name for sent in measures.resource_metrics for scope in sent.scope_metrics for one in scope.metrics}
    resource = {item.key: item.value.string_value for item in traces.resource_spans[0].resource.attributes}
    chat, served = spans["chat reka-flash"], spans["POST /v1/chat/completions"]
    assert resource["service.name"] == "answers"
    assert chat.parent_span_id == served.span_id
    assert fake.requests[0].headers["traceparent"].split("-")[1:3] == [chat.trace_id.hex(), chat.span_id.hex()]
    assert names >= {"gen_ai.client.operation.duration", "http.server.request.duration", "reka_jobs", "reka_requests"}
    assert not [text for text in (b"secret", KEY.encode()) if text in b"".join(bodies.values())]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_a_server_sends_nothing_unless_it_is_told_where(
    variables: dict[str, str], fake: FakeReka, tmp_path: Path
) -> None:
    fake.will_answer(200, ANSWER)
    options = ("--upstream", fake.url, "--upstream-model", "m")

    with serving(tmp_path / "data", *options, **variables) as url:
        body = {"messages": [{"role": "user", "content": QUESTION}]}
        assert requests.post(f"{url}/v1/chat/completions", json=body, headers={"X-Api-Key": KEY}).ok

    assert "traceparent" not in fake.requests[0].headers


def test_a_collector_that_is_away_does_not_hold_the_end_of_a_server_up_for_long(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts connections and answers nothing
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with serving(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as url:
            requests.get(url, timeout=10)
            began = monotonic()
        assert monotonic() - began < 10


def test_an_unknown_exporter_stops_the_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reka.cli", "serve", "--port", "0", "--data-dir", str(tmp_path / "data")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"OTEL_TRACES_EXPORTER": "zipkin"}, check=False
    )

    assert done.returncode != 0
    assert "OTEL_TRACES_EXPORTER: no package here has the exporter 'zipkin'" in done.stderr
