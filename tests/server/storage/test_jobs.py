import re
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from reka.server.ingest.worker import SMALL_BYTES
from reka.server.retrieval.index import EMBED_CHUNKS
from tests.support.caller import Caller
from tests.support.embedders import FailingEmbedder, FullDiskEmbedder, GatedEmbedder
from tests.support.servers import Call, Start

TEXT = "\n\n".join(f"Paragraph {number}. " + "Some words to fill it. " * 30 for number in range(EMBED_CHUNKS * 3))


def tables(data_dir: Path) -> list[str]:
    return sorted(path.name for path in (data_dir / "index").iterdir())


def test_a_job_goes_from_pending_over_running_to_complete_and_says_when(start: Start, call: Call) -> None:
    gated = GatedEmbedder()
    api = call(start(embedder=gated))
    assert api.add("notes", TEXT * 4).ok
    assert api.add("other", TEXT).ok

    first, second = api.prepare("notes").json(), api.prepare("other").json()
    assert gated.has_arrived.wait(30)
    running, waiting = api.status(first), api.status(second)
    gated.gate.set()
    ended = api.await_end(first)

    assert (running["job_status"], running["detail"]) == ("RUNNING", "Started")
    assert (waiting["job_status"], waiting["detail"]) == ("PENDING", "Waiting in the queue")
    assert ended["job_status"] == "COMPLETE"
    assert re.fullmatch(r"\d+ chunks are ready for retrieval", ended["detail"])
    states = [line["job_status"] for line in ended["history"]]
    assert states[0] == "PENDING"
    assert states[-1] == "COMPLETE"
    assert set(states[1:-1]) == {"RUNNING"}
    times = [line["time"] for line in ended["history"]]
    assert times == sorted(times)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time) for time in times)
    progress = [line["progress"] for line in ended["history"][1:]]
    assert len(progress) > 3
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0, 1)
    assert api.await_end(second)["job_status"] == "COMPLETE"


def test_a_dataset_that_is_being_prepared_is_not_used_prepared_again_or_half_seen(start: Start, call: Call) -> None:
    gated = GatedEmbedder()
    api = call(start(embedder=gated))
    assert api.add("notes", "text").ok
    job = api.prepare("notes").json()
    assert gated.has_arrived.wait(30)

    again, asked = api.prepare("notes"), api.chat("text", retrieval_dataset="notes")
    gated.gate.set()

    assert again.status_code == 400
    assert f"Retrieval is already being prepared for dataset 'notes' by job {job}" in again.json()["detail"]
    assert again.json()["code"] == "being_prepared"
    assert asked.status_code == 400
    assert "Dataset 'notes' is not prepared for retrieval" in asked.json()["detail"]
    assert api.await_end(job)["job_status"] == "COMPLETE"


def test_a_prepared_dataset_is_not_prepared_again(start: Start, call: Call) -> None:
    api = call(start())
    api.add_prepared("notes", "text")

    answer = api.prepare("notes")

    assert answer.status_code == 400
    assert "Retrieval has already been prepared for dataset 'notes'" in answer.json()["detail"]
    assert answer.json()["code"] == "already_prepared"


def test_deleting_a_dataset_that_is_being_prepared_ends_its_job_first(start: Start, call: Call, data_dir: Path) -> None:
    gated = GatedEmbedder()
    api = call(start(embedder=gated))
    assert api.add("notes", TEXT).ok
    assert api.add("next", "text").ok
    job, next_job = api.prepare("notes").json(), api.prepare("next").json()
    assert gated.has_arrived.wait(30)

    deleted = api.delete("notes")
    status = api.status(job)
    gated.gate.set()

    assert deleted.ok
    assert (status["job_status"], status["detail"]) == ("ERROR", "Dataset 'notes' was deleted before it was prepared")
    assert api.await_end(next_job)["job_status"] == "COMPLETE"
    assert api.status(job) == status
    assert api.names() == ["next"]
    assert len(tables(data_dir)) == 1
    assert len(list((data_dir / "datasets").iterdir())) == 1


