"""The process that runs the jobs of `reka serve`, or of several of them."""

import os
import signal
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

from reka.server.errors import StartError
from reka.server.storage.data_dir import DataFolder
from tests.server.processes.conftest import Serve
from tests.support.peers import ROOT
from tests.support.server_process import await_end_of, processes
from tests.support.servers import Call, Start

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals between processes")

LONG = "\n\n".join(f"Entry {number}. " + "The sea was calm and the lamp burned. " * 12 for number in range(1200))


def run_worker(data_dir: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "reka.cli", "worker", "--data-dir", str(data_dir), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_server_has_its_jobs_run_by_a_process_of_lower_priority(serve: Serve) -> None:
    server = serve()
    worker = server.await_child("reka worker")
    server.api.add_prepared("notes", "An owl hunts.")

    assert [chunk["text"] for chunk in server.api.chunks("owl", "notes")] == ["An owl hunts."]
    assert os.getpriority(os.PRIO_PROCESS, worker) > os.getpriority(os.PRIO_PROCESS, 0)
    assert server.api.ask("GET", "/readyz").json()["worker"] is True


def test_a_worker_stays_when_a_terminal_hangs_up(serve: Serve) -> None:
    server = serve()
    server.api.add_prepared("notes", "An owl hunts.")
    worker = server.await_child("reka worker")

    os.kill(worker, signal.SIGHUP)
    server.api.add_prepared("more", "A hen lays.")

    assert server.await_child("reka worker") == worker


def test_a_server_inside_a_program_starts_no_process(start: Start, call: Call) -> None:
    call(start()).add_prepared("notes", "An owl hunts.")

    assert not [command for parent, command in processes().values() if parent == os.getpid() and "reka" in command]


def test_a_worker_that_is_killed_is_started_again_and_goes_on(serve: Serve) -> None:
    server = serve()
    server.api.add("log", LONG)
    job = server.api.prepare("log").json()
    worker = server.await_child("reka worker")
    while server.api.status(job)["job_status"] == "PENDING":
        threading.Event().wait(0.02)

    os.kill(worker, signal.SIGKILL)
    other = server.await_child("reka worker", but=worker)

    status = server.api.await_end(job)
    assert other != worker
    assert status["job_status"] == "COMPLETE"
    assert "Restarted" in [line["detail"] for line in status["history"]]


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_worker_ends_with_its_server_however_that_ends(serve: Serve, sign: signal.Signals, data_dir: Path) -> None:
    server = serve()
    worker = server.await_child("reka worker")
    server.api.add("log", LONG)
    job = server.api.prepare("log").json()
    while server.api.status(job)["job_status"] == "PENDING":
        threading.Event().wait(0.02)

    code = server.end(sign)

    await_end_of(worker)
    assert (code < 0) is (sign == signal.SIGKILL)
    again = serve()
    assert again.api.await_end(job)["job_status"] == "COMPLETE"
    assert len(list((data_dir / "index").iterdir())) == 1


def test_a_dataset_that_is_deleted_while_another_process_prepares_it_leaves_nothing(
    serve: Serve, data_dir: Path
) -> None:
    server = serve()
    server.api.add("log", LONG)
    server.api.add("next", "An owl hunts.")
    job, next_job = server.api.prepare("log").json(), server.api.prepare("next").json()
    while len(server.api.status(job)["history"]) < 4:
        threading.Event().wait(0.02)

    assert server.api.delete("log").ok

    assert server.api.status(job)["job_status"] == "ERROR"
    assert server.api.await_end(next_job)["job_status"] == "COMPLETE"
    assert len(list((data_dir / "index").iterdir())) == 1


def test_a_worker_runs_the_jobs_of_a_server_that_runs_none(serve: Serve, data_dir: Path) -> None:
    server = serve(no_worker=True)
    server.api.add("notes", "An owl hunts.")
    job = server.api.prepare("notes").json()

    with run_worker(data_dir) as worker:
        ended = server.api.await_end(job)
        worker.send_signal(signal.SIGTERM)
        out, err = worker.communicate(timeout=30)

    assert ended["job_status"] == "COMPLETE"
    assert [chunk["text"] for chunk in server.api.chunks("owl", "notes")] == ["An owl hunts."]
    assert "worker" not in server.api.ask("GET", "/readyz").json()
    assert server.children("reka worker") == []
    assert (worker.returncode, out) == (0, "")
    assert "Traceback" not in err


def test_a_worker_beside_a_server_that_runs_its_jobs_says_in_one_line_what_to_do(start: Start, data_dir: Path) -> None:
    start()

    with run_worker(data_dir) as worker:
        _, err = worker.communicate(timeout=30)

    assert worker.returncode == 1
    assert err.count("\n") == 1
    assert "a server already runs the jobs" in err
    assert "--no-worker" in err


def test_a_server_that_runs_its_jobs_is_refused_where_workers_run_them(
    serve: Serve, start: Start, data_dir: Path
) -> None:
    server = serve(no_worker=True)
    server.api.add("notes", "An owl hunts.")
    with run_worker(data_dir) as worker, DataFolder(data_dir).working():
        server.api.await_end(server.api.prepare("notes").json())
        server.end()
        with pytest.raises(StartError, match=r"a worker \(reka worker\) runs the jobs .* --no-worker"):
            start()
        start(no_worker=True).stop()
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=30)

    assert start().url


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed: tests/server/ray has its errors")
def test_a_worker_for_a_ray_cluster_says_in_one_line_that_ray_is_not_installed(data_dir: Path) -> None:
    with run_worker(data_dir, "--ray", "127.0.0.1:6379") as worker:
        out, err = worker.communicate(timeout=30)

    assert (worker.returncode, out, err.count("\n")) == (1, "", 1)
    assert "ray: " in err
    assert "pip install 'reka[ray]'" in err


def test_a_worker_has_its_chunks_embedded_on_the_ray_cluster_that_it_is_given(
    serve: Serve, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(no_worker=True)
    server.api.add("log", LONG)
    job = server.api.prepare("log").json()
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests/support/stand_ins"), prepend=os.pathsep)
    monkeypatch.setenv("REKA_SERVER_RAY_AFTER_SECONDS", "0")

    with run_worker(data_dir, "--ray", "a-stand-in") as worker:
        status = server.api.await_end(job)
        worker.send_signal(signal.SIGTERM)
        _, err = worker.communicate(timeout=30)

    assert status["job_status"] == "COMPLETE"
    assert server.api.chunks("lamp", "log")
    assert "the Ray cluster at a-stand-in embeds the rest" in err
    assert worker.returncode == 0
