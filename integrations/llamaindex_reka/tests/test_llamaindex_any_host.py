"""The index on a host whose datasets are replaced as a whole: the same, by a manifest on this machine."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from llama_index.core import Document
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters

import reka
from llamaindex_reka import DatasetImmutableError, RekaIndex, RekaLLM, RekaQueryEngine, RekaRetriever
from llamaindex_reka.dataset import files_of
from tests.support.clients import KEY
from tests.support.processes import output_of
from tests.support.strict_datasets import StrictDatasets

from .llamaindex_support import LAMP, RESET

Make = Callable[..., RekaIndex]

pytestmark = pytest.mark.usefixtures("at_once")


@pytest.fixture
def host() -> Iterator[StrictDatasets]:
    with StrictDatasets() as host:
        yield host


@pytest.fixture
def index(host: StrictDatasets) -> Iterator[RekaIndex]:
    index = RekaIndex.from_documents(LAMP, dataset="lamp", base_url=host.url, api_key=KEY)
    yield index
    index.close()


@pytest.fixture
def open_index(host: StrictDatasets) -> Iterator[Make]:
    """Opens indexes as another process does, by a label or a stored name."""
    opened: list[RekaIndex] = []

    def open_index(dataset: str = "lamp", **more: Any) -> RekaIndex:
        opened.append(RekaIndex(dataset, base_url=host.url, api_key=KEY, **more))
        return opened[-1]

    yield open_index
    for index in opened:
        index.close()


def ids(index: RekaIndex) -> set[str]:
    return set(index.ref_doc_info)


def test_documents_come_back_with_ids_metadata_and_positions_in_any_process(index: RekaIndex, open_index: Make) -> None:
    for each in (index, open_index(), open_index(index.dataset)):
        (found,) = each.as_retriever(similarity_top_k=1).retrieve(RESET)
        assert (found.node.ref_doc_id, found.text, found.metadata) == ("reset", LAMP[0].text, {"page": 3})
        assert (found.node.start_char_idx, found.node.end_char_idx) == (0, len(LAMP[0].text))  # type: ignore[attr-defined]  # it is a TextNode
        assert set(found.node.relationships) == {NodeRelationship.SOURCE}
        assert {name: info.metadata for name, info in each.ref_doc_info.items()} == {
            "reset": {"page": 3},
            "power": {},
            "care/cleaning": {},
        }


def test_one_document_is_changed_and_the_others_stay(index: RekaIndex, host: StrictDatasets) -> None:
    index.insert(Document(text="The lamp is red.", id_="colour"))
    assert ids(index) == {"reset", "power", "care/cleaning", "colour"}
    index.update_ref_doc(Document(text="The lamp is blue.", id_="colour"))
    index.delete_ref_doc("power")
    index.delete_ref_doc("nobody")
    paper = Document(text="The shade is of paper.", id_="care/cleaning")
    assert index.refresh_ref_docs([LAMP[0], paper]) == [False, True]

    assert ids(index) == {"reset", "care/cleaning", "colour"}
    texts = {found.text for found in index.as_retriever().retrieve("lamp shade")}
    assert texts == {LAMP[0].text, "The lamp is blue.", paper.text}
    assert list(host.datasets) == [index.dataset]


async def test_the_asynchronous_twins_do_so_too(index: RekaIndex) -> None:
    await index.ainsert(Document(text="The lamp is red.", id_="colour"))
    await index.adelete_ref_doc("power")
    await index.aupdate_ref_doc(Document(text="Press the switch twice.", id_="reset"))
    retriever = index.as_retriever()

    found = await retriever.aretrieve("switch")
    await retriever.aclose()

    assert {node.node.ref_doc_id for node in found} == {"colour", "reset", "care/cleaning"}
    assert found[0].text == "Press the switch twice."


def test_a_change_in_one_process_leaves_those_of_others_working(
    index: RekaIndex, open_index: Make, host: StrictDatasets
) -> None:
    other = open_index()
    retriever = other.as_retriever()
    engine = other.as_native_query_engine()
    assert len(retriever.retrieve(RESET)) == 3
    program = """
