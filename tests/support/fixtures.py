"""Fixtures that the repository's tests and the adapters' tests share; each conftest imports those it needs."""

from collections.abc import Iterator

import pytest

from reka import config
from reka.testing import FakeReka, fails, hide_settings


@pytest.fixture(autouse=True)
def isolated_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the user's own settings from the test, and its manifests from the user and from other tests."""
    with hide_settings(monkeypatch, tmp_path_factory.getbasetemp()):
        yield


@pytest.fixture
def fake_without_models() -> Iterator[FakeReka]:
    """A server that gives the answers a test scripts, and has no list of models: clients of adapters ask for it."""
    with FakeReka() as server:
        server.listing = fails(404)
        yield server


@pytest.fixture
def fake() -> Iterator[FakeReka]:
    """A server that gives the answers a test scripts."""
    with FakeReka() as server:
        yield server


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delete copies of datasets that have been replaced without a delay."""
    monkeypatch.setattr(config, "RETIRED_SECONDS", 0)
