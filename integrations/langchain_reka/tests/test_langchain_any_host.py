"""Retriever and vector store on a host whose datasets are replaced as a whole: the same, by a manifest."""

import asyncio
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, index

import reka
from langchain_reka import ChatReka, RekaRetriever, RekaVectorStore
from tests.support.clients import KEY
from tests.support.processes import output_of
from tests.support.strict_datasets import StrictDatasets
from tests.support.strict_openai import StrictOpenAI

RESET = Document("To reset the lamp, hold the button.", id="reset", metadata={"source": "reset.txt", "page": 3})
POWER = Document("The lamp needs 5 watts.", id="power", metadata={"page": 9, "tags": ["a"]})
LONG = Document("Wipe the shade.\n\nUse a dry cloth.", id="care", metadata={})
MANUAL = [RESET, POWER, LONG]

Call: TypeAlias = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("at_once")


@pytest.fixture
def host() -> Iterator[StrictDatasets]:
    with StrictDatasets() as host:
        yield host


@pytest.fixture
def where(host: StrictDatasets) -> dict[str, Any]:
    return {"base_url": host.url, "api_key": KEY}


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    """Call a method, or its async twin, in turn."""

    def call(owner: Any, name: str, *arguments: Any, **options: Any) -> Any:
        if request.param == "sync":
            return getattr(owner, name)(*arguments, **options)

        async def run() -> Any:
            result = await getattr(owner, f"a{name}")(*arguments, **options)
            if not inspect.isclass(owner):
                await owner.aclose()
            return result

        return asyncio.run(run())

    return call


def test_documents_come_back_as_they_were_given(where: dict[str, Any], call: Call, host: StrictDatasets) -> None:
    retriever = call(RekaRetriever, "from_documents", MANUAL, dataset="manual", k=1, **where)

    assert call(retriever, "invoke", "reset button") == [RESET]
    assert call(retriever, "invoke", "a dry cloth") == [LONG.model_copy(update={"metadata": {"source": "care"}})]
    assert (
        call(RekaRetriever(dataset="manual", k=1, **where), "invoke", "a dry cloth")[0].page_content
        == "Use a dry cloth."
    )
    assert list(host.datasets) == [retriever.dataset]
    assert call(retriever, "invoke", "watts", filter={"page": {"$gt": 3}}) == [
        POWER.model_copy(update={"metadata": {**POWER.metadata, "source": "power"}})
    ]


