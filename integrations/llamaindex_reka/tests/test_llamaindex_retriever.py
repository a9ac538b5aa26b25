import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.schema import MetadataMode, QueryBundle

import reka
from llamaindex_reka import RekaRetriever
from reka.testing import FakeReka
from tests.support.clients import KEY

from .llamaindex_support import sent

CHUNKS: list[dict[str, Any]] = [
    {"text": "Hold the button.", "source": "reset.txt", "score": 1.0, "similarity": 0.8},
    {"text": "Unplug it.", "source": "power.txt", "score": 0.5, "similarity": 0.2},
    {"text": "A chunk of which nothing is known."},
]

MakeRetriever = Callable[..., RekaRetriever]


@pytest.fixture
def retriever(fake: FakeReka) -> Iterator[MakeRetriever]:
    made: list[RekaRetriever] = []

    def make(**parameters: Any) -> RekaRetriever:
        chosen: dict[str, Any] = {"dataset": "manual", "api_key": KEY, "base_url": fake.url, **parameters}
        made.append(RekaRetriever(**chosen))
        return made[-1]

    yield make
    for each in made:
        each.close()


def will_find(fake: FakeReka, *answers: list[dict[str, Any]]) -> None:
    fake.will_answer(200, {"features": ["retrieval_top_k"]})
    for chunks in answers:
        fake.will_answer(200, {"type": "model", "text": "", "retrieved_chunks": chunks})


def test_the_class_is_what_llamaindex_asks_of_an_integration() -> None:
    assert BaseRetriever.__name__ in [base.__name__ for base in RekaRetriever.__mro__]


def test_chunks_become_nodes_with_score_source_and_every_field_the_server_sent(
    fake: FakeReka, retriever: MakeRetriever
) -> None:
    will_find(fake, CHUNKS)

    found = retriever().retrieve("How do I reset it?")

    assert [node.text for node in found] == [chunk["text"] for chunk in CHUNKS]
    assert [node.score for node in found] == [1.0, 0.5, None]
    assert [node.node.ref_doc_id for node in found] == ["reset.txt", "power.txt", None]
    assert [node.metadata for node in found] == [
        {"source": "reset.txt", "score": 1.0, "similarity": 0.8, "rank": 1, "dataset": "manual"},
        {"source": "power.txt", "score": 0.5, "similarity": 0.2, "rank": 2, "dataset": "manual"},
        {"rank": 3, "dataset": "manual"},
    ]
    assert sent(fake)["retrieval_dataset"] == "manual"
    assert sent(fake)["conversation_history"] == [{"type": "human", "text": "How do I reset it?"}]
    assert sent(fake)["request_output_len"] == 1


def test_the_model_is_shown_a_nodes_source_and_text_alone(fake: FakeReka, retriever: MakeRetriever) -> None:
    will_find(fake, CHUNKS[:1])

    (found,) = retriever().retrieve("Hi")

    assert found.node.get_content(MetadataMode.LLM).split() == ["source:", "reset.txt", "Hold", "the", "button."]


def test_the_same_chunk_has_the_same_id_whatever_its_rank_and_score(fake: FakeReka, retriever: MakeRetriever) -> None:
    will_find(fake, CHUNKS, [CHUNKS[1], {**CHUNKS[0], "score": 0.1}, {**CHUNKS[0], "source": "b.txt"}])
    one = retriever()

    first, second = one.retrieve("one"), one.retrieve("two")

    assert (second[0].node_id, second[1].node_id) == (first[1].node_id, first[0].node_id)
    assert len({node.node_id for node in (*first, second[2])}) == 4


async def test_similarity_top_k_says_how_many_chunks_are_asked_for(fake: FakeReka, retriever: MakeRetriever) -> None:
    will_find(fake, CHUNKS)
    will_find(fake, CHUNKS)
    two = retriever(similarity_top_k=2)

    found, found_later = two.retrieve("Hi"), await two.aretrieve(QueryBundle("Hi"))
    await two.aclose()

    assert [len(found), len(found_later)] == [2, 2]
    assert found == found_later
    assert [sent(fake, place)["retrieval_top_k"] for place in (1, 3)] == [2, 2]


