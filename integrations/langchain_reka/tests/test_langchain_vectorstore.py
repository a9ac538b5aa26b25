"""A dataset as a vector store, over the embedded server."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing import InMemoryRecordManager, aindex, index
from pydantic import ValidationError

import reka
from langchain_reka import RekaVectorStore
from langchain_reka.errors import InvalidArgumentError
from reka.testing import FakeReka
from tests.support.clients import KEY

RESET = Document(
    "To reset the lamp, hold the button.", id="doc-1", metadata={"source": "m.pdf", "page": 3, "lang": "en"}
)
POWER = Document("The lamp needs five watts.", id="doc-2", metadata={"source": "m.pdf", "page": 7, "lang": "en"})
LAMPE = Document("Die Lampe braucht fünf Watt.", id="doc-3", metadata={"page": 7, "lang": "de", "tags": ["a", None]})
MANUAL = [RESET, POWER, LAMPE]
QUESTION = "How many watts does the lamp need?"

Call = Callable[..., Any]


@pytest.fixture
def store(embedded: str) -> Iterator[RekaVectorStore]:
    """An empty store."""
    made = RekaVectorStore(dataset="store", base_url=embedded)
    yield made
    made.delete()
    made.close()


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    """Call a method of a store, or its async twin, in turn."""

    def call(owner: Any, name: str, *arguments: Any, **options: Any) -> Any:
        if request.param == "sync":
            return getattr(owner, name)(*arguments, **options)
        return asyncio.run(getattr(owner, f"a{name}")(*arguments, **options))

    return call


def test_documents_are_found_with_and_without_scores(store: RekaVectorStore, call: Call) -> None:
    assert call(store, "add_documents", MANUAL) == ["doc-1", "doc-2", "doc-3"]

    found = call(store, "similarity_search", QUESTION, k=2)
    scored = call(store, "similarity_search_with_score", QUESTION, k=2)
    relevant = call(store, "similarity_search_with_relevance_scores", QUESTION, k=3, score_threshold=0.3)

    assert found[0] == POWER
    assert [document for document, _ in scored] == found
    assert 1 >= scored[0][1] > scored[1][1] >= 0
    assert relevant[0] == scored[0]
    assert all(score >= 0.3 for _, score in relevant)


def test_a_long_document_is_found_whole_and_once_or_in_passages(store: RekaVectorStore, call: Call) -> None:
    long = "\n\n".join(f" The bulb number {place} of the lamp is made of glass. " * 5 for place in range(40))
    call(store, "add_documents", [Document(long, id="long", metadata={"n": 1}), POWER])

    found = call(store, "similarity_search", "bulb of the lamp", k=2)
    passages = call(store.model_copy(update={"whole_documents": False}), "similarity_search", "bulb of glass", k=3)

    assert found == [Document(long, id="long", metadata={"n": 1}), POWER]
    assert call(store, "get_by_ids", ["long"]) == found[:1]
    assert len({document.id for document in passages}) == 3
    assert {document.metadata["n"] for document in passages} == {1}


def test_a_filter_limits_each_search(store: RekaVectorStore, call: Call) -> None:
    call(store, "add_documents", MANUAL)
    german = {"lang": {"$in": ["de", "fr"]}}

    assert call(store, "similarity_search", QUESTION, filter=german) == [LAMPE]
    assert call(store, "similarity_search_with_score", QUESTION, k=3, filter=german)[0][0] == LAMPE
    assert call(store, "max_marginal_relevance_search", QUESTION, filter=german) == [LAMPE]
    assert call(store.as_retriever(search_kwargs={"filter": german}), "invoke", QUESTION) == [LAMPE]
    assert call(store, "similarity_search", QUESTION, filter={"lang": "fi"}) == []


def test_as_many_documents_come_back_as_are_asked_for_those_that_do_not_fit_last(
    store: RekaVectorStore, call: Call
) -> None:
    call(store, "add_texts", ["foo", "bar", "baz"], ids=["1", "2", "3"])

    scored = call(store, "similarity_search_with_score", "bar", k=3)

    assert scored[0] == (Document("bar", id="2"), 1.0)
    assert {document.id for document, _ in scored} == {"1", "2", "3"}
    assert max(score for _, score in scored[1:]) < 0.3
    assert call(store, "similarity_search", "bar", k=3, mode="keyword")[0].id == "2"


def test_without_vectors_documents_that_do_not_fit_are_taken_from_the_list(fake: FakeReka, call: Call) -> None:
    parameters: dict[str, Any] = {"base_url": fake.url, "api_key": KEY, "datasets": "host"}
    store = RekaVectorStore(dataset="any", **parameters)
    fits = {"text": "bar", "document_id": "1", "document_bytes": 3, "metadata": {"n": 1}, "score": 0.9}
    listed = [
        {"id": str(n), "source": str(n), "metadata": {"n": n}, "size_bytes": 3, "chunks": 1, "digest": "d"}
        for n in (1, 2, 3, 4)
    ]
    fake.will_answer(200, {"features": ["documents"]})
    fake.will_answer(200, {"retrieved_chunks": [fits]})  # by words and by meaning
    fake.will_answer(200, {"retrieved_chunks": [fits]})  # by meaning
    fake.will_answer(200, {"documents": listed, "next": None})
    fake.will_answer(200, {"documents": [{"id": "3", "text": "foo", "metadata": {"n": 3}}]})

    found = call(store, "similarity_search_with_score", "bar", k=2, filter={"n": {"$ne": 2}})
    store.close()

    assert found == [(Document("bar", id="1", metadata={"n": 1}), 0.9), (Document("foo", id="3", metadata={"n": 3}), 0)]
    assert fake.requests[-1].json == {"ids": ["3"]}
    assert [request.json.get("mode") for request in fake.requests[1:3]] == ["hybrid", "vector"]


def test_a_retriever_of_the_store_searches_in_three_ways(store: RekaVectorStore, call: Call) -> None:
    call(store, "add_documents", MANUAL)

    similar = store.as_retriever(search_kwargs={"k": 1})
    fitting = store.as_retriever(search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.3})
    diverse = store.as_retriever(search_type="mmr", search_kwargs={"k": 2, "fetch_k": 3})

    assert call(similar, "invoke", QUESTION) == [POWER]
    assert POWER in call(fitting, "invoke", QUESTION)
    assert call(fitting, "invoke", "Who wrote Hamlet?") == []
    assert len(call(diverse, "invoke", QUESTION)) == 2


def test_diverse_documents_are_told_from_near_repetitions(store: RekaVectorStore, call: Call) -> None:
    texts = {
        "a": "The lamp needs five watts of power.",
        "b": "The lamp needs five watts of power today.",
        "c": "Power for each lamp comes from any socket.",
        "ja": "ランプの電力は五ワットです。",
    }
    call(store, "add_texts", texts.values(), ids=list(texts))
    query = "Which power does the lamp need, in watts?"

    def ids(**options: Any) -> list[str]:
        return [document.id for document in call(store, "max_marginal_relevance_search", query, **options)]

    assert set(ids(k=2, lambda_mult=1)) == {"a", "b"}
    assert not {"a", "b"} <= set(ids(k=2, lambda_mult=0.2))
    assert ids(k=1, lambda_mult=0)[0] in ("a", "b")
    assert len(ids(k=4, fetch_k=1)) == 4


def test_documents_are_replaced_by_id_deleted_and_got(store: RekaVectorStore, call: Call) -> None:
    call(store, "add_documents", MANUAL)
    changed = Document("The lamp needs nine watts.", metadata={"lang": "en", "by": "me"})

    assert call(store, "add_documents", [changed], ids=["doc-2"]) == ["doc-2"]
    assert call(store, "delete", ["doc-1", "nowhere"]) is True

    assert call(store, "get_by_ids", ["doc-3", "doc-1", "doc-2"]) == [LAMPE, changed.model_copy(update={"id": "doc-2"})]
    assert call(store, "delete", filter={"lang": "de"}) is True
    assert call(store, "similarity_search", "lamp Lampe") == [changed.model_copy(update={"id": "doc-2"})]
    assert call(store, "delete") is True
    assert call(store, "similarity_search", "lamp") == call(store, "get_by_ids", ["doc-2"]) == []


def test_texts_without_ids_get_one_each_and_given_documents_are_left_as_they_are(
    store: RekaVectorStore, call: Call
) -> None:
    given = [Document("The lamp is red."), Document("The lamp is red.")]

    ids = call(store, "add_documents", given)

    assert len(set(ids)) == 2
    assert given == [Document("The lamp is red.")] * 2
    assert len(call(store, "similarity_search", "red lamp")) == 2


def test_a_store_is_made_of_texts_or_documents_beside_what_it_holds(store: RekaVectorStore, call: Call) -> None:
    options = {"dataset": store.dataset, "base_url": store.base_url}

    call(RekaVectorStore, "from_documents", MANUAL[:1], **options)
    other = call(RekaVectorStore, "from_texts", ["A desk."], None, [{"page": 9}], ids=["desk"], **options)

    assert call(other, "get_by_ids", ["doc-1", "desk"]) == [RESET, Document("A desk.", id="desk", metadata={"page": 9})]
    other.close()


@pytest.mark.parametrize("name", ["my notes", "a/b", "", "a\n", "_notes", "notes-", "a__b", "a..b"])
def test_a_name_that_the_server_would_change_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="dataset"):
        RekaVectorStore(dataset=name, base_url="local")


def test_a_name_may_be_of_any_script(embedded: str, call: Call) -> None:
    store = call(RekaVectorStore, "from_texts", ["A desk."], dataset="Bücher.本-1", base_url=embedded)

    assert [document.page_content for document in call(store, "similarity_search", "desk")] == ["A desk."]
    call(store, "delete")
    store.close()


def test_an_index_run_adds_skips_replaces_and_deletes(store: RekaVectorStore) -> None:
    records = InMemoryRecordManager("store")
    records.create_schema()

    def run(documents: list[Document], **options: Any) -> dict[str, int]:
        result = index(documents, records, store, source_id_key="source", key_encoder="sha256", **options)
        return {name.removeprefix("num_"): count for name, count in dict(result).items() if isinstance(count, int)}

    a, b = Document("The lamp is red.", metadata={"source": "a"}), Document("A desk.", metadata={"source": "b"})
    c = Document("The lamp is blue.", metadata={"source": "a"})

    assert run([a, b], cleanup="full") == {"added": 2, "updated": 0, "skipped": 0, "deleted": 0}
    assert run([a, b], cleanup="full") == {"added": 0, "updated": 0, "skipped": 2, "deleted": 0}
    assert run([c], cleanup="incremental") == {"added": 1, "updated": 0, "skipped": 0, "deleted": 1}
    assert {found.page_content for found in store.similarity_search("lamp desk")} == {"The lamp is blue.", "A desk."}
    assert run([c], cleanup="full") == {"added": 0, "updated": 0, "skipped": 1, "deleted": 1}


async def test_an_index_run_may_be_asynchronous(store: RekaVectorStore) -> None:
    records = InMemoryRecordManager("store")
    await records.acreate_schema()

    result = await aindex([POWER], records, store, cleanup="full", source_id_key="source", key_encoder="sha256")

    assert (result["num_added"], result["num_deleted"]) == (1, 0)
    assert [found.page_content for found in await store.asimilarity_search("watts")] == [POWER.page_content]
    await store.aclose()


UNKNOWN = {
    "similarity_search": ("x",),
    "similarity_search_with_score": ("x",),
    "similarity_search_with_relevance_scores": ("x",),
    "max_marginal_relevance_search": ("x",),
    "add_documents": ([POWER],),
    "add_texts": (["x"],),
    "delete": (["x"],),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_argument_is_refused(store: RekaVectorStore, call: Call, name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"filtr: .* has no such argument"):
        call(store, name, *UNKNOWN[name], filtr={"lang": "de"})


@pytest.mark.parametrize(
    ("name", "arguments", "options", "message"),
    [
        ("similarity_search", ["x"], {"filter": {"a": {"$near": 1}}}, "filter"),
        ("similarity_search", ["x"], {"k": 0}, "k: got 0"),
        ("similarity_search", ["x"], {"mode": "magic"}, "mode: got 'magic'"),
        ("add_documents", [[POWER]], {"ids": ["a", "b"]}, "ids: got 2, want 1"),
        ("add_texts", [["a"]], {"metadatas": [{}, {}]}, "metadatas: got 2, want 1"),
        ("add_documents", [[POWER, Document(" ")]], {}, r"documents\[1\]\['text'\]: got an empty one"),
        ("delete", [["a"]], {"filter": {"lang": "de"}}, "ids, filter: want one of them"),
        ("delete", [], {"filter": {}}, "filter: got an empty one"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(
    store: RekaVectorStore, call: Call, name: str, arguments: list[Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        call(store, name, *arguments, **options)


def test_vectors_of_the_callers_are_refused(store: RekaVectorStore, call: Call) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="embedding: got DeterministicFakeEmbedding, want None"):
        call(RekaVectorStore, "from_documents", MANUAL, DeterministicFakeEmbedding(size=2), dataset="x")
    for name in ("similarity_search_by_vector", "max_marginal_relevance_search_by_vector"):
        with pytest.raises(NotImplementedError, match="searches by text"):
            call(store, name, [1.0])
    assert store.embeddings is None


def test_the_key_shows_in_no_text_form_of_a_store(store: RekaVectorStore) -> None:
    parameters: dict[str, Any] = {"api_key": KEY}
    one = RekaVectorStore(dataset="any", **parameters)

    assert [text for text in (repr(one), str(one), repr(one.as_retriever())) if KEY in text] == []
