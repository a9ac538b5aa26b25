"""Clients that go away, clients that come all at once, and more of them than there is room for."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from reka.server.run import BackgroundServer
from reka.testing import FakeReka
from tests.support.caller import Caller
from tests.support.protocols import completion_chunks, deltas, messages, post_completion, post_v1_chat, v1_chat_events
from tests.support.rule_model import RuleModel
from tests.support.servers import open_caller, run_server

A_SECOND = 1.0
"""In which an upstream must be rid of a question that nobody waits for."""

PATIENCE = 30.0
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "A": ("/chat", {"conversation_history": [{"type": "human", "text": "Repeat: a b c"}]}),
    "B": ("/v1/chat", {"messages": messages("Repeat: a b c")}),
    "B streamed": ("/v1/chat", {"messages": messages("Repeat: a b c"), "stream": True}),
    "C": ("/v1/chat/completions", {"messages": messages("Repeat: a b c")}),
    "C streamed": ("/v1/chat/completions", {"messages": messages("Repeat: a b c"), "stream": True}),
}
EVERY_WAY = pytest.mark.parametrize("way", BODIES)
STREAMED = pytest.mark.parametrize("way", ["B streamed", "C streamed"])


@pytest.fixture
def gated() -> Iterator[RuleModel]:
    """A model that begins each stream and goes on when the gate is opened."""
    with RuleModel() as model:
        model.gate = threading.Event()
        yield model


@contextmanager
def asking(url: str, way: str) -> Iterator[socket.socket]:
    """A client that has asked a question, and goes away when the block ends."""
    path, body = BODIES[way]
    sent = json.dumps(body).encode()
    parts = urlsplit(url)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=PATIENCE) as client:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: k\r\nContent-Length: {len(sent)}\r\n\r\n"
        client.sendall(head.encode() + sent)
        yield client


def waits_until(api: Caller, figure: str, value: int) -> None:
    """Wait until `/metrics` tells this."""
    while f"\n{figure} {value:.1f}\n" not in api.ask("GET", "/metrics").text:
        threading.Event().wait(0.01)


class HeldQuestion:
    """An upstream's answer to one question: nothing, until the one who asked has gone."""

    def __init__(self, fake: FakeReka) -> None:
        self.has_come = threading.Event()
        self.is_gone = threading.Event()
        fake.will_give(self._hold)

    def _hold(self, handler: Any) -> None:
        self.has_come.set()
        handler.connection.settimeout(PATIENCE)
        if handler.connection.recv(1) == b"":
            self.is_gone.set()


@STREAMED
def test_a_client_that_goes_away_in_a_stream_frees_the_upstream(gated: RuleModel, way: str, tmp_path: Path) -> None:
    given = {"upstream": gated.url, "upstream_model": "rules-1", "upstream_concurrency": 1, "upstream_queue": 0}
    with run_server(tmp_path, **given) as server, open_caller(server.url) as api:
        with asking(server.url, way) as client:
            seen = b""
            while b'"a ' not in seen:
                seen += client.recv(1000)
            busy = post_completion(api, "hi")

        assert gated.abandoned.acquire(timeout=A_SECOND)
        assert busy.status_code == 503
        waits_until(api, "reka_upstream_busy", 0)
        gated.gate = None
        assert post_completion(api, "Repeat: next").json()["choices"][0]["message"]["content"] == "next"


@EVERY_WAY
def test_a_client_that_goes_away_before_its_answer_frees_the_upstream(
    fake: FakeReka, one_place: BackgroundServer, way: str
) -> None:
    held = HeldQuestion(fake)

    with asking(one_place.url, way):
        assert held.has_come.wait(PATIENCE)

    assert held.is_gone.wait(A_SECOND)
    with open_caller(one_place.url) as api:
        waits_until(api, "reka_upstream_busy", 0)
        assert f'route="{BODIES[way][0]}",status="499"' in api.ask("GET", "/metrics").text


@EVERY_WAY
def test_a_client_that_goes_away_while_it_waits_frees_its_place_in_the_queue(
    fake: FakeReka, one_place: BackgroundServer, way: str
) -> None:
    held = HeldQuestion(fake)
    with open_caller(one_place.url) as api, asking(one_place.url, "A"):
        assert held.has_come.wait(PATIENCE)
        with asking(one_place.url, way):
            waits_until(api, "reka_upstream_waiting", 1)
            assert api.chat("hi").status_code == 503
        waits_until(api, "reka_upstream_waiting", 0)

    assert held.is_gone.wait(A_SECOND)
    assert len(fake.requests) == 1  # the one that waited was never sent


@pytest.fixture
def one_place(fake: FakeReka, tmp_path: Path) -> Iterator[BackgroundServer]:
    """A server that asks its upstream one question at a time, while one waits."""
    given = {"upstream": fake.url, "upstream_model": "m", "upstream_concurrency": 1, "upstream_queue": 1}
    with run_server(tmp_path, **given, upstream_retries=0) as server:
        yield server


def test_a_fast_stream_is_not_read_to_its_end_for_nobody(fake: FakeReka, tmp_path: Path) -> None:
    chunk = b'data: {"choices": [{"delta": {"content": "' + b"x" * 60_000 + b'"}}]}\n\n'
    gone = threading.Event()

    def flood(handler: Any) -> None:
        handler.begin("text/event-stream")
        try:
            for _ in range(500):
                handler.chunk(chunk)
        except OSError:
            gone.set()

    fake.will_give(flood)
    with run_server(tmp_path, upstream=fake.url, upstream_model="m") as server:
        with asking(server.url, "C streamed") as client:
            assert client.recv(1000)
        assert gone.wait(PATIENCE)