@pytest.mark.parametrize(("min_score", "texts"), [(0.5, 2), (0.6, 1), (2, 0), (None, 3)])
def test_min_score_leaves_out_what_scores_less_or_not_at_all(
    fake: FakeReka, retriever: MakeRetriever, min_score: float | None, texts: int
) -> None:
    will_find(fake, CHUNKS)

    assert len(retriever(min_score=min_score).retrieve("Hi")) == texts


def test_a_bundle_with_strings_of_its_own_is_searched_for_by_these(fake: FakeReka, retriever: MakeRetriever) -> None:
    will_find(fake, CHUNKS)

    retriever().retrieve(QueryBundle("How?", custom_embedding_strs=["Hold it.", "Press it."]))

    assert sent(fake)["conversation_history"] == [{"type": "human", "text": "Hold it.\nPress it."}]


def test_callbacks_see_a_retrieval_with_its_nodes(fake: FakeReka, retriever: MakeRetriever) -> None:
    will_find(fake, CHUNKS)
    seen = LlamaDebugHandler(print_trace_on_end=False)

    found = retriever(callback_manager=CallbackManager([seen])).retrieve("Hi")

    ((_, ended),) = seen.get_event_pairs(CBEventType.RETRIEVE)
    assert ended.payload is not None
    assert list(ended.payload.values()) == [found]


@pytest.mark.parametrize(
    "wrong",
    [
        *({"dataset": dataset} for dataset in ("", " ", None, 3)),
        *({"similarity_top_k": k} for k in (0, 1001, -1, "3", None, 3.5, True, np.True_, np.float64(3.5), [3])),
        {"filters": {"lang": "de"}},
        {"doc_ids": "a"},
        {"node_ids": [3]},
        *({"vector_store_query_mode": mode} for mode in ("mmr", "svm", "best", None)),
        *({"min_score": score} for score in ("0.5", float("nan"), True, [0.5])),
        {"max_retries": -1},
    ],
)
def test_a_value_that_cannot_be_is_refused_before_anything_is_sent(
    fake: FakeReka, retriever: MakeRetriever, wrong: dict[str, Any]
) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=f"^{next(iter(wrong))}: got .*, want "):
        retriever(**wrong)
    assert fake.requests == []


def test_numbers_of_numpy_are_taken(fake: FakeReka, retriever: MakeRetriever) -> None:
    will_find(fake, CHUNKS)

    found = retriever(similarity_top_k=np.int64(2), min_score=np.float64(0.6)).retrieve("Hi")

    assert [node.text for node in found] == ["Hold the button."]
    assert sent(fake)["retrieval_top_k"] == 2


async def test_a_dataset_that_is_not_there_is_an_error_that_names_it_and_what_prepares_it(
    fake: FakeReka, retriever: MakeRetriever
) -> None:
    one = retriever()
    for _ in range(2):
        fake.will_answer(200, {"features": []})
        fake.will_answer(404, {"detail": "no dataset 'manual'"}, headers={"x-request-id": "r-7"})
        fake.will_answer(200, ["another"])

    with pytest.raises(reka.RetrievalError, match=r"no dataset 'manual'\. .*RekaIndex\.from_documents .*r-7"):
        one.retrieve("Hi")
    with pytest.raises(reka.RetrievalError, match=r"no dataset 'manual'\. .*RekaIndex\.from_documents .*r-7"):
        await one.aretrieve("Hi")
    await one.aclose()


def test_the_retrievers_key_shows_in_no_text_form_and_survives_a_pickle(
    fake: FakeReka, retriever: MakeRetriever
) -> None:
    will_find(fake, [])
    one = retriever()

    copied: RekaRetriever = pickle.loads(pickle.dumps(one))
    copied.retrieve("Hi")
    copied.close()

    assert [text for text in (repr(one), str(one), str(vars(one))) if KEY in text] == []
    assert {request.headers["x-api-key"] for request in fake.requests} == {KEY}
