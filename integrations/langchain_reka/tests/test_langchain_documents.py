"""Documents that a retriever is made of come back as they were given, over the embedded server."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

import reka
from langchain_reka import RekaRetriever
from langchain_reka.errors import InvalidArgumentError
from reka.testing import FakeReka
from tests.support.clients import KEY

RESET = Document(
    "To reset the lamp, hold the button.", id="doc-1", metadata={"source": "m.pdf", "page": 3, "lang": "en"}
)
POWER = Document("The lamp needs five watts.", id="doc-2", metadata={"source": "m.pdf", "page": 7, "lang": "en"})
LAMPE = Document("Die Lampe braucht fünf Watt.", id="doc-3", metadata={"source": "m.pdf", "page": 7, "lang": "de"})
MANUAL = [RESET, POWER, LAMPE]

Make = Callable[..., RekaRetriever]
Ask = Callable[..., list[Document]]


@pytest.fixture(params=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "async")


@pytest.fixture
def make(is_async: bool, embedded: str, request: pytest.FixtureRequest) -> Iterator[Make]:
    """Make a retriever by one of its constructors, in both ways in turn, over a dataset of the test's own."""
    made: list[RekaRetriever] = []

    def make(how: str, what: Any, **parameters: Any) -> RekaRetriever:
        given = {"dataset": f"made-{abs(hash(request.node.nodeid))}", "base_url": embedded, **parameters}
        if is_async:
            made.append(asyncio.run(getattr(RekaRetriever, f"a{how}")(what, **given)))
        else:
            made.append(getattr(RekaRetriever, how)(what, **given))
        return made[-1]

    yield make
    with reka.Reka(base_url=embedded) as client:
        for name in {retriever.dataset for retriever in made} & {*client.list_datasets()}:
            client.delete_dataset(name)
    for retriever in made:
        retriever.close()


@pytest.fixture
def ask(is_async: bool) -> Ask:
    def ask(retriever: Any, question: str, **parameters: Any) -> list[Document]:
        if is_async:
            return list(asyncio.run(retriever.ainvoke(question, **parameters)))
        return list(retriever.invoke(question, **parameters))

    return ask


def test_documents_come_back_with_text_metadata_and_id(make: Make, ask: Ask) -> None:
    given = [document.model_copy(deep=True) for document in MANUAL]

    retriever = make("from_documents", MANUAL, k=1)

    assert ask(retriever, "How many watts does the lamp need?") == [POWER]
    assert given == MANUAL
    assert ask(RekaRetriever(dataset=retriever.dataset, base_url=retriever.base_url, k=1), "reset the lamp") == [RESET]


def test_a_long_document_comes_back_whole_and_once_and_from_files_its_passages_do(
    make: Make, ask: Ask, tmp_path: Path
) -> None:
    long = "\n\n".join(
        f"  Paragraph {place} of the lamp tells of its bulb, number {place}. " * 5 for place in range(40)
    )
    other = Document("The lamp is red.", id="other")
    (tmp_path / "long.txt").write_text(long)

    whole = ask(make("from_documents", [Document(long, id="long"), other]), "bulb of the lamp", k=2)
    passages = ask(make("from_files", tmp_path), "bulb of the lamp", k=5)

    assert [(document.id, document.page_content) for document in whole] == [
        ("long", long),
        ("other", "The lamp is red."),
    ]
    assert len({document.id for document in passages}) == 5
    assert all(document.page_content in long and len(document.page_content) < len(long) for document in passages)
    assert [document.metadata for document in passages] == [{"source": "long.txt"}] * 5


def test_split_documents_of_one_source_stay_as_they_were_split(make: Make, ask: Ask) -> None:
    text = " ".join(f"Sentence number {place} is about topic {place}." for place in range(40))
    pieces = [
        Document(text[start : start + 300], metadata={"source": "t.txt", "start": start})
        for start in range(0, len(text), 150)
    ]

    found = ask(make("from_documents", pieces), "Sentence number 10", k=5)

    given = {(piece.page_content, piece.metadata["start"]) for piece in pieces}
    assert len(found) == 5
    assert {(document.page_content, document.metadata["start"]) for document in found} <= given


