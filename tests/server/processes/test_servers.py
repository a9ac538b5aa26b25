"""Several processes that answer the requests to one server."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import requests
import uvicorn

from reka.server.http.connection import LimitedServer, limited_connection
from reka.server.processes.balance import SharedListener
from reka.server.processes.sharing import SharedCounts, forget_process, open_loads, prepare_folder
from reka.server.settings import Settings
from tests.server.processes.conftest import Serve
from tests.support.caller import Caller
from tests.support.rule_model import RuleModel
from tests.support.server_process import ServerProcess, await_end_of
from tests.support.servers import open_caller

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="on Windows processes cannot share a port")

SERVERS, CLIENTS = 2, 4


@pytest.fixture
def model() -> Iterator[RuleModel]:
    """A model that waits after the first part of an answer until its gate is open."""
    with RuleModel() as model:
        model.gate = threading.Event()
        yield model
        model.gate.set()


def behind(model: RuleModel, **more: object) -> dict[str, object]:
    return {"workers": SERVERS, "upstream": model.url, "upstream_model": "rules-1", **more}


def stream_of(api: Caller) -> requests.Response:
    body = {"messages": [{"role": "user", "content": "Repeat: a b c"}], "stream": True}
    return api.ask("POST", "/v1/chat/completions", json=body, stream=True)


def restart_each(server: ServerProcess, sign: signal.Signals) -> None:
    """End one process after the other by a signal, each when another has taken the place of the last."""
    for name in (f"reka server {number}" for number in range(SERVERS)):
        (process,) = server.children(name)
        os.kill(process, sign)
        server.await_child(name, but=process)


def test_several_processes_serve_one_port_and_count_together(serve: Serve) -> None:
    server = serve(workers=SERVERS)

    def ask(_: int) -> list[int]:
        with open_caller(server.api.url) as api:
            return [api.chat("hi").status_code for _ in range(5)]

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(ask, range(CLIENTS)))
    os.kill(server.children("reka server")[0], signal.SIGKILL)
    figures = server.api.ask("GET", "/metrics").text

    assert answers == [[200] * 5] * CLIENTS
    assert f'reka_requests_total{{method="POST",route="/chat",status="200"}} {CLIENTS * 5}.0' in figures
    assert 'reka_jobs{status="RUNNING"} 0.0' in figures
    assert "reka_upstream_busy 0.0" in figures


def test_several_processes_offer_the_models_of_their_upstream(serve: Serve, model: RuleModel) -> None:
    server = serve(workers=SERVERS, upstream=model.url)
    assert model.gate is not None
    model.gate.set()

    names = [one["id"] for one in server.api.ask("GET", "/v1/models").json()["data"]]
    body = {"model": "rules-1", "messages": [{"role": "user", "content": "Repeat: hi"}]}
    answer = server.api.ask("POST", "/v1/chat/completions", json=body)

    assert names == ["rules-1", "rules-2"]
    assert answer.status_code == 200, answer.text


def test_a_rolling_restart_answers_every_request_and_cuts_no_stream(serve: Serve, model: RuleModel) -> None:
    server = serve(**behind(model))
    before = set(server.children("reka server"))
    is_over = threading.Event()

    def ask(_: int) -> list[int]:
        answers = []
        with open_caller(server.api.url) as api:
            while not is_over.is_set():
                answers.append(api.ask("GET", "/datasets").status_code)
        return answers

    with ThreadPoolExecutor(CLIENTS) as pool, stream_of(server.api) as stream:
        lines = stream.iter_lines()
        next(lines)
        assert model.gate is not None
        asked = pool.map(ask, range(CLIENTS))
        threading.Timer(1.0, model.gate.set).start()  # while the process that streams is to end
        restart_each(server, signal.SIGTERM)
        is_over.set()
        answers = [answer for answers in asked for answer in answers]
        rest = [line for line in lines if line]

    assert rest[-1] == b"data: [DONE]"
    assert set(answers) == {200}
    assert not before & set(server.children("reka server"))


def test_while_all_processes_end_new_connections_are_answered(serve: Serve, model: RuleModel) -> None:
    server = serve(**behind(model))
    with stream_of(server.api) as stream:
        lines = stream.iter_lines()
        next(lines)
        server.send(signal.SIGTERM)
        answers = []
        for _ in range(CLIENTS):
            with open_caller(server.api.url) as api:
                while (answer := api.ask("GET", "/readyz")).json().get("draining") is None:
                    threading.Event().wait(0.02)
                answers.append((answer.status_code, api.ask("GET", "/datasets").status_code))
        assert model.gate is not None
        model.gate.set()
        rest = [line for line in lines if line]
    code = server.wait()

    assert answers == [(503, 200)] * CLIENTS
    assert rest[-1] == b"data: [DONE]"
    assert code == 0


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_all_processes_end_with_the_one_that_started_them(serve: Serve, sign: signal.Signals, data_dir: Path) -> None:
    server = serve(workers=SERVERS)
    server.api.add_prepared("notes", "An owl hunts.")
    children = server.children("reka ")
    server.api.close()  # of an open connection the next request is waited for

    code = server.end(sign)

    await_end_of(*children)
    assert len(children) == SERVERS + 1
    assert (code == 0) is (sign == signal.SIGTERM)
    assert [chunk["text"] for chunk in serve(workers=SERVERS).api.chunks("owl", "notes")] == ["An owl hunts."]


class UnsafeOthers:
    """Other processes, to which nothing may be reported while a signal is handled."""

    def __init__(self) -> None:
        self.has_left = False

    def report(self, connections: int | None) -> None:
        raise AssertionError(f"what it waits for, the interrupted code may have: {connections}")

    def leave(self) -> None:
        self.has_left = True

    def accept(self) -> bool:
        return True

    def drain(self) -> bool:
        return False


def test_what_handles_sigterm_waits_for_nothing_that_the_interrupted_code_may_have(data_dir: Path) -> None:
    others = UnsafeOthers()
    config = uvicorn.Config("json:loads", http=limited_connection(Settings(data_dir=data_dir)))
    config.load()

    LimitedServer(config, 1, lambda: None, others).handle_exit(signal.SIGTERM, None)

    assert others.has_left


def test_the_limit_of_chats_is_that_of_all_processes(serve: Serve, model: RuleModel) -> None:
    server = serve(**behind(model, concurrent_chats=1, requests_per_minute=1000))

    with stream_of(server.api) as stream:
        lines = stream.iter_lines()  # without which the connection would be closed
        next(lines)
        refused = []
        for _ in range(CLIENTS):
            with open_caller(server.api.url) as api:
                refused.append(api.chat("Repeat: hi").status_code)
        restart_each(server, signal.SIGKILL)
    assert model.gate is not None
    model.gate.set()
    with open_caller(server.api.url) as api:
        after = api.chat("Repeat: hi")

    assert refused == [429] * CLIENTS
    assert (after.status_code, after.headers["x-ratelimit-limit"]) == (200, "1000")


def test_processes_count_the_requests_and_chats_of_an_owner_together(tmp_path: Path) -> None:
    folder = tmp_path / "processes"
    prepare_folder(folder, 2)
    path = folder / "counts.sqlite"
    with closing(SharedCounts(path, 0)) as one, closing(SharedCounts(path, 1)) as other:
        requests = [counts.add_request("ann", 7) for counts in (one, other, one)]
        later, of_another = other.add_request("ann", 8), other.add_request("bob", 8)
        chats = [counts.begin_chat("ann", 2) for counts in (one, other, one, other)]
        other.end_chat("ann")
        freed = one.begin_chat("ann", 2), one.begin_chat("ann", 2)
        forget_process(folder, 0)
        after_an_end = other.begin_chat("ann", 2), other.begin_chat("ann", 2), other.begin_chat("ann", 2)

    assert requests == [1, 2, 3]
    assert (later, of_another) == (1, 1)
    assert chats == [True, True, False, False]
    assert freed == (True, False)
    assert after_an_end == (True, True, False)


def test_requests_are_not_limited_while_their_counts_cannot_be_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepare_folder(tmp_path / "processes", 1)
    counts = SharedCounts(tmp_path / "processes" / "counts.sqlite", 0)
    counts.close()

    assert (counts.add_request("ann", 7), counts.begin_chat("ann", 1)) == (0, True)
    assert "cannot count requests" in caplog.text


def test_the_process_with_the_fewest_connections_takes_the_next_one(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "processes", 3)
    loads = [open_loads(tmp_path / "processes", process) for process in range(2)]  # the third one is not there
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as opened:
        listener.setblocking(False)
        listeners = [opened.enter_context(SharedListener(os.dup(listener.fileno()), load)) for load in loads]
        loads[0].publish(1)
        loads[1].publish(0)
        opened.enter_context(socket.create_connection(listener.getsockname()))
        with pytest.raises(BlockingIOError):
            listeners[0].accept()
        opened.enter_context(listeners[1].accept()[0])
        opened.enter_context(socket.create_connection(listener.getsockname()))
        opened.enter_context(listeners[0].accept()[0])  # both have one
        opened.enter_context(socket.create_connection(listener.getsockname()))
        loads[1].publish(0)
        refusals = 0
        while True:  # the other one does not take it
            try:
                opened.enter_context(listeners[0].accept()[0])
                break
            except BlockingIOError:
                refusals += 1

    assert refusals > 0
