"""Texts are embedded in batches, by both clients, and read in any form that servers write."""

import base64
import json
import struct
from collections.abc import Sequence
from typing import Any

import pytest

import reka
from reka._inputs.texts import embedding_batches
from reka.testing import FakeReka


def answer(*vectors: Sequence[float], as_base64: bool = True, order: Sequence[int] | None = None) -> dict[str, Any]:
    written = [
        base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if as_base64 else list(vector)
        for vector in vectors
    ]
    items = [{"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(written)]
    return {"object": "list", "data": [items[place] for place in order or range(len(items))], "model": "m"}


@pytest.mark.parametrize("as_base64", [True, False])
def test_vectors_come_back_in_the_order_of_their_texts(fake: FakeReka, client: reka.Reka, *, as_base64: bool) -> None:
    fake.will_answer(200, answer([1.0, 0.5], [0.25, 0.0], as_base64=as_base64, order=[1, 0]))

    vectors = client.embed(["a", "b"], model="m")

    request = fake.requests[-1]
    assert vectors == [[1.0, 0.5], [0.25, 0.0]]
    assert (request.method, request.path) == ("POST", "/v1/embeddings")
    assert json.loads(request.body) == {"input": ["a", "b"], "encoding_format": "base64", "model": "m"}


def test_the_servers_own_model_is_not_named(fake: FakeReka, client: reka.Reka) -> None:
    fake.will_answer(200, answer([1.0]))

    assert client.embed(["a"]) == [[1.0]]
    assert json.loads(fake.requests[-1].body) == {"input": ["a"], "encoding_format": "base64"}


def test_no_texts_need_no_request(fake: FakeReka, client: reka.Reka) -> None:
    assert client.embed([]) == []
    assert fake.requests == []


def test_many_texts_are_sent_in_several_requests() -> None:
    many = [f"text {number}" for number in range(1_100)]
    long = ["x" * 150_000, "y" * 100_000, "z" * 300_000, "a"]

    assert [len(batch) for batch in embedding_batches(many)] == [512, 512, 76]
    assert [len(batch) for batch in embedding_batches(long)] == [1, 1, 1, 1]
    assert sum(embedding_batches(many), []) == many  # noqa: RUF017 - three lists


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ("a", "texts: got a string, want a list of texts"),
        (None, "texts: got nothing"),
        (["a", 1], "texts[1]: got a number"),
        (["a", " "], "texts[1]: got a blank text"),
    ],
)
def test_what_is_no_text_is_refused(client: reka.Reka, texts: Any, said: str) -> None:
    with pytest.raises(reka.InvalidArgumentError) as refused:
        client.embed(texts)

    assert said in str(refused.value)


@pytest.mark.parametrize(
    "body",
    [
        {"data": []},
        {"data": [{"index": 1, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": "no base64!"}]},
        {"data": [{"index": 0, "embedding": "AAA="}]},
        {"data": [{"index": 0, "embedding": ["a"]}]},
        {"data": [{"index": 0}]},
        {"vectors": []},
    ],
)
def test_an_answer_of_another_shape_is_an_error(fake: FakeReka, client: reka.Reka, body: dict[str, Any]) -> None:
    fake.will_answer(200, body)

    with pytest.raises(reka.UnexpectedResponseError, match="an embedding for each text"):
        client.embed(["a"])
