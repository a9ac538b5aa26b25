"""The connections of a client: kept, counted, alive, and found anew when the environment has changed."""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from urllib.parse import urlsplit

import pytest

import reka
from reka.testing import Connection, FakeReka, answer
from tests.support.clients import KEY, Connect
from tests.support.processes import output_of
from tests.support.tls import LOOPBACK_CERTIFICATE

AT_ONCE = 80


def sockets_to(url: str) -> list[socket.socket]:
    """Copies of this process's sockets that are connected to a server; close them."""
    port, found = urlsplit(url).port, []
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208  # names
        try:
            copy = socket.socket(fileno=os.dup(int(descriptor)))
        except OSError:
            continue
        if copy.family == socket.AF_INET and _peer_port(copy) == port:
            found.append(copy)
        else:
            copy.close()
    return found


def test_tcp_keepalive_is_on(connect: Connect, fake: FakeReka) -> None:
    fake.will_answer(200, [])

    with connect(KEY, fake.url) as client:
        client.get_models()
        connected = sockets_to(fake.url)

    assert [sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) for sock in connected] == [1]
    assert [sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for sock in connected] == [1]
    assert [sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) for sock in connected] == [60]
    for sock in connected:
        sock.close()


def _peer_port(sock: socket.socket) -> int | None:
    try:
        return int(sock.getpeername()[1])
    except OSError:  # it listens
        return None


def ask_at_once(client: reka.Reka, fake: FakeReka) -> None:
    """Call from many threads, none of which is answered before all have called."""
    together = Barrier(AT_ONCE)

    def answer_together(connection: Connection) -> None:
        together.wait(20)
        answer(200, [])(connection)

    fake.otherwise = answer_together
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: client.get_models(), range(AT_ONCE)))


def test_each_of_many_threads_finds_its_connection_again(fake: FakeReka, caplog: pytest.LogCaptureFixture) -> None:
    with reka.Reka(KEY, fake.url) as client:
        for _ in range(2):
            ask_at_once(client, fake)

    assert fake.connections == AT_ONCE
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_no_more_idle_connections_are_kept_than_the_caller_says(
    fake: FakeReka, caplog: pytest.LogCaptureFixture
) -> None:
    with reka.Reka(KEY, fake.url, pool_size=3) as client:
        ask_at_once(client, fake)
        kept = sockets_to(fake.url)
        for sock in kept:
            sock.close()

    assert len(kept) == 3
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("size", [0, -1, 2.5, "3", True])
def test_the_size_of_a_pool_is_checked(connect: Connect, size: Any) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=r"^pool_size: got .* want "):
        connect(KEY, pool_size=size)


async def test_an_async_client_opens_no_more_connections_than_the_caller_says(fake: FakeReka) -> None:
    fake.otherwise = answer(200, [])

    async with reka.AsyncReka(KEY, fake.url, pool_size=3) as client:
        answers = await asyncio.gather(*(client.get_models() for _ in range(20)))

    assert answers == [[]] * 20
    assert fake.connections == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_has_connections_of_its_own(fake: FakeReka) -> None:
    fake.otherwise = answer(200, [])

    with reka.Reka(KEY, fake.url) as client:
        client.get_models()
        ended = exit_status_of_child(client.get_models)
        client.get_models()

    assert ended == 0
    assert (len(fake.requests), fake.connections) == (3, 2)


FORK_DURING_FIRST_USE = """
import os, signal, sys, threading
PAUSE_AT = sys.argv[1]
import reka

class Pause:
    importing, forking = threading.Event(), threading.Event()

    def find_spec(self, name, path=None, target=None):
        if name == PAUSE_AT:
            self.importing.set()
            self.forking.wait(0.5)

sys.meta_path.insert(0, Pause())
thread = threading.Thread(target=lambda: reka.chat("Hi"))
thread.start()
Pause.importing.wait()
if child := os.fork():
    thread.join()
    sys.exit(os.waitpid(child, 0)[1])
signal.alarm(20)
reka.chat("Hi")
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize("module", ["reka.client", "urllib3.connectionpool", "reka._transport.sync"])
def test_a_child_forked_while_a_thread_makes_its_first_use_of_the_package_can_call(fake: FakeReka, module: str) -> None:
    where = {"REKA_API_KEY": KEY, "REKA_BASE_URL": fake.url}
    fake.otherwise = answer(200, {"type": "model", "text": "Hello"})

    output_of(sys.executable, "-W", "ignore", "-c", FORK_DURING_FIRST_USE, module, **where)

    assert len(fake.requests) == 2


def exit_status_of_child(work: Callable[[], object]) -> int:
    """Do something in a forked child, which is 0 if that succeeds within ten seconds."""
    child = os.fork()
    if child == 0:
        import signal

        signal.alarm(10)
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


@pytest.fixture
def proxy() -> Iterator[FakeReka]:
    server = FakeReka()
    server.otherwise = answer(200, [])
    yield server
    server.close()


def test_a_proxy_that_the_environment_names_later_is_used(
    connect: Connect, proxy: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REKA_TEST", "gone when the other comes: there are as many variables")

    with connect(KEY, "http://reka.test", max_retries=0) as client:
        with pytest.raises(reka.APIConnectionError):
            client.get_models()
        monkeypatch.delenv("REKA_TEST")
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert client.get_models() == []

    assert proxy.paths == ["GET http://reka.test/models"]


def test_a_proxy_that_the_environment_names_no_more_is_left_out(
    connect: Connect, fake: FakeReka, proxy: FakeReka, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.otherwise = answer(200, [])
    changes: list[Callable[[], object]] = [
        lambda: monkeypatch.setenv("http_proxy", proxy.url),
        lambda: monkeypatch.setenv("all_proxy", fake.url),
        lambda: monkeypatch.delenv("http_proxy"),
        lambda: monkeypatch.setenv("http_proxy", proxy.url),
    ]

    seen = []
    with connect(KEY, "http://reka.example") as client:
        for change in changes:
            change()
            client.get_models()
            seen.append((len(proxy.requests), len(fake.requests)))

    assert seen == [(1, 0), (2, 0), (2, 1), (3, 1)]


def test_a_certificate_that_the_environment_trusts_later_is_taken_and_one_that_it_no_longer_trusts_is_not(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure = FakeReka(LOOPBACK_CERTIFICATE)
    secure.otherwise = answer(200, [])

    with connect(KEY, secure.url, max_retries=0) as client:
        with pytest.raises(reka.APIConnectionError, match="TLS failed"):
            client.get_models()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(LOOPBACK_CERTIFICATE))
        assert client.get_models() == []
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        with pytest.raises(reka.APIConnectionError, match="TLS failed"):
            client.get_models()

    secure.close()
    assert len(secure.requests) == 1
