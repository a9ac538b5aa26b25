"""Vector stores and datasets are the same, seen twice: what is done to one is seen in the other."""

import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.caller import Caller
from tests.support.embedders import FailingEmbedder
from tests.support.servers import Call, Start
from tests.support.vector_stores import await_prepared, file_of, find, read, store_of, upload

OWL = "The owl of the mill hunts at night."
HEN = "The hen of the farm lays 12 eggs."


def the_store(api: Caller) -> dict[str, Any]:
    (store,) = read(api, "/v1/vector_stores")["data"]
    return dict(store)


@pytest.fixture
def api(api: Caller) -> Caller:
    """The caller of the shared server, which has no files either before the test."""
    for file in read(api, "/v1/files")["data"]:
        api.ask("DELETE", f"/v1/files/{file['id']}")
    return api


def test_a_vector_store_is_a_dataset(api: Caller) -> None:
    store_of(api, "Farm & mill", file_of(api, HEN, "hen.md"), description="animals")

    (name,) = api.names()
    about = read(api, f"/datasets/{name}")

    assert name == "Farm_mill"
    assert (about["state"], about["documents"], about["description"]) == ("prepared", 1, "animals")
    assert api.documents(name)[0]["source"] == "hen.md"
    assert [chunk["text"] for chunk in api.chunks("hen", name, 1)] == [HEN]


def test_a_dataset_is_a_vector_store_with_its_documents_as_files(api: Caller) -> None:
    api.add_prepared("notes", f"{OWL}\n\n{HEN}", "birds/notes.txt")
    api.put("notes", [{"id": "a/b c.md", "text": "The fox eats hens.", "metadata": {"year": 2020, "tags": ["x"]}}])

    store = the_store(api)
    files = read(api, f"/v1/vector_stores/{store['id']}/files", order="asc")["data"]
    (best, *_) = find(api, store["id"], "fox")
    path = f"/v1/vector_stores/{store['id']}/files/{best['file_id']}"

    assert (store["name"], store["file_counts"]["completed"]) == ("notes", 2)
    assert [file["status"] for file in files] == ["completed", "completed"]
    assert best["file_id"] == files[1]["id"]
    assert (best["filename"], best["attributes"]) == ("a/b c.md", {"year": 2020, "tags": '["x"]'})
    assert read(api, f"{path}/content")["data"] == [{"type": "text", "text": "The fox eats hens."}]
    assert read(api, f"/v1/files/{best['file_id']}")["filename"] == "a/b c.md"
    assert api.ask("GET", f"/v1/files/{best['file_id']}/content").text == "The fox eats hens."
    assert api.ask("POST", path, json={"attributes": {"year": 2021}}).json()["attributes"] == {"year": 2021}
    assert read(api, path)["id"] == best["file_id"]
    assert api.ask("DELETE", f"/v1/files/{best['file_id']}").json()["deleted"] is True
    assert [document["id"] for document in api.documents("notes")] == ["notes.txt"]


def test_a_dataset_that_is_not_prepared_is_prepared_by_its_first_search(api: Caller) -> None:
    api.add("notes", HEN)
    store = the_store(api)

    (found,) = find(api, store["id"], "eggs")

    assert store["status"] == "in_progress"
    assert found["content"] == [{"type": "text", "text": HEN}]
    assert read(api, "/datasets/notes")["state"] == "prepared"


def test_a_vector_store_without_files_is_complete_and_has_no_results(api: Caller) -> None:
    store = store_of(api)

    assert (store["name"], store["status"], store["file_counts"]["total"]) == ("", "completed", 0)
    assert find(api, store["id"], "hen") == []


def test_vector_stores_may_have_one_name(api: Caller) -> None:
    first, second = (store_of(api, "notes", file_of(api, text)) for text in (OWL, HEN))

    assert first["name"] == second["name"] == "notes"
    assert len(set(api.names())) == 2
    assert [one["content"][0]["text"] for one in find(api, second["id"], "mill or farm")] == [HEN]