@pytest.mark.parametrize(
    "sources",
    [
        ("/srv/a.txt", "srv/a.txt"),
        ("../2023/a.txt", "../../2023/a.txt"),
        ("C:\\data\\a.txt", "D:\\data\\a.txt"),
        (None, "00001.txt"),
        (42, "42"),
        ("x" * 600, "x" * 601),
        ("two\nlines", "two lines"),
    ],
)
def test_two_sources_are_never_one(make: Make, ask: Ask, sources: tuple[object, object]) -> None:
    documents = [Document("A lamp.", metadata={} if source is None else {"source": source}) for source in sources]

    found = ask(make("from_documents", documents), "lamp")

    assert len(found) == 2
    assert {document.metadata["source"] for document in found} >= {source for source in sources if source is not None}


def test_equal_documents_without_ids_are_one_and_those_without_text_are_none(make: Make, ask: Ask) -> None:
    twins = [Document("The lamp is red.", metadata={"source": "a"}) for _ in range(2)]

    found = ask(make("from_documents", [*twins, Document(" \n"), POWER, POWER]), "lamp")

    assert sorted(document.page_content for document in found) == sorted([POWER.page_content, "The lamp is red."])


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([], "documents: got 0 without any text"),
        ([Document(" ")], "documents: got 1 without any text"),
        (
            [POWER, RESET, Document("Other.", id="doc-2")],
            r"documents\[2\].id: got 'doc-2', which documents\[0\] has too",
        ),
        ([POWER, "text"], r"documents\[1\]: got str, want a Document"),
        ([Document("x", metadata={"when": object()})], r"documents\[0\]\['metadata'\]: cannot be written as JSON"),
    ],
)
def test_documents_that_cannot_be_kept_are_refused_by_name_and_change_nothing(
    make: Make, ask: Ask, documents: list[Any], message: str
) -> None:
    kept = make("from_documents", MANUAL)

    with pytest.raises(InvalidArgumentError, match=message):
        make("from_documents", documents)

    assert len(ask(kept, "lamp Watt")) == 3


def test_texts_come_back_under_their_names_or_with_their_metadata(make: Make, ask: Ask) -> None:
    named = ask(make("from_texts", {"reset.txt": "To reset the lamp, hold the button."}), "lamp")
    listed = ask(
        make("from_texts", ["The lamp.", "A lamp."], metadatas=[{"page": 1}, {"page": 2}], ids=["a", "b"]), "lamp"
    )

    assert [(document.id, document.metadata) for document in named] == [("reset.txt", {"source": "reset.txt"})]
    assert {(document.id, document.metadata["page"], document.page_content) for document in listed} == {
        ("a", 1, "The lamp."),
        ("b", 2, "A lamp."),
    }


