"""Programs as users of LlamaIndex write them: the examples, the README's, and engines over one and two datasets."""

import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document, Settings
from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.indices.query.query_transform import HyDEQueryTransform
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import (
    CitationQueryEngine,
    RetrieverQueryEngine,
    RouterQueryEngine,
    SubQuestionQueryEngine,
    TransformQueryEngine,
)
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.selectors import LLMMultiSelector, LLMSingleSelector, PydanticSingleSelector
from llama_index.core.tools import QueryEngineTool

from llamaindex_reka import RekaIndex, RekaLLM
from tests.support.rule_model import RuleModel

# LlamaIndex's agents use what pydantic has deprecated, and their memory leaves a database in memory open.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
]

KEY = "programs"
ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "llamaindex"
README = Path(__file__).parents[1] / "README.md"
LAMP = {
    "reset.txt": "To reset the lamp, hold the button for ten seconds.",
    "power.txt": "The lamp draws five watts from any USB port.",
    "cleaning.txt": "Wipe the shade of the lamp with a dry cloth.",
}
CAPITALS = {
    "france.txt": "Paris is the capital of France.",
    "peru.txt": "Lima is the capital of Peru.",
}


def documents(texts: dict[str, str]) -> list[Document]:
    return [Document(text=text, id_=name) for name, text in texts.items()]


@pytest.fixture(scope="module")
def lamp(served: str) -> Iterator[RekaIndex]:
    index = RekaIndex.from_documents(documents(LAMP), dataset="lamp", base_url=served, api_key=KEY)
    yield index
    index.close()


@pytest.fixture(scope="module")
def capitals(served: str) -> Iterator[RekaIndex]:
    index = RekaIndex.from_documents(documents(CAPITALS), dataset="capitals", base_url=served, api_key=KEY)
    yield index
    index.close()


@pytest.fixture
def llm(rules: RuleModel) -> Iterator[RekaLLM]:
    model = RekaLLM(base_url=rules.url, api_key=KEY)
    Settings.llm = model
    yield model
    model.close()


@pytest.fixture
def tools(lamp: RekaIndex, capitals: RekaIndex, llm: RekaLLM) -> list[QueryEngineTool]:
    described = {
        "lamp": (lamp, "The manual of a lamp."),
        "capitals": (capitals, "Capitals of countries: France, Peru."),
    }
    return [
        QueryEngineTool.from_defaults(index.as_query_engine(llm=llm), name=name, description=description)
        for name, (index, description) in described.items()
    ]


@pytest.mark.parametrize("mode", [ResponseMode.TREE_SUMMARIZE, ResponseMode.REFINE, ResponseMode.COMPACT])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_query_engine_of_every_response_mode_answers(
    lamp: RekaIndex, llm: RekaLLM, mode: ResponseMode, streaming: bool
) -> None:
    engine = RetrieverQueryEngine.from_args(
        lamp.as_retriever(similarity_top_k=3), llm=llm, response_mode=mode, streaming=streaming
    )

    answer = engine.query("How many watts does the lamp draw?")

    assert str(answer) == LAMP["power.txt"]
    assert {node.node.ref_doc_id for node in answer.source_nodes} == set(LAMP)


async def test_a_query_engine_answers_asynchronously(lamp: RekaIndex, llm: RekaLLM) -> None:
    retriever = lamp.as_retriever()

    answer = await RetrieverQueryEngine.from_args(retriever, llm=llm).aquery("How many watts does the lamp draw?")
    await llm.aclose()
    await retriever.aclose()

    assert str(answer) == LAMP["power.txt"]


def test_a_citation_query_engine_cites_its_sources_by_number(lamp: RekaIndex, llm: RekaLLM) -> None:
    engine = CitationQueryEngine.from_args(lamp, llm=llm, similarity_top_k=3)

    answer = engine.query("How many watts does the lamp draw?")

    number = int(str(answer).partition("[")[2].partition("]")[0])
    cited = answer.source_nodes[number - 1]
    assert cited.node.ref_doc_id == "power.txt"
    assert LAMP["power.txt"] in cited.text
    assert LAMP["power.txt"] in str(answer)


def test_a_postprocessor_and_a_query_transform_work_with_the_retriever(lamp: RekaIndex, llm: RekaLLM) -> None:
    engine = RetrieverQueryEngine.from_args(
        lamp.as_retriever(), llm=llm, node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=0.2)]
    )

    answer = TransformQueryEngine(engine, HyDEQueryTransform(llm=llm)).query("How many watts does the lamp draw?")

    assert "power.txt" in [node.node.ref_doc_id for node in answer.source_nodes]
    assert all(node.score is not None and node.score >= 0.2 for node in answer.source_nodes)


@pytest.mark.parametrize("selector", [LLMSingleSelector, PydanticSingleSelector, LLMMultiSelector])
@pytest.mark.parametrize(
    ("question", "answer"),
    [("How many watts does the lamp draw?", "five watts"), ("Of capitals: which is that of Peru?", "Lima")],
)
def test_a_router_asks_the_dataset_that_fits(
    tools: list[QueryEngineTool], llm: RekaLLM, selector: Any, question: str, answer: str
) -> None:
    if selector is PydanticSingleSelector:
        question = f'{question} {{"index": {1 + ("Peru" in question)}, "reason": "It fits."}}'
    router = RouterQueryEngine(selector=selector.from_defaults(llm=llm), query_engine_tools=tools)

    assert answer in str(router.query(question))