def test_texts_and_files_replace_what_was_there(
    where: dict[str, Any], call: Call, host: StrictDatasets, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("The lamp is red.")
    retriever: Any = None
    for day in range(3):
        retriever = call(RekaRetriever, "from_texts", {"news": f"Day {day}."}, dataset="news", **where)
    files = call(RekaRetriever, "from_files", tmp_path, dataset="files", **where)

    assert len(host.datasets) == 2
    assert [document.page_content for document in call(retriever, "invoke", "day")] == ["Day 2."]
    assert [document.metadata for document in call(files, "invoke", "lamp")] == [{"source": "a.txt"}]


def test_a_model_answers_from_the_dataset_of_a_retriever(where: dict[str, Any]) -> None:
    retriever = RekaRetriever.from_documents(MANUAL, dataset="manual", **where)
    model = ChatReka(retrieval_dataset=retriever.dataset, **where)

    answer = model.invoke("reset button")

    assert answer.response_metadata["retrieved_chunks"][0]["source"] == "reset.txt"
    model.close()
    retriever.close()


def test_a_store_adds_replaces_deletes_gets_and_searches(
    where: dict[str, Any], call: Call, host: StrictDatasets
) -> None:
    store = RekaVectorStore(dataset="manual", **where)

    assert call(store, "similarity_search", "lamp") == call(store, "get_by_ids", ["reset"]) == []
    assert call(store, "delete", ["reset"]) is True
    assert call(store, "add_documents", MANUAL) == ["reset", "power", "care"]
    call(store, "add_texts", ["Press the switch."], [{"page": 4}], ids=["reset"])
    assert call(store, "get_by_ids", ["care", "nobody", "power"]) == [LONG, POWER]
    (found, score), *_ = call(store, "similarity_search_with_score", "press the switch", k=2)
    assert (found, score) == (Document("Press the switch.", id="reset", metadata={"page": 4}), 1.0)
    assert call(store, "similarity_search", "cloth", k=4, filter={"page": {"$gte": 4}}) == [found, POWER]
    assert call(store, "max_marginal_relevance_search", "cloth", k=1) == [LONG]
    call(store, "delete", ["reset"])
    call(store, "delete", filter={"page": 9})
    assert call(RekaVectorStore(dataset="manual", **where), "similarity_search", "lamp") == [LONG]
    assert len(host.datasets) == 1
    call(store, "delete")
    assert host.datasets == {}


def test_langchains_index_keeps_a_store_in_step(where: dict[str, Any]) -> None:
    records = InMemoryRecordManager("manual")
    records.create_schema()
    store = RekaVectorStore(dataset="manual", **where)

    def keep(*documents: Document) -> dict[str, int]:
        counts = index(documents, records, store, cleanup="full", source_id_key="source", key_encoder="sha256")
        return {name: count for name, count in counts.items() if isinstance(count, int) and count}

    one, two = (Document(text, metadata={"source": text}) for text in ("One.", "Two."))
    assert keep(one, two) == {"num_added": 2}
    assert keep(two) == {"num_skipped": 1, "num_deleted": 1}
    assert [document.page_content for document in store.similarity_search("two")] == ["Two."]
    store.close()


def test_a_change_in_one_process_leaves_those_of_others_working(where: dict[str, Any], host: StrictDatasets) -> None:
    retriever = RekaRetriever.from_documents(MANUAL, dataset="manual", **where)
    store = RekaVectorStore(dataset=retriever.dataset, **where)
    program = """
import sys
from langchain_reka import RekaVectorStore
store = RekaVectorStore(dataset="manual", base_url=sys.argv[1], api_key=sys.argv[2])
store.add_texts(["The lamp is red."], ids=["colour"])
"""
    output_of(sys.executable, "-c", program, host.url, KEY, REKA_MANIFESTS=os.environ["REKA_MANIFESTS"])

    assert retriever.invoke("red")[0].id == "colour"
    store.add_documents([Document("It hums.", id="sound")])
    assert {document.id for document in store.similarity_search("lamp", k=9)} == {
        "reset", "power", "care", "colour", "sound"
    }  # fmt: skip
    assert len(host.datasets) == 1
    store.close()
    retriever.close()


def test_documents_of_a_dataset_that_others_uploaded_are_unknown(
    where: dict[str, Any], call: Call, host: StrictDatasets
) -> None:
    host.datasets["manual"] = {"a.txt": "The lamp is red."}
    host.prepared.add("manual")
    store = RekaVectorStore(dataset="manual", **where)

    assert [document.page_content for document in call(store, "similarity_search", "lamp", k=1)] == ["The lamp is red."]
    with pytest.raises(reka.UnsupportedRequestError, match=r'datasets="local"'):
        call(store, "add_documents", MANUAL)
    with pytest.raises(reka.UnsupportedRequestError, match=r'datasets="local"'):
        call(store, "get_by_ids", ["a"])


def test_a_host_without_datasets_is_named_with_the_ways_out(call: Call) -> None:
    with StrictOpenAI() as host:
        store = RekaVectorStore(dataset="any", base_url=host.url, api_key=KEY)  # type: ignore[arg-type]  # pydantic takes a str
        with pytest.raises(reka.UnsupportedRequestError, match=r'has no datasets: .*datasets="local"'):
            call(store, "add_documents", MANUAL)
        store.close()
