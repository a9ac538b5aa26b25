"""Servers on loopback: one that answers what a test told it to, and one with a model behind it that follows rules."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

import reka
from langchain_reka import ChatReka
from tests.support.fake_reka import FakeReka
from tests.support.rule_model import RuleModel

KEY = "a-secret-key"

MakeModel: TypeAlias = Callable[..., ChatReka]


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REKA_API_KEY", "REKA_BASE_URL", "REKA_SERVER", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(reka, "API_KEY", None)
    monkeypatch.setattr(reka, "BASE_URL", None)


@pytest.fixture
def fake() -> Iterator[FakeReka]:
    server = FakeReka()
    yield server
    server.close()


@pytest.fixture
def make_model(fake: FakeReka) -> Iterator[MakeModel]:
    """Make models of the scripted server; they are closed at the end."""
    yield from _models(fake.url)


@pytest.fixture
def rules() -> Iterator[RuleModel]:
    with RuleModel() as model:
        yield model


@pytest.fixture
def rule_model(rules: RuleModel) -> Iterator[MakeModel]:
    """Make models of the server with the rule-based model behind it."""
    yield from _models(rules.url)


def _models(url: str) -> Iterator[MakeModel]:
    models: list[ChatReka] = []

    def make(**parameters: Any) -> ChatReka:
        models.append(ChatReka(**{"api_key": KEY, "base_url": url, **parameters}))
        return models[-1]

    yield make
    for model in models:
        model.close()