@pytest.mark.parametrize("use_async", [False, True])
def test_a_question_is_split_between_two_datasets(tools: list[QueryEngineTool], llm: RekaLLM, use_async: bool) -> None:
    engine = SubQuestionQueryEngine.from_defaults(
        tools, question_gen=LLMQuestionGenerator.from_defaults(llm=llm), verbose=False, use_async=use_async
    )

    answer = engine.query("How many watts does the lamp draw, and which is the capital of Peru?")

    asked = {node.node.get_content().partition("\n")[0] for node in answer.source_nodes if "Sub question" in node.text}
    assert len(asked) == 2
    assert {"power.txt", "peru.txt"} <= {node.node.ref_doc_id for node in answer.source_nodes}


def test_a_chat_engine_with_memory_condenses_and_answers_from_the_context(lamp: RekaIndex, llm: RekaLLM) -> None:
    memory = ChatMemoryBuffer.from_defaults(token_limit=4000)
    engine = lamp.as_chat_engine("condense_plus_context", llm=llm, memory=memory, similarity_top_k=1)  # type: ignore[arg-type]  # the enum's value

    first = engine.chat("How do I reset the lamp?")
    second = engine.chat("And with what do I wipe its shade?")

    assert "ten seconds" in str(first)
    assert "dry cloth" in str(second)
    assert [node.node.ref_doc_id for node in second.source_nodes] == ["cleaning.txt"]
    assert len(memory.get_all()) == 4


async def test_an_agent_asks_an_index(tools: list[QueryEngineTool], llm: RekaLLM) -> None:
    agent = FunctionAgent(tools=list(tools), llm=llm)

    run = agent.run("Ask capitals 'What is the capital of Peru?'", memory=ChatMemoryBuffer.from_defaults())
    results = [str(event.tool_output) async for event in run.stream_events() if isinstance(event, ToolCallResult)]
    answer = await run
    await llm.aclose()

    assert results == [CAPITALS["peru.txt"]]
    assert "Lima" in str(answer)


def test_a_thousand_documents_are_taken_in_and_found(served: str) -> None:
    many = [
        Document(
            text=f"The lamp of room {number} is {'red' if number % 2 else 'blue'}.",
            id_=f"floor {number // 100}/{number}",
        )
        for number in range(1000)
    ]

    index = RekaIndex.from_documents(many, dataset="rooms", base_url=served, api_key=KEY)
    found = index.as_retriever(similarity_top_k=5).retrieve("Which lamp is in room 537?")
    index.close()

    assert len(index.ref_doc_info) == 1000
    assert "floor 5/537" in [node.node.ref_doc_id for node in found]


@pytest.fixture
def run(
    served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs an example in a folder with texts, at the server with datasets, or at another address."""
    for folder, texts in (("lamp", LAMP), ("capitals", CAPITALS)):
        (tmp_path / folder).mkdir()
        for name, text in texts.items():
            (tmp_path / folder / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REKA_API_KEY", "examples")

    def run(name: str, *arguments: str, at: str = served) -> str:
        monkeypatch.setenv("REKA_BASE_URL", at)
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_the_starter_answers_from_a_folder(run: Callable[..., str]) -> None:
    printed = run("starter.py", "lamp", "How many watts does the lamp draw?")

    assert printed.splitlines()[0] == LAMP["power.txt"]
    assert "power.txt" in printed.splitlines()[1]


def test_the_conversation_remembers(run: Callable[..., str]) -> None:
    printed = run("conversation.py", "lamp", "How do I reset the lamp?", "And how many watts does it draw?")

    assert printed.splitlines()[1::2] == [LAMP["reset.txt"], LAMP["power.txt"]]


def test_the_agent_calls_its_tools_one_after_the_other(run: Callable[..., str], rules: RuleModel) -> None:
    printed = run("agent.py", "Add 3 and 4, then multiply the result by 5.", at=rules.url)

    assert printed.splitlines() == [
        "add({'a': 3, 'b': 4}) = 7",
        "multiply({'a': 7, 'b': 5}) = 35",
        "The result is 35.",
    ]


def test_the_structured_example_gives_a_nested_model(run: Callable[..., str], rules: RuleModel) -> None:
    album = '{"name": "Blue", "songs": [{"title": "Carey", "seconds": 180}]}'

    printed = run("structured.py", album, at=rules.url)

    assert '"title": "Carey"' in printed
    assert printed.splitlines()[-1] == "name='Blue' songs=[Song(title='Carey', seconds=180)]"


def test_two_datasets_are_asked(run: Callable[..., str]) -> None:
    printed = run("two_datasets.py", "lamp", "capitals", "What is the capital of Peru, of capitals?")

    assert f"One of them: {CAPITALS['peru.txt']}" in printed
    assert "Both: " in printed


def test_every_example_is_tried() -> None:
    tried = {"agent.py", "conversation.py", "starter.py", "structured.py", "two_datasets.py"}

    assert {path.name for path in EXAMPLES.glob("*.py")} == tried
