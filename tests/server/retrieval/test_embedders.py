import logging
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from reka.errors import InvalidArgumentError
from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.embedders.choice import installed_embedder, make_embedder, quick_embedder
from reka.server.retrieval.embedders.sentence_encoder import SentenceEncoder
from reka.server.retrieval.embedders.upstream import UpstreamEmbedder
from reka.server.retrieval.embedders.wordllama import WordLlamaEmbedder
from reka.server.retrieval.embeddings import Embedder, EmbeddingError, NoEmbedder
from reka.server.retrieval.index import Index
from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from reka.testing import FakeReka, answer
from tests.support.embedders import WordEmbedder
from tests.support.servers import open_caller
from tests.support.stand_ins import sentence_transformers

KEY = "the-key-of-the-embedder"


def built(folder: Path, embedder: Embedder) -> Index:
    index = Index(folder, embedder)
    index.build("t", iter([Chunk("The cat sat.", "a.txt", 0), Chunk("A dog barked.", "b.txt", 0)]))
    return index


def described(index: Index) -> str:
    return index.describe_embedder(index.embedder_of(index.latest("t")))


@pytest.fixture
def fake() -> Iterator[FakeReka]:
    with FakeReka() as fake:
        yield fake


def test_by_default_the_first_embedder_that_is_installed_is_taken() -> None:
    assert make_embedder("auto").name == "wordllama"


def test_none_leaves_keyword_search(tmp_path: Path) -> None:
    index = built(tmp_path, make_embedder("none"))

    found = {mode: index.search("t", "cats", 5, mode) for mode in ("hybrid", "keyword", "vector")}

    assert [(hit.source, hit.similarity) for hit in found["hybrid"]] == [("a.txt", None)]
    assert found["hybrid"] == found["keyword"] == found["vector"]
    assert described(index) == "none"


@pytest.mark.parametrize(
    "choice", ["word2vec", "wordllama:small", "upstream", "upstream:bge", "sentence-transformers:a-model", "none:", ""]
)
def test_an_embedder_that_is_not_to_be_had_is_refused(choice: str) -> None:
    with pytest.raises(ValueError, match="embedder: got"):
        make_embedder(choice)


def test_a_server_embeds_by_its_own_url_and_key_or_by_those_of_its_upstream(
    fake: FakeReka, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDDER_KEY", KEY)
    fake.otherwise = answer(200, {"data": [{"index": 0, "embedding": [1, 0]}]})
    given: dict[str, Any] = {"embedder": "upstream:bge"}
    for place in ("embedder", "upstream"):
        given |= {f"{place}_url" if place == "embedder" else place: fake.url, f"{place}_key_env": "EMBEDDER_KEY"}
        server = BackgroundServer(Settings(port=0, data_dir=data_dir, **given))
        try:
            with open_caller(server.url) as caller:
                caller.add_prepared("notes", b"The cat sat.", "a.txt")
                caller.delete("notes")
        finally:
            server.stop()
        assert fake.requests[-1].headers["authorization"] == f"Bearer {KEY}"
        given = {name: value for name, value in given.items() if not name.startswith("embedder_")}


def test_a_dataset_keeps_the_embedder_that_it_was_prepared_with(tmp_path: Path) -> None:
    built(tmp_path, WordLlamaEmbedder())

    index = Index(tmp_path, NoEmbedder())

    assert described(index) == "wordllama"
    assert index.search("t", "kitten", 1, "vector")[0].source == "a.txt"


def test_where_no_word_of_a_query_is_found_the_vectors_find_what_means_the_same(tmp_path: Path) -> None:
    index = built(tmp_path, WordLlamaEmbedder())

    assert index.search("t", "kittens", 1, "keyword") == []
    assert [hit.source for hit in index.search("t", "kittens", 1)] == ["a.txt"]
    assert [hit.source for hit in index.search("t", "dog", 2)] == ["b.txt", "a.txt"]


def test_a_dataset_whose_embedder_is_not_here_is_searched_by_keywords_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    built(tmp_path, WordEmbedder())
    index = Index(tmp_path, NoEmbedder())

    with caplog.at_level(logging.WARNING):
        found = [index.search("t", "dog", 5)[0] for _ in range(3)]

    assert {(hit.source, hit.similarity) for hit in found} == {("b.txt", None)}
    assert described(index) == "words (not on this machine: searched by keywords alone)"
    assert [record.getMessage() for record in caplog.records if "words" in record.getMessage()] == [
        "embedder words is not on this machine: its datasets are searched by keywords"
    ]


@pytest.mark.parametrize("embedder", [WordEmbedder(), WordLlamaEmbedder(), NoEmbedder()])
def test_a_change_of_a_dataset_keeps_its_embedder_and_what_is_new_is_found(tmp_path: Path, embedder: Embedder) -> None:
    before = Index(tmp_path, embedder).build("t", iter([Chunk("The cat sat.", "a.txt", 0, document=1)]))
    index = Index(tmp_path, NoEmbedder() if embedder.name == "wordllama" else WordLlamaEmbedder())

    after = index.change(before.at, "new", [], iter([Chunk("A dog barked.", "b.txt", 0, document=2)]))

    assert index.embedder_of(after.at) == embedder.name
    assert [index.search(after.at, query, 1)[0].source for query in ("cat", "dog")] == ["a.txt", "b.txt"]


def test_an_upstream_embeds_by_the_protocol_of_openai(fake: FakeReka) -> None:
    fake.will_answer(503)
    fake.will_answer(200, {"data": [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [3, 4]}]})
    embedder = UpstreamEmbedder(fake.url, "bge-m3", KEY)

    vectors = embedder.embed(["one", ""])

    assert vectors.flatten().tolist() == pytest.approx([0.6, 0.8, 0, 1])
    assert fake.paths == ["POST /v1/embeddings"] * 2
    assert fake.requests[1].json["model"] == "bge-m3"
    assert fake.requests[1].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(embedder)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error": "no"}),
        (200, b"<html>"),
        (200, {"data": []}),
        (200, {"data": [{"index": 0}]}),
        (302, b""),
    ],
)
def test_an_upstream_without_embeddings_leaves_keyword_search(
    fake: FakeReka, tmp_path: Path, status: int, body: object
) -> None:
    two = {"data": [{"index": 0, "embedding": [1, 0]}, {"index": 1, "embedding": [0, 1]}]}
    fake.will_answer(200, {"data": two["data"][:1]})  # its size
    fake.will_answer(200, two)
    embedder = UpstreamEmbedder(f"{fake.url}/api", "bge-m3")
    index = built(tmp_path, embedder)
    for _ in range(2):
        fake.will_answer(status, body, {"Location": f"{fake.url}/elsewhere"} if status == 302 else {})

    with pytest.raises(EmbeddingError, match=r"/api/embeddings"):
        embedder.embed(["dog"])
    found = index.search("t", "dog", 5)

    assert [(hit.source, hit.similarity) for hit in found] == [("b.txt", None)]
    assert set(fake.paths) == {"POST /api/embeddings"}


