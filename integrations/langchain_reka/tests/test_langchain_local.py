"""The main job through LangChain, on the server embedded in this process."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

import reka
from langchain_reka import ChatReka, RekaRetriever

README = Path(__file__).parents[1] / "README.md"
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


def test_the_retriever_finds_the_passage_that_answers(retriever: RekaRetriever, dataset: str) -> None:
    documents = retriever.invoke("How do I reset the lamp?")

    assert documents[0].page_content == TEXTS["reset.txt"]
    assert documents[0].metadata["source"] == "reset.txt"
    assert [document.metadata["rank"] for document in documents] == [1, 2]
    assert {document.metadata["dataset"] for document in documents} == {dataset}
    assert documents[0].metadata["score"] >= documents[1].metadata["score"]
    assert [document.id for document in retriever.invoke("How do I reset the lamp?")] == [d.id for d in documents]


@pytest.mark.parametrize("k", [1, 3])
def test_the_server_gives_as_many_documents_as_asked_for(retriever: RekaRetriever, k: int) -> None:
    found = RekaRetriever(dataset=retriever.dataset, k=k, base_url=retriever.base_url)

    assert len(found.invoke("lamp")) == k
    found.close()


def test_a_chain_of_retriever_prompt_and_model_answers_from_the_texts(
    retriever: RekaRetriever, model: ChatReka
) -> None:
    prompt = ChatPromptTemplate.from_template("Answer from this:\n{context}\n\nQuestion: {question}")
    chain = {"context": retriever, "question": RunnablePassthrough()} | prompt | model | StrOutputParser()

    assert "ten seconds" in chain.invoke("How do I reset the lamp?")


def test_a_model_with_a_dataset_answers_from_it_and_carries_what_was_found(address: str, dataset: str) -> None:
    model = ChatReka(base_url=address, retrieval_dataset=dataset)

    answer = model.invoke("How do I reset the lamp?")
    model.close()

    assert "ten seconds" in answer.text
    assert answer.response_metadata["retrieved_chunks"][0]["source"] == "reset.txt"


def test_a_conversation_is_remembered(model: ChatReka) -> None:
    answer = model.invoke(
        [HumanMessage("Hi, my name is John."), AIMessage("Hello!"), HumanMessage("What was my name?")]
    )

    assert "John" in answer.text


def test_a_dataset_that_is_not_there_is_an_error_that_names_it(address: str) -> None:
    retriever = RekaRetriever(dataset="no-such-dataset", base_url=address)

    with pytest.raises(reka.RetrievalError, match="no-such-dataset"):
        retriever.invoke("Hi")
    retriever.close()


def test_the_examples_of_the_readme_run(tmp_path: Path) -> None:
    examples = [part.split("```")[0] for part in README.read_text().split("```python\n")[1:]]
    code = "\n".join(examples).replace('"local"', repr(f"local:{tmp_path}"))

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)

    assert run.returncode == 0, run.stderr
    answers = run.stdout.splitlines()
    assert "John" in run.stdout
    assert sum("ten seconds" in line for line in answers) >= 2
    assert "reset.txt" in answers[-1]
