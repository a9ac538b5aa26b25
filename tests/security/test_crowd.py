"""Slow connections, stalled uploads and costly requests, all at once, beside a client as any other."""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import pytest

from tests.support.processes import run_program
from tests.support.servers import open_caller

pytestmark = pytest.mark.prove

HEAD = (
    "POST {path} HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: k\r\nConnection: close\r\n"
    "Content-Length: {size}\r\n{more}\r\n"
)
MULTIPART = "Content-Type: multipart/form-data; boundary=b\r\n"

ESCAPES = b'{"messages":[{"role":"user","content":"' + b"\\n" * 32_000_000 + b'"}]}'
MESSAGES = json.dumps({"messages": [{"role": "user", "content": "a b " * 1_600}] * 9_900}).encode()
TEXT = json.dumps({"conversation_history": [{"type": "human", "text": "word foo bar. " * 4_000_000}]}).encode()
COSTLY = [("/v1/chat/completions", ESCAPES), ("/v1/chat", MESSAGES), ("/chat", TEXT)]
"""What takes longest of all that is not refused: escapes are parsed one by one."""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    command = (sys.executable, "-m", "reka.server", "--port", "0", "--data-dir", str(tmp_path / "data"))
    with run_program(*command) as url:
        yield url


def test_a_client_is_served_beside_them(url: str) -> None:
    address = (str(urlsplit(url).hostname), int(urlsplit(url).port or 0))
    upload = HEAD.format(path="/datasets", size=10**8, more=MULTIPART).encode() + b"--b\r\n"

    def ask(path: str, body: bytes) -> None:
        with socket.create_connection(address, timeout=120) as connection:
            try:
                connection.sendall(HEAD.format(path=path, size=len(body), more="").encode() + body)
                while connection.recv(65536):
                    pass
            except ConnectionError:
                pass  # refused before all of it was sent

    with ExitStack() as stack, open_caller(url) as caller:
        assert caller.chat("Hi. What?").ok
        for sent in [b"GET / HTTP/1.1\r\n"] * 100 + [upload] * 100:
            stack.enter_context(socket.create_connection(address)).sendall(sent)
        threads = [threading.Thread(target=ask, args=COSTLY[number % len(COSTLY)]) for number in range(20)]
        for thread in threads:
            thread.start()
        waits: list[float] = []
        while any(thread.is_alive() for thread in threads):
            began = monotonic()
            assert caller.ask("GET", "/healthz").ok
            waits.append(monotonic() - began)
            assert caller.chat("The owl hunts at night. What hunts?").ok

    # The machine's own load is in these figures, too: a server that stands still takes seconds.
    assert sorted(waits)[len(waits) * 9 // 10] < 1
