"""Embeddings of the embedded server in LlamaIndex: one by one, in batches, sync and async, in an index."""

import json
import pickle

import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding

import reka
from llamaindex_reka import RekaEmbeddings
from reka.testing import FakeReka
from tests.support.clients import KEY

TEXTS = ["The owl hunts mice at night.", "The ship sails to Bergen.", "Twelve eggs were laid by the hen."]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"local:{tmp_path_factory.mktemp('embeddings')}"


async def test_every_way_to_embed_a_text_gives_one_vector(address: str) -> None:
    model: BaseEmbedding = RekaEmbeddings(base_url=address)

    vectors = [
        model.get_text_embedding(TEXTS[0]),
        model.get_query_embedding(TEXTS[0]),
        model.get_text_embedding_batch(TEXTS)[0],
        await model.aget_text_embedding(TEXTS[0]),
        await model.aget_query_embedding(TEXTS[0]),
        (await model.aget_text_embedding_batch(TEXTS))[0],
    ]

    assert all(vector == pytest.approx(vectors[0]) for vector in vectors)
    assert len(vectors[0]) > 100


async def test_an_index_of_llamaindex_finds_by_them(address: str) -> None:
    model = RekaEmbeddings(base_url=address)
    index = VectorStoreIndex.from_documents([Document(text=text) for text in TEXTS], embed_model=model)

    retriever = index.as_retriever(similarity_top_k=1)

    assert retriever.retrieve("boat trip")[0].node.get_content() == TEXTS[1]
    assert (await retriever.aretrieve("boat trip"))[0].node.get_content() == TEXTS[1]
    model.close()
    await model.aclose()


def test_texts_are_sent_in_batches_with_the_models_name(fake: FakeReka) -> None:
    for count in (2, 1):
        items = [{"index": place, "embedding": [1.0]} for place in range(count)]
        fake.will_answer(200, {"data": items})
    model = RekaEmbeddings("e5", base_url=fake.url, api_key=KEY, embed_batch_size=2)

    assert model.get_text_embedding_batch(TEXTS) == [[1.0]] * 3

    bodies = [json.loads(request.body) for request in fake.requests]
    assert [(len(body["input"]), body["model"]) for body in bodies] == [(2, "e5"), (1, "e5")]


def test_a_misspelt_argument_is_refused_and_the_key_is_not_shown() -> None:
    with pytest.raises(reka.InvalidArgumentError, match="base_ulr"):
        RekaEmbeddings(base_ulr="local")  # type: ignore[call-arg]  # the misspelling

    model = RekaEmbeddings(api_key=KEY)
    assert KEY not in f"{model!r} {model.to_dict()} {model.to_json()}"


def test_a_pickled_model_works_elsewhere(address: str) -> None:
    model = pickle.loads(pickle.dumps(RekaEmbeddings(base_url=address)))

    assert model.get_query_embedding("hen") == pytest.approx(
        RekaEmbeddings(base_url=address).get_query_embedding("hen")
    )
