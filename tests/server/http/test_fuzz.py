"""Whatever the description of the API allows, and what it does not, is answered: never with a failure of the server."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from tests.support.backends import EchoBackend
from tests.support.embedders import WordEmbedder

WITHOUT_PARAMETERS = [("GET", "/"), ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")]
CHATS = [("POST", "/chat"), ("POST", "/v1/chat"), ("POST", "/v1/chat/completions")]
OPERATIONS = [
    *CHATS,
    ("GET", "/models"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{name}"),
    ("GET", "/datasets"),
    ("POST", "/datasets"),
    ("DELETE", "/datasets/{name}"),
    ("POST", "/datasets/{name}/prepare-retrieval"),
    ("GET", "/datasets/{name}"),
    ("GET", "/datasets/{name}/documents"),
    ("PUT", "/datasets/{name}/documents"),
    ("POST", "/datasets/{name}/documents/delete"),
    ("POST", "/datasets/{name}/documents/get"),
    ("POST", "/datasets/{name}/search"),
    ("GET", "/datasets/{name}/chunks"),
    ("GET", "/datasets/{name}/export"),
    ("GET", "/jobs/prepare-retrieval/{job_id}/status"),
    ("POST", "/v1/embeddings"),
    ("GET", "/v1/files"),
    ("POST", "/v1/files"),
    ("GET", "/v1/files/{file_id}"),
    ("DELETE", "/v1/files/{file_id}"),
    ("GET", "/v1/files/{file_id}/content"),
    ("GET", "/v1/vector_stores"),
    ("POST", "/v1/vector_stores"),
    ("GET", "/v1/vector_stores/{vector_store_id}"),
    ("POST", "/v1/vector_stores/{vector_store_id}"),
    ("DELETE", "/v1/vector_stores/{vector_store_id}"),
    ("POST", "/v1/vector_stores/{vector_store_id}/search"),
    ("GET", "/v1/vector_stores/{vector_store_id}/files"),
    ("POST", "/v1/vector_stores/{vector_store_id}/files"),
    ("GET", "/v1/vector_stores/{vector_store_id}/files/{file_id}"),
    ("POST", "/v1/vector_stores/{vector_store_id}/files/{file_id}"),
    ("DELETE", "/v1/vector_stores/{vector_store_id}/files/{file_id}"),
    ("GET", "/v1/vector_stores/{vector_store_id}/files/{file_id}/content"),
    ("POST", "/v1/vector_stores/{vector_store_id}/file_batches"),
    ("GET", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}"),
    ("POST", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel"),
    ("GET", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/files"),
]
EXAMPLES = [
    pytest.param(5, id="sample"),
    pytest.param(750, id="long", marks=pytest.mark.prove),  # 20,000 requests and more in all
]


@pytest.fixture(scope="module")
def description(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """What a server says of its API."""
    backend = EchoBackend() if request.param == "with a model" else None
    server = BackgroundServer(
        Settings(port=0, data_dir=tmp_path_factory.mktemp("fuzz")), backend=backend, embedder=WordEmbedder()
    )
    yield schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    server.stop()


@pytest.mark.parametrize("description", ["quoting"], indirect=True)
def test_no_operation_is_left_out(description: Any) -> None:
    described = {(result.ok().method.upper(), result.ok().path) for result in description.get_all_operations()}

    assert described == {*OPERATIONS, *WITHOUT_PARAMETERS}


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
@pytest.mark.parametrize(
    ("description", "method", "path"),
    # What has to do with a model is only chat.
    [*(("quoting", *operation) for operation in OPERATIONS), *(("with a model", *operation) for operation in CHATS)],
    indirect=["description"],
)
def test_no_request_makes_the_server_fail(
    description: Any, method: str, path: str, mode: GenerationMode, examples: int
) -> None:
    strategy = description[path][method].as_strategy(generation_mode=mode)

    every_check: list[Any] = list(HealthCheck)

    @settings(max_examples=examples, deadline=None, suppress_health_check=every_check, database=None)
    @given(case=strategy)
    def ask(case: Any) -> None:
        answer = case.call(headers={"X-Api-Key": "a-key"})
        assert answer.status_code < 500, (answer.status_code, case.as_curl_command())
        if answer.status_code < 400:
            return
        body = answer.json()
        if path.startswith("/v1/") and path != "/v1/chat":
            assert set(body["error"]) == {"message", "type", "code", "param"}
        else:
            assert isinstance(body["detail"], str | list)

    ask()
