"""Documents of datasets: what is sent, what comes back, and what a server without documents is not asked."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import reka
from reka import config
from reka.testing import FakeReka, reset
from tests.support.clients import Connect

ABOUT: dict[str, object] = {"name": "reka", "features": ["retrieval_top_k", "documents"]}
ABOUT_OTHERS: dict[str, object] = {"name": "reka", "features": ["retrieval_top_k"]}
ALICE: reka.Document = {"id": "a", "text": "Alice fell.", "source": "book", "metadata": {"page": 1, "tags": ["x"]}}
RABBIT: reka.Document = {"id": "r", "text": "Oh dear! Ä"}
PUT: dict[str, object] = {"added": 2, "replaced": 0, "unchanged": 0, "job_id": "j"}
COMPLETE = {"job_status": "COMPLETE", "detail": "", "history": []}
INFO = {
    "name": "alice",
    "description": None,
    "size_bytes": 20,
    "documents": 2,
    "chunks": 3,
    "state": "prepared",
    "job_id": "j",
    "created": "2026-11-26T08:00:00Z",
    "embedder": "wordllama",
    "later": 1,
}
LISTED = {"id": "a", "source": "book", "metadata": {"page": 1}, "size_bytes": 11, "chunks": 1, "digest": "d", "new": 2}

USES: dict[str, Callable[[reka.Reka], object]] = {
    "put_documents": lambda client: client.put_documents("alice", [ALICE]),
    "delete_documents": lambda client: client.delete_documents("alice", ["a"]),
    "list_documents": lambda client: list(client.list_documents("alice")),
    "get_documents": lambda client: client.get_documents("alice", ["a"]),
    "describe_dataset": lambda client: client.describe_dataset("alice"),
    "export_dataset": lambda client: client.export_dataset("alice", "alice.zip"),
}


def _lines(body: bytes) -> list[Any]:
    return [json.loads(line) for line in body.splitlines()]


@pytest.fixture
def fake(fake: FakeReka, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeReka:
    """A scripted server with documents; the test runs in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    fake.will_answer(200, ABOUT)
    return fake


def test_documents_are_put_as_lines_and_waited_for(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, PUT | {"later": 1})
    fake.will_answer(200, COMPLETE)
    seen: list[str] = []

    result = client.put_documents("a b", [ALICE, RABBIT], on_update=lambda status: seen.append(status.job_status))

    assert result == PUT | {"later": 1}
    assert fake.paths == ["GET /", "PUT /datasets/a%20b/documents", "GET /jobs/prepare-retrieval/j/status"]
    assert fake.requests[1].headers["content-type"] == "application/x-ndjson"
    assert _lines(fake.requests[1].body) == [ALICE, RABBIT]
    assert seen == ["COMPLETE"]


def test_a_job_is_not_waited_for_on_request_and_if_there_is_none(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, PUT)
    fake.will_answer(200, PUT | {"added": 0, "unchanged": 2, "job_id": None})

    assert client.put_documents("alice", [ALICE, RABBIT], wait=False)["job_id"] == "j"
    assert client.put_documents("alice", [ALICE, RABBIT])["unchanged"] == 2
    assert fake.paths == ["GET /", *["PUT /datasets/alice/documents"] * 2]


def test_a_job_that_fails_is_a_retrieval_error(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, PUT)
    fake.will_answer(200, {"job_status": "ERROR", "detail": "out of disk", "history": []})

    with pytest.raises(reka.RetrievalError, match="out of disk"):
        client.put_documents("alice", [ALICE])


def test_many_documents_are_sent_in_batches_while_they_are_read(client: reka.Reka, fake: FakeReka) -> None:
    count = config.DOCUMENT_BATCH + 1
    fake.will_answer(200, PUT | {"added": count - 1, "later": 1})
    fake.will_answer(200, PUT | {"added": 0, "replaced": 1, "job_id": None})
    fake.will_answer(200, COMPLETE)
    sent_before: list[int] = []

    def documents() -> Iterator[reka.Document]:
        for place in range(count):
            sent_before.append(len(fake.requests))
            yield {"id": str(place), "text": "x"}

    result = client.put_documents("alice", documents())

    assert result == PUT | {"added": count - 1, "replaced": 1, "later": 1}
    assert [len(_lines(request.body)) for request in fake.requests[1:3]] == [count - 1, 1]
    assert fake.paths[3:] == ["GET /jobs/prepare-retrieval/j/status"]
    assert sent_before == [0] * count  # the first batch is sent when the next document shows that it is full


