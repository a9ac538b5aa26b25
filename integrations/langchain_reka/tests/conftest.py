"""Models of a server that gives scripted answers, and of one with the rule-based model behind it."""

from collections.abc import Iterator
from typing import Any

import pytest

from langchain_reka import ChatReka
from reka.testing import FakeReka, answer
from tests.support.clients import KEY
from tests.support.fixtures import at_once, isolated_environment
from tests.support.fixtures import fake_without_models as fake
from tests.support.rule_model import RuleModel

from .langchain_support import MakeModel

__all__ = ["answers_ok", "at_once", "embedded", "fake", "isolated_environment", "make_model", "rule_model", "rules"]


@pytest.fixture
def make_model(fake: FakeReka) -> Iterator[MakeModel]:
    """Make models of the scripted server; they are closed at the end."""
    yield from _models(fake.url)


@pytest.fixture
def answers_ok(fake: FakeReka) -> FakeReka:
    """The scripted server, which answers "ok" to every request, at each endpoint."""
    message = {"role": "assistant", "content": "ok"}
    fake.otherwise = answer(
        200, {"type": "model", "text": "ok", "choices": [{"message": message, "finish_reason": "stop"}]}
    )
    return fake


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of an embedded server with a data folder of its own."""
    return f"local:{tmp_path_factory.mktemp('embedded')}"


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
