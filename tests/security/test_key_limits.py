"""What each owner of keys may do and store, where it is limited: others are served as before."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import reka
from reka.server.errors import TooManyRequestsError
from reka.server.key_limits import KeyLimits
from reka.server.settings import Settings
from tests.support.processes import run_reka_serve
from tests.support.servers import Call, Start, open_caller

LIMITS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
ROUTES = (
    ("GET", "/datasets"),
    ("GET", "/models"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/none"),
    ("DELETE", "/datasets/none"),
    ("POST", "/datasets/none/prepare-retrieval"),
    ("GET", "/jobs/prepare-retrieval/none/status"),
    ("POST", "/datasets"),
    ("POST", "/chat"),
    ("POST", "/v1/chat"),
    ("POST", "/v1/chat/completions"),
)


def limits_of(answer: requests.Response) -> list[str | None]:
    return [answer.headers.get(name) for name in LIMITS]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_response_to_a_key_says_how_many_requests_are_left(
    start: Start, call: Call, method: str, path: str
) -> None:
    api = call(start(requests_per_minute=1000))

    first, second = (api.ask(method, path) for _ in range(2))

    limit, remaining, reset = map(int, map(str, limits_of(second)))
    assert limit == 1000
    assert remaining in (998, 999)  # the minute may have ended between them
    assert 0 < reset - time.time() <= 61
    assert reset % 60 == 0
    assert first.headers["x-ratelimit-limit"] == "1000"


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_request_beyond_the_limit_is_refused_with_the_seconds_to_wait(
    start: Start, call: Call, method: str, path: str
) -> None:
    server = start(requests_per_minute=1)
    api, other = call(server), call(server, "another-key")

    answers = [api.ask(method, path) for _ in range(4)]  # of which two may be in minutes of their own

    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 2
    for answer in refused:
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert answer.headers["x-ratelimit-remaining"] == "0"
        assert "limit of 1 requests a minute" in answer.text
    assert other.ask(method, path).status_code != 429
    assert api.ask("GET", "/healthz").status_code == 200


def test_without_a_limit_no_response_names_one(start: Start, call: Call) -> None:
    assert limits_of(call(start()).ask("GET", "/datasets")) == [None] * 3


def test_a_wrong_key_learns_of_no_limit(start: Start) -> None:
    server = start(requests_per_minute=5, require_key=True)

    answers = [requests.get(f"{server.url}/datasets", headers={"X-Api-Key": "guess"}) for _ in range(7)]

    assert {answer.status_code for answer in answers} == {401}
    assert limits_of(answers[-1]) == [None] * 3


def test_a_minute_begins_anew_and_wakes_nobody_too_early() -> None:
    now = 1_795_000_039.5
    limits = KeyLimits(Settings(requests_per_minute=2), clock=lambda: now)

    for left in (1, 0):
        rate = limits.count_request("ann")
        assert rate is not None
        rate.check()
        assert (rate.remaining, rate.reset) == (left, 1_795_000_080)
    over = limits.count_request("ann")
    assert over is not None
    with pytest.raises(TooManyRequestsError) as caught:
        over.check()
    assert caught.value.retry_after is not None
    assert now + caught.value.retry_after >= over.reset
    now = 1_795_000_080.0
    again = limits.count_request("ann")
    assert again is not None
    assert again.remaining == 1


def test_the_client_reads_how_long_to_wait(start: Start) -> None:
    url = start(requests_per_minute=1).url
    waits: list[float] = []

    with reka.Reka("a-key", url, max_retries=0) as client:
        for _ in range(4):
            try:
                client.list_datasets()
            except reka.RateLimitError as error:
                waits.append(error.retry_after or 0)

    assert len(waits) >= 2
    assert all(1 <= wait <= 60 for wait in waits)


@pytest.mark.parametrize("path", ["/chat", "/v1/chat", "/v1/chat/completions"])
def test_chats_at_once_are_limited_and_those_that_end_make_room(start: Start, call: Call, path: str) -> None:
    server = start(concurrent_chats=1)
    body: dict[str, Any] = {"conversation_history": [{"type": "human", "text": "hi"}]}
    if path != "/chat":
        body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    api, other = call(server), call(server, "another-key")
    answers = [api.ask("POST", path, json=body) for _ in range(3)]
    failures = [api.ask("POST", path, json={}) for _ in range(3)]
    may_end = threading.Event()

    def parts() -> Iterator[bytes]:
        yield b"{"
        may_end.wait(1)
        yield b"}"

    def ask_slowly() -> None:
        while not may_end.is_set():  # it is refused itself if one of the requests below is served at this moment
            requests.post(server.url + path, parts(), headers={"X-Api-Key": "a-key"})

    slow = threading.Thread(target=ask_slowly)
    slow.start()
    refused = None
    while refused is None or refused.status_code != 429:
        threading.Event().wait(0.02)
        refused = api.ask("POST", path, json=body)
    served = other.ask("POST", path, json=body)
    may_end.set()
    slow.join()

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.status_code for answer in failures} <= {400, 422}
    assert refused.headers["Retry-After"] == "2"
    assert "limit of 1 chats at once" in refused.text
    assert served.status_code == 200
    assert api.ask("POST", path, json=body).status_code == 200


def test_a_chat_whose_client_has_gone_makes_room(start: Start, call: Call) -> None:
    server = start(concurrent_chats=1)
    api = call(server)

    def parts() -> Iterator[bytes]:
        yield b"{"
        raise ConnectionResetError

    for _ in range(3):
        with pytest.raises(requests.ConnectionError):
            requests.post(f"{server.url}/chat", parts(), headers={"X-Api-Key": "a-key"})

    while (answer := api.chat("hi")).status_code == 429:
        pass  # until the server has noticed
    assert answer.status_code == 200


def test_the_number_of_datasets_is_limited_for_each_owner(start: Start, call: Call) -> None:
    server = start(max_datasets=2)
    api, other = call(server), call(server, "another-key")
    assert all(api.add(name, "text").ok for name in ("a", "b"))

    refused = api.add("c", "text")

    assert refused.status_code == 400
    assert refused.json()["code"] == "quota_exceeded"
    assert "has 2 datasets, of 2" in refused.json()["detail"]
    assert other.add("c", "text").ok
    assert api.delete("a").ok
    assert api.add("c", "text").ok
    assert api.names() == ["b", "c"]


def test_the_bytes_of_datasets_are_limited_for_each_owner(start: Start, call: Call, data_dir: Path) -> None:
    server = start(max_stored_bytes=1000)
    api, other = call(server), call(server, "another-key")
    assert api.add("a", "x" * 600).ok

    refused = api.add("b", "x" * 401)

    assert refused.status_code == 400
    assert refused.json()["code"] == "quota_exceeded"
    assert "have 600 bytes, of 1000" in refused.json()["detail"]
    assert api.add("b", "x" * 400).ok
    assert api.add("c", "x").status_code == 400
    assert other.add("a", "x" * 1000).ok
    assert api.names() == ["a", "b"]
    assert [len(list((data_dir / folder).iterdir())) for folder in ("datasets", "staging")] == [3, 0]


def test_documents_that_are_put_count_as_what_is_uploaded_does(start: Start, call: Call) -> None:
    server = start(max_datasets=2, max_stored_bytes=1000)
    api, other = call(server), call(server, "another-key")
    assert api.add("a", "x" * 600).ok
    api.put("b", [{"id": "one", "text": "y" * 300}])

    too_much = api.ask("PUT", "/datasets/b/documents", json=[{"id": "two", "text": "y" * 101}])
    too_many = api.ask("PUT", "/datasets/c/documents", json=[{"id": "one", "text": "y"}])

    assert [answer.json()["code"] for answer in (too_much, too_many)] == ["quota_exceeded"] * 2
    assert "have 900 bytes, of 1000" in too_much.json()["detail"]
    assert "has 2 datasets, of 2" in too_many.json()["detail"]
    api.put("b", [{"id": "one", "text": "z" * 400}])  # in place of the 300
    assert api.names() == ["a", "b"]
    assert [one["id"] for one in api.documents("b")] == ["one"]
    other.put("c", [{"id": "one", "text": "y" * 1000}])


def test_uploads_at_once_do_not_pass_the_limit_together(start: Start, call: Call) -> None:
    server = start(max_datasets=3, max_stored_bytes=5000)
    statuses: list[int] = []

    def add(number: int) -> None:
        with open_caller(server.url) as api:
            statuses.append(api.add(f"d{number}", "x" * 1000).status_code)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200] * 3 + [400] * 9
    assert len(call(server).names()) == 3


def test_the_command_line_sets_the_limits_of_keys(data_dir: Path) -> None:
    options = (
        "--requests-per-minute",
        "7",
        "--concurrent-chats",
        "3",
        "--max-datasets",
        "1",
        "--max-stored-bytes",
        "9",
    )

    with run_reka_serve(data_dir, *options) as url, open_caller(url) as api:
        answers = [api.add("a", "x" * 10), api.add("a", "x"), api.add("b", "x")]

    assert [answer.status_code for answer in answers] == [400, 200, 400]
    assert answers[0].headers["x-ratelimit-limit"] == "7"