import sys
from llama_index.core import Document
from llamaindex_reka import RekaIndex
index = RekaIndex("lamp", base_url=sys.argv[1], api_key=sys.argv[2])
index.refresh([Document(text="The lamp is red.", id_="colour")])
"""
    output_of(sys.executable, "-c", program, host.url, KEY, REKA_MANIFESTS=os.environ["REKA_MANIFESTS"])

    assert {node.node.ref_doc_id for node in retriever.retrieve("red")} == {"colour", "reset", "power", "care/cleaning"}
    assert {node.node.ref_doc_id for node in engine.query("red").source_nodes} >= {"colour"}
    other.insert(Document(text="It hums.", id_="sound"))
    assert ids(index) == {"colour", "reset", "power", "care/cleaning", "sound"}
    assert list(host.datasets) == [index.dataset]
    retriever.close()


def test_from_documents_uploads_what_differs_only_and_leaves_one_dataset(host: StrictDatasets) -> None:
    def build(*texts: str) -> RekaIndex:
        documents = [Document(text=text) for text in texts]
        return RekaIndex.from_documents(documents, dataset="days", base_url=host.url, api_key=KEY)

    first, again, changed = build("One.", "Two."), build("One.", "Two."), build("One.", "Three.")

    assert host.paths.count("POST /datasets") == 2
    assert first.dataset == again.dataset == changed.dataset
    assert list(host.datasets) == [changed.dataset]
    assert {node.text for node in changed.as_retriever().retrieve("one")} == {"One.", "Three."}


def test_nodes_that_were_split_before_come_back_whole_with_their_relationships(
    host: StrictDatasets, open_index: Make
) -> None:
    nodes = [
        TextNode(
            text=f"Part {place}.\n\nIt has two paragraphs.",
            id_=f"part-{place}",
            metadata={"place": place},
            relationships={
                NodeRelationship.SOURCE: RelatedNodeInfo(node_id="book"),
                NodeRelationship.NEXT: RelatedNodeInfo(node_id=f"part-{place + 1}"),
            },
        )
        for place in range(3)
    ]
    open_index("book", nodes=nodes)

    found = open_index("book").as_retriever(similarity_top_k=2).retrieve("part 1")
    assert [node.node for node in found[:1]] == [nodes[1]]
    index = open_index("book")
    index.delete_nodes(["part-1"])
    assert {node.node_id for node in index.as_retriever().retrieve("part")} == {"part-0", "part-2"}
    assert index.ref_doc_info["book"].node_ids == ["part-0", "part-2"]


def test_the_index_splits_what_it_puts_where_it_has_transformations(open_index: Make, host: StrictDatasets) -> None:
    splitter = SentenceSplitter(chunk_size=10, chunk_overlap=0)
    index = open_index("long", transformations=[splitter])

    index.insert(Document(text="The owl hunts at night. The hen lays eggs. The cow gives milk.", id_="farm"))

    (found, *_) = index.as_retriever(similarity_top_k=1).retrieve("milk")
    assert "cow" in found.text
    assert "owl" not in found.text
    assert found.node.ref_doc_id == "farm"
    assert len(index.ref_doc_info["farm"].node_ids) > 1


def test_filters_are_applied_here_or_refused(index: RekaIndex) -> None:
    def find(operator: FilterOperator, value: Any, key: str = "page", **more: Any) -> set[str | None]:
        filters = MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])
        retriever = index.as_retriever(filters=filters, **more)
        found = {node.node.ref_doc_id for node in retriever.retrieve(RESET)}
        retriever.close()
        return found

    assert find(FilterOperator.GTE, 3) == {"reset"}
    assert find(FilterOperator.EQ, 4) == set()
    assert find(FilterOperator.IS_EMPTY, None) == {"power", "care/cleaning"}
    retriever = index.as_retriever(doc_ids=["power"])
    assert [node.node.ref_doc_id for node in retriever.retrieve(RESET)] == ["power"]
    retriever.close()
    engine = index.as_native_query_engine(doc_ids=["power"])
    with pytest.raises(reka.UnsupportedRequestError, match=r"retrieval_filter: .* does not filter"):
        engine.query(RESET)


def test_a_persisted_index_opens_where_there_is_no_manifest(
    index: RekaIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.storage_context.persist(str(tmp_path / "kept"))
    monkeypatch.setenv("REKA_MANIFESTS", str(tmp_path / "elsewhere"))

    opened = RekaIndex.from_persist_dir(tmp_path / "kept", api_key=KEY)

    retriever = opened.as_retriever(similarity_top_k=1)
    assert [node.metadata for node in retriever.retrieve(RESET)] == [{"page": 3}]
    opened.insert(Document(text="The lamp is red.", id_="colour"))
    assert ids(opened) == {"reset", "power", "care/cleaning", "colour"}
    retriever.close()
    opened.close()


def test_the_native_engine_has_the_documents_as_its_sources(index: RekaIndex, host: StrictDatasets) -> None:
    response = index.as_native_query_engine().query(RESET)
    llm = RekaLLM(base_url=host.url, api_key=KEY)
    opened = RekaQueryEngine("lamp", llm).query(RESET)

    for each in (response, opened):
        assert each.source_nodes[0].node.ref_doc_id == "reset"
        assert each.source_nodes[0].metadata == {"page": 3}
    llm.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.insert(LAMP[0]),
        lambda index: index.insert_nodes([TextNode(text="a")]),
        lambda index: index.update_ref_doc(LAMP[0]),
        lambda index: index.delete_ref_doc("reset"),
        lambda index: index.delete_nodes(["reset"]),
        lambda index: index._insert([TextNode(text="a")]),
        lambda index: index._delete_node("reset"),
    ],
)
def test_a_dataset_that_others_uploaded_cannot_be_changed(change: Any, open_index: Make, host: StrictDatasets) -> None:
    host.datasets["manual"] = {"a.txt": "The lamp is red."}
    index = open_index("manual")

    with pytest.raises(DatasetImmutableError, match=r'datasets="local"') as caught:
        change(index)

    assert isinstance(caught.value, reka.UnsupportedRequestError)
    assert isinstance(caught.value, NotImplementedError)
    assert list(host.datasets) == ["manual"]


def test_a_dataset_that_others_uploaded_is_searched_and_its_documents_are_unknown(
    open_index: Make, host: StrictDatasets
) -> None:
    host.datasets["manual"] = {"a%2Fb.txt": "The lamp is red."}
    host.prepared.add("manual")
    index = open_index("manual")
    retriever = RekaRetriever("manual", base_url=host.url, api_key=KEY)

    (found,) = retriever.retrieve("lamp")
    retriever.close()

    assert (found.text, found.node.ref_doc_id) == ("The lamp is red.", "a/b.txt")
    with pytest.raises(reka.UnsupportedRequestError, match=r'datasets="local"'):
        _ = index.ref_doc_info


@pytest.mark.parametrize(
    "identity",
    ["a", "a/b.txt", "/etc/passwd", "../up", "a/../b", "a//b", "a/", "C:\\x", "100 %", "schön", ".hidden", "a/.b",
     "a\nb", "__MACOSX/a", "a%2Fb", ".", "x" * 150],
)  # fmt: skip
def test_any_id_becomes_a_name_that_leads_out_of_no_folder_and_back_into_the_id(identity: str) -> None:
    (name,) = files_of([Document(text="One.", id_=identity)])

    assert unquote(name) == identity
    assert not name.startswith(("/", "__MACOSX/"))
    assert not any(part.startswith(".") or not part for part in name.split("/"))
    assert not set(name) & set("\\:\n")


def test_a_very_long_id_becomes_a_short_name_of_its_own() -> None:
    names = list(files_of([Document(text="One.", id_="ü" * 500 + end) for end in "ab"]))

    assert len(set(names)) == 2
    assert all(len(name.encode()) <= 200 for name in names)


def test_a_refresh_that_fails_leaves_the_index_as_it_was(index: RekaIndex) -> None:
    old = index.dataset

    with pytest.raises(reka.DatasetError):
        index.refresh([Document(text="a\0b", id_="binary")])

    assert index.dataset == old
    assert len(index.as_retriever().retrieve(RESET)) == 3
