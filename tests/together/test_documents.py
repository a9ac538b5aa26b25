"""Documents, from the clients to a server of ours and back."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import reka
from tests.support.clients import Connect
from tests.support.strict_host import StrictHost

OWL: reka.Document = {"id": "owl", "text": "The owl hunts at night.", "metadata": {"lang": "en", "year": 2019}}
EULE: reka.Document = {"id": "eule", "text": "Die Eule jagt bei Nacht.", "source": "Wald", "metadata": {"lang": "de"}}


@pytest.fixture
def client(connect: Connect, place: str) -> Iterator[reka.Reka]:
    with connect(base_url=place) as client:
        yield client


def test_documents_go_in_come_back_change_and_go(client: reka.Reka, tmp_path: Path) -> None:
    first = client.put_documents("birds", iter([OWL, EULE]))
    again = client.put_documents("birds", [OWL, {**EULE, "text": "Die Eule schläft."}])
    listed = list(client.list_documents("birds"))
    found = client.retrieve("Eule", "birds", 1, filter={"lang": "de"})
    texts = client.get_documents("birds", ["eule", "owl"])
    archive = client.export_dataset("birds", tmp_path / "birds.zip")
    info = client.describe_dataset("birds")
    deleted = client.delete_documents("birds", filter={"year": {"$lt": 2020}})

    assert (first["added"], again["replaced"], again["unchanged"], deleted["deleted"]) == (2, 1, 1, 1)
    assert {document["id"]: document.get("metadata") for document in listed} == {
        "owl": OWL.get("metadata"),
        "eule": EULE.get("metadata"),
    }
    assert [
        (chunk.get("document_id"), chunk["text"], chunk.get("source"), chunk.get("metadata")) for chunk in found
    ] == [("eule", "Die Eule schläft.", "Wald", EULE.get("metadata"))]
    assert [document["text"] for document in texts] == ["Die Eule schläft.", OWL["text"]]
    assert zipfile.ZipFile(archive).testzip() is None
    assert (info["state"], info["documents"]) == ("prepared", 2)
    assert [document["id"] for document in client.list_documents("birds")] == ["eule"]
    assert client.retrieve("owl night", "birds", filter={"lang": "en"}) == []


def test_files_that_are_not_prepared_are_documents_already(client: reka.Reka, tmp_path: Path) -> None:
    (tmp_path / "owl.txt").write_text(OWL["text"])
    client.add_folder(tmp_path, "files")
    stored = list(client.list_documents("files"))
    job_id = client.prepare_retrieval("files")
    client.wait_for_retrieval(job_id)
    prepared = list(client.list_documents("files"))

    assert [(one["id"], one["chunks"], one["digest"]) for one in stored] == [("owl.txt", 0, None)]
    assert [(one["id"], one["chunks"], one["digest"] is None) for one in prepared] == [("owl.txt", 1, False)]


def test_texts_come_back_whole_whatever_one_answer_holds(client: reka.Reka, tmp_path: Path) -> None:
    large = " ".join(map(str, range(220_000)))
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(f"{name} {large}")
    client.add_folder(tmp_path, "large")

    documents = client.get_documents("large", ["c", "a", "gone", "b"])

    assert [(document["id"], document["text"][:4]) for document in documents] == [
        ("c", "c 0 "),
        ("a", "a 0 "),
        ("b", "b 0 "),
    ]
    assert {len(document["text"]) for document in documents} == {len(large) + 2}


def test_a_chat_answers_from_what_its_filter_leaves(client: reka.Reka) -> None:
    client.put_documents("birds", [OWL, EULE])

    turn = client.chat("owl Eule", retrieval_dataset="birds", retrieval_filter={"lang": "de"})
    completion = client.complete(
        [{"role": "user", "content": "owl Eule"}], retrieval_dataset="birds", retrieval_filter={"lang": "en"}
    )

    assert [chunk.get("document_id") for chunk in turn.get("retrieved_chunks") or []] == ["eule"]
    assert [chunk.get("document_id") for chunk in completion.retrieved_chunks or []] == ["owl"]


def test_documents_on_this_machine_answer_for_a_host_without_datasets(
    connect: Connect, host: StrictHost, place: str
) -> None:
    with connect("a-key", host.url, datasets=place) as client:
        client.put_documents("birds", [OWL, EULE])
        found = client.retrieve("Eule", "birds", mode="keyword")

    assert [chunk.get("document_id") for chunk in found] == ["eule"]
