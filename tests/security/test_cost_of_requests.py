"""What one client sends costs little of the server's memory and time, and is ended when it takes too long."""

import json
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic, process_time
from typing import Any
from urllib.parse import urlsplit

import pytest

from reka.server.generation.extractive import MAX_COUNTED_CHARS, ExtractiveBackend
from reka.server.generation.types import GenerationRequest
from reka.server.http.json_items import JsonItems
from reka.server.run import BackgroundServer
from tests.support.caller import Caller
from tests.support.embedders import WordEmbedder
from tests.support.servers import open_caller, run_server

HUMAN = {"type": "human", "text": "hi"}
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundServer]:
    with run_server(tmp_path_factory.mktemp("cost")) as server:
        yield server


@pytest.fixture
def api(server: BackgroundServer) -> Iterator[Caller]:
    with open_caller(server.url) as caller:
        yield caller


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundServer]:
    """A server that waits for nobody long, and for few."""
    limits = {"head_seconds": 1, "body_seconds": 1, "send_seconds": 1, "max_connections": 20}
    with run_server(tmp_path_factory.mktemp("hasty"), **limits) as server:
        yield server


def connect(server: BackgroundServer) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=30)


def answer_to(server: BackgroundServer, sent: bytes) -> bytes:
    """Send bytes and return what comes until the server closes the connection."""
    with connect(server) as connection:
        try:
            connection.sendall(sent)
        except OSError:
            return b""  # closed while it was sent
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    received = b""
    try:
        while block := connection.recv(65536):
            received += block
    except ConnectionError:
        pass
    return received


HEADS: dict[str, bytes] = {
    "an endless header": GET + b"X-A: " + b"a" * (8 << 20),
    "an endless name": GET + b"a" * (8 << 20),
    "an endless target": b"GET /" + b"a" * (8 << 20),
    "a long header that ends": GET + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n",
    "a long target that ends": b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "many headers": GET + b"".join(b"X-%d: a\r\n" % number for number in range(200)) + b"\r\n",
    "many trailers": b"POST /chat HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: k\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"".join(b"X-%d: a\r\n" % number for number in range(200)),
    "many headers of nothing": GET + b"a:\r\n" * 100_000,
}


@pytest.mark.parametrize("sent", HEADS.values(), ids=HEADS)
def test_a_head_that_is_too_large_is_refused_before_it_is_kept(
    server: BackgroundServer, api: Caller, sent: bytes
) -> None:
    answer = answer_to(server, sent)

    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 "), answer[:200]
    assert api.ask("GET", "/healthz").ok


def test_a_refused_head_is_answered_in_words(server: BackgroundServer) -> None:
    answer = answer_to(server, HEADS["many headers"])

    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"].startswith("The request has more than 100 headers")