def test_large_documents_are_sent_alone(client: reka.Reka, fake: FakeReka) -> None:
    large = "x" * config.DOCUMENT_BATCH_BYTES
    for _ in range(3):
        fake.will_answer(200, PUT | {"job_id": None})

    client.put_documents("alice", [RABBIT, {"id": "large", "text": large}, RABBIT])

    assert [[line["id"] for line in _lines(request.body)] for request in fake.requests[1:]] == [["r"], ["large"], ["r"]]


def test_no_documents_are_no_request(client: reka.Reka, fake: FakeReka) -> None:
    nothing = {"added": 0, "replaced": 0, "unchanged": 0, "job_id": None}

    assert client.put_documents("alice", []) == nothing
    assert client.delete_documents("alice", []) == {"deleted": 0, "job_id": None}
    assert fake.requests == []


def test_documents_whose_connection_breaks_are_sent_again(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_give(reset)
    fake.will_answer(200, PUT | {"job_id": None})

    client.put_documents("alice", [ALICE])

    assert [_lines(request.body) for request in fake.requests[1:]] == [[ALICE], [ALICE]]


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ("text", "documents: got a string, want a list of dicts"),
        (ALICE, "documents: got an object, want a list of dicts"),
        (7, "documents: got a number, want a list of dicts"),
        ([ALICE, "text"], r"documents\[1\]: got a string, want a dict with id and text"),
        ([{"text": "x"}], r"documents\[0\]\['id'\]: got nothing, want a text of 1 to 512 characters"),
        ([{"id": "", "text": "x"}], r"documents\[0\]\['id'\]: got 0 characters"),
        ([{"id": "x" * 513, "text": "x"}], r"documents\[0\]\['id'\]: got 513 characters"),
        ([{"id": 7, "text": "x"}], r"documents\[0\]\['id'\]: got a number"),
        ([{"id": "a"}], r"documents\[0\]\['text'\]: got nothing, want a text that is not empty"),
        ([{"id": "a", "text": ""}], r"documents\[0\]\['text'\]: got an empty one, want a text that is not empty"),
        ([{"id": "a", "text": " \n"}], r"documents\[0\]\['text'\]: got an empty one, want a text that is not empty"),
        ([{"id": "a", "text": b"x"}], r"documents\[0\]\['text'\]: got bytes, want a text"),
        ([{"id": "a", "text": "\ud800"}], r"documents\[0\]\['text'\]: got the lone surrogate"),
        ([{"id": "a", "text": "x", "source": 7}], r"documents\[0\]\['source'\]: got a number, want a text"),
        ([{"id": "a", "text": "x", "source": ""}], r"documents\[0\]\['source'\]: got 0 characters, want a text of 1"),
        ([{"id": "a", "text": "x", "metadata": ["m"]}], r"documents\[0\]\['metadata'\]: got a list, want a dict"),
        ([{"id": "a", "text": "x", "metadata": {1: 2}}], r"documents\[0\]\['metadata'\]: got an object, want a dict"),
        ([{"id": "a", "text": "x", "metadata": {"m": {1}}}], r"\['metadata'\]: cannot be written as JSON"),
        ([{"id": "a", "text": "x", "metadata": {"m": float("nan")}}], r"\['metadata'\]: cannot be written as JSON"),
        (
            [{"id": "a", "text": "x", "meta": {}}],
            r"got the key 'meta', want id, text, source, metadata",
        ),
    ],
)
def test_what_is_no_document_is_refused_before_anything_is_sent(
    sync_client: reka.Reka, fake: FakeReka, documents: Any, message: str
) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=message):
        sync_client.put_documents("alice", documents)

    assert fake.requests == []


def test_a_list_is_checked_to_its_end_before_anything_is_sent(client: reka.Reka, fake: FakeReka) -> None:
    documents: list[Any] = [RABBIT] * config.DOCUMENT_BATCH + [{"id": "a"}]

    with pytest.raises(reka.InvalidArgumentError, match=r"documents\[2000\]\['text'\]"):
        client.put_documents("alice", documents)

    assert fake.requests == []


@pytest.mark.parametrize("use", ["put_documents", "delete_documents"])
def test_a_wait_of_no_length_is_refused_before_anything_is_sent(client: reka.Reka, fake: FakeReka, use: str) -> None:
    with pytest.raises(reka.InvalidArgumentError, match="timeout: got -1, want seconds"):
        getattr(client, use)("alice", [ALICE], timeout=-1)

    assert fake.requests == []


