"""Datasets as sets of documents, as a client sees them."""

import io
import json
import zipfile
from typing import Any

import pytest

from tests.support.archives import zipped
from tests.support.caller import Caller
from tests.support.servers import Call

OWL = {"id": "owl", "text": "The owl of the mill hunts at night.", "metadata": {"lang": "en", "year": 2019}}
HEN = {"id": "hen", "text": "The hen of the farm lays twelve eggs.", "metadata": {"lang": "en", "year": 2021}}
EULE = {"id": "eule", "text": "Die Eule der Mühle jagt bei Nacht.", "metadata": {"lang": "de", "year": 2021}}
BIRDS: list[dict[str, Any]] = [OWL, HEN, EULE]


def ids(chunks: list[dict[str, Any]]) -> list[str]:
    return [chunk["document_id"] for chunk in chunks]


def test_documents_come_back_as_they_were_put(api: Caller) -> None:
    answer = api.put("birds", BIRDS)

    listed = api.documents("birds")
    found = api.search("birds", "mill owl", k=1)[0]

    assert (answer["added"], answer["replaced"], answer["unchanged"]) == (3, 0, 0)
    assert [(one["id"], one["source"], one["metadata"]) for one in listed] == [
        (bird["id"], bird["id"], bird["metadata"]) for bird in BIRDS
    ]
    assert [(one["size_bytes"], one["chunks"]) for one in listed] == [(len(bird["text"].encode()), 1) for bird in BIRDS]
    assert len({one["digest"] for one in listed}) == 3
    assert (found["text"], found["document_id"], found["source"]) == (OWL["text"], "owl", "owl")
    assert (found["metadata"], found["position"], found["id"]) == (OWL["metadata"], 0, "owl#0")
    assert found["document_bytes"] == len(OWL["text"])
    assert {"score", "similarity"} <= found.keys()


@pytest.mark.parametrize("form", ["array", "object", "lines", "one line"])
def test_documents_are_put_in_each_form_of_json(api: Caller, form: str) -> None:
    body = {
        "array": json.dumps(BIRDS),
        "object": json.dumps({"documents": BIRDS}, indent=1),
        "lines": "\r\n".join(map(json.dumps, BIRDS)) + "\n\n",
        "one line": json.dumps(OWL),
    }[form]

    answer = api.ask("PUT", "/datasets/birds/documents", data=body)

    assert answer.json()["added"] == (1 if form == "one line" else 3), answer.text


def test_a_document_is_replaced_by_id_and_an_equal_one_is_left_alone(api: Caller) -> None:
    api.put("birds", BIRDS)

    answer = api.put("birds", [OWL, {**HEN, "text": "The hen is gone."}, {"id": "rook", "text": "A rook calls."}])

    assert (answer["added"], answer["replaced"], answer["unchanged"]) == (1, 1, 1)
    assert api.search("birds", "twelve eggs", mode="keyword") == []
    assert [chunk["text"] for chunk in api.search("birds", "hen gone", k=1)] == ["The hen is gone."]
    assert api.put("birds", [OWL])["job_id"] is None


def test_documents_are_deleted_by_id_and_by_filter(api: Caller) -> None:
    api.put("birds", BIRDS)

    by_id = api.remove("birds", ids=["owl", "not there"])
    by_filter = api.remove("birds", filter={"year": {"$gte": 2020}, "lang": "de"})

    assert (by_id["deleted"], by_filter["deleted"]) == (1, 1)
    assert [one["id"] for one in api.documents("birds")] == ["hen"]
    assert ids(api.search("birds", "owl mill Eule Mühle hen")) == ["hen"]


def test_the_last_document_may_be_deleted_and_others_put(api: Caller) -> None:
    api.put("birds", [OWL])

    api.remove("birds", ids=["owl"])
    empty = api.search("birds", "owl")
    api.put("birds", [HEN])

    assert empty == []
    assert ids(api.search("birds", "hen")) == ["hen"]


