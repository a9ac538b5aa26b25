"""Documents and nodes of an index: what comes back, what is refused, and what other processes see."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document, MockEmbedding, StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import IndexNode, TextNode
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters

import reka
from llamaindex_reka import RekaIndex, RekaLLM, RekaRetriever
from reka.testing import FakeReka
from tests.support.clients import KEY

Open = Callable[..., RekaIndex]
ACME = MetadataFilters(filters=[MetadataFilter(key="tenant", value="acme")])
CODES = [
    Document(text="The launch code is 1111.", id_="a", metadata={"tenant": "acme"}),
    Document(text="The launch code is 2222.", id_="b", metadata={"tenant": "globex"}),
]
LONG = " ".join(f"Sentence number {i} speaks of the {('shade', 'bulb', 'cord')[i % 3]} of a lamp." for i in range(90))


@pytest.fixture
def opened(served: str, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens indexes of a key of the test's own, and closes them."""
    made: list[RekaIndex] = []

    def open_index(label: str = "lamp", **arguments: Any) -> RekaIndex:
        made.append(RekaIndex(label, base_url=served, api_key=request.node.name, **arguments))
        return made[-1]

    yield open_index
    for index in made:
        index.close()


def found(index: RekaIndex, query: str = "lamp", **arguments: Any) -> list[Any]:
    nodes = index.as_retriever(**{"similarity_top_k": 50, **arguments}).retrieve(query)
    return sorted((each.node for each in nodes), key=lambda node: (node.start_char_idx or 0, node.node_id))


def test_a_node_that_is_split_already_comes_back_whole_whatever_the_server_makes_of_it(opened: Open) -> None:
    splitter = SentenceSplitter(chunk_size=512, chunk_overlap=0)
    given = splitter.get_nodes_from_documents([Document(text=LONG, id_="long")])
    index = opened(nodes=given)

    assert max(len(node.get_content()) for node in given) > 1_500
    assert [node.to_dict() for node in found(index)] == [node.to_dict() for node in given]
    assert len(index.as_retriever(similarity_top_k=2).retrieve("shade")) == 2


def test_what_the_server_splits_comes_back_with_its_place_and_its_neighbours(opened: Open) -> None:
    index = opened()
    index.insert(Document(text=LONG, id_="long", metadata={"page": 3}))

    nodes = found(index)

    assert len(nodes) > 2
    assert [LONG[node.start_char_idx : node.end_char_idx] for node in nodes] == [node.text for node in nodes]
    ids = [node.node_id for node in nodes]
    assert [node.next_node and node.next_node.node_id for node in nodes] == [*ids[1:], None]
    assert [node.prev_node and node.prev_node.node_id for node in nodes] == [None, *ids[:-1]]
    assert {node.ref_doc_id for node in nodes} == {"long"}
    assert [node.node_id for node in found(index, node_ids=ids[1:2])] == ids[1:2]
    with pytest.raises(reka.InvalidArgumentError, match=r"node_ids: .* is a part of 'long'.*delete_ref_doc"):
        index.delete_nodes(ids[:1])


def test_a_node_that_points_to_another_index_comes_back_as_such(opened: Open) -> None:
    index = opened(nodes=[IndexNode(text="All about a lamp.", index_id="lamps", id_="pointer")])

    (node,) = found(index)

    assert (type(node), node.index_id, node.node_id) == (IndexNode, "lamps", "pointer")


def test_a_change_is_seen_by_all_who_have_the_index_open(opened: Open) -> None:
    one, two = opened(), opened()
    one.insert(Document(text="The lamp needs 5 watts.", id_="power"))
    retriever = two.as_retriever()
    assert len(retriever.retrieve("lamp")) == 1

    one.refresh([Document(text="The lamp is red.", id_="colour")])
    two.update_ref_doc(Document(text="The lamp needs 6 watts.", id_="power"))

    texts = {"The lamp needs 6 watts.", "The lamp is red."}
    assert {node.text for node in retriever.retrieve("lamp")} == texts
    assert {node.text for node in one.as_retriever().retrieve("lamp")} == texts


def test_an_index_with_a_splitter_replaces_all_nodes_of_a_document(opened: Open) -> None:
    splitter = SentenceSplitter(chunk_size=128, chunk_overlap=0)
    index = opened(transformations=[splitter])
    index.insert(Document(text=LONG, id_="long"))
    many = index.ref_doc_info["long"].node_ids

    index.update_ref_doc(Document(text="A short lamp.", id_="long"))
    (one,) = index.ref_doc_info["long"].node_ids

    assert len(many) > 5
    assert [(node.node_id, node.text) for node in found(index)] == [(one, "A short lamp.")]
    assert index.refresh_ref_docs([Document(text="A short lamp.", id_="long")]) == [False]


