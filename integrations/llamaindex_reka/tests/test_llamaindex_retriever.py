import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.schema import MetadataMode, QueryBundle

import reka
from llamaindex_reka import RekaLLM, RekaRetriever

KEY = "a-secret-key"
CHUNKS: list[dict[str, Any]] = [
    {"text": "Hold the button.", "source": "reset.txt", "score": 1.0, "similarity": 0.8},
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


def test_chunks_become_nodes_with_score_source_and_every_field_the_server_sent(
    server: Any, retriever: Callable[..., RekaRetriever]
) -> None:
    server.will_say("", retrieved_chunks=CHUNKS)

    found = retriever().retrieve("How do I reset it?")

    assert [node.text for node in found] == [chunk["text"] for chunk in CHUNKS]
    assert [node.score for node in found] == [1.0, 0.5, None]
    assert [node.node.ref_doc_id for node in found] == ["reset.txt", "power.txt", None]
    assert [node.metadata for node in found] == [
        {"source": "reset.txt", "score": 1.0, "similarity": 0.8, "rank": 1, "dataset": "manual"},
        {"source": "power.txt", "score": 0.5, "similarity": 0.2, "rank": 2, "dataset": "manual"},
        {"rank": 3, "dataset": "manual"},
    ]
    assert server.chats[0]["retrieval_dataset"] == "manual"
    assert server.chats[0]["conversation_history"] == [{"type": "human", "text": "How do I reset it?"}]


def test_the_model_is_shown_a_nodes_source_and_text_alone(server: Any, retriever: Callable[..., RekaRetriever]) -> None:
    server.will_say("", retrieved_chunks=CHUNKS[:1])

    (found,) = retriever().retrieve("Hi")

    assert found.node.get_content(MetadataMode.LLM).split() == ["source:", "reset.txt", "Hold", "the", "button."]


def test_the_same_chunk_has_the_same_id_whatever_its_rank_and_score(
    server: Any, retriever: Callable[..., RekaRetriever]
) -> None:
    server.will_say("", retrieved_chunks=CHUNKS)
    server.will_say("", retrieved_chunks=[CHUNKS[1], {**CHUNKS[0], "score": 0.1}, {**CHUNKS[0], "source": "b.txt"}])

    first, second = retriever().retrieve("one"), retriever().retrieve("two")

    assert (second[0].node_id, second[1].node_id) == (first[1].node_id, first[0].node_id)
    assert len({node.node_id for node in (*first, second[2])}) == 4


async def test_similarity_top_k_says_how_many_chunks_are_asked_for(
    server: Any, retriever: Callable[..., RekaRetriever]
) -> None:
    server.will_say("", retrieved_chunks=CHUNKS)
    server.will_say("", retrieved_chunks=CHUNKS)
    two = retriever(similarity_top_k=2)

    found, found_later = two.retrieve("Hi"), await two.aretrieve(QueryBundle("Hi"))

    assert [len(found), len(found_later)] == [2, 2]
    assert [chat["retrieval_top_k"] for chat in server.chats] == [2, 2]


@pytest.mark.parametrize("wrong", [{"dataset": ""}, {"similarity_top_k": 0}, {"similarity_top_k": 101}])
def test_a_value_that_cannot_be_is_refused_before_anything_is_sent(
    server: Any, retriever: Callable[..., RekaRetriever], wrong: dict[str, Any]
) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=next(iter(wrong))):
        retriever(**wrong)
    assert server.requests == []


def test_a_dataset_that_is_not_there_is_an_error_that_names_it(
    server: Any, retriever: Callable[..., RekaRetriever]
) -> None:
    server.will_answer({"detail": "no dataset 'manual'"}, status=404)

    with pytest.raises(reka.RetrievalError, match="manual"):
        retriever().retrieve("Hi")


def test_a_query_engine_answers_from_what_was_retrieved(server: Any, retriever: Callable[..., RekaRetriever]) -> None:
    server.will_say("", retrieved_chunks=CHUNKS)
    server.will_say("Hold the button.")
    llm = RekaLLM(api_key=KEY, base_url=server.url)
    engine = RetrieverQueryEngine.from_args(retriever(), llm=llm, response_mode=ResponseMode.COMPACT)

    answer = engine.query("How do I reset it?")
    llm.close()

    assert str(answer) == "Hold the button."
    assert [node.metadata.get("source") for node in answer.source_nodes] == ["reset.txt", "power.txt", None]
    assert len(server.chats) == 2
    asked = server.chats[1]["conversation_history"]
    assert [turn["type"] for turn in asked] == ["human"]
    assert all(chunk["text"] in asked[0]["text"] for chunk in CHUNKS)
    assert "How do I reset it?" in asked[0]["text"]


def test_the_retrievers_key_shows_in_no_text_form_and_survives_a_pickle(
    server: Any, retriever: Callable[..., RekaRetriever]
) -> None:
    server.will_say("", retrieved_chunks=[])
    one = retriever()

    copied: RekaRetriever = pickle.loads(pickle.dumps(one))
    copied.retrieve("Hi")
    copied.close()

    assert [text for text in (repr(one), str(one), str(vars(one))) if KEY in text] == []
    assert {request.key for request in server.requests} == {KEY}
