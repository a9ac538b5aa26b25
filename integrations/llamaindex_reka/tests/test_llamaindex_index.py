"""The managed index, on a server that answers with a model that follows rules."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from llama_index.core import Document, Settings
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.indices.base import BaseIndex
from llama_index.core.indices.managed.base import BaseManagedIndex
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import ImageDocument, MetadataMode, TextNode

import reka
from llamaindex_reka import DatasetImmutableError, RekaIndex, RekaLLM, RekaQueryEngine, RekaRetriever
from llamaindex_reka.dataset import document_id, files_of, stored_name
from tests.support.clients import KEY
from tests.support.fake_reka import FakeReka

LAMP = [
    Document(text="To reset the lamp, hold the button for ten seconds.", id_="reset", metadata={"page": 3}),
    Document(text="The lamp draws five watts from any USB port.", id_="power"),
    Document(text="Wipe the shade with a dry cloth.", id_="care/cleaning"),
]
RESET = "How do I reset the lamp?"

MakeIndex = Callable[..., RekaIndex]


@pytest.fixture
def make(served: str, request: pytest.FixtureRequest) -> Iterator[MakeIndex]:
    """Makes indexes for a key of the test's own, and closes them."""
    made: list[RekaIndex] = []

    def from_documents(documents: Any = LAMP, **parameters: Any) -> RekaIndex:
        given = {"base_url": served, "api_key": request.node.name, "dataset": "lamp", **parameters}
        made.append(RekaIndex.from_documents(documents, **given))
        return made[-1]

    yield from_documents
    for index in made:
        index.close()


@pytest.fixture
def client(served: str, request: pytest.FixtureRequest) -> Iterator[reka.Reka]:
    with reka.Reka(request.node.name, served) as client:
        yield client


def memory() -> ChatMemoryBuffer:
    # The engine's default memory leaves its in-memory database open, which warns when it is collected.
    return ChatMemoryBuffer.from_defaults(token_limit=4000)


def sources(response: Any) -> list[Any]:
    return [node.node.ref_doc_id for node in response.source_nodes]


def test_the_class_is_what_llamaindex_asks_of_an_integration() -> None:
    bases = [base.__name__ for base in RekaIndex.__mro__]

    assert {BaseManagedIndex.__name__, BaseIndex.__name__} <= set(bases)
    assert not RekaIndex.__abstractmethods__


def test_documents_are_found_again_with_their_ids_and_metadata(make: MakeIndex) -> None:
    found = make().as_retriever(similarity_top_k=1).retrieve(RESET)

    (node,) = found
    assert (node.node.ref_doc_id, node.text) == ("reset", LAMP[0].text)
    assert node.metadata["page"] == 3
    assert node.node.get_content(MetadataMode.LLM) == f"page: 3\n\n{LAMP[0].text}"


def test_the_same_documents_are_uploaded_once_whatever_ids_were_made_up_for_them(
    make: MakeIndex, client: reka.Reka
) -> None:
    texts = ["One text about apples.", "Another text about pears."]
    updates: list[Any] = []

    first = make([Document(text=text) for text in texts], on_update=updates.append)
    seen = len(updates)
    documents = [Document(text=text) for text in texts]
    second = make(documents, on_update=updates.append)

    assert (first.dataset, len(updates)) == (second.dataset, seen)
    assert seen > 0
    assert client.list_datasets() == [first.dataset]
    found = second.as_retriever(similarity_top_k=1).retrieve("pears")
    assert found[0].node.ref_doc_id == documents[1].id_


def test_without_a_label_other_ids_or_texts_make_another_dataset(make: MakeIndex) -> None:
    one = make([Document(text="One.", id_="a")], dataset="documents")
    others = [make([Document(text=text, id_=id_)], dataset="documents") for text, id_ in (("One.", "b"), ("Two.", "a"))]

    assert len({index.dataset for index in (one, *others)}) == 3
    assert set(one.ref_doc_info) == {"a"}


