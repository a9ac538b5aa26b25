"""The access log: what a line has, what it never has, and what becomes of the file."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from reka.server.telemetry.access_log import AccessLog, Outcome, json_line, log_fields, text_line
from reka.server.telemetry.request_record import new_record
from tests.support.backends import EchoBackend
from tests.support.servers import Call, Start

KEY = "a-secret-key"
DONE = Outcome("GET", "/healthz", "/healthz", 200, 0.0125, 0, 11, is_complete=True)
QUESTION = {"messages": [{"role": "user", "content": "When do owls hunt?"}]}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_line_says_who_asked_for_what_and_how_it_went(start: Start, call: Call, log: Path) -> None:
    server = start(backend=EchoBackend(), access_log=str(log))
    answer = call(server, KEY).ask("POST", "/v1/chat/completions", json=QUESTION, headers={"x-request-id": "r-1"})
    server.stop()

    (line,) = lines(log)
    assert line.pop("time").endswith("Z")
    assert 0 < line.pop("seconds") < 30
    assert line == {
        "request_id": "r-1",
        "method": "POST",
        "route": "/v1/chat/completions",
        "status": 200,
        "bytes_in": len(answer.request.body or ""),
        "bytes_out": len(answer.content),
        "owner": sha256(sha256(KEY.encode()).hexdigest().encode()).hexdigest()[:12],
        "model": "reka-flash",
        "input_tokens": 3,
        "output_tokens": 2,
    }


def test_a_stream_has_its_tokens_and_all_its_bytes(start: Start, call: Call, log: Path) -> None:
    server = start(backend=EchoBackend(), access_log=str(log))
    answer = call(server).ask("POST", "/v1/chat/completions", json={**QUESTION, "stream": True})
    server.stop()

    (line,) = lines(log)
    assert (line["input_tokens"], line["output_tokens"]) == (3, 2)
    assert line["bytes_out"] == len(answer.content)
    assert "complete" not in line


def test_a_search_has_its_chunks_and_not_its_dataset(start: Start, call: Call, log: Path) -> None:
    server = start(access_log=str(log))
    api = call(server, KEY)
    api.add_prepared("secret-name", "The owl hunts at night.")
    api.search("secret-name", "secret-question", k=1)
    api.chat("secret-question", retrieval_dataset="secret-name")
    server.stop()

    text = log.read_text()
    assert [line["chunks"] for line in lines(log) if "chunks" in line] == [1, 1]
    assert not {secret for secret in ("secret-name", "secret-question", KEY, "The owl") if secret in text}
    assert {line["route"] for line in lines(log)} >= {"/datasets/{name}/search", "/datasets"}


def test_paths_and_prompts_are_there_for_who_asks(start: Start, call: Call, log: Path) -> None:
    server = start(backend=EchoBackend(), access_log=str(log), access_log_paths=True, access_log_prompts=True)
    api = call(server)
    api.chat("When?")
    api.delete("notes")
    server.stop()

    chat, deletion = lines(log)
    assert (chat["path"], chat["prompt"]) == ("/chat", "When?")
    assert (deletion["path"], deletion["status"]) == ("/datasets/notes", 404)


def test_what_no_route_takes_is_logged_without_its_path(start: Start, call: Call, log: Path) -> None:
    server = start(access_log=str(log))
    call(server).ask("GET", "/secret-name")
    server.stop()

    (line,) = lines(log)
    assert (line["status"], line.get("route")) == (404, None)
    assert "secret-name" not in log.read_text()


def test_a_server_logs_nothing_unless_it_is_asked_to(start: Start, call: Call, log: Path) -> None:
    server = start()
    call(server).chat("Hi")
    server.stop()

    assert not log.exists()


def test_a_file_that_cannot_be_written_stops_the_start(start: Start, log: Path) -> None:
    with pytest.raises(Exception, match=r"access_log: cannot write .*want the path of a file, or - for"):
        start(access_log=str(log / "no" / "folder"))


def test_a_standard_output_that_is_closed_is_named(tmp_path: Path) -> None:
    command = f'"{sys.executable}" -m reka.server --port 0 --data-dir "{tmp_path}" >&-'
    environment = os.environ | {"REKA_SERVER_ACCESS_LOG": "-"}

    done = subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, check=False, timeout=60
    )

    message = "error: access_log: got '-', and the standard output is closed: give the path of a file instead\n"
    assert (done.returncode, done.stderr) == (1, message)


def test_a_file_that_is_moved_away_is_made_anew(log: Path) -> None:
    written = AccessLog(str(log))
    record = new_record([])
    written.write(record, DONE)
    moved = log.rename(log.with_suffix(".1"))
    again = AccessLog(str(moved))  # another process
    again.close()
    while not log.exists():
        written.write(record, DONE)
    written.close()

    assert lines(log)[0]["route"] == "/healthz"
    assert log.stat().st_mode & 0o077 == 0


def test_a_line_that_cannot_be_written_is_a_complaint_and_no_fault(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    written = AccessLog(str(log))
    written.close()

    for _ in range(3):
        written.write(new_record([]), DONE)

    assert caplog.text.count("the access log cannot be written") == 1


@pytest.mark.parametrize("hostile", ["a\nb", "\x1b[2J", "a b", 'a"b', "\u2028", "ä\u202e", ""])
def test_no_value_breaks_a_line(hostile: str) -> None:
    record = new_record([])
    record.model = hostile
    fields = log_fields(record, DONE, 0.0)

    for line in (json_line(fields), text_line(fields)):
        assert line[:-1].isprintable()
        assert line.endswith("\n")
    assert json.loads(json_line(fields))["model"] == hostile


def test_a_long_value_is_cut_off() -> None:
    record = new_record([])
    record.model = record.prompt = "a" * 100_000

    fields = log_fields(record, DONE, 0.0, with_prompt=True)

    assert (len(fields["model"]), len(fields["prompt"])) == (303, 10_003)


def test_a_response_that_was_cut_off_is_marked() -> None:
    record = new_record([])

    whole, cut = (log_fields(record, DONE._replace(is_complete=is_whole), 0.0) for is_whole in (True, False))

    assert "complete" not in whole
    assert cut["complete"] is False


def test_a_line_for_a_terminal_begins_with_what_was_asked_for() -> None:
    line = text_line(log_fields(new_record([(b"x-request-id", b"r-1")]), DONE, 0.0))

    assert line == ("1970-01-01T00:00:00.000Z GET /healthz 200 request_id=r-1 seconds=0.0125 bytes_in=0 bytes_out=11\n")