def test_deleting_a_vector_store_deletes_its_dataset_and_leaves_its_files(api: Caller) -> None:
    file = file_of(api, HEN)
    store = store_of(api, "notes", file)

    assert api.ask("DELETE", f"/v1/vector_stores/{store['id']}").json()["deleted"] is True

    assert api.names() == []
    assert api.ask("GET", f"/v1/vector_stores/{store['id']}/files").status_code == 404
    assert read(api, f"/v1/files/{file}")["bytes"] == len(HEN)


def test_deleting_a_dataset_deletes_its_vector_store(api: Caller) -> None:
    store = store_of(api, "notes", file_of(api, HEN))

    api.delete("notes")

    assert read(api, "/v1/vector_stores")["data"] == []
    assert api.ask("GET", f"/v1/vector_stores/{store['id']}").status_code == 404


def test_deleting_a_file_takes_it_out_of_every_vector_store(api: Caller) -> None:
    hen, owl = file_of(api, HEN), file_of(api, OWL)
    stores = [store_of(api, name, hen, owl)["id"] for name in ("one", "two")]

    assert api.ask("DELETE", f"/v1/files/{hen}").ok

    for store in stores:
        assert [file["id"] for file in read(api, f"/v1/vector_stores/{store}/files")["data"]] == [owl]
    assert [file["id"] for file in read(api, "/v1/files")["data"]] == [owl]


def test_nothing_of_what_is_deleted_stays_on_the_disk(start: Start, call: Call, data_dir: Path) -> None:
    server = start()
    api = call(server)
    file = file_of(api, "zebra-in-a-file " * 200)
    store = store_of(api, "notes", file)
    api.ask("DELETE", f"/v1/vector_stores/{store['id']}")
    api.ask("DELETE", f"/v1/files/{file}")

    server.stop()

    contents = [path.read_bytes() for path in data_dir.rglob("*") if path.is_file()]
    assert not any(b"zebra-in-a-file" in content for content in contents)


def test_a_server_on_postgresql_does_the_same(start: Start, call: Call, postgres_url: str) -> None:
    api = call(start(database_url=postgres_url, max_stored_bytes=10_000))
    ids = [file_of(api, f"{text} {number}") for number, text in enumerate((OWL, HEN, OWL))]
    store = store_of(api, "Farm & mill", *ids, metadata={"a": "b"})["id"]

    files = f"/v1/vector_stores/{store}/files"
    page = read(api, files, limit=2, order="asc", filter="completed")
    batch = api.ask("POST", f"/v1/vector_stores/{store}/file_batches", json={"file_ids": ids}).json()
    attributes = api.ask("POST", f"{files}/{ids[1]}", json={"attributes": {"year": 2024}})
    await_prepared(api, store)

    assert [file["id"] for file in page["data"]] == ids[:2]
    assert [file["id"] for file in read(api, files, order="asc", after=ids[0])["data"]] == [ids[2], ids[1]]
    assert (batch["file_counts"]["total"], attributes.status_code) == (3, 200)
    condition = {"type": "gte", "key": "year", "value": 2024}
    assert [one["file_id"] for one in find(api, store, "hen", filters=condition)] == [ids[1]]
    assert api.ask("GET", f"/v1/files/{ids[0]}/content").text == f"{OWL} 0"
    assert api.ask("DELETE", f"/v1/files/{ids[0]}").ok
    assert read(api, f"/v1/vector_stores/{store}")["file_counts"]["total"] == 2
    assert api.ask("DELETE", f"/v1/vector_stores/{store}").ok
    assert api.names() == []


def test_lists_are_read_page_by_page_in_both_directions(api: Caller) -> None:
    ids = [file_of(api, f"text {number}") for number in range(5)]
    store = store_of(api, "notes", *ids)["id"]
    path = f"/v1/vector_stores/{store}/files"

    first = read(api, path, limit=2, order="asc")
    second = read(api, path, limit=2, order="asc", after=first["last_id"])
    back = read(api, path, limit=2, order="asc", before=ids[3])
    newest = read(api, path, limit=2)

    assert [file["id"] for file in first["data"]] == ids[:2]
    assert [file["id"] for file in second["data"]] == ids[2:4]
    assert (first["has_more"], read(api, path, order="asc", after=ids[2])["has_more"]) == (True, False)
    assert [file["id"] for file in back["data"]] == ids[1:3]
    assert (back["first_id"], back["last_id"]) == (ids[1], ids[2])
    assert [file["id"] for file in newest["data"]] == ids[:2:-1]
    assert api.ask("GET", path, params={"after": "file-of-nobody"}).status_code == 404


