"""Fixtures that the repository's tests and the adapters' tests share; each conftest imports those it needs."""

import sys
from collections.abc import Iterator
from uuid import uuid4

import pytest

import reka
from tests.support.fake_reka import FakeReka, answer

_VARIABLES = (
    "REKA_API_KEY",
    "REKA_BASE_URL",
    "REKA_DATASETS",
    "REKA_FORM",
    "REKA_MODEL",
    "REKA_SERVER",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
)


@pytest.fixture(autouse=True)
def isolated_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the user's own settings from the test, and its manifests from the user and from other tests."""
    monkeypatch.setenv("REKA_MANIFESTS", str(tmp_path_factory.getbasetemp() / f"manifests-{uuid4().hex}"))
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    if adapters := sys.modules.get("reka.adapters.host_models"):
        adapters.forget()  # another test's server may have had the same port
    monkeypatch.setattr(reka, "BASE_URL", None)
    for name in ("API_KEY", "_SERVER"):  # until they are set, these read the environment
        monkeypatch.delitem(vars(reka), name, raising=False)
    yield
    if documents := sys.modules.get("reka.adapters.documents"):
        documents.timers.cancel()  # of a server that has ended


@pytest.fixture
def fake_without_models() -> Iterator[FakeReka]:
    """A server that gives the answers a test scripts, and has no list of models: clients of adapters ask for it."""
    server = FakeReka()
    server.listing = answer(404, {"detail": "Not Found"})
    yield server
    server.close()


@pytest.fixture
def fake() -> Iterator[FakeReka]:
    """A server that gives the answers a test scripts."""
    server = FakeReka()
    yield server
    server.close()