def test_a_document_that_has_become_blank_is_none_any_more(opened: Open) -> None:
    index = opened()
    index.refresh([Document(text="A red lamp.", id_="red"), Document(text="A blue lamp.", id_="blue")])

    assert index.refresh([Document(text=" ", id_="red"), Document(text="", id_="none")]) == [True, False]
    index.update_ref_doc(Document(text="", id_="blue"))

    assert index.ref_doc_info == {}
    assert found(index) == []


def test_a_document_of_any_id_and_metadata_comes_back_as_it_was(opened: Open) -> None:
    index = opened()
    metadata = {"page": 3, "tags": ["a", "b"], "box": {"x": [1]}, "none": None, "empty": [], "ok": True}
    index.insert(Document(text="A lamp.", id_="ü/.. #" * 150, metadata=metadata))

    (node,) = found(index)

    assert (node.ref_doc_id, node.metadata) == ("ü/.. #" * 150, metadata)
    index.delete_ref_doc("ü/.. #" * 150)
    assert found(index) == []


def test_a_long_metadata_is_stored_once_and_its_beginning_searched(opened: Open) -> None:
    index = opened()
    index.insert(Document(text="Nothing.", id_="a", metadata={"summary": "lamp " * 3_000}))

    assert [node.ref_doc_id for node in found(index)] == ["a"]


def test_metadata_is_searched_as_a_document_says(opened: Open) -> None:
    index = opened()
    companies = ("Acme", "Globex", "Initech")
    made = [Document(text="Revenue rose.", id_=name[::-1], metadata={"company": name}) for name in companies]
    made[2].excluded_embed_metadata_keys = ["company"]
    index.refresh(made)

    def first(query: str) -> Any:
        return index.as_retriever(similarity_top_k=1).retrieve(query)[0].node.ref_doc_id

    assert [first("revenue of Acme"), first("revenue of Globex")] == ["emcA", "xebolG"]
    assert found(index, "Initech", vector_store_query_mode="text_search") == []
    hidden = MetadataFilters(filters=[MetadataFilter(key="company", value="Initech")])
    assert [node.ref_doc_id for node in found(index, "revenue", filters=hidden)] == ["hcetinI"]


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (Document(text="a", id_="x", metadata={"it": object()}), "the metadata of 'x' is no JSON"),
        (Document(text="a", id_="x", metadata={"_node": 1}), "the metadata of 'x' has '_node', a name"),
    ],
)
def test_metadata_that_cannot_be_stored_is_refused_before_anything_is_sent(
    document: Document, error: str, fake: FakeReka
) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=f"documents: {error}"):
        RekaIndex("manual", base_url=fake.url, api_key=KEY).insert(document)
    assert fake.requests == []


@pytest.mark.parametrize("is_refresh", [False, True])
def test_a_text_that_utf8_cannot_write_is_refused_before_anything_is_sent(fake: FakeReka, *, is_refresh: bool) -> None:
    index = RekaIndex("manual", base_url=fake.url, api_key=KEY)
    document = Document(text="caf\udce9")

    with pytest.raises(reka.InvalidArgumentError, match=r"documents\[0\]: got the lone surrogate '\\udce9' at index 3"):
        index.refresh_ref_docs([document]) if is_refresh else index.insert(document)
    assert fake.requests == []


@pytest.mark.parametrize("method", ["insert", "update_ref_doc", "refresh_ref_docs", "delete_ref_doc"])
def test_an_unknown_argument_of_a_change_is_refused_also_where_it_is_passed_on(method: str, fake: FakeReka) -> None:
    index = RekaIndex("manual", base_url=fake.url, api_key=KEY)
    for wrong in ({"tag": 1}, {"insert_kwargs": {"tag": 1}}):
        with pytest.raises(reka.InvalidArgumentError, match=f"tag: not an argument of {method}"):
            getattr(index, method)(CODES[:1] if method == "refresh_ref_docs" else CODES[0], **wrong)
    assert fake.requests == []


@pytest.mark.parametrize(
    ("operator", "value"),
    [("in", "acme"), ("nin", 3), ("any", []), ("all", "a"), ("text_match", 3), ("text_match_insensitive", ["a"])],
)
def test_a_filter_that_cannot_be_is_refused_when_it_is_given(operator: str, value: Any) -> None:
    filters = MetadataFilters(filters=[MetadataFilter(key="tenant", value=value, operator=FilterOperator(operator))])

    with pytest.raises(reka.InvalidArgumentError, match=f"filters: got .* for 'tenant' {operator}, want"):
        RekaRetriever("manual", filters=filters)