@pytest.mark.parametrize("mode", ["hybrid", "keyword", "vector"])
def test_a_filter_is_applied_before_the_cut(api: Caller, mode: str) -> None:
    others = [{"id": f"{n}", "text": f"An owl, owl {n}.", "metadata": {"tenant": "a"}} for n in range(150)]
    api.put("birds", [*others, {"id": "b", "text": "One owl among many birds.", "metadata": {"tenant": "b"}}])

    assert ids(api.search("birds", "owl", k=3, mode=mode, filter={"tenant": "b"})) == ["b"]
    assert api.search("birds", "owl", mode=mode, filter={"tenant": "c"}) == []


@pytest.mark.parametrize("path", ["/chat", "/v1/chat", "/v1/chat/completions"])
def test_a_chat_takes_a_filter_in_each_family(api: Caller, path: str) -> None:
    api.put("birds", BIRDS)
    turns = {"conversation_history": [{"type": "human", "text": "owl"}]}
    messages = {"messages": [{"role": "user", "content": "owl"}]}
    body = {**(turns if path == "/chat" else messages), "retrieval_dataset": "birds"}

    answer = api.ask("POST", path, json={**body, "retrieval_filter": {"year": {"$lt": 2020}}})
    refused = api.ask("POST", path, json={**body, "retrieval_filter": {"$where": "1"}})

    assert ids(answer.json()["retrieved_chunks"]) == ["owl"]
    assert refused.status_code in (400, 422)
    assert "want a key of the metadata" in refused.text


def test_a_dataset_is_described(api: Caller) -> None:
    job = api.put("birds", BIRDS)["job_id"]
    api.add("stored", "some text")

    described = api.ask("GET", "/datasets/birds").json()

    assert described.pop("created").endswith("Z")
    assert described == {
        "name": "birds",
        "description": None,
        "size_bytes": sum(len(bird["text"].encode()) for bird in BIRDS),
        "documents": 3,
        "chunks": 3,
        "state": "prepared",
        "job_id": job,
        "embedder": "words",
    }
    assert api.ask("GET", "/datasets/stored").json()["state"] == "stored"
    assert api.ask("GET", "/datasets/none").status_code == 404


def test_documents_are_listed_a_page_at_a_time(api: Caller) -> None:
    api.put("birds", BIRDS)

    first = api.ask("GET", "/datasets/birds/documents", params={"limit": 2}).json()
    second = api.ask("GET", "/datasets/birds/documents", params={"limit": 2, "after": first["next"]}).json()
    wrong = api.ask("GET", "/datasets/birds/documents", params={"after": "owl"})

    assert [one["id"] for one in [*first["documents"], *second["documents"]]] == ["owl", "hen", "eule"]
    assert second["next"] is None
    assert wrong.status_code == 400


def test_the_chunks_of_a_document_are_listed_a_page_at_a_time_as_retrieval_has_them(api: Caller) -> None:
    text = "\n\n".join(f"Paragraph {number}. " + "The owl hunts. " * 40 for number in range(5))
    api.put("birds", [HEN, {"id": "the/owl", "text": text}, EULE])

    def page(**more: Any) -> dict[str, Any]:
        found: dict[str, Any] = api.ask(
            "GET", "/datasets/birds/chunks", params={"document_id": "the/owl", **more}
        ).json()
        return found

    whole, first = page(), page(limit=2)
    second = page(limit=2, after=first["next"])
    retrieved = api.search("birds", "Paragraph owl hunts", k=100)

    assert [chunk["id"] for chunk in whole["chunks"]] == [f"the/owl#{place}" for place in range(5)]
    assert whole["chunks"][:4] == [*first["chunks"], *second["chunks"]]
    assert (first["next"], second["next"], whole["next"]) == ("2", "4", None)
    assert all(text[chunk["position"] :].startswith(chunk["text"]) for chunk in whole["chunks"])
    by_id = {chunk["id"]: chunk["text"] for chunk in retrieved}
    assert all(by_id[chunk["id"]] == chunk["text"] for chunk in whole["chunks"])
    assert page(document_id="none") == {"detail": "There is no document 'none' in the index of dataset 'birds'"}


def test_a_replaced_document_has_its_new_chunks(api: Caller) -> None:
    api.put("birds", BIRDS)
    api.put("birds", [{"id": "owl", "text": "Another owl."}])

    listed = api.ask("GET", "/datasets/birds/chunks", params={"document_id": "owl"}).json()

    assert [chunk["text"] for chunk in listed["chunks"]] == ["Another owl."]


