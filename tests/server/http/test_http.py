import json
import re

import pytest

from reka.server.run import BackgroundServer
from tests.support.caller import Caller
from tests.support.servers import Call


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/datasets/a/b/c", 404),
        ("GET", "/../etc/passwd", 404),
        ("PUT", "/datasets", 405),
        ("GET", "/chat", 405),
    ],
)
def test_what_is_not_there_is_answered_in_json(api: Caller, method: str, path: str, status: int) -> None:
    answer = api.ask(method, path)

    assert answer.status_code == status
    assert isinstance(answer.json()["detail"], str)


def test_every_answer_has_a_request_id_of_its_own(api: Caller) -> None:
    answers = [api.ask("GET", "/"), api.ask("GET", "/nothing"), api.ask("POST", "/chat", data=b"x")]

    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", request_id) for request_id in ids)


def test_the_description_of_the_api_names_all_routes_and_bodies(api: Caller) -> None:
    description = api.ask("GET", "/openapi.json").json()

    assert set(description["paths"]) == {
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/models",
        "/v1/models",
        "/v1/models/{name}",
        "/chat",
        "/v1/chat",
        "/v1/chat/completions",
        "/datasets",
        "/datasets/{name}",
        "/datasets/{name}/chunks",
        "/datasets/{name}/documents",
        "/datasets/{name}/documents/delete",
        "/datasets/{name}/documents/get",
        "/datasets/{name}/export",
        "/datasets/{name}/prepare-retrieval",
        "/datasets/{name}/search",
        "/jobs/prepare-retrieval/{job_id}/status",
        "/v1/embeddings",
        "/v1/files",
        "/v1/files/{file_id}",
        "/v1/files/{file_id}/content",
        "/v1/vector_stores",
        "/v1/vector_stores/{vector_store_id}",
        "/v1/vector_stores/{vector_store_id}/search",
        "/v1/vector_stores/{vector_store_id}/files",
        "/v1/vector_stores/{vector_store_id}/files/{file_id}",
        "/v1/vector_stores/{vector_store_id}/files/{file_id}/content",
        "/v1/vector_stores/{vector_store_id}/file_batches",
        "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}",
        "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel",
        "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/files",
    }
    body = description["paths"]["/chat"]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert body == "#/components/schemas/ChatRequest"
    assert "conversation_history" in description["components"]["schemas"]["ChatRequest"]["properties"]
    assert "Turn" in description["components"]["schemas"]
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(description)))
    assert referred == description["components"]["schemas"].keys()
    assert api.ask("GET", "/openapi.json").json() == description


def test_the_page_about_the_api_loads_nothing_from_elsewhere(api: Caller) -> None:
    page = api.ask("GET", "/docs")

    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r"""(?:src|href)\s*=\s*["']([^"']+)|"?url"?\s*:\s*["']([^"']+)""", page.text)
    addresses = {address for pair in loaded for address in pair if address}
    assert len(addresses) == 4  # a script, a style, an icon, the description
    assert "/openapi.json" in addresses
    for address in addresses:
        assert address.startswith("/")
        assert not address.startswith("//")
        assert api.ask("GET", address).status_code == 200
    assert '"validatorUrl": null' in page.text  # else the page would ask another host to check the description
    assert api.ask("GET", "/redoc").status_code == 404


def test_a_page_that_does_not_belong_to_the_docs_is_not_served(api: Caller) -> None:
    assert api.ask("GET", "/docs/static/../../../core.py").status_code == 404
    assert api.ask("GET", "/docs/static/%2e%2e/core.py").status_code == 404


def test_the_description_of_the_api_tells_where_a_key_goes_and_what_needs_none(api: Caller) -> None:
    description = api.ask("GET", "/openapi.json").json()

    operations = {
        path: operation for path, by_method in description["paths"].items() for operation in by_method.values()
    }
    assert {path for path, operation in operations.items() if "security" not in operation} == {
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    assert operations["/chat"]["security"] == [{"key": []}, {"bearer": []}]
    assert description["components"]["securitySchemes"] == {
        "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }


@pytest.mark.parametrize("path", ["/chat", "/v1/chat", "/v1/chat/completions", "/models", "/datasets"])
def test_what_is_said_to_need_a_key_is_refused_without_one(shared: BackgroundServer, call: Call, path: str) -> None:
    method = "POST" if "chat" in path else "GET"

    refused = call(shared, key=None).ask(method, path, json={})
    by_bearer = call(shared, key=None).ask(method, path, json={}, headers={"Authorization": "bearer a-key"})

    assert refused.status_code == 401
    assert by_bearer.status_code != 401
