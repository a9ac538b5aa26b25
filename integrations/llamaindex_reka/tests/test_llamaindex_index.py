"""The managed index, on a server whose datasets are made of documents."""

from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core import Document
from llama_index.core.indices.base import BaseIndex
from llama_index.core.indices.managed.base import BaseManagedIndex
from llama_index.core.llms import MockLLM
from llama_index.core.schema import ImageDocument, MetadataMode

import reka
from llamaindex_reka import RekaIndex, RekaLLM, RekaQueryEngine, RekaRetriever
from llamaindex_reka.dataset import documents_by_id
from reka.testing import FakeReka
from tests.support.clients import KEY

from .llamaindex_support import LAMP, RESET, MakeIndex


@pytest.fixture
def client(served: str, request: pytest.FixtureRequest) -> Iterator[reka.Reka]:
    with reka.Reka(request.node.name, served) as client:
        yield client


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


def test_a_dataset_of_an_index_is_opened_with_all_that_is_known_of_its_documents(
    make: MakeIndex, served: str, client: reka.Reka
) -> None:
    make([Document(text="Apples are red.", id_="../fruit: 100 %", metadata={"page": 3})], dataset="fruit")
    index = RekaIndex("fruit", base_url=served, api_key=client._api_key)

    (found,) = index.as_retriever().retrieve("apples")

    assert (found.node.ref_doc_id, found.metadata) == ("../fruit: 100 %", {"page": 3})
    assert {name: info.metadata for name, info in index.ref_doc_info.items()} == {"../fruit: 100 %": {"page": 3}}
    index.close()


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

    assert list(documents_by_id([LAMP[0], blank])) == ["reset"]
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


def test_the_key_shows_in_no_text_form(make: MakeIndex) -> None:
    index = RekaIndex("manual", api_key=KEY)

    texts = [repr(index), str(vars(index)), str(vars(index.as_retriever())), str(index.storage_context.to_dict())]
    assert [text for text in texts if KEY in text] == []
    assert isinstance(index.as_retriever(), RekaRetriever)
    assert index.summary == "manual"
