"""The main job through LlamaIndex, on the server embedded in this process."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode

import reka
from llamaindex_reka import RekaLLM, RekaRetriever

README = Path(__file__).parents[1] / "README.md"
TEXTS = {
    "reset.txt": "To reset the lamp, hold the button for ten seconds.",
    "power.txt": "The lamp draws five watts from any USB port.",
    "cleaning.txt": "Wipe the shade with a dry cloth.",
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"local:{tmp_path_factory.mktemp('llamaindex')}"


@pytest.fixture(scope="module")
def dataset(address: str) -> str:
    with reka.Reka(base_url=address) as client:
        return client.ensure_dataset("lamp", texts=TEXTS)


@pytest.fixture
def llm(address: str) -> Iterator[RekaLLM]:
    model = RekaLLM(base_url=address)
    yield model
    model.close()


@pytest.fixture
def retriever(address: str, dataset: str) -> Iterator[RekaRetriever]:
    found = RekaRetriever(dataset, 2, base_url=address)
    yield found
    found.close()


def test_the_retriever_finds_the_passage_that_answers(retriever: RekaRetriever, dataset: str) -> None:
    nodes = retriever.retrieve("How do I reset the lamp?")

    assert nodes[0].text == TEXTS["reset.txt"]
    assert nodes[0].node.ref_doc_id == "reset.txt"
    assert [node.metadata["rank"] for node in nodes] == [1, 2]
    assert {node.metadata["dataset"] for node in nodes} == {dataset}
    assert nodes[0].get_score() >= nodes[1].get_score()
    assert [node.node_id for node in retriever.retrieve("How do I reset the lamp?")] == [node.node_id for node in nodes]


def test_a_query_engine_answers_from_the_texts_and_tells_its_sources(retriever: RekaRetriever, llm: RekaLLM) -> None:
    engine = RetrieverQueryEngine.from_args(retriever, llm=llm, response_mode=ResponseMode.COMPACT)

    answer = engine.query("How do I reset the lamp?")

    assert "ten seconds" in str(answer)
    assert answer.source_nodes[0].metadata["source"] == "reset.txt"


async def test_a_query_engine_answers_asynchronously_too(retriever: RekaRetriever, llm: RekaLLM) -> None:
    answer = await RetrieverQueryEngine.from_args(retriever, llm=llm).aquery("How do I reset the lamp?")

    assert "ten seconds" in str(answer)


def test_a_model_with_a_dataset_answers_from_it_and_carries_what_was_found(address: str, dataset: str) -> None:
    llm = RekaLLM(base_url=address, retrieval_dataset=dataset)

    answer = llm.complete("How do I reset the lamp?")
    llm.close()

    assert "ten seconds" in answer.text
    assert answer.additional_kwargs["retrieved_chunks"][0]["source"] == "reset.txt"


def test_a_chat_engine_remembers_the_conversation(llm: RekaLLM) -> None:
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=ChatMemoryBuffer.from_defaults(token_limit=4000))

    engine.chat("Hi, my name is John.")

    assert "John" in str(engine.chat("What was my name?"))


def test_a_dataset_that_is_not_there_is_an_error_that_names_it(address: str) -> None:
    retriever = RekaRetriever("no-such-dataset", base_url=address)

    with pytest.raises(reka.RetrievalError, match="no-such-dataset"):
        retriever.retrieve("Hi")
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