def test_documents_are_deleted_by_id_in_batches(client: reka.Reka, fake: FakeReka) -> None:
    ids = [str(place) for place in range(config.DOCUMENT_BATCH + 1)]
    fake.will_answer(200, {"deleted": 3, "job_id": "j"})
    fake.will_answer(200, {"deleted": 1, "job_id": "k"})
    fake.will_answer(200, COMPLETE)

    result = client.delete_documents("alice", iter(ids))

    assert result == {"deleted": 4, "job_id": "k"}
    assert fake.paths[1:] == [*["POST /datasets/alice/documents/delete"] * 2, "GET /jobs/prepare-retrieval/k/status"]
    assert [request.json for request in fake.requests[1:3]] == [{"ids": ids[:-1]}, {"ids": ids[-1:]}]


def test_documents_are_deleted_by_a_filter(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, {"deleted": 0, "job_id": None})

    assert client.delete_documents("alice", filter={"page": {"$gt": 1}}) == {"deleted": 0, "job_id": None}
    assert fake.requests[1].json == {"filter": {"page": {"$gt": 1}}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "ids, filter: want one of them"),
        ({"ids": ["a"], "filter": {"page": 1}}, "ids, filter: want one of them"),
        ({"ids": "a"}, "ids: got a string, want a list of ids"),
        ({"ids": ["a", ""]}, r"ids\[1\]: got 0 characters"),
        ({"filter": {}}, "filter: got an empty one, which holds for every document; delete_dataset deletes them all"),
        ({"filter": "page > 1"}, "filter: got a string, want an object"),
        ({"filter": {"page": {"$above": 1}}}, r"filter\['page'\]: got the operator '\$above'"),
    ],
)
def test_what_is_no_choice_of_documents_is_refused(
    sync_client: reka.Reka, fake: FakeReka, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=message):
        sync_client.delete_documents("alice", **arguments)

    assert fake.requests == []


def test_documents_are_listed_page_by_page(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, {"documents": [LISTED, LISTED | {"id": "b&"}], "next": "b&"})
    fake.will_answer(200, {"documents": [{"id": "c", "source": None, "size_bytes": 1, "chunks": 0}], "next": None})

    documents = client.list_documents("alice")
    first = next(documents)
    asked_for_first = len(fake.requests)
    rest = list(documents)

    assert first == LISTED
    assert asked_for_first == 2
    assert [document["id"] for document in rest] == ["b&", "c"]
    assert (rest[1]["metadata"], rest[1]["digest"]) == ({}, None)
    assert fake.paths[1:] == [f"GET /datasets/alice/documents?limit=1000{more}" for more in ("", "&after=b%26")]


def test_documents_are_got_with_their_texts_until_none_is_left(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, {"documents": [ALICE], "next": ["r"]})
    fake.will_answer(200, {"documents": [{**RABBIT, "source": None, "metadata": None, "later": 1}]})

    documents = client.get_documents("alice", iter(["a", "r"]))

    assert documents == [ALICE, {**RABBIT, "source": None, "metadata": {}, "later": 1}]
    assert fake.paths == ["GET /", *["POST /datasets/alice/documents/get"] * 2]
    assert [request.json for request in fake.requests[1:]] == [{"ids": ["a", "r"]}, {"ids": ["r"]}]


def test_a_dataset_is_described_with_all_that_the_server_says(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, INFO)

    assert client.describe_dataset("alice") == INFO
    assert fake.paths == ["GET /", "GET /datasets/alice"]


@pytest.mark.parametrize("use", USES)
def test_a_dataset_that_does_not_exist_is_a_dataset_error(client: reka.Reka, fake: FakeReka, use: str) -> None:
    fake.will_answer(404, {"detail": "no dataset 'alice'"})
    fake.will_answer(200, ["bob"])

    with pytest.raises(reka.DatasetError, match="no dataset 'alice'"):
        USES[use](client)


@pytest.mark.parametrize("use", USES)
def test_a_name_that_cannot_be_one_is_refused_before_anything_is_sent(
    sync_client: reka.Reka, fake: FakeReka, use: str
) -> None:
    arguments: dict[str, list[object]] = {
        "export_dataset": ["alice.zip"],
        "put_documents": [[ALICE]],
        "delete_documents": [["a"]],
        "get_documents": [["a"]],
    }

    with pytest.raises(reka.InvalidArgumentError, match=r"(name|dataset): got '\.\.', want a name"):
        getattr(sync_client, use)("..", *arguments.get(use, []))

    assert fake.requests == []


