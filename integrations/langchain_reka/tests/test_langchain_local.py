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
from pydantic import ValidationError

import reka
from langchain_reka import ChatReka, RekaRetriever

from .langchain_support import ask

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


def test_the_retriever_finds_the_passage_that_answers(retriever: RekaRetriever) -> None:
    documents = retriever.invoke("How do I reset the lamp?")

    assert documents[0].page_content == TEXTS["reset.txt"]
    assert documents[0].metadata["source"] == "reset.txt"
    assert len(documents) == 2
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


@pytest.mark.parametrize("call", ["invoke", "ainvoke", "stream", "astream"])
def test_a_model_answers_from_the_documents_that_its_filter_leaves(address: str, call: str) -> None:
    pages = [Document(text, metadata={"tenant": name}) for name, text in TEXTS.items()]
    dataset = RekaRetriever.from_documents(pages, dataset="tenants", base_url=address).dataset
    model = ChatReka(base_url=address, retrieval_dataset=dataset, retrieval_filter={"tenant": "power.txt"})

    own = ask(model, call, "How do I reset the lamp?")
    other = ask(model, call, "How do I reset the lamp?", retrieval_filter={"tenant": "reset.txt"})
    bound = ask(model.bind(retrieval_filter={"tenant": "cleaning.txt"}), call, "How do I reset the lamp?")
    model.close()

    assert [_sources(message) for message in (own, other, bound)] == [["power.txt"], ["reset.txt"], ["cleaning.txt"]]
    assert "ten seconds" in other.text
    assert "ten seconds" not in own.text + bound.text


def test_a_filter_that_is_none_is_refused_where_it_is_given() -> None:
    wrong = {"page": {"$near": 3}}

    with pytest.raises(ValidationError, match="retrieval_filter"):
        ChatReka(retrieval_filter=wrong)
    with pytest.raises(reka.InvalidArgumentError, match="retrieval_filter"):
        ChatReka().bind(retrieval_filter=wrong)
    with pytest.raises(reka.InvalidArgumentError, match=r"retrieval_filter: .* retrieval_dataset"):
        ChatReka(base_url="local", retrieval_filter={"page": 3}).invoke("Hi")


def _sources(message: AIMessage) -> list[str]:
    return [chunk["metadata"]["tenant"] for chunk in message.response_metadata["retrieved_chunks"]]
