"""Retrieved chunks become documents."""

import asyncio
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.load import dumps
from langchain_core.tracers.context import collect_runs
from pydantic import ValidationError

import reka
from langchain_reka import RekaRetriever
from reka.testing import FakeReka
from tests.support.clients import KEY

CHUNKS: list[dict[str, Any]] = [
    {"text": "Hold the button.", "source": "reset.txt", "score": 1.0, "similarity": 0.8, "page": 3},
    {"text": "Unplug it.", "source": "power.txt", "score": 0.5, "similarity": 0.2},
    {"text": "A chunk of which nothing is known."},
]

MakeRetriever = Callable[..., RekaRetriever]


@pytest.fixture
def make_retriever(fake: FakeReka) -> Iterator[MakeRetriever]:
    made: list[RekaRetriever] = []

    def make(**parameters: Any) -> RekaRetriever:
        made.append(RekaRetriever(**{"dataset": "manual", "api_key": KEY, "base_url": fake.url, **parameters}))
        return made[-1]

    yield make
    for retriever in made:
        retriever.close()


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Callable[..., list[Document]]:
    """Ask a retriever, in both ways in turn."""

    def ask(retriever: RekaRetriever, question: str, **parameters: Any) -> list[Document]:
        if request.param == "sync":
            return retriever.invoke(question, **parameters)
        return asyncio.run(retriever.ainvoke(question, **parameters))

    return ask


def will_find(fake: FakeReka, chunks: list[dict[str, Any]], *, features: tuple[str, ...] = ()) -> None:
    fake.will_answer(200, {"features": list(features)})
    fake.will_answer(200, {"type": "model", "text": "", "retrieved_chunks": chunks})


def test_chunks_become_documents_with_every_field_the_server_sent_but_what_depends_on_the_query(
    fake: FakeReka, make_retriever: MakeRetriever, ask: Callable[..., list[Document]]
) -> None:
    will_find(fake, CHUNKS)

    documents = ask(make_retriever(), "How do I reset it?")

    assert [document.page_content for document in documents] == [chunk["text"] for chunk in CHUNKS]
    assert [document.metadata for document in documents] == [
        {"source": "reset.txt", "page": 3},
        {"source": "power.txt"},
        {},
    ]
    request = fake.requests[1].json
    assert request["retrieval_dataset"] == "manual"
    assert request["request_output_len"] == 1
    assert request["conversation_history"] == [{"type": "human", "text": "How do I reset it?"}]


def test_scores_are_in_the_metadata_on_request(
    fake: FakeReka, make_retriever: MakeRetriever, ask: Callable[..., list[Document]]
) -> None:
    will_find(fake, CHUNKS)

    documents = ask(make_retriever(with_scores=True), "How do I reset it?")

    assert [document.metadata for document in documents] == [
        {"source": "reset.txt", "page": 3, "score": 1.0, "similarity": 0.8, "rank": 1},
        {"source": "power.txt", "score": 0.5, "similarity": 0.2, "rank": 2},
        {"rank": 3},
    ]


def test_the_same_chunk_has_the_same_id_whatever_its_rank_and_score(
    fake: FakeReka, make_retriever: MakeRetriever
) -> None:
    will_find(fake, CHUNKS)
    will_find(fake, [CHUNKS[1], {**CHUNKS[0], "score": 0.1}, {**CHUNKS[0], "source": "b.txt"}])

    first, second = make_retriever().invoke("one"), make_retriever().invoke("two")

    assert (second[0].id, second[1].id) == (first[1].id, first[0].id)
    assert len({document.id for document in (*first, second[2])}) == 4


@pytest.mark.parametrize("how", ["constructor", "call"])
def test_k_says_how_many_chunks_are_asked_for(
    fake: FakeReka, make_retriever: MakeRetriever, ask: Callable[..., list[Document]], how: str
) -> None:
    will_find(fake, CHUNKS, features=("retrieval_top_k",))
    of_constructor, of_call = ({"k": 2}, {}) if how == "constructor" else ({}, {"k": 2})

    found = ask(make_retriever(**of_constructor), "Hi", **of_call)

    assert len(found) == 2
    assert fake.requests[1].json["retrieval_top_k"] == 2


def test_min_score_leaves_out_what_fits_less(fake: FakeReka, make_retriever: MakeRetriever) -> None:
    will_find(fake, CHUNKS)

    found = make_retriever(min_score=0.6).invoke("Hi")

    assert [document.metadata["source"] for document in found] == ["reset.txt"]


@pytest.mark.parametrize("wrong", [{"dataset": ""}, {"k": 0}, {"k": 1001}, {"mode": "x"}, {"filter": {"a": {"$x": 1}}}])
def test_a_parameter_that_cannot_be_is_refused_when_the_retriever_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        RekaRetriever(**{"dataset": "manual", **wrong})


def test_an_unknown_argument_is_refused_with_the_nearest_that_is_known_and_without_its_value() -> None:
    mistyped: dict[str, Any] = {"dataset": "manual", "api_kee": KEY}

    with pytest.raises(
        ValidationError, match="api_kee: RekaRetriever has no such argument; did you mean api_k"
    ) as caught:
        RekaRetriever(**mistyped)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "detail"),
    [(404, "There is no dataset 'manual'."), (400, "Dataset 'manual' is not prepared for retrieval")],
)
def test_a_dataset_that_is_not_there_or_not_prepared_is_an_error_with_the_commands_that_mend_it(
    fake: FakeReka, make_retriever: MakeRetriever, ask: Callable[..., list[Document]], status: int, detail: str
) -> None:
    fake.will_answer(404)  # GET /
    fake.will_answer(status, {"detail": detail})

    with pytest.raises(reka.RetrievalError, match=r"'manual'.* `reka retrieval prepare manual --wait`") as caught:
        ask(make_retriever(), "Hi")
    assert caught.value.status_code == status


def test_a_retriever_feeds_a_chain_and_is_traced(fake: FakeReka, make_retriever: MakeRetriever) -> None:
    will_find(fake, CHUNKS)

    def join(documents: list[Document]) -> str:
        return " ".join(document.page_content for document in documents)

    chain = make_retriever(k=2, tags=["mine"], metadata={"who": "me"}) | join

    with collect_runs() as runs:
        assert chain.invoke("Hi") == "Hold the button. Unplug it."
    traced = runs.traced_runs[0].child_runs[0]
    assert traced.run_type == "retriever"
    assert "mine" in (traced.tags or [])
    assert {"who": "me", "ls_retriever_name": "reka"}.items() <= (traced.extra or {})["metadata"].items()


def test_the_retrievers_key_shows_in_no_text_form_and_survives_a_pickle(
    fake: FakeReka, make_retriever: MakeRetriever
) -> None:
    will_find(fake, [])
    one = make_retriever()

    copied: RekaRetriever = pickle.loads(pickle.dumps(one))
    copied.invoke("Hi")
    copied.close()

    assert [text for text in (repr(one), str(one), dumps(one), one.model_dump_json()) if KEY in text] == []
    assert {request.headers["x-api-key"] for request in fake.requests} == {KEY}


async def test_aclose_ends_the_connections_of_the_running_loop(fake: FakeReka, make_retriever: MakeRetriever) -> None:
    will_find(fake, CHUNKS)
    retriever = make_retriever()
    await retriever.ainvoke("Hi")

    await retriever.aclose()

    assert await asyncio.to_thread(fake.all_connections_closed)