def test_a_label_names_one_dataset_whatever_becomes_its_content(make: MakeIndex, client: reka.Reka) -> None:
    make([Document(text="Apples are red.", id_="a"), Document(text="Pears are green.", id_="b")])
    updates: list[Any] = []
    index = make([Document(text="Pears are green.", id_="b"), Document(text="Plums are blue.", id_="c")])
    again = make([Document(text="Pears are green.", id_="b"), Document(text="Plums are blue.", id_="c")],
                 on_update=updates.append)  # fmt: skip

    assert client.list_datasets() == ["lamp"] == [index.dataset]
    assert set(again.ref_doc_info) == {"b", "c"}
    assert updates == []


@pytest.mark.parametrize("label", ["My manual", "../up", "a/b", "a__b", "ü" * 200, "हिन्दी", ".", "m" * 130])
def test_any_label_is_opened_again_by_itself(make: MakeIndex, served: str, label: str) -> None:
    made = make([Document(text="Apples are red.", id_="a")], dataset=label)
    opened = RekaIndex(label, base_url=served, api_key=made._connection.get("api_key"))

    assert [node.node.ref_doc_id for node in opened.as_retriever().retrieve("apples")] == ["a"]
    assert RekaIndex(made.dataset).dataset == made.dataset
    opened.close()


def test_labels_that_no_server_takes_as_they_are_stay_apart() -> None:
    names = [stored_name(label) for label in ("a b", "a_b", "a/b", "a__b", "x" * 200, "x" * 201)]

    assert len(set(names)) == 6
    assert stored_name("a_b") == "a_b"


def test_a_dataset_of_an_index_is_opened_with_all_that_is_known_of_its_documents(
    make: MakeIndex, served: str, client: reka.Reka
) -> None:
    make([Document(text="Apples are red.", id_="../fruit: 100 %", metadata={"page": 3})], dataset="fruit")
    index = RekaIndex("fruit", base_url=served, api_key=client._api_key)

    (found,) = index.as_retriever().retrieve("apples")

    assert (found.node.ref_doc_id, found.metadata) == ("../fruit: 100 %", {"page": 3})
    assert {name: info.metadata for name, info in index.ref_doc_info.items()} == {"../fruit: 100 %": {"page": 3}}
    index.close()


@pytest.mark.parametrize(
    "identity",
    ["a", "a/b.txt", "/etc/passwd", "../up", "a/../b", "a//b", "a/", "C:\\x", "100 %", "schön", ".hidden", "a/.b",
     "a\nb", "__MACOSX/a", "a%2Fb", ".", "x" * 150],
)  # fmt: skip
def test_any_id_becomes_a_name_that_leads_out_of_no_folder_and_back_into_the_id(identity: str) -> None:
    (name,) = files_of([Document(text="One.", id_=identity)])

    assert document_id(name) == identity
    assert not name.startswith(("/", "__MACOSX/"))
    assert not any(part.startswith(".") or not part for part in name.split("/"))
    assert not set(name) & set("\\:\n")


def test_a_very_long_id_becomes_a_short_name_of_its_own() -> None:
    names = list(files_of([Document(text="One.", id_="ü" * 500 + end) for end in "ab"]))

    assert len(set(names)) == 2
    assert all(len(name.encode()) <= 200 for name in names)


def test_a_refresh_puts_what_is_new_or_changed_and_leaves_the_rest(make: MakeIndex, client: reka.Reka) -> None:
    index = make()
    retriever, native = index.as_retriever(similarity_top_k=1), index.as_native_query_engine()
    changed = Document(text="Press the switch twice to reset the lamp.", id_="reset")

    assert index.refresh_ref_docs(LAMP) == [False, False, False]
    assert index.refresh([changed, LAMP[1]]) == [True, False]

    assert client.list_datasets() == [index.dataset]
    assert retriever.retrieve(RESET)[0].text == changed.text
    assert "Press the switch" in str(native.query(RESET))
    assert set(index.ref_doc_info) == {"reset", "power", "care/cleaning"}


