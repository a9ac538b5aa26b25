"""`reka retrieval`: preparing, and following a job."""

from collections.abc import Callable
from typing import Any

import pytest

from reka import JobStatus, PrepareRetrievalStatusResponse
from reka.cli.progress import progress_of
from reka.testing import FakeReka, say_nothing
from tests.support.command_line import Command, Terminal

RUNNING = {"job_status": "RUNNING", "detail": "embedding", "history": [{"progress": 0.5}]}
COMPLETE = {"job_status": "COMPLETE", "detail": "3 chunks", "history": [{"progress": 1.0}]}
FAILED = {"job_status": "ERROR", "detail": "the text is no text", "history": []}


def test_prepare_follows_the_job_to_its_end(server: FakeReka, command: Command) -> None:
    for answer in ("job-1", RUNNING, COMPLETE):
        server.will_answer(200, answer)

    outcome = command("retrieval", "prepare", "notes")

    assert (outcome.code, outcome.out, outcome.err) == (0, "", "COMPLETE  3 chunks\n")
    assert server.paths[0] == "POST /datasets/notes/prepare-retrieval"
    assert len(server.requests) == 3


def test_prepare_without_waiting_writes_the_id_alone(server: FakeReka, command: Command) -> None:
    server.will_answer(200, "job-1")

    assert command("retrieval", "prepare", "notes", "--no-wait").out == "job-1\n"
    assert len(server.requests) == 1


def test_prepare_as_json_is_the_id_and_when_waited_for_the_last_status(server: FakeReka, command: Command) -> None:
    for answer in ("job-1", "job-2", COMPLETE):
        server.will_answer(200, answer)

    assert command("retrieval", "prepare", "notes", "--no-wait", "--json").json == {"job_id": "job-1"}
    assert command("retrieval", "prepare", "notes", "--json").json == {"job_id": "job-2", **COMPLETE}


def test_a_job_that_fails_is_an_error_with_its_reason(server: FakeReka, command: Command) -> None:
    for answer in ("job-1", FAILED):
        server.will_answer(200, answer)

    outcome = command("retrieval", "prepare", "notes")

    assert outcome.code == 5
    assert outcome.err == "error: job job-1 failed: the text is no text\n"


def test_preparing_twice_is_an_error_with_the_servers_words(server: FakeReka, command: Command) -> None:
    server.will_answer(400, {"detail": "Retrieval has already been prepared for dataset notes"})

    outcome = command("retrieval", "prepare", "notes")

    assert outcome.code == 5
    assert "already been prepared for dataset notes" in outcome.err


@pytest.mark.parametrize(
    ("answer", "out", "code"),
    [
        (RUNNING, "RUNNING  50%  embedding\n", 0),
        (COMPLETE, "COMPLETE  3 chunks\n", 0),
        (FAILED, "ERROR  the text is no text\n", 5),
        ({"job_status": "PAUSED\x1b[1m", "detail": "", "history": []}, "PAUSED\n", 0),
    ],
    ids=["running", "complete", "failed", "one that is new"],
)
def test_status_tells_the_state_as_it_is(
    server: FakeReka, command: Command, answer: dict[str, Any], out: str, code: int
) -> None:
    server.will_answer(200, answer)

    outcome = command("retrieval", "status", "job-1")

    assert (outcome.out, outcome.code) == (out, code)
    assert len(server.requests) == 1


def test_status_can_wait(server: FakeReka, command: Command) -> None:
    for answer in (RUNNING, COMPLETE):
        server.will_answer(200, answer)

    outcome = command("retrieval", "status", "job-1", "--wait", "--json")

    assert outcome.json == {"job_id": "job-1", **COMPLETE}


def test_a_wait_that_is_over_before_the_job_counts_as_no_answer_in_time(server: FakeReka, command: Command) -> None:
    server.will_answer(200, RUNNING)

    outcome = command("retrieval", "status", "job-1", "--wait", "--timeout", "0")

    assert outcome.code == 4
    assert "job job-1 was still RUNNING" in outcome.err


def test_ctrl_c_says_how_to_find_the_job_again(server: FakeReka, terminal: Callable[..., Terminal]) -> None:
    server.will_answer(200, "job-1")
    server.will_answer(200, RUNNING)
    server.will_give(say_nothing)

    shown = terminal("retrieval", "prepare", "notes")
    shown.expect("RUNNING")
    shown.interrupt()

    assert shown.end() == 130
    assert "the job continues: reka retrieval status job-1 --wait" in " ".join(shown.shown.split())
    assert "Traceback" not in shown.shown


@pytest.mark.parametrize(
    ("history", "done"),
    [
        ([], None),
        ([{}], None),
        ([{"progress": 0.25}, {"detail": "x"}], 0.25),
        ([{"progress": 0.25}, {"progress": 0.75}], 0.75),
        ([{"progress": 3}], 1.0),
        ([{"progress": -1}], 0.0),
        ([{"progress": "half"}], None),
        ([{"progress": True}], None),
    ],
)
def test_progress_is_the_last_that_the_history_tells(history: list[dict[str, Any]], done: float | None) -> None:
    assert progress_of(PrepareRetrievalStatusResponse(JobStatus.RUNNING, "", history)) == done


def test_a_complete_job_is_wholly_done_whatever_its_history_tells() -> None:
    assert progress_of(PrepareRetrievalStatusResponse(JobStatus.COMPLETE, "", [{"progress": 0.5}])) == 1.0