def test_a_head_of_the_usual_size_is_taken(server: BackgroundServer) -> None:
    headers = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 500) for number in range(90))

    assert answer_to(server, GET + headers + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_requests_sent_ahead_on_one_connection_are_limited(server: BackgroundServer, api: Caller) -> None:
    body = json.dumps({"conversation_history": [HUMAN]}).encode()
    first = b"POST /chat HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: k\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )

    answer = answer_to(server, first + (GET + b"\r\n") * 1000)

    assert answer.count(b"HTTP/1.1 200 ") <= 20
    assert api.ask("GET", "/healthz").ok


UPLOAD = (
    b"POST /datasets HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: k\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 1000000\r\n\r\n--b\r\n"
)
SLOW: dict[str, bytes] = {
    "nothing": b"",
    "line ends": b"\r\n",
    "half a head": GET,
    "a body that does not come": b"POST /chat HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: k\r\nContent-Length: 9\r\n\r\n",
    "half a body": b"POST /chat HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: k\r\nContent-Length: 9\r\n\r\n{",
    "a stalled upload": UPLOAD,
    "a chunk that does not come": b"POST /chat HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: k\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW)
def test_a_request_that_does_not_come_is_ended(hasty: BackgroundServer, sent: bytes) -> None:
    began = monotonic()

    answer = answer_to(hasty, sent)

    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert monotonic() - began < 15


def test_a_request_that_drips_is_ended(hasty: BackgroundServer) -> None:
    ended = threading.Event()

    with connect(hasty) as connection:
        connection.sendall(SLOW["half a body"].replace(b"Length: 9", b"Length: 99999"))

        def drip() -> None:
            try:
                while not ended.wait(0.1):
                    connection.sendall(b" ")
            except OSError:
                pass

        dripping = threading.Thread(target=drip)
        dripping.start()
        answer = read_all(connection)
        ended.set()
        dripping.join()

    assert answer.startswith(b"HTTP/1.1 408 ") or answer == b""


def test_slow_clients_do_not_keep_others_out(hasty: BackgroundServer) -> None:
    with ExitStack() as stack, open_caller(hasty.url) as caller:
        slow = [stack.enter_context(connect(hasty)) for _ in range(60)]
        for connection in slow[::2]:
            connection.sendall(GET)

        assert caller.ask("GET", "/healthz").ok
        assert caller.chat("hi").ok


def test_an_idle_connection_between_requests_is_ended(hasty: BackgroundServer) -> None:
    with connect(hasty) as connection:
        connection.sendall(GET + b"\r\n")
        answer = read_all(connection)

    assert answer.startswith(b"HTTP/1.1 200 ")


MANY_KEYS = ",".join(f'"{number:07d}":1' for number in range(1_000_000))
A_MILLION = 1_000_000

COSTLY: dict[str, tuple[str, str]] = {
    "unknown keys of a turn": ("/chat", '{"conversation_history":[{"type":"human","text":"x",' + MANY_KEYS + "}]}"),
    "unknown keys": ("/chat", '{"conversation_history":[{"type":"human","text":"x"}],' + MANY_KEYS + "}"),
    "empty lists": ("/v1/chat/completions", '{"messages":[' + "[]," * A_MILLION + "[]]}"),
    "objects": ("/v1/chat", '{"messages":[{"role":"user","content":"x"}],"a":[' + "{}," * A_MILLION + "{}]}"),
    "numbers": ("/v1/chat/completions", '{"messages":[' + "1," * A_MILLION + "1]}"),
}


COSTLY["numbers of many digits"] = "/chat", '{"conversation_history":[' + f"{'1' * 4300}," * 5_000 + "1]}"
COSTLY["white space"] = "/chat", " " * (17 * A_MILLION)
COSTLY["nothing but quotes"] = "/chat", '{"conversation_history":[' + '"' * (8 * A_MILLION)

WIDE: dict[str, bytes] = {
    "at the end of a long text": b'"' + b"a" * (17 << 20) + "\N{OWL}".encode() + b'"',
    "at the beginning of a long text": b'"' + "\N{OWL}".encode() + b"a" * (17 << 20) + b'"',
    "escaped": b'"' + b"a" * (17 << 20) + b'\\ud83e\\udd89"',
    "in many texts": b"[" + b",".join([b'"' + b"a" * 60_000 + '\N{OWL}"'.encode()] * 300) + b"]",
}


@pytest.mark.parametrize("text", WIDE.values(), ids=WIDE)
def test_text_that_would_take_four_times_its_bytes_is_limited(api: Caller, text: bytes) -> None:
    answer = api.ask("POST", "/v1/chat/completions", data=b'{"messages":[{"role":"user","content":' + text + b"}]}")

    assert answer.status_code == 413
    assert "not plain ASCII" in answer.json()["error"]["message"]


def test_a_large_picture_beside_a_text_of_wide_characters_is_taken(api: Caller) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * (17 << 20)}}
    texts = [{"type": "text", "text": text} for text in ("\N{OWL} What is it?", "Is it an owl? \N{OWL}")]

    answer = api.ask(
        "POST",
        "/v1/chat/completions",
        json={"messages": [{"role": "user", "content": [texts[0], picture, texts[1]]}]},
    )

    assert answer.status_code == 200


@pytest.mark.parametrize(("path", "body"), COSTLY.values(), ids=COSTLY)
def test_a_body_of_many_values_is_refused_unparsed(api: Caller, path: str, body: str) -> None:
    answer = api.ask("POST", path, data=body.encode(), headers={"Content-Type": "application/json"})

    assert answer.status_code == 413
    assert "more than 100000 values" in answer.text


@pytest.mark.parametrize("where", ["turn", "body"])
def test_of_many_unknown_fields_few_are_reported_and_those_shortened(api: Caller, where: str) -> None:
    fields: dict[str, Any] = {f"{number:05d}{'x' * 5000}": 1 for number in range(100)}
    turn, body = (fields, {}) if where == "turn" else ({}, fields)

    answer = api.ask("POST", "/chat", json={"conversation_history": [HUMAN | turn], **body})

    assert answer.status_code == 422
    assert len(answer.json()["detail"]) == 20
    assert len(answer.content) < 10_000


