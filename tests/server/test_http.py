import re

import pytest

from tests.server.caller import Caller


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
        "/datasets/{name}/prepare-retrieval",
        "/jobs/prepare-retrieval/{job_id}/status",
    }
    body = description["paths"]["/chat"]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert body == "#/components/schemas/ChatBody"
    assert "conversation_history" in description["components"]["schemas"]["ChatBody"]["properties"]
    assert "Turn" in description["components"]["schemas"]
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
