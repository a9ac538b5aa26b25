"""Requests that the server sends its upstream again, or does not, as clients see them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from reka.testing import FakeReka
from tests.support.caller import Caller
from tests.support.protocols import event_data, post_completion
from tests.support.servers import open_caller, run_server
from tests.support.upstream_scripts import COMPLETION, DONE, END, EVERY_WAY, HELLO, WAYS, dies


@pytest.fixture(scope="module")
def retrying(scripted_upstream: FakeReka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A caller of a server that asks its upstream once more."""
    given = {"upstream": scripted_upstream.url, "upstream_model": "m", "upstream_retries": 1}
    with run_server(tmp_path_factory.mktemp("y"), **given) as server, open_caller(server.url) as caller:
        yield caller


@EVERY_WAY
def test_a_question_is_asked_again_where_that_can_help(retrying: Caller, upstream: FakeReka, way: str) -> None:
    before = len(upstream.requests)
    upstream.will_answer(503, b"", {"retry-after-ms": "1"})
    if way.endswith("streamed"):
        upstream.will_stream(HELLO, END, DONE)
    else:
        upstream.will_answer(200, COMPLETION)

    assert WAYS[way](retrying).status_code == 200
    assert len(upstream.requests) == before + 2


def test_a_question_is_asked_again_after_an_error_in_a_body_of_status_200(retrying: Caller, upstream: FakeReka) -> None:
    upstream.will_answer(200, {"error": {"message": "overloaded", "code": 503}})
    upstream.will_answer(200, COMPLETION)

    assert retrying.chat("hi").json()["text"] == "fine"


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, b"", {}),
        (429, {"error": {"message": "P001: Insufficient Balance"}}, {"retry-after-ms": "1"}),
        (429, b"", {"Retry-After": "3600"}),
        (200, b"<html>", {}),
    ],
)
def test_a_question_is_not_asked_again_where_that_cannot_help(
    retrying: Caller, upstream: FakeReka, status: int, body: Any, headers: dict[str, str]
) -> None:
    before = len(upstream.requests)
    upstream.will_answer(status, body, headers)

    assert not retrying.chat("hi").ok
    assert len(upstream.requests) == before + 1


def test_a_stream_that_has_begun_is_not_asked_for_again(retrying: Caller, upstream: FakeReka) -> None:
    before = len(upstream.requests)
    upstream.will_give(dies(HELLO))

    assert "error" in json.loads(event_data(post_completion(retrying, "hi", stream=True))[-1])
    assert len(upstream.requests) == before + 1


def test_a_question_is_given_up_after_as_many_tries_as_are_set(retrying: Caller, upstream: FakeReka) -> None:
    before = len(upstream.requests)
    for _ in range(2):
        upstream.will_answer(503, b"", {"retry-after-ms": "1"})

    assert retrying.chat("hi").status_code == 503
    assert len(upstream.requests) == before + 2