@pytest.mark.parametrize(
    ("texts", "more", "message"),
    [
        (["a", "b"], {"metadatas": [{}]}, "metadatas: got 1, want 2"),
        (["a", "b"], {"ids": ["1", "2", "3"]}, "ids: got 3, want 2"),
        (["a", 3], {}, r"texts\[1\]: got int, want a text"),
        ({"a": "x"}, {"ids": ["b"]}, "ids: the texts have names"),
    ],
)
def test_texts_that_do_not_match_are_refused(make: Make, texts: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make("from_texts", texts, **more)


def test_a_change_replaces_what_it_changes_and_leaves_nothing_behind(make: Make, embedded: str) -> None:
    make("from_texts", {"a.txt": "The lamp is red.", "old.txt": "Gone.", "news.txt": "News of Monday."})
    retriever = make("from_texts", {"a.txt": "The lamp is red.", "news.txt": "News of Tuesday."})

    with reka.Reka(base_url=embedded) as client:
        listed = [document["id"] for document in client.list_documents(retriever.dataset)]
        names = [name for name in client.list_datasets() if name.startswith(retriever.dataset)]
        chunks = client.retrieve("News of Monday, gone", retriever.dataset)

    assert sorted(listed) == ["a.txt", "news.txt"]
    assert names == [retriever.dataset]
    assert {chunk["text"] for chunk in chunks} <= {"The lamp is red.", "News of Tuesday."}


def test_files_replace_files_and_a_folder_without_text_changes_nothing(make: Make, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_bytes(b"\xef\xbb\xbfThe lamp is red.\r\nAnd new.")
    (tmp_path / "b.txt").write_text("The lamp is blue.")
    make("from_files", tmp_path)
    (tmp_path / "b.txt").unlink()

    retriever = make("from_files", tmp_path)
    (tmp_path / "sub" / "a.txt").write_text(" ")
    with pytest.raises(InvalidArgumentError, match="none has any text"):
        make("from_files", tmp_path)

    (found,) = ask(retriever, "lamp")
    assert (found.id, found.page_content) == ("sub/a.txt", "The lamp is red.\r\nAnd new.")


def test_a_text_that_utf8_cannot_write_is_refused_by_its_place(make: Make, ask: Ask) -> None:
    with pytest.raises(InvalidArgumentError, match=r"documents\[1\]\['text'\]: got the lone surrogate"):
        make("from_texts", ["The lamp is red.", "caf\udce9"])

    retriever = make("from_texts", ["The lamp is red."])
    with pytest.raises(InvalidArgumentError, match="query: got the lone surrogate"):
        ask(retriever, "caf\udce9")


@pytest.mark.parametrize("how", ["from_files", "from_texts"])
def test_a_dataset_that_was_uploaded_only_is_filled_too(
    make: Make, ask: Ask, embedded: str, how: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    name = f"uploaded-{abs(hash(request.node.nodeid))}"
    (tmp_path / "a.txt").write_text("The lamp is red.")
    (tmp_path / "old.txt").write_text("The lamp is old.")
    with reka.Reka(base_url=embedded) as client:
        client.add_folder(tmp_path, name)
    (tmp_path / "old.txt").unlink()

    retriever = make(how, tmp_path if how == "from_files" else {"a.txt": "The lamp is red."}, dataset=name)

    assert [(found.id, found.page_content) for found in ask(retriever, "lamp")] == [("a.txt", "The lamp is red.")]


def test_a_filter_is_given_when_the_retriever_is_made_and_another_in_a_call(make: Make, ask: Ask) -> None:
    retriever = make("from_documents", MANUAL, filter={"page": {"$gte": 7}, "lang": "en"})

    assert ask(retriever, "lamp Watt") == [POWER]
    assert ask(retriever, "lamp Watt", filter={"lang": "de"}) == [LAMPE]
    assert ask(retriever, "lamp Watt", filter={"page": 3}, k=8, mode="keyword") == [RESET]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"filtr": {"lang": "de"}}, "filtr: a call of RekaRetriever has no such argument; did you mean filter"),
        ({"filter": {"lang": {"$near": 1}}}, "filter"),
        ({"filter": lambda document: True}, "filter"),
        ({"mode": "magic"}, "mode: got 'magic'"),
        ({"k": 0}, "k: got 0"),
    ],
)
def test_an_argument_of_a_call_that_is_unknown_or_wrong_is_refused(
    ask: Ask, embedded: str, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        ask(RekaRetriever(dataset="any", base_url=embedded), "lamp", **wrong)


def test_a_server_that_would_ignore_a_filter_is_not_asked(fake: FakeReka, ask: Ask) -> None:
    parameters: dict[str, Any] = {"base_url": fake.url, "api_key": KEY, "datasets": "host"}
    retriever = RekaRetriever(dataset="any", filter={"lang": "de"}, **parameters)
    fake.will_answer(200, {"features": ["retrieval_top_k"]})

    with pytest.raises(reka.UnsupportedRequestError, match="does not filter what it retrieves"):
        ask(retriever, "lamp")

    assert [request.method for request in fake.requests] == ["GET"]


def test_what_several_queries_find_is_equal_so_that_it_is_found_once(make: Make, ask: Ask) -> None:
    retriever = make("from_documents", MANUAL)
    queries = ["How do I reset the lamp?", "lamp reset button", "How many watts does the lamp need?"]

    found = [document for query in queries for document in ask(retriever, query)]

    # The rule of LangChain's MultiQueryRetriever.
    assert len([one for place, one in enumerate(found) if one not in found[:place]]) == len({one.id for one in found})
    assert len(found) > 3


def test_one_threshold_tells_what_fits_from_what_does_not(make: Make, ask: Ask) -> None:
    retriever = make("from_documents", MANUAL, min_score=0.3)

    assert ask(retriever, "Who wrote Hamlet?") == []
    assert ask(retriever, "How do I reset the lamp?")[0] == RESET
    assert ask(retriever, "How do I reset the lamp?", min_score=1.5) == []
