"""What mocks, records and traces `requests` does so for the client too, however it is called; nothing else is sent."""

import gzip
import json
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import requests
import requests_mock
import responses
import vcr
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import reka
from reka.testing import FakeReka
from reka.testing.bodies import texts
from tests.support.clients import KEY
from tests.support.peers import ROOT, peer_environment
from tests.support.processes import output_of

TURN = {"type": "model", "text": "Hello"}
JSON = {"Content-Type": "application/json"}
STREAM = "text/event-stream"


@pytest.fixture(params=["functions", "class"])
def ask(request: pytest.FixtureRequest, fake: FakeReka, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`chat` and `stream` of the module, and of a client."""
    if request.param == "functions":
        monkeypatch.setattr(reka, "API_KEY", KEY)
        monkeypatch.setattr(reka, "BASE_URL", fake.url)
        yield reka
        return
    with reka.Reka(KEY, fake.url, max_retries=0) as client:
        yield client


def streamed(ask: Any) -> str:
    """The text of a stream."""
    return "".join(event.text for event in ask.stream("Hi"))


def test_requests_mock_answers_and_holds_the_key_back(ask: Any, fake: FakeReka) -> None:
    with requests_mock.Mocker() as mock:
        mock.post(f"{fake.url}/chat", json=TURN)
        mock.post(f"{fake.url}/v1/chat/completions", content=texts("Hel", "lo"), headers={"Content-Type": STREAM})

        assert ask.chat("Hi")["text"] == streamed(ask) == "Hello"
        assert mock.request_history[0].json()["conversation_history"][0]["text"] == "Hi"

    assert fake.connections == 0


def test_requests_mock_reports_what_nobody_expects_instead_of_sending_it(fake: FakeReka) -> None:
    with requests_mock.Mocker(), pytest.raises(requests_mock.NoMockAddress):
        reka.Reka(KEY, fake.url, max_retries=0).chat("Hi")

    assert fake.connections == 0


def test_responses_answers_and_holds_the_key_back(ask: Any, fake: FakeReka) -> None:
    with responses.RequestsMock() as mock:
        mock.post(f"{fake.url}/chat", json=TURN)
        mock.post(f"{fake.url}/v1/chat/completions", body=texts("Hel", "lo"), content_type=STREAM)

        assert ask.chat("Hi")["text"] == streamed(ask) == "Hello"

    assert fake.connections == 0


# vcrpy drops the connections that were opened before, as with requests alone, and does not close them.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("used_before", [True, False], ids=["used before", "first used inside"])
def test_vcrpy_records_and_replays(ask: Any, fake: FakeReka, tmp_path: Path, used_before: bool) -> None:
    recorder = vcr.VCR(record_mode=vcr.mode.ONCE, filter_headers=["x-api-key", "authorization"])
    if used_before:
        fake.will_answer(200, TURN)
        ask.chat("Hi")
    fake.will_answer(200, gzip.compress(json.dumps(TURN).encode()), {**JSON, "Content-Encoding": "gzip"})
    fake.will_stream(texts("Hel", "lo"))

    with recorder.use_cassette(str(tmp_path / "tape.yaml")):
        recorded = [ask.chat("Hi")["text"], streamed(ask)]
    sent = len(fake.requests)
    with recorder.use_cassette(str(tmp_path / "tape.yaml")) as tape:
        replayed = [ask.chat("Hi")["text"], streamed(ask)]
        assert tape.play_count == 2
    fake.will_answer(200, {**TURN, "text": "Live again"})

    assert recorded == replayed == ["Hello", "Hello"]
    assert len(fake.requests) == sent
    assert ask.chat("Hi")["text"] == "Live again"
    assert KEY not in (tmp_path / "tape.yaml").read_text()


def test_vcrpy_replays_to_a_session_of_the_callers_own(fake: FakeReka, tmp_path: Path) -> None:
    fake.will_answer(200, TURN)

    for _ in range(2):
        with requests.Session() as session, vcr.use_cassette(str(tmp_path / "tape.yaml")):
            assert reka.Reka(KEY, fake.url, session=session).chat("Hi") == TURN

    assert len(fake.requests) == 1
    assert "python/object" not in (tmp_path / "tape.yaml").read_text()


@pytest.fixture
def instrument() -> Iterator[Callable[..., InMemorySpanExporter]]:
    """OpenTelemetry's instrumentation of requests; give it the options, and it gives the spans."""
    instrumentor = RequestsInstrumentor()

    def instrument(**options: Any) -> InMemorySpanExporter:
        spans = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(spans))
        instrumentor.instrument(tracer_provider=provider, **options)
        return spans

    yield instrument
    instrumentor.uninstrument()


def test_opentelemetry_sees_each_request_and_the_server_sees_the_trace(
    ask: Any, fake: FakeReka, instrument: Callable[..., InMemorySpanExporter]
) -> None:
    spans = instrument()
    fake.will_answer(200, TURN)
    fake.will_stream(texts("Hello"))

    assert ask.chat("Hi")["text"] == streamed(ask) == "Hello"

    finished = spans.get_finished_spans()
    assert [span.name for span in finished] == ["POST", "POST"]
    traces = [f"{span.context.trace_id:032x}" for span in finished if span.context is not None]
    assert [request.headers["traceparent"].split("-")[1] for request in fake.requests] == traces
    assert KEY not in "".join(span.to_json() for span in finished)


def test_a_hook_that_reads_the_whole_answer_leaves_it_for_the_client(
    ask: Any, fake: FakeReka, instrument: Callable[..., InMemorySpanExporter]
) -> None:
    seen: list[str] = []
    instrument(response_hook=lambda _span, _request, response: seen.append(response.text))
    fake.will_answer(200, TURN)
    fake.will_stream(texts("Hel", "lo"))

    assert ask.chat("Hi")["text"] == streamed(ask) == "Hello"
    assert json.loads(seen[0]) == TURN
    assert seen[1].encode() == texts("Hel", "lo")


@pytest.mark.prove
@pytest.mark.parametrize("way", ["functions", "class"])
def test_datadog_sees_each_request_and_the_server_sees_the_trace(way: str, fake: FakeReka) -> None:
    needed = [f"{name}=={version(name)}" for name in ("aiohttp", "filetype", "pydantic", "requests")]
    python = peer_environment("ddtrace==4.16.0", *needed)
    fake.will_answer(200, TURN)
    fake.will_stream(texts("Hello"))
    program = Path(__file__).parent / "programs" / "traced_by_datadog.py"
    quiet = dict.fromkeys(("DD_INSTRUMENTATION_TELEMETRY_ENABLED", "DD_REMOTE_CONFIGURATION_ENABLED"), "false")

    seen = json.loads(
        output_of(
            str(python), str(program), way, REKA_API_KEY=KEY, REKA_BASE_URL=fake.url, PYTHONPATH=str(ROOT), **quiet
        )
    )

    assert seen["texts"] == ["Hello", "Hello"]
    assert seen["spans"] == ["POST /chat", "POST /v1/chat/completions"]
    assert [request.headers["x-datadog-trace-id"] for request in fake.requests] == seen["traces"]