async def test_an_index_that_was_opened_is_refreshed_too(make: MakeIndex, served: str, client: reka.Reka) -> None:
    make()
    index = RekaIndex("lamp", base_url=served, api_key=client._api_key)

    assert await index.arefresh_ref_docs([LAMP[0], Document(text="It is red.", id_="colour")]) == [False, True]
    assert set(index.ref_doc_info) == {"reset", "power", "care/cleaning", "colour"}
    index.close()


def test_a_refresh_that_fails_leaves_the_index_as_it_was(make: MakeIndex) -> None:
    index = make()
    old = index.dataset

    with pytest.raises(reka.DatasetError):
        index.refresh([Document(text="a\0b", id_="binary")])

    assert index.dataset == old
    assert len(index.as_retriever().retrieve(RESET)) == 3


def test_a_question_that_is_asked_while_the_dataset_is_replaced_is_asked_again(fake: FakeReka) -> None:
    index = RekaIndex("old", base_url=fake.url, api_key=KEY)
    retriever = index.as_retriever()
    fake.will_answer(200, {"features": []})

    def replace(handler: Any) -> None:
        index._dataset.name = "new"
        handler.close_connection = False
        handler.send_response(404)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"{}")

    fake.will_misbehave(replace)
    fake.will_answer(200, ["new"])
    fake.will_answer(200, {"type": "model", "text": "", "retrieved_chunks": [{"text": "found"}]})

    assert [node.text for node in retriever.retrieve("Hi")] == ["found"]
    chats = [request for request in fake.requests if request.method == "POST"]
    assert [request.json["retrieval_dataset"] for request in chats] == ["old", "new"]
    retriever.close()


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
def test_on_a_host_without_documents_changing_one_says_that_datasets_are_replaced_whole(
    change: Any, fake: FakeReka
) -> None:
    fake.will_answer(200, {"features": []})
    index = RekaIndex("manual", base_url=fake.url, api_key=KEY)

    with pytest.raises(DatasetImmutableError, match=r"replaced as a whole; .*refresh\(\)") as caught:
        change(index)

    assert isinstance(caught.value, reka.RekaError)
    assert isinstance(caught.value, NotImplementedError)
    assert [request.method for request in fake.requests] == ["GET"]
    index.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.ainsert(LAMP[0]),
        lambda index: index.ainsert_nodes([TextNode(text="a")]),
        lambda index: index.aupdate_ref_doc(LAMP[0]),
        lambda index: index.adelete_ref_doc("reset"),
        lambda index: index.adelete_nodes(["reset"]),
    ],
)
async def test_the_asynchronous_twins_say_so_too(change: Any, fake: FakeReka) -> None:
    fake.will_answer(200, {"features": []})
    index = RekaIndex("manual", base_url=fake.url, api_key=KEY)

    with pytest.raises(DatasetImmutableError):
        await change(index)
    index.close()


def test_on_a_host_without_documents_a_refresh_uploads_anew_and_deletes_the_old(fake: FakeReka) -> None:
    index = RekaIndex("old", base_url=fake.url, api_key=KEY)
    retriever = index.as_retriever()
    fake.will_answer(200, {"features": []})
    fake.will_answer(200, [])
    fake.will_answer(200, {"name": "old-1234", "ok": True, "info": ""})
    fake.will_answer(200, "job")
    fake.will_answer(200, {"job_status": "COMPLETE", "detail": "", "history": []})
    fake.will_answer(200, {"name": "old", "ok": True, "info": ""})

    assert index.refresh(LAMP) == [True, True, True]

    assert (index.dataset, retriever.dataset) == ("old-1234", "old-1234")
    assert set(index.ref_doc_info) == {"reset", "power", "care/cleaning"}
    assert [request.method for request in fake.requests] == ["GET", "GET", "POST", "POST", "GET", "DELETE"]
    index.close()