def test_a_job_that_waits_ends_when_its_dataset_is_deleted(start: Start, call: Call) -> None:
    gated = GatedEmbedder()
    api = call(start(embedder=gated))
    assert api.add("first", "text").ok
    assert api.add("second", "text").ok
    first, second = api.prepare("first").json(), api.prepare("second").json()

    assert api.delete("second").ok
    gated.gate.set()

    assert api.status(second)["job_status"] == "ERROR"
    assert api.await_end(first)["job_status"] == "COMPLETE"


def test_a_job_that_was_running_when_the_server_stopped_is_taken_up_again(
    start: Start, call: Call, data_dir: Path
) -> None:
    gated = GatedEmbedder()
    server = start(embedder=gated)
    api = call(server)
    assert api.add("notes", TEXT).ok
    assert api.add("waiting", "text").ok
    job, waiting = api.prepare("notes").json(), api.prepare("waiting").json()
    assert gated.has_arrived.wait(30)
    gated.gate.set()
    server.stop()

    api = call(start())
    ended = api.await_end(job)

    assert ended["job_status"] == "COMPLETE"
    assert [line["detail"] for line in ended["history"]].count("Restarted") <= 1
    assert api.await_end(waiting)["job_status"] == "COMPLETE"
    assert api.chunks("paragraph words", "notes", k=3)
    assert len(tables(data_dir)) == 2


def test_a_server_stops_at_once_though_a_job_runs_and_the_job_is_not_failed(
    start: Start, call: Call, data_dir: Path
) -> None:
    stuck = GatedEmbedder()
    server = start(embedder=stuck)
    api = call(server)
    assert api.add("notes", TEXT).ok
    job = api.prepare("notes").json()
    assert stuck.has_arrived.wait(30)

    server.stop()
    stuck.gate.set()
    api = call(start())
    ended = api.await_end(job)

    assert ended["job_status"] == "COMPLETE"
    assert [line["detail"] for line in ended["history"]][:3] == ["Waiting in the queue", "Started", "Restarted"]
    with closing(sqlite3.connect(data_dir / "reka.sqlite")) as database:
        assert database.execute("SELECT starts, stops FROM jobs").fetchall() == [(2, 1)]


def test_a_job_that_fails_says_why_and_the_dataset_may_be_prepared_again(
    start: Start, call: Call, data_dir: Path
) -> None:
    api = call(start(embedder=FailingEmbedder(RuntimeError("/secret/path"))))
    assert api.add("notes", TEXT).ok

    failed = api.await_end(api.prepare("notes").json())
    left = tables(data_dir)
    again = api.await_end(api.prepare("notes").json())

    assert failed["job_status"] == "ERROR"
    assert "Preparation failed inside the server (RuntimeError)" in failed["detail"]
    assert "/secret" not in str(failed)
    assert left == []
    assert again["job_status"] == "COMPLETE"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device", "/secret/path"), "(No space left on device)"),
        (RuntimeError("lance error: IO: No space left on device (os error 28), /secret/path"), "(No space left"),
        (OperationalError("UPDATE secret", {}, sqlite3.OperationalError("database is locked")), "(database is locked)"),
        (ConnectionRefusedError(111, "Connection refused"), "(Connection refused)"),
        (RuntimeError("cannot schedule new futures after interpreter shutdown"), "(RuntimeError)"),
    ],
    ids=["disk", "disk of the index", "database", "connection", "interpreter"],
)
def test_a_job_that_meets_a_fault_which_can_pass_is_tried_again_until_it_has(
    start: Start, call: Call, data_dir: Path, error: Exception, reason: str
) -> None:
    api = call(start(embedder=FailingEmbedder(error, error)))
    assert api.add("notes", "text").ok

    ended = api.await_end(api.prepare("notes").json())

    assert ended["job_status"] == "COMPLETE"
    pauses = [line for line in ended["history"] if "tried again" in line["detail"]]
    assert [line["job_status"] for line in pauses] == ["PENDING", "PENDING"]
    assert all(reason in line["detail"] for line in pauses)
    assert [line["detail"].rpartition("again in ")[2] for line in pauses] == ["0.25 s", "0.5 s"]
    assert "secret" not in str(ended)
    assert len(tables(data_dir)) == 1