def test_every_engine_answers_from_what_a_filter_leaves(opened: Open) -> None:
    index = opened()
    index.refresh(CODES)

    for engine in (
        index.as_native_query_engine(filters=ACME),
        index.as_native_query_engine(doc_ids=["a"]),
        index.as_query_engine(filters=ACME),
        index.as_query_engine(doc_ids=["a"]),
    ):
        response: Any = engine.query("What is the launch code?")
        assert {node.node.ref_doc_id for node in response.source_nodes} == {"a"}


async def test_a_model_answers_from_what_its_filter_leaves(opened: Open, served: str) -> None:
    index = opened()
    index.refresh(CODES)
    llm = RekaLLM(base_url=served, api_key=index._connection.get("api_key"), retrieval_dataset=index.dataset)

    one = llm.complete("What is the launch code?", retrieval_filter={"tenant": "acme"})
    two = await llm.acomplete("What is the launch code?", retrieval_filter={"tenant": {"$ne": "acme"}})
    await llm.aclose()

    chunks = [response.additional_kwargs["retrieved_chunks"] for response in (one, two)]
    assert [[chunk["document_id"] for chunk in each] for each in chunks] == [["a"], ["b"]]


def test_a_host_that_does_not_filter_is_not_asked(fake: FakeReka) -> None:
    fake.will_answer(200, {"features": ["retrieval_top_k"]})
    retriever = RekaRetriever("codes", base_url=fake.url, api_key=KEY, filters=ACME)

    with pytest.raises(reka.UnsupportedRequestError, match="does not filter"):
        retriever.retrieve("launch code")
    assert [request.method for request in fake.requests] == ["GET"]
    retriever.close()


async def test_an_index_is_made_in_an_event_loop(served: str) -> None:
    index = await RekaIndex.afrom_documents(CODES, dataset="codes", base_url=served, api_key="in a loop")
    retriever = index.as_retriever()

    assert {node.node.ref_doc_id for node in await retriever.aretrieve("launch code")} == {"a", "b"}
    await retriever.aclose()
    index.close()


def test_a_persisted_index_is_opened_again_without_its_key(opened: Open, tmp_path: Path) -> None:
    index = opened("My codes")
    index.refresh(CODES)
    index.storage_context.persist(str(tmp_path))
    key: Any = index._connection.get("api_key")

    again = RekaIndex.from_persist_dir(tmp_path, api_key=key)
    loaded = load_index_from_storage(StorageContext.from_defaults(persist_dir=str(tmp_path)), api_key=key)

    assert again.dataset == index.dataset
    assert isinstance(loaded, RekaIndex)
    assert [set(each.ref_doc_info) for each in (again, loaded)] == [{"a", "b"}] * 2
    assert key.get_secret_value() not in "".join(file.read_text() for file in tmp_path.iterdir())
    for each in (again, loaded):
        each.close()


def test_a_folder_with_another_kind_of_index_is_refused(tmp_path: Path) -> None:
    embedding = MockEmbedding(embed_dim=4)
    index = VectorStoreIndex(nodes=[TextNode(text="a")], embed_model=embedding)
    index.storage_context.persist(str(tmp_path))

    with pytest.raises(reka.InvalidArgumentError, match="has a VectorStoreIndex, want a RekaIndex"):
        RekaIndex.from_persist_dir(tmp_path, embed_model=embedding)


def test_a_dataset_of_files_is_an_index_too(opened: Open, served: str, request: pytest.FixtureRequest) -> None:
    with reka.Reka(request.node.name, served) as client:
        name = client.ensure_dataset("files", texts={"a.txt": "A red lamp.", "b.txt": "A blue lamp."})
    index = opened(name)

    assert set(index.ref_doc_info) == {"a.txt", "b.txt"}
    index.delete_ref_doc("a.txt")
    index.insert(Document(text="A green lamp.", id_="c"))

    assert {node.ref_doc_id for node in found(index)} == {"b.txt", "c"}


def test_files_that_are_not_prepared_are_documents_of_an_index_which_prepares_them(
    opened: Open, served: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "a.txt").write_text("A red lamp.")
    (tmp_path / "b.txt").write_text("A blue lamp.")
    with reka.Reka(request.node.name, served) as client:
        client.add_folder(tmp_path, "files")
    index = opened("files")

    assert set(index.ref_doc_info) == {"a.txt", "b.txt"}
    assert index.refresh_ref_docs([Document(text="A red lamp.", id_="a.txt")]) == [True]
    assert {node.ref_doc_id for node in found(index)} == {"a.txt", "b.txt"}
