"""Files, vector stores and embeddings in OpenAI's form: what one request may cost, and whose files are found."""

from typing import Any, Final

import pytest
import requests

from tests.support.caller import Caller
from tests.support.embedders import WordEmbedder
from tests.support.servers import Call, Start

HEN: Final = b"The hen of the farm lays 12 eggs."
MANY: Final = "file-x"
NESTED: Final[dict[str, Any]] = {"type": "eq", "key": "a", "value": 1}


def upload(api: Caller, filename: str = "hen.txt", **fields: str) -> requests.Response:
    return api.ask("POST", "/v1/files", data={"purpose": "assistants", **fields}, files={"file": (filename, HEN)})


def made(api: Caller, path: str, **body: Any) -> str:
    answer = api.ask("POST", path, json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def nested(depth: int) -> dict[str, Any]:
    """A filter in filters."""
    filters = NESTED
    for _ in range(depth):
        filters = {"type": "and", "filters": [filters]}
    return filters


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("", {"file_ids": [MANY] * 2_001}, "file_ids"),
        ("", {"name": "x" * 1_025}, "name"),
        ("", {"metadata": {str(number): "x" for number in range(257)}}, "metadata"),
        ("", {"metadata": {"x" * 513: "x"}}, "metadata"),
        ("", {"metadata": {"x": "x" * 4_097}}, "metadata"),
        ("/STORE/file_batches", {"file_ids": [MANY] * 2_001}, "file_ids"),
        ("/STORE/file_batches", {"files": [{"file_id": MANY}] * 2_001}, "files"),
        ("/STORE/files", {"file_id": "x" * 1_025}, "file_id"),
        ("/STORE/files", {"file_id": MANY, "attributes": {"x": "x" * 4_097}}, "attributes"),
        ("/STORE/search", {"query": ["hen"] * 17}, "query"),
        ("/STORE/search", {"query": "x" * 100_001}, "query"),
        ("/STORE/search", {"query": "hen", "max_num_results": 51}, "max_num_results"),
        ("/STORE/search", {"query": "hen", "filters": nested(17)}, "filters"),
        ("/STORE/search", {"query": "hen", "filters": {"type": "or", "filters": [NESTED] * 257}}, "filters"),
        ("/STORE/search", {"query": "hen", "filters": {"type": "in", "key": "a", "value": [1] * 10_001}}, "filters"),
    ],
)
def test_more_than_a_request_may_have_is_refused_and_changes_nothing(
    start: Start, call: Call, path: str, body: dict[str, Any], named: str
) -> None:
    api = call(start())
    store = made(api, "/v1/vector_stores", name="notes")

    answer = api.ask("POST", f"/v1/vector_stores{path.replace('STORE', store)}", json=body)

    assert answer.status_code == 400, answer.text
    assert named in answer.json()["error"]["message"]
    assert len(answer.content) < 10_000
    assert (api.names(), api.documents("notes")) == (["notes"], [])


@pytest.mark.parametrize(
    "path", ["/v1/files?limit=10001", "/v1/vector_stores?limit=101", "/v1/files?after=" + "x" * 1_025]
)
def test_a_page_has_a_size(start: Start, call: Call, path: str) -> None:
    assert call(start()).ask("GET", path).status_code == 400


@pytest.mark.parametrize(
    ("filename", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("x" * 300, "x" * 255),
        ("/", "file"),
    ],
)
def test_a_name_of_a_file_is_no_path_and_hides_nothing(start: Start, call: Call, filename: str, shown: str) -> None:
    answer = upload(call(start()), filename)

    assert answer.json()["filename"] == shown


def test_a_field_beside_a_file_is_short(start: Start, call: Call) -> None:
    api = call(start())

    assert upload(api, purpose="x" * 101).status_code in (400, 413)
    assert api.ask("GET", "/v1/files").json()["data"] == []


def test_nobody_finds_a_file_or_a_store_of_another_key(start: Start, call: Call) -> None:
    server = start()
    owner, other = call(server), call(server, "another-key")
    file = str(upload(owner).json()["id"])
    store = made(owner, "/v1/vector_stores", name="hens", file_ids=[file])
    own = made(other, "/v1/vector_stores", name="mine")

    answers = [
        other.ask("GET", f"/v1/files/{file}"),
        other.ask("GET", f"/v1/files/{file}/content"),
        other.ask("DELETE", f"/v1/files/{file}"),
        other.ask("POST", f"/v1/vector_stores/{own}/files", json={"file_id": file}),
        other.ask("POST", f"/v1/vector_stores/{store}/search", json={"query": "hen"}),
        other.ask("GET", f"/v1/vector_stores/{store}/files/{file}/content"),
        other.ask("DELETE", f"/v1/vector_stores/{store}"),
    ]

    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert other.ask("GET", f"/v1/files?after={file}").status_code != 200
    assert owner.ask("GET", f"/v1/files/{file}/content").content == HEN


@pytest.mark.parametrize(
    "texts",
    [["a"] * 2_049, ["x" * 100_001], ["word " * 8_193], ["word " * 8_000] * 38],
    ids=["texts", "characters", "tokens of one", "tokens of all"],
)
def test_too_much_to_embed_is_refused_before_anything_is_embedded(start: Start, call: Call, texts: list[str]) -> None:
    embedder = WordEmbedder()

    answer = call(start(embedder=embedder)).ask("POST", "/v1/embeddings", json={"input": texts})

    assert answer.status_code == 400, answer.text
    assert len(answer.content) < 10_000
    assert [text for text in embedder.embedded if text in texts] == []