def test_a_job_that_waits_to_be_tried_again_holds_no_other_one_up(start: Start, call: Call) -> None:
    embedder = FullDiskEmbedder("Paragraph")
    api = call(start(embedder=embedder))
    assert api.add("large", TEXT).ok
    assert api.add("small", "text").ok
    large, small = api.prepare("large").json(), api.prepare("small").json()

    assert api.await_end(small)["job_status"] == "COMPLETE"
    meanwhile = api.status(large)
    embedder.is_full = False

    assert meanwhile["job_status"] in ("PENDING", "RUNNING")
    assert api.await_end(large)["job_status"] == "COMPLETE"


def test_a_small_job_of_one_key_does_not_wait_for_large_ones_of_others(start: Start, call: Call) -> None:
    gated = GatedEmbedder("Paragraph")
    server = start(embedder=gated)
    owners = [call(server, f"key-{number}") for number in range(3)]
    large = TEXT * (SMALL_BYTES // len(TEXT) + 1)
    jobs = []
    for api in owners[:2]:
        assert api.add("large", large).ok
        jobs.append(api.prepare("large").json())
    assert gated.has_arrived.wait(30)

    for number in range(3):
        owners[2].add_prepared(f"small-{number}", "An owl hunts.")
    meanwhile = [api.status(job)["job_status"] for api, job in zip(owners, jobs, strict=False)]
    gated.gate.set()

    assert sorted(meanwhile) == ["PENDING", "RUNNING"]
    assert [api.await_end(job)["job_status"] for api, job in zip(owners, jobs, strict=False)] == ["COMPLETE"] * 2


def test_jobs_go_on_by_themselves_when_their_queue_can_be_read_again(
    start: Start, call: Call, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gated = GatedEmbedder()
    api = call(start(embedder=gated))
    assert api.add("notes", "text").ok
    assert api.add("other", "text").ok
    jobs = [api.prepare("notes").json(), api.prepare("other").json()]
    assert gated.has_arrived.wait(30)

    with closing(sqlite3.connect(data_dir / "reka.sqlite")) as database:
        database.execute("ALTER TABLE jobs RENAME TO elsewhere")
        gated.gate.set()
        while "cannot read the job queue" not in caplog.text:
            threading.Event().wait(0.01)
        database.execute("ALTER TABLE elsewhere RENAME TO jobs")

    assert [api.await_end(job)["job_status"] for job in jobs] == ["COMPLETE", "COMPLETE"]


def test_a_dataset_whose_file_is_gone_fails_with_the_way_out(start: Start, call: Call, data_dir: Path) -> None:
    api = call(start())
    assert api.add("notes", "text").ok
    next((data_dir / "datasets").iterdir()).unlink()

    ended = api.await_end(api.prepare("notes").json())

    assert ended["job_status"] == "ERROR"
    assert "upload it again" in ended["detail"]


@pytest.mark.parametrize("job", ["none", "..", "0" * 32, "%00"])
def test_an_unknown_job_is_not_found(api: Caller, job: str) -> None:
    assert api.ask("GET", f"/jobs/prepare-retrieval/{job}/status").status_code == 404


def test_what_a_killed_server_left_is_swept_up_at_the_next_start(start: Start, call: Call, data_dir: Path) -> None:
    server = start()
    call(server).add_prepared("notes", "text")
    server.stop()
    (data_dir / "staging" / ("0" * 32)).write_text("half an upload")
    (data_dir / "datasets" / ("0" * 32)).write_text("no row")
    (data_dir / "index" / f"chunks_{'0' * 32}_1.lance").mkdir()

    api = call(start())

    assert list((data_dir / "staging").iterdir()) == []
    assert len(list((data_dir / "datasets").iterdir())) == 1
    assert len(tables(data_dir)) == 1
    assert [chunk["text"] for chunk in api.chunks("text", "notes")] == ["text"]
