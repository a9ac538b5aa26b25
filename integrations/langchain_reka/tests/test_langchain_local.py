"""The main job through LangChain, on the server embedded in this process; and the standard suite for retrievers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnablePassthrough
from langchain_tests.integration_tests import RetrieversIntegrationTests

import reka
from langchain_reka import ChatReka, RekaRetriever

TEXTS = {
    "reset.txt": "To reset the lamp, hold the button for ten seconds.",
    "power.txt": "The lamp draws five watts from any USB port.",
    "cleaning.txt": "Wipe the shade with a dry cloth.",
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"local:{tmp_path_factory.mktemp('langchain')}"


@pytest.fixture(scope="module")
def dataset(address: str) -> str:
    with reka.Reka(base_url=address) as client:
        return client.ensure_dataset("lamp", texts=TEXTS)


@pytest.fixture
def model(address: str) -> Iterator[ChatReka]:
    chat = ChatReka(base_url=address)
    yield chat
    chat.close()


@pytest.fixture
def retriever(address: str, dataset: str) -> Iterator[RekaRetriever]:
    found = RekaRetriever(dataset=dataset, k=2, base_url=address)
    yield found
    found.close()


class TestRetriever(RetrieversIntegrationTests):
    """LangChain's standard suite."""

    parameters: dict[str, Any]

    @pytest.fixture(autouse=True)
    def _on_the_embedded_server(self, address: str, dataset: str) -> None:
        self.parameters = {"dataset": dataset, "base_url": address}

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return RekaRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return self.parameters

    @property
    def retriever_query_example(self) -> str:
        return "How do I reset the lamp?"


def test_the_retriever_finds_the_passage_that_answers(retriever: RekaRetriever, dataset: str) -> None:
    documents = retriever.invoke("How do I reset the lamp?")

    assert documents[0].page_content == TEXTS["reset.txt"]
    assert documents[0].metadata["source"] == "reset.txt"
    assert [document.metadata["rank"] for document in documents] == [1, 2]
    assert {document.metadata["dataset"] for document in documents} == {dataset}
    assert documents[0].metadata["score"] >= documents[1].metadata["score"]
    assert [document.id for document in retriever.invoke("How do I reset the lamp?")] == [d.id for d in documents]


def test_a_chain_of_retriever_prompt_and_model_answers_from_the_texts(
    retriever: RekaRetriever, model: ChatReka
) -> None:
    prompt = ChatPromptTemplate.from_template("Answer from this:\n{context}\n\nQuestion: {question}")
    chain = {"context": retriever, "question": RunnablePassthrough()} | prompt | model | StrOutputParser()

    assert "ten seconds" in chain.invoke("How do I reset the lamp?")


async def test_a_model_with_a_dataset_answers_from_it_and_carries_what_was_found(model: ChatReka, dataset: str) -> None:
    bound = model.bind(retrieval_dataset=dataset)

    whole = bound.invoke("How do I reset the lamp?")
    pieces = [chunk async for chunk in bound.astream("How do I reset the lamp?")]
    await model.aclose()

    assert "ten seconds" in whole.text
    assert whole.response_metadata["retrieved_chunks"][0]["source"] == "reset.txt"
    total = sum(pieces[1:], pieces[0])
    assert total.text == whole.text
    assert total.response_metadata["retrieved_chunks"] == whole.response_metadata["retrieved_chunks"]


def test_a_conversation_is_remembered(model: ChatReka) -> None:
    answer = model.invoke(
        [HumanMessage("Hi, my name is John."), AIMessage("Hello!"), HumanMessage("What was my name?")]
    )

    assert "John" in answer.text


@pytest.mark.parametrize("way", ["documents", "texts", "files"])
def test_a_retriever_makes_its_dataset_and_makes_it_once(address: str, tmp_path: Path, way: str) -> None:
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text)
    documents = [Document(text, metadata={"source": name}) for name, text in TEXTS.items()]

    def make() -> RekaRetriever:
        if way == "documents":
            return RekaRetriever.from_documents(documents, dataset="made-of-documents", k=1, base_url=address)
        if way == "texts":
            return RekaRetriever.from_texts(TEXTS, dataset="made-of-texts", k=1, base_url=address)
        return RekaRetriever.from_files(tmp_path, dataset="made-of-files", k=1, base_url=address)

    first, second = make(), make()

    (found,) = first.invoke("How do I reset the lamp?")
    assert (found.page_content, found.metadata["source"]) == (TEXTS["reset.txt"], "reset.txt")
    assert first.dataset == second.dataset
    first.close()
    second.close()


def test_documents_of_one_source_are_one_text(address: str) -> None:
    parts = [
        Document("The first part.", metadata={"source": "a.txt"}),
        Document("The second.", metadata={"source": "a.txt"}),
    ]

    retriever = RekaRetriever.from_documents([*parts, Document("Without a source.")], dataset="parts", base_url=address)
    found = {document.metadata["source"]: document.page_content for document in retriever.invoke("part")}
    retriever.close()

    assert found["a.txt"] == "The first part.\n\nThe second."
    assert "Without a source." in found.values()
    with pytest.raises(reka.InvalidArgumentError):
        RekaRetriever.from_documents([], dataset="nothing", base_url=address)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/home/ann/lamp.txt", "home/ann/lamp.txt"),
        ("../lamp.txt", "lamp.txt"),
        ("C:\\Ann\\lamp.txt", "Ann/lamp.txt"),
        ("https://example.com/lamp?page=1#power", "https://example.com/lamp?page=1#power"),
        ("two\nlines", "two lines"),
        ("..", "00001.txt"),
        (None, "00001.txt"),
        (42, "42"),
    ],
)
def test_a_documents_source_names_its_text_whatever_loader_it_is_from(address: str, source: object, name: str) -> None:
    documents = [Document("The lamp draws five watts.", metadata={"source": source})]

    retriever = RekaRetriever.from_documents(documents, dataset="loaded", base_url=address)
    found = retriever.invoke("lamp")
    retriever.close()

    assert [document.metadata["source"] for document in found] == [name]