def test_a_vector_store_and_its_first_files_are_prepared_by_one_job(start: Start, call: Call, data_dir: Path) -> None:
    api = call(start())
    store_of(api, "notes", file_of(api, HEN), file_of(api, OWL))

    with closing(sqlite3.connect(data_dir / "reka.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchall() == [(1,)]


def test_a_file_that_could_not_be_prepared_says_why(start: Start, call: Call) -> None:
    api = call(start(embedder=FailingEmbedder(ValueError("no vectors today"))))
    file = file_of(api, HEN)
    store = store_of(api, "notes", file)

    (seen,) = read(api, f"/v1/vector_stores/{store['id']}/files", filter="failed")["data"]

    assert store["file_counts"]["failed"] == 1
    assert (seen["status"], seen["last_error"]["code"]) == ("failed", "server_error")
    assert seen["last_error"]["message"]


@pytest.mark.parametrize("none", [[], None])
def test_a_batch_is_of_the_ids_where_its_other_list_is_empty(api: Caller, none: list[Any] | None) -> None:
    store = store_of(api, "notes")["id"]
    body = {"file_ids": [file_of(api, OWL)], "files": none}

    batch = api.ask("POST", f"/v1/vector_stores/{store}/file_batches", json=body).json()

    assert batch["file_counts"]["total"] == 1


def test_files_that_were_in_a_batch_and_are_not_there_any_more_count_as_cancelled(api: Caller) -> None:
    hen, owl = file_of(api, HEN), file_of(api, OWL)
    store = store_of(api, "notes")["id"]
    batch = api.ask("POST", f"/v1/vector_stores/{store}/file_batches", json={"file_ids": [hen, owl]}).json()["id"]
    await_prepared(api, store)

    api.ask("DELETE", f"/v1/vector_stores/{store}/files/{hen}")

    counts = read(api, f"/v1/vector_stores/{store}/file_batches/{batch}")["file_counts"]
    assert counts == {"in_progress": 0, "completed": 1, "failed": 0, "cancelled": 1, "total": 2}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "", {"name": "a\nb"}, 400, "control characters"),
        ("POST", "", {"colour": "red"}, 400, "colour"),
        ("POST", "", {"file_ids": ["file-of-nobody"]}, 404, "file-of-nobody"),
        ("POST", "", {"expires_after": {"anchor": "last_active_at", "days": 0}}, 400, "days"),
        ("POST", "/STORE/files", {"file_id": "doc-1"}, 404, "doc-1"),
        ("POST", "", {"metadata": {"": "red"}}, 400, "metadata: the key '': String should have at least 1 character"),
        ("POST", "", {"name": "x" * 2000}, 400, "name: String should have at most 1024 characters"),
        ("POST", "/STORE/file_batches", {}, 400, "either file_ids or files"),
        ("POST", "/STORE/file_batches", {"file_ids": ["a"], "files": [{"file_id": "a"}]}, 400, "either file_ids"),
        ("POST", "/STORE/search", {"query": ""}, 400, "query"),
        ("POST", "/STORE/search", {"query": "hen", "max_num_results": 51}, 400, "max_num_results"),
        ("POST", "/STORE/search", {"query": "hen", "filters": {"type": "like"}}, 400, "filters.type: got 'like', want"),
        ("POST", "/STORE/search", {"query": 7}, 400, "query: got a number, want a text, or a list of texts"),
        ("POST", "/STORE/search", {"query": ["hen"] * 17}, 400, "query"),
        ("GET", "/STORE/files?limit=0", None, 400, "limit"),
        ("GET", "/STORE/files?order=up", None, 400, "order"),
        ("GET", "/vs_1", None, 404, "vs_1"),
    ],
)
def test_a_wrong_request_is_refused_in_openai_s_form_and_changes_nothing(
    api: Caller, method: str, path: str, body: dict[str, Any] | None, status: int, said: str
) -> None:
    store = store_of(api, "notes")["id"]

    answer = api.ask(method, f"/v1/vector_stores{path.replace('STORE', store)}", json=body)

    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]["message"]
    assert api.names() == ["notes"]
    assert api.documents("notes") == []


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"a": {"b": 1}}, "attributes.a: got an object, want a text, a number or a boolean"),
        ({"a": [1]}, "attributes.a: got a list, want a text, a number or a boolean"),
        ({"a": None}, "attributes.a: got nothing, want a text, a number or a boolean"),
        ({"a": math.inf}, "attributes.a: got inf, want a text, a number or a boolean"),
        ({"a": "x" * 5000}, "attributes.a: String should have at most 4096 characters"),
        ({"a": "\0"}, "attributes.a: has a NUL character, which is not text: leave it out"),
        ({"x" * 600: 1}, f"attributes: the key '{'x' * 100}...': String should have at most 512 characters"),
    ],
)
def test_an_attribute_of_another_type_is_refused_with_one_reason(
    api: Caller, attributes: dict[str, Any], said: str
) -> None:
    store = store_of(api, "notes")["id"]
    body = json.dumps({"file_id": "f", "attributes": attributes}).encode()

    answer = api.ask("POST", f"/v1/vector_stores/{store}/files", data=body)

    assert (answer.status_code, answer.json()["error"]["message"]) == (400, said)


