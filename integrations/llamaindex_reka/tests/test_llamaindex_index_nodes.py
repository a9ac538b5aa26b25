"""Nodes that stand for something else, which is found in their place, of `RekaIndex` beside `VectorStoreIndex`."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from llama_index.core import MockEmbedding, Settings, VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.llms import MockLLM
from llama_index.core.schema import IndexNode, NodeWithScore, QueryBundle, TextNode

from llamaindex_reka import RekaIndex

Open: TypeAlias = Callable[..., RekaIndex]


class FixedRetriever(BaseRetriever):
    """Finds one node, whatever it is asked for."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text=f"Found for {query_bundle.query_str}.", id_="fixed"), score=0.5)]


OBJECTS: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "a text": lambda: "Inside.",
    "a dict": lambda: {"a": [1]},
    "a node": lambda: TextNode(text="Inside.", id_="inside", metadata={"page": 1}),
    "another index node": lambda: IndexNode(text="Inside.", id_="inside", index_id="inner"),
    "a retriever": FixedRetriever,
    "an engine": lambda: VectorStoreIndex([TextNode(text="Inside.", id_="in")]).as_query_engine(llm=MockLLM()),
}


@pytest.fixture(autouse=True)
def mock_embedding() -> Iterator[None]:
    Settings.embed_model = MockEmbedding(embed_dim=4)
    yield
    Settings._embed_model = None


@pytest.fixture
def open_index(served: str, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens the index of a key of the test's own, as any process does."""
    opened: list[RekaIndex] = []

    def open_index(**arguments: Any) -> RekaIndex:
        opened.append(RekaIndex("objects", base_url=served, api_key=request.node.name, **arguments))
        return opened[-1]

    yield open_index
    for index in opened:
        index.close()


def lamp(obj: object) -> IndexNode:
    return IndexNode(text="A lamp.", id_="lamp", index_id="i", obj=obj)


def found(index: Any) -> list[tuple[str, dict[str, Any], Any]]:
    nodes = index.as_retriever(similarity_top_k=5).retrieve("lamp")
    return [(node.text, node.metadata, getattr(node.node, "index_id", None)) for node in nodes]


@pytest.mark.parametrize("name", OBJECTS)
def test_what_an_inserted_node_stands_for_is_found(open_index: Open, name: str) -> None:
    ours, theirs = open_index(), VectorStoreIndex([])
    for index in (ours, theirs):
        index.insert_nodes([lamp(OBJECTS[name]())])

    assert found(ours) == found(theirs) != []


@pytest.mark.parametrize("name", ["nothing", "a node", "another index node", "a retriever", "an engine"])
def test_what_an_index_is_made_of_is_found(open_index: Open, name: str) -> None:
    ours, theirs = open_index(objects=[lamp(OBJECTS[name]())]), VectorStoreIndex(objects=[lamp(OBJECTS[name]())])

    assert found(ours) == found(theirs) != []


@pytest.mark.parametrize("name", ["a text", "a dict", "a node"])
def test_what_can_be_stored_is_found_in_any_process(open_index: Open, name: str) -> None:
    open_index(nodes=[lamp(OBJECTS[name]())])
    theirs = VectorStoreIndex([lamp(OBJECTS[name]())])

    assert found(open_index()) == found(theirs)


def test_what_cannot_be_stored_is_found_by_what_this_process_made_and_the_node_by_others(open_index: Open) -> None:
    node = lamp(FixedRetriever())
    index = open_index()
    retriever = index.as_retriever()
    index.insert_nodes([node])

    assert [each.text for each in retriever.retrieve("lamp")] == ["Found for lamp."]
    assert found(open_index()) == [("A lamp.", {}, "i")]
    assert isinstance(node.obj, FixedRetriever)
    retriever.close()
