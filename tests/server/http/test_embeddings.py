"""Texts are embedded by the server's embedder, in OpenAI's form."""

import base64
import struct
from typing import Any

import pytest

from reka.server.retrieval.embeddings import EmbeddingError, NoEmbedder
from tests.support.caller import Caller
from tests.support.embedders import FailingEmbedder, WordEmbedder
from tests.support.servers import Call, Start

TEXTS = ["The owl hunts at night.", "The hen lays eggs."]


def embed(api: Caller, **body: Any) -> dict[str, Any]:
    answer = api.ask("POST", "/v1/embeddings", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_each_text_has_a_vector_of_unit_length_in_its_place(api: Caller, embedder: WordEmbedder) -> None:
    answer = embed(api, input=TEXTS, model=embedder.name)

    vectors = [one["embedding"] for one in answer["data"]]
    assert vectors == [pytest.approx(row.tolist()) for row in embedder.embed(TEXTS)]
    assert [sum(number * number for number in vector) for vector in vectors] == [pytest.approx(1)] * 2
    assert [(one["object"], one["index"]) for one in answer["data"]] == [("embedding", 0), ("embedding", 1)]
    assert (answer["object"], answer["model"]) == ("list", embedder.name)
    tokens = sum(map(embedder.count_tokens, TEXTS))
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_base64_has_the_same_numbers(api: Caller, embedder: WordEmbedder) -> None:
    (numbers,) = embed(api, input=TEXTS[0])["data"]
    (encoded,) = embed(api, input=TEXTS[0], encoding_format="base64", dimensions=embedder.dimensions)["data"]

    packed = base64.b64decode(encoded["embedding"])
    assert list(struct.unpack(f"<{embedder.dimensions}f", packed)) == pytest.approx(numbers["embedding"])


def test_many_texts_are_embedded_as_one_is(api: Caller) -> None:
    texts = [f"text number {number}" for number in range(300)]

    vectors = [one["embedding"] for one in embed(api, input=texts)["data"]]

    assert len(vectors) == 300
    assert vectors[-1] == pytest.approx(embed(api, input=texts[-1])["data"][0]["embedding"])


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"input": "a", "model": "text-embedding-3-small"}, 404, "this server embeds by"),
        ({"input": "a", "dimensions": 7}, 400, "dimensions: got 7"),
        ({"input": [1, 2, 3]}, 400, "check_embedding_ctx_length=False"),
        ({"input": [[1, 2, 3]]}, 400, "got tokens, want texts"),
        ({"input": 7}, 400, "input: got a number, want a text, or a list of texts"),
        ({"input": []}, 400, "input: List should have at least 1 item"),
        ({"input": ["a", ""]}, 400, "input.1"),
        ({"input": ["a"] * 2049}, 400, "input"),
        ({"input": "word " * 9_000}, 400, "input[0]: got 9000 tokens"),
        ({"input": "x" * 100_001}, 400, "input"),
        ({"input": ["word " * 8_000] * 40}, 400, "more than 300000 tokens"),
        ({"input": "a", "encoding_format": "hex"}, 400, "encoding_format"),
        ({}, 400, "input"),
    ],
)
def test_what_cannot_be_embedded_is_refused(start: Start, call: Call, body: Any, status: int, said: str) -> None:
    answer = call(start()).ask("POST", "/v1/embeddings", json=body)

    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]["message"]


def test_a_server_without_an_embedder_says_so(start: Start, call: Call) -> None:
    answer = call(start(embedder=NoEmbedder())).ask("POST", "/v1/embeddings", json={"input": "a"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert "no embedder" in answer.json()["error"]["message"]


def test_an_embedder_on_another_machine_that_does_not_answer_is_no_fault_of_the_server(
    start: Start, call: Call
) -> None:
    api = call(start(embedder=FailingEmbedder(EmbeddingError("http://10.0.0.1: no answer"))))

    answer = api.ask("POST", "/v1/embeddings", json={"input": "a"})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "10.0.0.1" not in answer.text


def test_a_key_is_needed(start: Start, call: Call) -> None:
    api = call(start(require_key=True), "a-wrong-key")

    assert api.ask("POST", "/v1/embeddings", json={"input": "a"}).status_code == 401