@pytest.mark.parametrize(
    ("content", "fields", "said"),
    [
        (b"%PDF-1.7", {}, "is a PDF"),
        (b"PK\x03\x04\xff\xff", {}, "an archive"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", {}, "an image"),
        (b"", {}, "no text"),
        (HEN.encode(), {"purpose": "poetry"}, "purpose: got 'poetry'"),
        (HEN.encode(), {"colour": "red"}, "'colour'"),
        (HEN.encode(), {"expires_after[anchor]": "created_at"}, "expires_after[seconds]: got None"),
        (HEN.encode(), {"expires_after[anchor]": "created_at", "expires_after[seconds]": "60"}, "want 3600 to"),
        (HEN.encode(), {"expires_after[seconds]": "3600"}, "want 'created_at'"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(api: Caller, content: bytes, fields: dict[str, str], said: str) -> None:
    answer = upload(api, content, **fields)

    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert read(api, "/v1/files")["data"] == []


def test_a_file_that_is_too_large_is_refused(start: Start, call: Call) -> None:
    api = call(start(max_document_bytes=1_000))

    assert upload(api, "x" * 1_000).status_code == 200
    assert upload(api, "x" * 1_001).status_code == 413


def test_files_count_against_the_quota_of_their_owner(start: Start, call: Call) -> None:
    api = call(start(max_stored_bytes=1_000, max_datasets=1))
    file = file_of(api, "x" * 450)
    store = store_of(api, "notes", file)["id"]

    too_much = upload(api, "x" * 101)
    again = api.ask("POST", "/v1/vector_stores", json={"name": "more"})

    assert [answer.json()["error"]["code"] for answer in (too_much, again)] == ["quota_exceeded"] * 2
    api.ask("DELETE", f"/v1/vector_stores/{store}")
    assert upload(api, "x" * 101).ok


def test_text_of_other_encodings_is_attached_as_text(api: Caller) -> None:
    file = upload(api, "Grüße aus der Mühle".encode("utf-16"), "../Grüße aus.txt").json()
    store = store_of(api, "notes", file["id"])["id"]

    (found,) = find(api, store, "Mühle")

    assert found["filename"] == file["filename"] == "Grüße aus.txt"
    assert found["content"][0]["text"] == "Grüße aus der Mühle"


def test_name_and_expiry_of_a_vector_store_are_changed_alone(api: Caller) -> None:
    store = store_of(api, "notes", expires_after={"anchor": "last_active_at", "days": 2})
    path = f"/v1/vector_stores/{store['id']}"

    changed = api.ask("POST", path, json={"expires_after": None}).json()
    named = api.ask("POST", path, json={"name": "other", "metadata": {"a": "b"}}).json()

    assert store["expires_after"] == {"anchor": "last_active_at", "days": 2}
    assert (changed["name"], changed["expires_after"], changed["expires_at"]) == ("notes", None, None)
    assert (named["name"], named["metadata"], named["expires_after"]) == ("other", {"a": "b"}, None)
    assert api.names() == ["notes"]
