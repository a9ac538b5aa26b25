"""Filters of what a chat answers from: what is sent, and which server is not asked."""

from collections.abc import Callable
from typing import Any

import pytest

import reka
from reka.testing import FakeReka
from reka.testing.bodies import completion
from tests.support.clients import KEY, Connect
from tests.support.completions import HI

ABOUT: dict[str, object] = {"features": ["documents", "v1_retrieval"]}
FILTER = {"lang": "de", "$or": [{"year": {"$gte": 2020}}, {"draft": False}]}
TURN: dict[str, object] = {"type": "model", "text": "Hi", "retrieved_chunks": []}

CHATS: dict[str, Callable[..., object]] = {
    "chat": lambda client, **options: client.chat("Who?", **options),
    "stream": lambda client, **options: list(client.stream("Who?", **options)),
    "complete": lambda client, **options: client.complete(HI, **options),
    "stream_messages": lambda client, **options: list(client.stream_messages(HI, **options)),
}


@pytest.mark.parametrize("chat", CHATS)
def test_a_filter_goes_along_with_the_dataset(client: reka.Reka, fake: FakeReka, chat: str) -> None:
    fake.will_answer(200, ABOUT)
    fake.will_answer(200, TURN if chat == "chat" else completion("Hi"))

    CHATS[chat](client, retrieval_dataset="alice", retrieval_filter=FILTER)

    assert fake.requests[-1].json["retrieval_dataset"] == "alice"
    assert fake.requests[-1].json["retrieval_filter"] == FILTER
    assert fake.paths == ["GET /", "POST /chat" if chat == "chat" else "POST /v1/chat/completions"]


@pytest.mark.parametrize("form", ["openai", "reka"])
def test_a_filter_is_the_same_in_both_forms(connect: Connect, fake: FakeReka, form: reka.FormChoice) -> None:
    fake.will_answer(200, ABOUT)
    fake.will_answer(200, completion("Hi"))

    with connect(KEY, fake.url, form=form) as client:
        client.complete(HI, retrieval_dataset="alice", retrieval_filter=FILTER)

    assert fake.requests[-1].json["retrieval_filter"] == FILTER


@pytest.mark.parametrize("options", [{"datasets": "auto"}, {"datasets": "host"}, {"api": "v0"}, {"api": "v1"}])
@pytest.mark.parametrize("chat", CHATS)
def test_a_server_that_would_ignore_a_filter_is_not_asked(
    connect: Connect, fake: FakeReka, chat: str, options: dict[str, Any]
) -> None:
    fake.will_answer(200, {"features": ["v1_retrieval"]})

    with (
        connect(KEY, fake.url, **options) as client,
        pytest.raises(reka.UnsupportedRequestError, match=r"^retrieval_filter: .*does not filter.*`reka serve`"),
    ):
        CHATS[chat](client, retrieval_dataset="alice", retrieval_filter=FILTER)

    assert fake.paths == ["GET /"]


def test_a_filter_among_further_arguments_is_kept_from_such_a_server_too(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(404)

    with pytest.raises(reka.UnsupportedRequestError, match="does not filter"):
        client.chat("Who?", extra_request_args={"retrieval_dataset": "alice", "retrieval_filter": FILTER})

    assert fake.paths == ["GET /"]


@pytest.mark.parametrize("chat", CHATS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retrieval_filter": FILTER}, "retrieval_filter: .*give retrieval_dataset as well"),
        ({"retrieval_dataset": "alice", "retrieval_filter": "de"}, "retrieval_filter: got a string, want an object"),
        ({"retrieval_dataset": "alice", "retrieval_filter": {"$x": 1}}, r"retrieval_filter: got the key '\$x'"),
    ],
)
def test_what_is_no_filter_is_refused_before_anything_is_sent(
    client: reka.Reka, fake: FakeReka, chat: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=message):
        CHATS[chat](client, **options)

    assert fake.requests == []
