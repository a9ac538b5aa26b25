import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.load import dumps
from pydantic import ValidationError

import reka
from langchain_reka import RekaRetriever

KEY = "a-secret-key"
CHUNKS: list[dict[str, Any]] = [
    {"text": "Hold the button.", "source": "reset.txt", "score": 1.0, "similarity": 0.8, "page": 3},
    {"text": "Unplug it.", "source": "power.txt", "score": 0.5, "similarity": 0.2},
    {"text": "A chunk of which nothing is known."},
]


@pytest.fixture
def retriever(server: Any) -> Iterator[Callable[..., RekaRetriever]]:
    retrievers: list[RekaRetriever] = []

    def build(**parameters: Any) -> RekaRetriever:
        retrievers.append(RekaRetriever(**{"dataset": "manual", "api_key": KEY, "base_url": server.url, **parameters}))
        return retrievers[-1]

    yield build
    for each in retrievers:
        each.close()


def test_chunks_become_documents_with_every_field_the_server_sent(
    server: Any, retriever: Callable[..., RekaRetriever]
) -> None:
    server.will_say("", retrieved_chunks=CHUNKS)

    documents = retriever().invoke("How do I reset it?")

    assert [document.page_content for document in documents] == [chunk["text"] for chunk in CHUNKS]
    assert [document.metadata for document in documents] == [
        {"source": "reset.txt", "score": 1.0, "similarity": 0.8, "page": 3, "rank": 1, "dataset": "manual"},
        {"source": "power.txt", "score": 0.5, "similarity": 0.2, "rank": 2, "dataset": "manual"},
        {"rank": 3, "dataset": "manual"},
    ]
    assert server.chats[0]["retrieval_dataset"] == "manual"
    assert server.chats[0]["conversation_history"] == [{"type": "human", "text": "How do I reset it?"}]


def test_the_same_chunk_has_the_same_id_whatever_its_rank_and_score(
    server: Any, retriever: Callable[..., RekaRetriever]
) -> None:
    server.will_say("", retrieved_chunks=CHUNKS)
    server.will_say("", retrieved_chunks=[CHUNKS[1], {**CHUNKS[0], "score": 0.1}, {**CHUNKS[0], "source": "b.txt"}])

    first, second = retriever().invoke("one"), retriever().invoke("two")

    assert (second[0].id, second[1].id) == (first[1].id, first[0].id)
    assert len({document.id for document in (*first, second[2])}) == 4


@pytest.mark.parametrize("how", ["constructor", "call"])
async def test_k_says_how_many_chunks_are_asked_for(
    server: Any, retriever: Callable[..., RekaRetriever], how: str
) -> None:
    server.will_say("", retrieved_chunks=CHUNKS)
    server.will_say("", retrieved_chunks=CHUNKS)
    of_constructor: dict[str, Any]
    of_call: dict[str, Any]
    of_constructor, of_call = ({"k": 2}, {}) if how == "constructor" else ({}, {"k": 2})

    found = retriever(**of_constructor).invoke("Hi", **of_call)
    found_later = await retriever(**of_constructor).ainvoke("Hi", **of_call)

    assert [len(found), len(found_later)] == [2, 2]
    assert [chat["retrieval_top_k"] for chat in server.chats] == [2, 2]


@pytest.mark.parametrize("wrong", [{"dataset": ""}, {"k": 0}, {"k": 101}, {"top_k": 3}])
def test_a_parameter_that_cannot_be_is_refused_when_the_retriever_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        RekaRetriever(**{"dataset": "manual", **wrong})


def test_a_key_given_under_a_wrong_name_does_not_show_in_the_error() -> None:
    mistyped: dict[str, Any] = {"dataset": "manual", "api_kee": KEY}

    with pytest.raises(ValidationError, match="api_kee") as caught:
        RekaRetriever(**mistyped)
    assert KEY not in str(caught.value)


def test_a_dataset_that_is_not_there_is_an_error_that_names_it(
    server: Any, retriever: Callable[..., RekaRetriever]
) -> None:
    server.will_answer({"detail": "no dataset 'manual'"}, status=404)

    with pytest.raises(reka.RetrievalError, match="manual"):
        retriever().invoke("Hi")


def test_a_retriever_feeds_a_chain(server: Any, retriever: Callable[..., RekaRetriever]) -> None:
    server.will_say("", retrieved_chunks=CHUNKS)

    def join(documents: list[Document]) -> str:
        return " ".join(document.page_content for document in documents)

    chain = retriever(k=2) | join

    assert chain.invoke("Hi") == "Hold the button. Unplug it."


def test_the_retrievers_key_shows_in_no_text_form_and_survives_a_pickle(
    server: Any, retriever: Callable[..., RekaRetriever]
) -> None:
    server.will_say("", retrieved_chunks=[])
    one = retriever()

    copied: RekaRetriever = pickle.loads(pickle.dumps(one))
    copied.invoke("Hi")
    copied.close()

    assert [text for text in (repr(one), str(one), dumps(one), one.model_dump_json()) if KEY in text] == []
    assert {request.key for request in server.requests} == {KEY}
