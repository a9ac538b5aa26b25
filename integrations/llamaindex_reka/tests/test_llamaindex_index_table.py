"""LlamaIndex's index behaviours, of `RekaIndex` beside `VectorStoreIndex`, on the same calls: equal, or better.

`pytest -s` on this module prints them as a table.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from llama_index.core import Document, MockEmbedding, StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core import Settings as LlamaIndexSettings
from llama_index.core.indices.vector_store import VectorIndexAutoRetriever
from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata, MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import MetadataMode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import FilterCondition as Of
from llama_index.core.vector_stores import FilterOperator as Op
from llama_index.core.vector_stores import (
    MetadataFilter,
    MetadataFilters,
    MetadataInfo,
    VectorStoreInfo,
)

from llamaindex_reka import RekaIndex
from tests.support.strict_datasets import StrictDatasets

LONG = " ".join(f"Sentence number {i} speaks of a lamp and its {('shade', 'bulb', 'cord')[i % 3]}." for i in range(90))
Make = Callable[..., Any]
Call = Callable[[Make], Any]


class Row(NamedTuple):
    """A behaviour: a call that makes an index and gives what is to be compared."""

    name: str
    call: Call
    wanted: Any = None
    """What is right where `VectorStoreIndex` does something else; None where the two are to agree."""

    earlier: Any = None
    """What older releases of LlamaIndex give, where they differ from the newest, which ours agrees with."""

    replaced: Any = None
    """What is right on a host whose datasets are replaced as a whole, where it cannot do more."""


class ScriptedLLM(CustomLLM):
    """Answers with one text."""

    answer: str

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=self.answer)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError


def documents() -> list[Document]:
    return [
        Document(
            text="To reset the lamp, hold the button.",
            id_="reset",
            metadata={"tenant": "acme", "year": 2020, "tags": ["lamp", "help"], "draft": True},
        ),
        Document(
            text="The lamp draws five watts.",
            id_="power",
            metadata={"tenant": "Globex", "year": 2022.5, "tags": ["lamp"], "draft": False, "note": ""},
            excluded_llm_metadata_keys=["tags", "draft"],
            excluded_embed_metadata_keys=["year"],
        ),
        Document(text="Wipe the shade.", id_="care", metadata={"tenant": "initech", "note": None, "tags": []}),
        Document(text="Nothing is known of this lamp.", id_="bare"),
    ]


def ids(index: Any, **arguments: Any) -> list[str]:
    """Ids of the documents that are found for a query."""
    return sorted(
        node.node.ref_doc_id for node in index.as_retriever(**{"similarity_top_k": 50, **arguments}).retrieve("lamp")
    )


def texts(index: Any) -> list[str]:
    return sorted(node.text for node in index.as_retriever(similarity_top_k=50).retrieve("lamp"))


def filtered(*filters: Any, condition: Of = Of.AND) -> Call:
    return lambda make: ids(make(documents()), filters=MetadataFilters(filters=list(filters), condition=condition))


def where(key: str, operator: Op, value: Any = None) -> MetadataFilter:
    return MetadataFilter(key=key, value=value, operator=operator)


def changed(change: Callable[[Any], Any], see: Callable[[Any], Any] = texts) -> Call:
    def call(make: Make) -> Any:
        index = make(documents())
        returned = change(index)
        return returned, see(index)

    return call


def metadata(index: Any) -> dict[str, Any]:
    """Metadata of what is found."""
    found = index.as_retriever(similarity_top_k=50).retrieve("lamp")
    return {str(node.node.ref_doc_id): node.metadata for node in found}


def known(index: Any) -> dict[str, Any]:
    return {name: info.metadata for name, info in index.ref_doc_info.items()}


def shown(mode: MetadataMode) -> Call:
    return lambda make: sorted(
        node.node.get_content(mode)
        for node in make(documents()).as_retriever(similarity_top_k=9).retrieve("lamp")
        if node.node.ref_doc_id != "bare"
    )


def nodes() -> list[TextNode]:
    one, two = (TextNode(text=text, id_=text, metadata={"n": 1}) for text in ("One lamp.", "A second lamp."))
    source = RelatedNodeInfo(node_id="book", metadata={"title": "Lamps"})
    for node, kind, other in ((one, NodeRelationship.NEXT, two), (two, NodeRelationship.PREVIOUS, one)):
        node.relationships = {NodeRelationship.SOURCE: source, kind: RelatedNodeInfo(node_id=other.node_id)}
    one.start_char_idx, one.end_char_idx = 7, 16
    return [one, two]


def with_nodes(see: Callable[[Any], Any]) -> Call:
    def call(make: Make) -> Any:
        index = make(documents()[3:])
        index.insert_nodes(nodes())
        return see(index)

    return call


def of_the_book(index: Any) -> list[Any]:
    found = index.as_retriever(similarity_top_k=9).retrieve("lamp")
    return sorted((node.node for node in found if node.node.ref_doc_id == "book"), key=lambda node: node.text)


def split(make: Make) -> Any:
    """Text, positions and neighbours of the nodes of a document that a splitter has split."""
    splitter = SentenceSplitter(chunk_size=300, chunk_overlap=0)
    index = make([Document(text=LONG, id_="long")], transformations=[splitter])
    found = [node.node for node in index.as_retriever(similarity_top_k=50).retrieve("lamp")]
    by_id = {node.node_id: node for node in found}

    def start(related: Any) -> Any:
        return None if related is None else by_id[related.node_id].start_char_idx

    return sorted(
        (n.start_char_idx, n.end_char_idx, n.text, start(n.prev_node) or -1, start(n.next_node)) for n in found
    )


def without_ids(make: Make) -> Any:
    given = [Document(text="Apples and lamps."), Document(text="Pears and lamps.")]
    index = make(given)
    same = set(ids(index)) == {document.id_ for document in given} == set(index.ref_doc_info)
    index.delete_ref_doc(given[0].id_)
    return same, texts(index)


def auto(answer: str) -> Call:
    def call(make: Make) -> Any:
        info = VectorStoreInfo(
            content_info="manuals", metadata_info=[MetadataInfo(name="year", type="int", description="y")]
        )
        retriever = VectorIndexAutoRetriever(make(documents()), info, llm=ScriptedLLM(answer=answer))
        return sorted(str(node.node.ref_doc_id) for node in retriever.retrieve("lamps of 2020"))

    return call


def persisted(make: Make) -> Any:
    index = make(documents())
    folder = str(make.folder)  # type: ignore[attr-defined]
    index.storage_context.persist(folder)
    loaded = load_index_from_storage(StorageContext.from_defaults(persist_dir=folder), **make.connection)  # type: ignore[attr-defined]
    return type(loaded) is type(index), ids(loaded)


def chat(make: Make) -> Any:
    engine = make(documents()).as_chat_engine(
        "context", llm=MockLLM(), memory=ChatMemoryBuffer.from_defaults(token_limit=3000), filters=ACME
    )
    return [node.node.ref_doc_id for node in engine.chat("lamp").source_nodes]


async def _later(index: Any) -> Any:
    await index.ainsert(Document(text="A red lamp.", id_="red"))
    await index.adelete_ref_doc("care")
    await index.aupdate_ref_doc(Document(text="It draws six watts.", id_="power"))
    returned = await index.arefresh_ref_docs([*documents()[:1], Document(text="A blue lamp.", id_="blue")])
    found = await index.as_retriever(similarity_top_k=50).aretrieve("lamp")
    return returned, sorted(node.text for node in found)


ACME = MetadataFilters(filters=[MetadataFilter(key="tenant", value="acme")])
RED = Document(text="A red lamp.", id_="red")
SIX = Document(text="The lamp draws six watts.", id_="power")

ROWS = [
    Row("retrieve: ids", lambda make: ids(make(documents()))),
    Row("retrieve: metadata", lambda make: metadata(make(documents()))),
    Row("ref_doc_info", lambda make: known(make(documents()))),
    Row("retrieve: text for the model", shown(MetadataMode.LLM)),
    Row("retrieve: text that is embedded", shown(MetadataMode.EMBED)),
    Row("retrieve: documents without ids", without_ids),
    Row("retrieve: 150 nodes", lambda make: len(ids(make([Document(text=f"Lamp {i}", id_=str(i)) for i in range(160)]),
                                                    similarity_top_k=150)), replaced=100),
    Row("split by a SentenceSplitter", split),
    Row("filters: ==", filtered(where("tenant", Op.EQ, "acme"))),
    Row("filters: == of a boolean", filtered(where("draft", Op.EQ, 1))),
    Row("filters: == of a list", filtered(where("tags", Op.EQ, ["lamp"]))),
    Row("filters: !=", filtered(where("tenant", Op.NE, "acme")), earlier=["care", "power"]),
    Row("filters: >", filtered(where("year", Op.GT, 2020))),
    Row("filters: >=", filtered(where("year", Op.GTE, 2020))),
    Row("filters: <", filtered(where("year", Op.LT, 2022.5))),
    Row("filters: <=", filtered(where("year", Op.LTE, 2022.5))),
    Row("filters: in", filtered(where("tenant", Op.IN, ["acme", "Globex", "none"]))),
    Row("filters: nin", filtered(where("tenant", Op.NIN, ["acme", "Globex"])), earlier=["care"]),
    Row("filters: any", filtered(where("tags", Op.ANY, ["help", "none"]))),
    Row("filters: all", filtered(where("tags", Op.ALL, ["help", "lamp"]))),
    Row("filters: contains", filtered(where("tags", Op.CONTAINS, "help"))),
    Row("filters: text_match", filtered(where("tenant", Op.TEXT_MATCH, "lob"))),
    Row("filters: text_match_insensitive", filtered(where("tenant", Op.TEXT_MATCH_INSENSITIVE, "GLOB"))),
    Row("filters: is_empty, null or an empty text", filtered(where("note", Op.IS_EMPTY))),
    Row("filters: is_empty, an empty list", filtered(where("tags", Op.IS_EMPTY))),
    Row("filters: is_empty, a boolean", filtered(where("draft", Op.IS_EMPTY))),
    Row("filters: and", filtered(where("year", Op.GT, 2000), where("tenant", Op.NE, "acme"))),
    Row("filters: or", filtered(where("year", Op.GT, 2021), where("tenant", Op.EQ, "acme"), condition=Of.OR)),
    Row("filters: not", filtered(where("year", Op.GT, 2021), where("tenant", Op.EQ, "acme"), condition=Of.NOT)),
    Row("filters: none", filtered()),
    Row("filters: by the document's id", filtered(where("doc_id", Op.EQ, "care"))),
    Row("filters inside each other", filtered(where("year", Op.GT, 2000), MetadataFilters(
        filters=[where("tenant", Op.EQ, "acme")], condition=Of.NOT)), ["power"]),
    Row("filters: > of a text, on numbers", filtered(where("year", Op.GT, "2000")), []),
    Row("doc_ids", lambda make: ids(make(documents()), doc_ids=["care", "power"]), ["care", "power"]),
    Row("node_ids", with_nodes(lambda index: ids(index, node_ids=["One lamp."])), ["book"]),
    Row("an unknown argument", lambda make: ids(make(documents()), filter=ACME), "InvalidArgumentError"),
    Row("insert", changed(lambda index: index.insert(RED))),
    Row("insert what is there", changed(lambda index: index.insert(documents()[0]), ids),
        (None, ["bare", "care", "power", "reset"])),
    Row("insert: an unknown argument", changed(lambda index: index.insert(RED, tag="x")), "InvalidArgumentError"),
    Row("delete_ref_doc", changed(lambda index: index.delete_ref_doc("care", delete_from_docstore=True), known)),
    Row("delete_ref_doc: what is found", changed(lambda index: index.delete_ref_doc("care"))),
    Row("delete_ref_doc of what is not there", changed(lambda index: index.delete_ref_doc("none"))),
    Row("update_ref_doc", changed(lambda index: index.update_ref_doc(SIX))),
    Row("update_ref_doc of what is not there", changed(lambda index: index.update_ref_doc(RED))),
    Row("refresh_ref_docs", changed(lambda index: index.refresh_ref_docs([documents()[0], SIX, RED]))),
    Row("refresh_ref_docs twice", changed(lambda index: [index.refresh_ref_docs([SIX]) for _ in range(2)])),
    Row("refresh_ref_docs of nothing", changed(lambda index: index.refresh_ref_docs([]))),
    Row("insert_nodes: what they are", with_nodes(lambda index: [node.to_dict() for node in of_the_book(index)])),
    Row("insert_nodes: neighbours", with_nodes(lambda index: [
        (node.prev_node and node.prev_node.node_id, node.next_node and node.next_node.node_id)
        for node in of_the_book(index)])),
    Row("insert_nodes: their document", with_nodes(lambda index: sorted(index.ref_doc_info["book"].node_ids))),
    Row("insert_nodes: nothing", changed(lambda index: index.insert_nodes([]))),
    Row("delete_ref_doc of nodes", with_nodes(lambda index: (index.delete_ref_doc("book"), texts(index)))),
    Row("delete_nodes", with_nodes(lambda index: (index.delete_nodes(["One lamp."]), texts(index)))),
    Row("async", lambda make: asyncio.run(_later(make(documents())))),
    Row("persist and load_index_from_storage", persisted),
    Row("auto-retriever", auto('{"query": "lamp", "filters": [{"key": "year", "value": 2021, "operator": "<"}]}')),
    Row("auto-retriever without a query",
        auto('{"query": "", "filters": [{"key": "tenant", "value": "initech"}]}'), ["care"]),
    Row("query engine: sources", lambda make: sorted(
        node.node.ref_doc_id for node in
        make(documents()).as_query_engine(llm=MockLLM(), filters=ACME, similarity_top_k=9).query("lamp").source_nodes)),
    Row("chat engine: sources", chat),
]  # fmt: skip


class MakeReka:
    """Makes indexes of a key of the test's own."""

    def __init__(self, url: str, key: str, folder: Path) -> None:
        self.connection: dict[str, Any] = {"base_url": url, "api_key": key}
        self.folder = folder
        self.made: list[RekaIndex] = []

    def __call__(self, given: list[Document], **arguments: Any) -> RekaIndex:
        self.made.append(RekaIndex.from_documents(given, dataset="table", **self.connection, **arguments))
        return self.made[-1]


