"""Any text as the name of a dataset or the id of a document, in every route that takes one."""

from typing import Any
from urllib.parse import quote

import pytest

from reka.server.run import BackgroundServer
from tests.support.caller import Caller
from tests.support.clients import Connect

NAMES = {
    "my notes/1": "my_notes_1",
    "a/b/../c": "a_b_c",
    "../../etc/shadow": "etc_shadow",
    "/": "dataset",
    "what?": "what",
    "a?b=c&d": "a_b_c_d",
    "#1": "1",
    "a#b": "a_b",
    "100%": "100",
    "a%2Fb": "a_2Fb",
    "%25": "25",
    "%zz": "zz",
    "a;b=c": "a_b_c",
    "straße 東京": "straße_東京",
    "cafe\u0301": "caf\u00e9",
    "documents": "documents",
    "a\\b": "a_b",
    "...": "dataset",
    "x": "x",
    "🦉 owl": "owl",
}
"""Names as they are given, and as they are stored."""

IDS = ["a/b", "?", "#", "%", "%2F", "..", ".", " ", "a b", "日本", "x" * 512, "🦉", "a\nb", "&=+"]


@pytest.mark.parametrize("name", NAMES)
def test_every_route_takes_any_name_and_finds_what_is_stored_under_its_safe_form(api: Caller, name: str) -> None:
    path = f"/datasets/{quote(name, safe='')}"
    answer = api.ask("PUT", f"{path}/documents", json=[{"id": "owl", "text": "The owl hunts."}])
    assert answer.status_code == 200, answer.text
    api.await_taken_over(answer.json())

    assert answer.json()["name"] == NAMES[name]
    assert api.names() == [NAMES[name]]
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "", {}),
        ("GET", "/documents", {}),
        ("POST", "/documents/get", {"json": {"ids": ["owl"]}}),
        ("POST", "/search", {"json": {"query": "owl"}}),
        ("GET", "/chunks?document_id=owl", {}),
        ("GET", "/export", {}),
        ("POST", "/documents/delete", {"json": {"ids": ["none"]}}),
    ]
    for method, rest, options in requests:
        assert api.ask(method, f"{path}{rest}", **options).status_code == 200, (method, rest)
    assert [chunk["document_id"] for chunk in api.chunks("owl", name)] == ["owl"]
    assert "already been prepared" in api.ask("POST", f"{path}/prepare-retrieval").json()["detail"]
    assert api.ask("DELETE", path).json()["name"] == NAMES[name]
    assert api.add(name, "The owl hunts.").json()["name"] == NAMES[name]
    assert api.ask("DELETE", path).status_code == 200
    assert api.ask("DELETE", path).status_code == 404


def test_a_slash_that_is_encoded_is_no_border_between_parts(api: Caller) -> None:
    api.put("notes", [{"id": "a", "text": "The owl hunts."}])

    assert api.ask("GET", "/datasets/notes%2Fdocuments").status_code == 404
    assert api.ask("GET", "/datasets%2Fnotes").status_code == 404
    assert api.ask("GET", "/%64atasets/notes").status_code == 200
    assert api.ask("GET", "/datasets/n%6ftes").json()["name"] == "notes"
    assert api.ask("GET", "/v1/models/org%2Fmodel").status_code == 404


@pytest.mark.parametrize("identity", IDS)
def test_every_route_takes_any_id(api: Caller, identity: str) -> None:
    api.put("any", [{"id": identity, "text": "The owl hunts."}, {"id": "other", "text": "The hen lays."}])

    assert [one["id"] for one in api.documents("any")] == [identity, "other"]
    got = api.ask("POST", "/datasets/any/documents/get", json={"ids": [identity]}).json()
    assert [one["text"] for one in got["documents"]] == ["The owl hunts."]
    chunks = api.ask("GET", "/datasets/any/chunks", params={"document_id": identity}).json()["chunks"]
    assert [chunk["id"] for chunk in chunks] == [f"{identity}#0"]
    assert api.remove("any", ids=[identity])["deleted"] == 1


@pytest.mark.parametrize("name", NAMES)
def test_both_clients_send_any_name_in_one_part(shared: BackgroundServer, connect: Connect, name: str) -> None:
    with connect(f"key of {name.encode()!r}", shared.url) as client:
        client.put_documents(name, [{"id": "a/b", "text": "The owl hunts."}])

        assert client.describe_dataset(name)["name"] == NAMES[name]
        assert [info["id"] for info in client.list_documents(name)] == ["a/b"]
        assert [chunk.get("document_id") for chunk in client.retrieve("owl", name)] == ["a/b"]
        answer = client.chat("owl", retrieval_dataset=name)
        assert [chunk["text"] for chunk in answer.get("retrieved_chunks", [])] == ["The owl hunts."]
        assert client.delete_documents(name, ["a/b"]).get("deleted") == 1
        assert client.delete_dataset(name).get("name") == NAMES[name]
        assert client.list_datasets() == []