def test_values_are_counted_as_a_parser_does_wherever_the_text_is_cut() -> None:
    rng = random.Random(7)
    value = {'a,[{"\\': ['\\"', "\\\\", 'x\\\\"[', {}, [], [1, 2, {"b": ',"'}]], "c": "{[,", "d": None}
    text = json.dumps([value] * 50).encode()
    whole = JsonItems()
    whole.feed(text)

    for _ in range(200):
        items, rest = JsonItems(), text
        while rest:
            size = rng.randint(1, 40)
            items.feed(rest[:size])
            rest = rest[size:]
        assert items.count == whole.count

    assert whole.count == separators(json.loads(text))


def test_wide_text_is_never_counted_as_less_than_it_is_wherever_the_text_is_cut() -> None:
    rng = random.Random(8)
    strings = ["plain" * 9, "\N{OWL}", "a" * 70 + "é", 'x\\"é', "", "é" + "b" * 70, "\\"]
    text = json.dumps([strings, {string: string for string in strings}] * 20, ensure_ascii=False).encode()
    wide = sum(
        len(piece) for piece in text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[1::2] if not piece.isascii()
    )

    for _ in range(200):
        items, rest = JsonItems(), text
        while rest:
            size = rng.randint(1, 100)
            items.feed(rest[:size])
            rest = rest[size:]
        assert wide <= items.wide_bytes <= len(text)
    plain, escaped = JsonItems(), JsonItems()
    plain.feed(json.dumps(["plain"] * 100).encode())
    for block in (b'["a\\', b'u00e9"]'):
        escaped.feed(block)
    assert (plain.wide_bytes, escaped.wide_bytes > 0) == (0, True)


def separators(value: Any) -> int:
    """Commas and opening brackets of a value's JSON text."""
    if isinstance(value, dict):
        return 1 + max(0, len(value) - 1) + sum(map(separators, value.values()))
    if isinstance(value, list):
        return 1 + max(0, len(value) - 1) + sum(map(separators, value))
    return 0


MESSAGE_LIMITS: dict[str, tuple[dict[str, Any], str]] = {
    "parts": ({"content": [{"type": "text", "text": "x"}] * 1001}, "has 1001 parts, want at most 1000"),
    "media": (
        {"content": [{"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}] * 101},
        "has 101 images, files or other media, want at most 100",
    ),
}


@pytest.mark.parametrize("path", ["/v1/chat", "/v1/chat/completions"])
@pytest.mark.parametrize(("message", "said"), MESSAGE_LIMITS.values(), ids=MESSAGE_LIMITS)
def test_the_parts_of_a_message_are_limited(api: Caller, path: str, message: dict[str, Any], said: str) -> None:
    answer = api.ask("POST", path, json={"messages": [{"role": "user", **message}]})

    assert answer.status_code in (400, 422)
    assert said in answer.text


ACCENTS = "a" + "\u0300" * 40_000 + "\u0316" * 40_000
"""Marks that a normalizer sorts, in time quadratic in their number."""

ENDLESS_NAMES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "of a chat's dataset": ("POST", "/chat", {"conversation_history": [HUMAN], "retrieval_dataset": ACCENTS}),
    "of a chat's model": ("POST", "/chat", {"conversation_history": [HUMAN], "model_name": ACCENTS}),
    "in a path": ("DELETE", f"/datasets/{ACCENTS[38_000:43_000]}", {}),
    "of a job": ("GET", f"/jobs/prepare-retrieval/{ACCENTS[38_000:43_000]}/status", {}),
}


@pytest.mark.parametrize(("method", "path", "body"), ENDLESS_NAMES.values(), ids=ENDLESS_NAMES)
def test_a_name_longer_than_any_is_neither_normalized_nor_repeated(
    api: Caller, method: str, path: str, body: dict[str, Any]
) -> None:
    began = process_time()

    answer = api.ask(method, path, json=body)

    assert answer.status_code in (400, 404)
    assert len(answer.content) < 2_000
    assert process_time() - began < 1


def test_the_number_of_stop_words_is_limited(api: Caller) -> None:
    answer = api.ask("POST", "/chat", json={"conversation_history": [HUMAN], "stop_words": ["x"] * 1001})

    assert answer.status_code == 422
    assert "1000 items" in answer.text


def test_the_tokens_of_a_long_question_are_estimated_from_its_beginning() -> None:
    class Recorder(WordEmbedder):
        counted = 0

        def count_tokens(self, text: str) -> int:
            self.counted += len(text)
            return super().count_tokens(text)

    embedder = Recorder()
    text = "word foo bar. " * 100_000
    request = GenerationRequest(messages=[{"role": "user", "content": text}], snippets=None, model="m")

    result = ExtractiveBackend(embedder)._generate(request)

    assert embedder.counted < 2 * MAX_COUNTED_CHARS
    assert result.input_tokens == pytest.approx(WordEmbedder().count_tokens(text), rel=0.01)