def test_on_a_host_without_documents_the_index_splits_nothing(fake: FakeReka) -> None:
    fake.will_answer(200, {"features": []})

    with pytest.raises(reka.InvalidArgumentError, match="transformations: got 1, want none; this host splits"):
        RekaIndex.from_documents(LAMP, base_url=fake.url, api_key=KEY, transformations=[SentenceSplitter()])
    assert [request.method for request in fake.requests] == ["GET"]


def test_on_a_host_without_documents_those_of_a_dataset_that_was_opened_are_unknown(fake: FakeReka) -> None:
    fake.will_answer(200, {"features": []})
    index = RekaIndex("old", base_url=fake.url, api_key=KEY)

    with pytest.raises(DatasetImmutableError, match=r"ref_doc_info: .*'old' are unknown"):
        _ = index.ref_doc_info
    index.close()


@pytest.mark.parametrize(
    ("documents", "error"),
    [
        ([], "got none"),
        ([Document(text=" ")], "got none"),
        ([LAMP[0], "text"], "got str at index 1"),
        (LAMP[0], "got Document, want a list"),
        (None, "got NoneType, want a list"),
        ([Document(text="a", id_="")], "the id '' at index 0.*leave the id out"),
        ([LAMP[0], Document(text="a", id_=" \t")], "the id .* at index 1"),
        ([LAMP[0], ImageDocument(image=b"a", id_="picture")], "without text at index 1 .*'picture'"),
        ([Document(text="a", id_="x"), Document(text="b", id_="x")], "the id 'x' twice"),
    ],
)
def test_documents_that_cannot_be_stored_are_refused_before_anything_is_sent(
    fake: FakeReka, documents: Any, error: str
) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=f"documents: .*{error}"):
        RekaIndex.from_documents(documents, base_url=fake.url, api_key=KEY)
    assert fake.requests == []


def test_blank_documents_are_left_out_and_that_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    blank = Document(text="\n", id_="empty page")

    assert list(files_of([LAMP[0], blank])) == ["reset"]
    assert "'empty page'" in caplog.text


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"dataset": " "}, "dataset: got ' '"),
        ({"dataset": None}, "dataset: got NoneType"),
        ({"on_update": "print"}, "on_update: got 'print'"),
    ],
)
def test_arguments_that_cannot_be_are_refused(fake: FakeReka, wrong: dict[str, Any], error: str) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=error):
        RekaIndex.from_documents(LAMP, base_url=fake.url, api_key=KEY, **wrong)
    assert fake.requests == []


def test_an_index_and_an_engine_want_the_name_of_a_dataset_and_an_engine_a_model_of_reka() -> None:
    wrong: Any
    for wrong in ("", " ", None, 3):
        with pytest.raises(reka.InvalidArgumentError, match=r"dataset: got .*, want the name"):
            RekaIndex(wrong)
        with pytest.raises(reka.InvalidArgumentError, match=r"dataset: got .*, want the name"):
            RekaQueryEngine(wrong, RekaLLM())
    with pytest.raises(reka.InvalidArgumentError, match=r"llm: got MockLLM, want a RekaLLM; .*as_query_engine"):
        RekaQueryEngine("manual", MockLLM())  # type: ignore[arg-type]  # it is wrong on purpose


def test_progress_is_shown_and_ends_at_all_of_it(make: MakeIndex, capsys: pytest.CaptureFixture[str]) -> None:
    make(show_progress=True)

    assert "Preparing: 100%" in capsys.readouterr().err


def test_without_a_model_anywhere_the_index_asks_its_own_server(make: MakeIndex) -> None:
    assert "ten seconds" in str(make().as_query_engine().query(RESET))


def test_the_model_that_is_set_or_given_answers(make: MakeIndex) -> None:
    index = make()

    Settings.llm = MockLLM()
    assert "Context information is below" in str(index.as_query_engine().query(RESET))
    llm = RekaLLM(base_url=index._connection.get("base_url"), api_key=KEY)
    assert "ten seconds" in str(index.as_query_engine(llm=llm).query(RESET))
    llm.close()


