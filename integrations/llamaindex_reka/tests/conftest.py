"""Models of a server that gives scripted answers, and of servers with the rule-based model behind them."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core import Settings as LlamaIndexSettings

from llamaindex_reka import RekaIndex, RekaLLM
from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from reka.testing import FakeReka
from tests.support.clients import KEY
from tests.support.fixtures import at_once, isolated_environment
from tests.support.fixtures import fake_without_models as fake
from tests.support.rule_model import RuleModel

from .llamaindex_support import LAMP, MakeIndex, MakeLLM

__all__ = ["at_once", "fake", "isolated_environment", "llm", "local", "make", "rules", "served"]


@pytest.fixture
def llm(fake: FakeReka) -> Iterator[MakeLLM]:
    """Makes models of the scripted server, unless the test names another address."""
    models: list[RekaLLM] = []

    def make(*arguments: Any, **parameters: Any) -> RekaLLM:
        if len(arguments) < 2:
            parameters = {"api_key": KEY, **parameters}
        models.append(RekaLLM(*arguments, **{"base_url": fake.url, **parameters}))
        return models[-1]

    yield make
    for model in models:
        model.close()


@pytest.fixture(scope="session")
def rules() -> Iterator[RuleModel]:
    """The rule-based model, which has the completions endpoint alone."""
    with RuleModel() as model:
        yield model


@pytest.fixture(scope="session")
def served(rules: RuleModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with that model behind it."""
    data_dir = tmp_path_factory.mktemp("served")
    server = BackgroundServer(Settings(port=0, data_dir=data_dir, upstream=rules.url, upstream_model="rules-1"))
    yield server.url
    server.stop()


@pytest.fixture
def make(served: str, request: pytest.FixtureRequest) -> Iterator[MakeIndex]:
    """Makes indexes for a key of the test's own, and closes them."""
    made: list[RekaIndex] = []

    def from_documents(documents: Any = LAMP, **parameters: Any) -> RekaIndex:
        given = {"base_url": served, "api_key": request.node.name, "dataset": "lamp", **parameters}
        made.append(RekaIndex.from_documents(documents, **given))
        return made[-1]

    yield from_documents
    for index in made:
        index.close()


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The embedded server's address, with a data folder of its own."""
    return f"local:{tmp_path_factory.mktemp('local')}"


@pytest.fixture(scope="session", autouse=True)
def no_event_loop_outside_asynchronous_tests() -> None:
    # LlamaIndex's synchronous methods ask for the thread's event loop, which makes one that nobody closes. When they
    # are told that there is none, they run a loop of their own to its end.
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def settings_as_they_were() -> Iterator[None]:
    yield
    LlamaIndexSettings._llm = None
