"""Whether a server is up, whether it is ready, and what it has counted."""

import errno
import re
import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests
from sqlalchemy import create_engine, text

from reka.server.generation.types import GenerationError
from reka.testing import FakeReka
from tests.support.backends import EchoBackend
from tests.support.caller import Caller
from tests.support.embedders import FailingEmbedder
from tests.support.peers import ROOT
from tests.support.rule_model import RuleModel
from tests.support.servers import Call, Start

READY = {"ready": True, "database": True, "storage": True, "index": True, "worker": True, "model": True}


def figures(api: Caller) -> dict[str, float]:
    """Each figure of `/metrics` by its name and labels."""
    answer = api.ask("GET", "/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_probes_and_figures_need_no_key(start: Start, call: Call) -> None:
    api = call(start(), key=None)

    assert [api.ask("GET", path).status_code for path in ("/", "/healthz", "/readyz", "/metrics", "/docs")] == [200] * 5


def test_a_server_at_work_is_ready(start: Start, call: Call) -> None:
    answer = call(start()).ask("GET", "/readyz")

    assert (answer.status_code, answer.json()) == (200, READY)


def test_a_server_whose_model_is_gone_is_up_and_not_ready(
    start: Start, call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    api = call(start(backend=EchoBackend(GenerationError(502, "the upstream is not there"))))

    ready = api.ask("GET", "/readyz")

    assert (ready.status_code, ready.json()) == (503, READY | {"ready": False, "model": False})
    assert "the upstream is not there" in caplog.text
    assert api.ask("GET", "/healthz").json() == {"ok": True}


def test_a_server_is_ready_when_its_upstream_lists_models(start: Start, call: Call, fake: FakeReka) -> None:
    fake.will_answer(200, {"data": [{"id": "m"}]})
    api = call(start(upstream=fake.url, readiness_seconds=0))

    before, after = api.ask("GET", "/readyz").json(), api.ask("GET", "/readyz").json()

    assert fake.paths == ["GET /v1/models"] * 2
    assert before == READY
    assert after == READY | {"ready": False, "model": False}


def test_a_server_whose_database_does_not_answer_is_not_ready(start: Start, call: Call, data_dir: Path) -> None:
    api = call(start())
    engine = create_engine(f"sqlite:///{data_dir / 'reka.sqlite'}")
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs RENAME TO elsewhere"))
    engine.dispose()

    ready = api.ask("GET", "/readyz")

    assert (ready.status_code, ready.json()) == (503, READY | {"ready": False, "database": False})
    assert "reka_jobs{" not in api.ask("GET", "/metrics").text
    assert "reka_requests_total{" in api.ask("GET", "/metrics").text


def test_a_server_whose_data_folder_is_gone_is_not_ready_and_says_so_to_an_upload(
    start: Start, call: Call, data_dir: Path
) -> None:
    api = call(start())
    data_dir.rename(data_dir.with_name("elsewhere"))

    ready, added = api.ask("GET", "/readyz"), api.add("notes", "text")
    data_dir.with_name("elsewhere").rename(data_dir)

    # The database may or may not be read, as some of its connections are open.
    told = ready.json() | {"database": True}
    assert (ready.status_code, told) == (503, READY | {"ready": False, "storage": False})
    assert (added.status_code, added.headers["retry-after"]) == (503, "5")
    assert added.json() == {"detail": "The server cannot use its data now (No such file or directory): try again"}
    assert api.ask("GET", "/readyz").json() == READY
    assert api.add("notes", "text").ok


def test_a_server_whose_threads_all_wait_for_the_database_says_how_it_is(
    start: Start, call: Call, data_dir: Path
) -> None:
    server = start()
    with closing(sqlite3.connect(data_dir / "reka.sqlite")) as database, ThreadPoolExecutor(50) as pool:
        database.execute("BEGIN IMMEDIATE")
        uploads = [pool.submit(call(server).add, f"notes-{number}", "text") for number in range(50)]
        while sum("AnyIO worker" in thread.name for thread in threading.enumerate()) < 40:
            threading.Event().wait(0.02)
        statuses = [requests.get(f"{server.url}{path}", timeout=10).status_code for path in ("/readyz", "/metrics")]
        database.rollback()

        assert statuses == [200, 200]
        assert all(upload.result().ok for upload in uploads)


def test_requests_are_counted_by_route_and_status(start: Start, call: Call) -> None:
    api = call(start())
    api.chat("hi")
    api.chat("hi", temperature=-9)
    api.delete("none")
    api.ask("GET", "/nothing/at/all")
    api.ask("PROPFIND", "/chat")

    seen = figures(api)

    assert seen['reka_requests_total{method="POST",route="/chat",status="200"}'] == 1
    assert seen['reka_requests_total{method="POST",route="/chat",status="422"}'] == 1
    assert seen['reka_requests_total{method="DELETE",route="/datasets/{name}",status="404"}'] == 1
    assert seen['reka_requests_total{method="GET",route="none",status="404"}'] == 1
    assert seen['reka_requests_total{method="other",route="/chat",status="405"}'] == 1
    assert seen['reka_request_seconds_count{route="/chat"}'] == 3


def test_nothing_that_a_client_writes_becomes_a_label(start: Start, call: Call) -> None:
    api = call(start())
    api.add("secret-name", "text")
    api.ask("GET", "/secret-name")
    api.chat("secret-name", model_name="secret-name")
    api.ask("GET", "/v1/models/secret-name")

    assert "secret-name" not in api.ask("GET", "/metrics").text


def test_jobs_are_counted_by_status(start: Start, call: Call) -> None:
    api = call(start(embedder=FailingEmbedder(OSError("broken"))))
    for name in ("a", "b"):
        api.add(name, "Some text.")
        api.await_end(api.prepare(name).json())

    seen = figures(api)

    jobs = {status: seen[f'reka_jobs{{status="{status}"}}'] for status in ("PENDING", "RUNNING", "COMPLETE", "ERROR")}
    assert jobs == {"PENDING": 0, "RUNNING": 0, "COMPLETE": 1, "ERROR": 1}
    assert (seen["reka_database_up"], seen["reka_worker_up"], seen["reka_job_queue_seconds"]) == (1, 1, 0)
    assert (seen["reka_datasets"], seen["reka_documents"], seen["reka_chunks"]) == (2, 2, 1)


def test_questions_to_the_upstream_are_counted_and_timed(start: Start, call: Call) -> None:
    with RuleModel() as model:
        api = call(start(upstream=model.url, upstream_model="rules-1"))
        api.chat("Repeat: hi")
        with api.ask("POST", "/v1/chat/completions", json=streamed("Repeat: a b c"), stream=True) as answer:
            assert answer.text.endswith("data: [DONE]\n\n")
        seen = figures(api)

    assert seen['reka_upstream_requests_total{status="200"}'] == 2
    assert seen["reka_upstream_seconds_count"] == 2
    assert seen["reka_upstream_first_token_seconds_count"] == 1
    assert seen['reka_upstream_tokens_total{type="input"}'] > 0 < seen['reka_upstream_tokens_total{type="output"}']
    assert (seen["reka_upstream_busy"], seen["reka_upstream_waiting"]) == (0, 0)


def test_an_upstream_that_is_not_there_is_counted_with_every_try(start: Start, call: Call) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        api = call(start(upstream=url, upstream_model="m", upstream_retries=1))
        assert api.chat("hi").status_code == 502
        seen = figures(api)

    assert seen['reka_upstream_requests_total{status="none"}'] == 2
    assert seen["reka_upstream_seconds_count"] == 0


def test_questions_under_way_and_waiting_are_told(start: Start, call: Call) -> None:
    with RuleModel() as model:
        model.gate = threading.Event()
        api = call(start(upstream=model.url, upstream_model="rules-1", upstream_concurrency=1))
        with api.ask("POST", "/v1/chat/completions", json=streamed("Repeat: a b c"), stream=True) as answer:
            lines = answer.iter_lines()
            next(lines)
            during = figures(api)
            model.gate.set()
            assert [line for line in lines if line][-1] == b"data: [DONE]"
        after = figures(api)

    assert (during["reka_upstream_busy"], during["reka_streams_open"]) == (1, 1)
    assert (after["reka_upstream_busy"], after["reka_streams_open"]) == (0, 0)


def test_retrievals_are_timed_by_mode_and_their_chunks_counted(start: Start, call: Call) -> None:
    api = call(start())
    api.add_prepared("notes", "The owl hunts at night.")
    api.search("notes", "owl", mode="keyword")
    api.chat("owl", retrieval_dataset="notes")
    seen = figures(api)

    modes = [seen[f'reka_retrieval_seconds_count{{mode="{mode}"}}'] for mode in ("keyword", "hybrid")]
    assert modes == [1, 1]
    assert (seen["reka_retrieved_chunks_count"], seen["reka_retrieved_chunks_sum"]) == (2, 2)


def test_jobs_are_timed_and_retries_counted_from_the_start_of_the_server(
    start: Start, call: Call, data_dir: Path, tmp_path: Path
) -> None:
    first = start()
    call(first).add_prepared("before", "Some text.")
    first.stop()
    api = call(start(embedder=FailingEmbedder(OSError(errno.EBUSY, "busy"))))
    before = figures(api)
    api.add("a", "Some text.")
    job = api.prepare("a").json()
    while not any("tried again" in entry["detail"] for entry in api.status(job)["history"]):
        threading.Event().wait(0.02)
    api.await_end(job)
    after = figures(api)

    assert 'reka_job_seconds_count{status="COMPLETE"}' not in before
    assert before["reka_job_retries_total"] == 0
    assert after['reka_job_seconds_count{status="COMPLETE"}'] == 1
    assert after['reka_job_seconds_sum{status="COMPLETE"}'] > 0
    assert after["reka_job_retries_total"] == 1


def test_refusals_are_counted_by_their_limit(start: Start, call: Call) -> None:
    api = call(start(requests_per_minute=1))
    statuses = [api.chat("hi").status_code for _ in range(3)]
    seen = figures(api)

    assert statuses.count(429) == seen['reka_refused_requests_total{limit="requests_per_minute"}'] > 0


def test_requests_for_data_that_is_gone_are_counted(start: Start, call: Call, data_dir: Path) -> None:
    api = call(start())
    data_dir.rename(data_dir.with_name("elsewhere"))
    answer = api.add("notes", "text")
    data_dir.with_name("elsewhere").rename(data_dir)

    assert answer.status_code == 503
    assert figures(api)['reka_storage_faults_total{kind="storage"}'] == 1


def test_two_servers_in_one_process_count_apart(start: Start, call: Call, tmp_path: Path) -> None:
    one, other = call(start()), call(start(data_dir=tmp_path / "other"))
    one.chat("hi")

    chat = 'reka_requests_total{method="POST",route="/chat",status="200"}'
    assert figures(one)[chat] == 1
    assert chat not in figures(other)


def test_every_figure_says_what_it_is(start: Start, call: Call) -> None:
    told = call(start()).ask("GET", "/metrics").text

    names = re.findall(r"(?m)^# TYPE (\S+)", told)
    rows = re.findall(r"(?m)^\| (`reka_[^|]+)", (ROOT / "docs/guides/operations.md").read_text())
    documented = re.findall(r"\w+", " ".join(rows))
    assert {name for name in names if not name.endswith("_created") and name.startswith("reka_")} == set(documented)
    assert all(re.search(rf"(?m)^# HELP {name} \S", told) for name in names)


def streamed(content: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": content}], "stream": True}