def test_the_native_engine_answers_in_one_call_with_its_sources(make: MakeIndex) -> None:
    seen = LlamaDebugHandler(print_trace_on_end=False)
    index = make(callback_manager=CallbackManager([seen]))

    response = index.as_native_query_engine().query(RESET)

    assert isinstance(response, Response)
    assert str(response).startswith("According to reset: To reset the lamp")
    assert sources(response)[0] == "reset"
    assert response.metadata == {node.node_id: node.metadata for node in response.source_nodes}
    assert len(seen.get_event_pairs(CBEventType.LLM)) == 1
    assert len(seen.get_event_pairs(CBEventType.RETRIEVE)) == 0


async def test_the_native_engine_streams_and_has_its_sources_at_the_end(make: MakeIndex) -> None:
    index = make()
    whole = index.as_native_query_engine().query(RESET)
    llm = RekaLLM(base_url=index._connection.get("base_url"), api_key=index._connection.get("api_key"))
    engine = index.as_native_query_engine(llm, streaming=True)

    streamed, later = engine.query(RESET), await engine.aquery(RESET)
    also = await index.as_native_query_engine(llm).aquery(RESET)

    assert isinstance(streamed, StreamingResponse)
    assert isinstance(later, AsyncStreamingResponse)
    assert "".join(streamed.response_gen) == str(whole) == str(also)
    assert "".join([text async for text in later.async_response_gen()]) == str(whole)
    assert sources(streamed) == sources(later) == sources(whole) == sources(also)
    assert streamed.metadata == whole.metadata
    await llm.aclose()


@pytest.mark.parametrize("mode", ["best", "context", "condense_question", "condense_plus_context"])
def test_a_chat_engine_of_every_mode_answers_from_the_documents(make: MakeIndex, mode: Any) -> None:
    engine = make().as_chat_engine(chat_mode=mode, memory=memory(), similarity_top_k=2)

    assert "ten seconds" in str(engine.chat(RESET))
    assert "dry cloth" in str(engine.chat("And how is the shade cleaned?"))
    assert "five watts" in "".join(engine.stream_chat("How many watts does it draw?").response_gen)


def test_the_simple_chat_engine_remembers_and_retrieves_nothing(make: MakeIndex) -> None:
    engine = make().as_chat_engine(chat_mode="simple", memory=memory())  # type: ignore[arg-type]  # the enum's value

    engine.chat("My name is John.")

    assert str(engine.chat("What is my name?")) == "Your name is John."


@pytest.mark.parametrize("mode", ["best", "context", "condense_question", "condense_plus_context", "simple"])
async def test_a_chat_engine_of_every_mode_answers_asynchronously_too(make: MakeIndex, mode: Any) -> None:
    index = make()
    llm = RekaLLM(base_url=index._connection.get("base_url"), api_key=index._connection.get("api_key"))
    engine = index.as_chat_engine(chat_mode=mode, llm=llm, memory=memory(), similarity_top_k=2)
    asked = ("My name is John.", "What is my name?") if mode == "simple" else (RESET, "How many watts does it draw?")

    await engine.achat(asked[0])
    streamed = await engine.astream_chat(asked[1])
    text = "".join([piece async for piece in streamed.async_response_gen()])
    await llm.aclose()

    assert ("John" if mode == "simple" else "five watts") in text


def test_an_index_serves_many_threads(make: MakeIndex) -> None:
    engine = make().as_query_engine()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: str(engine.query(RESET)), range(16)))

    assert len(set(answers)) == 1


def test_the_key_shows_in_no_text_form(make: MakeIndex) -> None:
    index = RekaIndex("manual", api_key=KEY)

    texts = [repr(index), str(vars(index)), str(vars(index.as_retriever())), str(index.storage_context.to_dict())]
    assert [text for text in texts if KEY in text] == []
    assert isinstance(index.as_retriever(), RekaRetriever)
    assert index.summary == "manual"