class MakeVectorStore:
    """Makes LlamaIndex's own indexes."""

    def __init__(self, folder: Path) -> None:
        self.connection: dict[str, Any] = {}
        self.folder = folder

    def __call__(self, given: list[Document], **arguments: Any) -> VectorStoreIndex:
        return VectorStoreIndex.from_documents(given, embed_model=MockEmbedding(embed_dim=4), **arguments)


@pytest.fixture(autouse=True)
def mock_embedding() -> Iterator[None]:
    LlamaIndexSettings.embed_model = MockEmbedding(embed_dim=4)
    yield
    LlamaIndexSettings._embed_model = None


@pytest.fixture(scope="module")
def table() -> Iterator[list[tuple[str, str]]]:
    """Collects the rows, and prints them at the end."""
    rows: list[tuple[str, str]] = []
    yield rows
    print("\n" + "\n".join(f"{name:45} {result}" for name, result in rows))


def outcome(call: Call, make: Make) -> Any:
    """What a call gives, or the name of its error."""
    try:
        return call(make)
    except Exception as error:  # noqa: BLE001  # whatever a call raises is its outcome
        return type(error).__name__


@pytest.fixture(scope="module", params=["documents", "replaced"])
def host(request: pytest.FixtureRequest, served: str) -> Iterator[tuple[str, str]]:
    """The kind of a host's datasets, and its address."""
    if request.param == "documents":
        yield request.param, served
        return
    with StrictDatasets(features=["retrieval_top_k"]) as replacing:
        yield request.param, replacing.url


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_reka_index_does_what_a_vector_store_index_does_or_better(
    row: Row, host: tuple[str, str], tmp_path: Path, table: list[tuple[str, str]]
) -> None:
    kind, url = host
    make = MakeReka(url, f"table-{ROWS.index(row)}", tmp_path / "reka")

    theirs_of, result = MakeVectorStore(tmp_path / "core"), "equal"
    try:
        if row.wanted is None:
            ours, theirs = row.call(make), row.call(theirs_of)
            if kind == "replaced" and row.replaced is not None:
                theirs = row.replaced
            assert ours == theirs or (row.earlier is not None and theirs == row.earlier)
        else:
            ours, theirs = outcome(row.call, make), outcome(row.call, theirs_of)
            assert (ours, theirs != ours) == (row.wanted, True)
            result = f"better: {ours}, not {theirs}"[:110]
    finally:
        for index in make.made:
            index.close()
    table.append((f"{row.name} ({kind})", result))