def test_documents_are_got_with_their_texts_in_the_order_of_their_ids(api: Caller) -> None:
    api.put("birds", [{**OWL, "text": "  The owl.\n" * 500}, HEN, EULE])

    answer = api.ask("POST", "/datasets/birds/documents/get", json={"ids": ["hen", "gone", "owl", "hen"]}).json()

    assert answer == {
        "documents": [
            {**HEN, "source": "hen"},
            {"id": "owl", "text": "  The owl.\n" * 500, "source": "owl", "metadata": OWL["metadata"]},
        ],
        "next": [],
    }


def test_what_was_uploaded_is_got_with_its_texts(api: Caller) -> None:
    api.add_prepared("birds", zipped({"a/owl.txt": "The owl.\r\n", "hen.txt": "The hen."}), "birds.zip")

    answer = api.ask("POST", "/datasets/birds/documents/get", json={"ids": ["hen.txt", "a/owl.txt"]}).json()

    assert [(one["id"], one["text"]) for one in answer["documents"]] == [
        ("hen.txt", "The hen."),
        ("a/owl.txt", "The owl.\r\n"),
    ]


def test_the_texts_are_exported_as_a_zip_under_names_that_lead_nowhere(api: Caller) -> None:
    api.put("birds", [{"id": one, "text": f"text of {one}"} for one in ("../../etc/x.txt", "etc/x.txt", "..", "a b")])

    answer = api.ask("GET", "/datasets/birds/export")

    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert texts == {
        "etc/x.txt": "text of ../../etc/x.txt",
        "etc/x-2.txt": "text of etc/x.txt",
        "document": "text of ..",
        "a_b": "text of a b",
    }


def test_what_was_uploaded_appears_as_documents_and_is_changed_as_documents_are(api: Caller) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("birds/owl.txt", "The owl of the mill hunts at night.")
        archive.writestr("hen.txt", "The hen of the farm lays twelve eggs.")
    api.add("files", packed.getvalue(), "files.zip")
    stored = api.documents("files")
    api.await_taken_over({"job_id": api.prepare("files").json()})

    api.put("files", [{"id": "hen.txt", "text": "The hen is gone."}, {"id": "rook", "text": "A rook calls."}])

    assert [one["id"] for one in stored] == ["birds/owl.txt", "hen.txt"]
    assert [one["id"] for one in api.documents("files")] == ["birds/owl.txt", "hen.txt", "rook"]
    assert ids(api.search("files", "hen twelve eggs", k=1)) == ["hen.txt"]
    assert ids(api.search("files", "owl at night", k=1)) == ["birds/owl.txt"]
    with zipfile.ZipFile(io.BytesIO(api.ask("GET", "/datasets/files/export").content)) as archive:
        assert sorted(archive.namelist()) == ["birds/owl.txt", "hen.txt", "rook"]


def test_a_key_sees_no_other_keys_documents(api: Caller, shared: Any, call: Call) -> None:
    api.put("birds", BIRDS)
    stranger = call(shared, "another-key")

    answers = [
        stranger.ask("GET", "/datasets/birds"),
        stranger.ask("GET", "/datasets/birds/documents"),
        stranger.ask("POST", "/datasets/birds/documents/get", json={"ids": ["owl"]}),
        stranger.ask("POST", "/datasets/birds/documents/delete", json={"ids": ["owl"]}),
        stranger.ask("POST", "/datasets/birds/search", json={"query": "owl"}),
        stranger.ask("GET", "/datasets/birds/export"),
        stranger.ask("GET", "/datasets/birds/chunks", params={"document_id": "owl"}),
    ]
    own = stranger.put("birds", [{"id": "owl", "text": "Another owl."}])
    found = stranger.search("birds", "owl")
    stranger.delete("birds")

    assert {answer.status_code for answer in answers} == {404}
    assert own["added"] == 1
    assert [chunk["text"] for chunk in found] == ["Another owl."]
    assert [one["id"] for one in api.documents("birds")] == ["owl", "hen", "eule"]