@contextmanager
def held_streams(api: Caller, number: int) -> Iterator[list[requests.Response]]:
    """Streams that have begun."""
    with ExitStack() as stack:
        answers = []
        for index in range(number):
            path = "/v1/chat/completions"
            body = {"messages": messages(f"Repeat: {index} x y"), "stream": True}
            answers.append(stack.enter_context(api.ask("POST", path, json=body, stream=True)))
            assert answers[-1].status_code == 200
        yield answers


def test_who_finds_no_room_is_told_when_to_come_back_and_all_others_are_answered(
    gated: RuleModel, tmp_path: Path
) -> None:
    given = {"upstream": gated.url, "upstream_model": "rules-1", "upstream_concurrency": 2, "upstream_queue": 3}
    with (
        run_server(tmp_path, **given) as server,
        open_caller(server.url) as api,
        ThreadPoolExecutor(3) as pool,
        held_streams(api, 2) as streams,
    ):
        waiting = [pool.submit(_one_answer, server.url, f"waiting {index}") for index in range(3)]
        waits_until(api, "reka_upstream_waiting", 3)

        refused = {
            "A": api.chat("hi"),
            "B": post_v1_chat(api, "hi"),
            "B streamed": post_v1_chat(api, "hi", stream=True),
            "C": post_completion(api, "hi"),
            "C streamed": post_completion(api, "hi", stream=True),
        }
        assert gated.gate is not None
        gated.gate.set()

        assert [future.result() for future in waiting] == ["waiting 0", "waiting 1", "waiting 2"]
        for index, stream in enumerate(streams):
            assert "".join(delta.get("content", "") for delta in deltas(completion_chunks(stream))) == f"{index} x y"
    for way, answer in refused.items():
        said = answer.json()["error"]["message"] if way.startswith("C") else answer.json()["detail"]
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert said == "the server is busy: 2 requests running, 3 waiting"


def test_who_waits_too_long_is_told_when_to_come_back(gated: RuleModel, tmp_path: Path) -> None:
    given = {"upstream": gated.url, "upstream_model": "rules-1", "upstream_concurrency": 1}
    with (
        run_server(tmp_path, **given, upstream_queue_wait=0.1) as server,
        open_caller(server.url) as api,
        held_streams(api, 1),
    ):
        answer = post_completion(api, "hi")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "within 0.1 s" in answer.json()["error"]["message"]


def test_who_waits_is_served_in_the_order_of_coming(gated: RuleModel, tmp_path: Path) -> None:
    given = {"upstream": gated.url, "upstream_model": "rules-1", "upstream_concurrency": 1}
    with (
        run_server(tmp_path, **given) as server,
        open_caller(server.url) as api,
        ThreadPoolExecutor(5) as pool,
        held_streams(api, 1),
    ):
        futures = []
        for index in range(5):
            futures.append(pool.submit(_one_answer, server.url, f"turn {index}"))
            waits_until(api, "reka_upstream_waiting", index + 1)
        assert gated.gate is not None
        gated.gate.set()
        assert [future.result() for future in futures] == [f"turn {index}" for index in range(5)]

    asked = [request["messages"][0]["content"] for request in gated.requests]
    assert asked[1:] == [f"Repeat: turn {index}" for index in range(5)]


def _one_answer(url: str, text: str) -> str:
    with open_caller(url) as api:
        return _completion(api, f"Repeat: {text}")


def _documented(api: Caller, text: str, **more: Any) -> str:
    return str(api.chat(text, **more).json()["text"])


def _native(api: Caller, text: str, **more: Any) -> str:
    return str(post_v1_chat(api, text, **more).json()["responses"][0]["message"]["content"])


def _native_streamed(api: Caller, text: str, **more: Any) -> str:
    return str(v1_chat_events(post_v1_chat(api, text, stream=True, **more))[-1]["responses"][0]["chunk"]["content"])


def _completion(api: Caller, text: str, **more: Any) -> str:
    return str(post_completion(api, text, **more).json()["choices"][0]["message"]["content"])


def _completion_streamed(api: Caller, text: str, **more: Any) -> str:
    return "".join(
        delta.get("content", "") for delta in deltas(completion_chunks(post_completion(api, text, stream=True, **more)))
    )


ANSWERS: list[Callable[..., str]] = [_documented, _native, _native_streamed, _completion, _completion_streamed]
"""The text that each way of asking gives."""


def test_a_hundred_clients_at_once_get_each_its_own_answer(modelled_url: str) -> None:
    all_are_there = threading.Barrier(100)

    def ask(number: int) -> list[str]:
        with open_caller(modelled_url) as api:
            all_are_there.wait(PATIENCE)
            return [answer(api, f"Repeat: client {number} way {way}") for way, answer in enumerate(ANSWERS)]

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(ask, range(100)))

    assert answers == [[f"client {number} way {way}" for way in range(len(ANSWERS))] for number in range(100)]


def test_a_hundred_clients_at_once_get_each_the_quotation_it_asks_for(quoting_url: str) -> None:
    all_are_there = threading.Barrier(100)
    questions = ["When does the owl of the mill hunt?", "How many eggs does the hen of the farm lay?"]
    said = ["The owl of the mill hunts at night.", "The hen of the farm lays 12 eggs."]

    def ask(number: int) -> str:
        with open_caller(quoting_url) as api:
            all_are_there.wait(PATIENCE)
            return ANSWERS[number % 5](api, questions[number % 2], retrieval_dataset="notes")

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(ask, range(100)))

    assert all(said[number % 2] in answer for number, answer in enumerate(answers))
