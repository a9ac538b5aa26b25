"""Work for a client that has gone ends, also in threads, which nobody can stop."""

import json
import socket
import threading
from collections.abc import Sequence
from contextvars import copy_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from reka.server.cancellation import Work, WorkCancelledError, check_cancelled
from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.index import Index, Mode
from reka.server.run import BackgroundServer
from tests.support.embedders import GatedEmbedder, WordEmbedder
from tests.support.servers import Call, Start


class RecordingEmbedder(GatedEmbedder):
    """Tells what it counts after its gate was opened."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: list[str] = []

    def count_tokens(self, text: str) -> int:
        if self.gate.is_set():
            self.counted.append(text)
        return super().count_tokens(text)


def leave(server: BackgroundServer, path: str, body: dict[str, Any], embedder: GatedEmbedder) -> None:
    """Ask, and close the connection while the question is being embedded."""
    parts = urlsplit(server.url)
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: gone\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.create_connection((str(parts.hostname), int(parts.port or 0))) as connection:
        connection.sendall(head.encode() + data)
        assert embedder.has_arrived.wait(30)


@pytest.mark.parametrize("path", ["/chat", "/v1/chat", "/v1/chat/completions"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_that_nobody_waits_for_is_not_finished(start: Start, call: Call, path: str, stream: bool) -> None:
    embedder = RecordingEmbedder()
    server = start(embedder=embedder)
    text = "The owl hunts at night. When does the owl of the abandoned question hunt?"
    body: dict[str, Any] = {"messages": [{"role": "user", "content": text}], "stream": stream}
    if path == "/chat":
        body = {"conversation_history": [{"type": "human", "text": text}]}

    leave(server, path, body, embedder)
    metrics = call(server).ask("GET", "/metrics").text
    while 'status="499"' not in metrics:  # until the server has noticed
        metrics = call(server).ask("GET", "/metrics").text
    embedder.gate.set()
    server.stop()

    assert not [text for text in embedder.counted if "abandoned" in text]


def test_texts_that_nobody_waits_for_are_not_embedded_to_the_end(start: Start, call: Call) -> None:
    embedder = RecordingEmbedder()
    server = start(embedder=embedder)

    leave(server, "/v1/embeddings", {"input": [f"text {number}" for number in range(500)]}, embedder)
    metrics = call(server).ask("GET", "/metrics").text
    while 'status="499"' not in metrics:  # until the server has noticed
        metrics = call(server).ask("GET", "/metrics").text
    embedder.gate.set()
    server.stop()

    assert "text 0" in embedder.embedded
    assert "text 499" not in embedder.embedded


@pytest.mark.parametrize("mode", ["hybrid", "vector"])
def test_a_search_that_nobody_waits_for_ends_at_its_next_step(tmp_path: Path, mode: Mode) -> None:
    class LeavingEmbedder(WordEmbedder):
        work: Work | None = None

        def embed(self, texts: Sequence[str]) -> Any:
            if self.work is not None:
                self.work.cancel()
            return super().embed(texts)

    embedder = LeavingEmbedder()
    index = Index(tmp_path, embedder)
    index.build("t", [Chunk("The owl hunts at night.", "a.txt", 0)])
    hits = index.search("t", "owl", 1, mode)

    def search() -> None:
        embedder.work = Work()
        index.search("t", "owl", 1, mode)

    with pytest.raises(WorkCancelledError):
        copy_context().run(search)  # as a request has a context of its own

    assert [hit.text for hit in hits] == ["The owl hunts at night."]


def test_work_of_one_request_is_not_that_of_another() -> None:
    outcomes: list[str] = []

    def request(is_cancelled: bool) -> None:
        work = Work()
        if is_cancelled:
            work.cancel()
        try:
            check_cancelled()
            outcomes.append("done")
        except WorkCancelledError:
            outcomes.append("cancelled")

    for is_cancelled in (True, False):
        thread = threading.Thread(target=request, args=(is_cancelled,))
        thread.start()
        thread.join()

    assert outcomes == ["cancelled", "done"]