def test_the_size_of_an_upstreams_vectors_is_asked_for_once(fake: FakeReka) -> None:
    fake.will_answer(200, {"data": [{"index": 0, "embedding": [1, 0, 0]}]})
    embedder = UpstreamEmbedder(fake.url, "bge-m3")

    assert (embedder.dimensions, embedder.dimensions) == (3, 3)


def test_an_address_of_an_upstream_must_be_one() -> None:
    with pytest.raises(InvalidArgumentError, match="embedder_url"):
        UpstreamEmbedder("not an address", "bge-m3")


def test_answers_are_not_quoted_by_an_embedder_on_another_machine(fake: FakeReka) -> None:
    local = WordLlamaEmbedder()

    assert quick_embedder(local) is local
    assert quick_embedder(UpstreamEmbedder(fake.url, "bge-m3")).name == "none"


@pytest.mark.parametrize("name", ["wordllama", "universal-sentence-encoder"])
def test_an_embedder_finds_what_means_the_same_and_takes_any_text(name: str) -> None:
    embedder = installed_embedder(name)
    assert embedder is not None

    vectors = embedder.embed(["How do I cook rice?", "Boiling rice in a pot", "The stock market fell", "", "\ud800"])

    likeness = vectors @ vectors[0]
    assert vectors.shape == (5, embedder.dimensions)
    assert likeness[0] == pytest.approx(1, abs=1e-5)
    assert likeness[1] > 0.3 > likeness[2]
    assert likeness[3] == 0
    assert embedder.embed([]).shape == (0, embedder.dimensions)
    assert embedder.count_tokens("How do I cook rice?") > embedder.count_tokens("rice") > embedder.count_tokens("") == 0


def test_the_sentence_encoder_compares_across_languages() -> None:
    vectors = SentenceEncoder().embed(["How do I cook rice?", "Comment cuire le riz ?", "La bourse a chuté."])

    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]


def test_a_model_of_sentence_transformers_is_shared_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", sentence_transformers)
    embedder = make_embedder("sentence-transformers:a-model")
    text = "owl " * 1000
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            work = [(pool.submit(embedder.count_tokens, text), pool.submit(embedder.embed, [text])) for _ in range(300)]
            found = {(count.result(), *vectors.result()[0].tolist()) for count, vectors in work}
    finally:
        sys.setswitchinterval(interval)

    assert found == {(1000, 8.0, 1.0)}
    assert embedder.dimensions == 2