def test_a_search_takes_filter_and_mode_and_its_chunks_keep_all_fields(client: reka.Reka, fake: FakeReka) -> None:
    chunk = {"id": "c1", "text": "Oh dear!", "document_id": "r", "metadata": {"page": 1}, "score": 0.9, "position": 4}
    fake.will_answer(200, {"retrieved_chunks": [chunk, chunk]})

    found = client.retrieve("Who?", "alice", 1, filter={"page": 1}, mode="keyword")

    assert found == [chunk]
    assert fake.paths == ["GET /", "POST /datasets/alice/search"]
    assert fake.requests[1].json == {"query": "Who?", "k": 1, "mode": "keyword", "filter": {"page": 1}}


def test_a_search_without_options_names_the_default_mode_alone(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, {"retrieved_chunks": []})

    assert client.retrieve("Who?", "alice", 1000) == []
    assert fake.requests[1].json == {"query": "Who?", "k": 1000, "mode": "hybrid"}


@pytest.mark.parametrize("status", [400, 404, 409])
def test_a_dataset_that_cannot_be_searched_is_a_retrieval_error(client: reka.Reka, fake: FakeReka, status: int) -> None:
    fake.will_answer(status, {"detail": "dataset 'alice' is not prepared"})
    fake.will_answer(200, ["alice"])

    with pytest.raises(reka.RetrievalError, match="is not prepared"):
        client.retrieve("Who?", "alice")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "fuzzy"}, "mode: got 'fuzzy', want one of 'hybrid', 'keyword', 'vector'"),
        ({"filter": {"$nor": []}}, r"filter: got the key '\$nor'"),
    ],
)
def test_a_search_of_no_kind_is_refused_before_anything_is_sent(
    client: reka.Reka, fake: FakeReka, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(reka.InvalidArgumentError, match=message):
        client.retrieve("Who?", "alice", **options)

    assert fake.requests == []


class TestServersWithoutDocuments:
    """Servers whose datasets are replaced as a whole."""

    @pytest.fixture
    def fake(self, fake: FakeReka) -> FakeReka:
        fake.next_script()
        fake.will_answer(200, ABOUT_OTHERS)
        return fake

    @pytest.mark.parametrize("use", USES)
    def test_the_error_names_the_function_and_what_replaces_it(
        self, client: reka.Reka, fake: FakeReka, use: str
    ) -> None:
        with pytest.raises(reka.UnsupportedRequestError, match=f"^{use}: .*ensure_dataset"):
            USES[use](client)
        with pytest.raises(reka.UnsupportedRequestError) as caught:
            USES[use](client)

        assert fake.url in str(caught.value)
        assert 'datasets="local"' in str(caught.value)
        assert fake.paths == ["GET /"]

    def test_chunks_are_retrieved_by_a_chat(self, client: reka.Reka, fake: FakeReka) -> None:
        fake.will_answer(200, {"type": "model", "text": "", "retrieved_chunks": [{"text": "Oh dear!"}]})

        assert client.retrieve("Who?", "alice", 500) == [{"text": "Oh dear!"}]
        assert fake.paths == ["GET /", "POST /chat"]
        assert fake.requests[1].json["retrieval_top_k"] == 100

    @pytest.mark.parametrize(
        ("options", "message"),
        [({"filter": {"page": 1}}, "filter: .*does not filter"), ({"mode": "vector"}, "mode: .*knows none")],
    )
    def test_a_search_that_would_be_another_one_is_refused(
        self, client: reka.Reka, fake: FakeReka, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(reka.UnsupportedRequestError, match=message):
            client.retrieve("Who?", "alice", **options)

        assert fake.paths == ["GET /"]


def test_a_server_that_cannot_say_what_it_can_do_is_not_taken_for_one_without_documents(
    connect: Connect, fake: FakeReka
) -> None:
    fake.next_script()
    fake.will_answer(503)
    fake.will_answer(401, {"detail": "no such key"})
    with connect("a-key", fake.url, max_retries=0) as client, pytest.raises(reka.AuthError):
        client.put_documents("alice", [ALICE])

    assert fake.paths == ["GET /", "GET /"]


def test_counts_that_are_none_are_an_unexpected_response(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, {"added": "two"})

    with pytest.raises(reka.UnexpectedResponseError, match="added: a string, want a number"):
        client.put_documents("alice", [ALICE])
