"""An embedder; and servers for many tests: one with the rule-based model behind it, one with none."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from tests.rule_model import RuleModel
from tests.server.caller import Caller
from tests.server_answers.asking import Ask, WordBag, ask

NOTES = "The owl of the mill hunts at night.\n\nThe hen of the farm lays 12 eggs.\n"
"""What the dataset `notes` of the shared servers holds."""


@pytest.fixture
def embedder() -> WordBag:
    return WordBag()


@pytest.fixture
def question() -> Ask:
    return ask


@contextmanager
def serving(data_dir: Path, **settings: Any) -> Iterator[BackgroundServer]:
    """A server on a data folder of its own."""
    server = BackgroundServer(Settings(port=0, data_dir=data_dir, **settings), embedder=WordBag())
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def calling(url: str) -> Iterator[Caller]:
    """A caller with a key that needs not be known."""
    caller = Caller(url)
    try:
        yield caller
    finally:
        caller.close()


@pytest.fixture(scope="session")
def rules() -> Iterator[RuleModel]:
    with RuleModel() as model:
        yield model


@pytest.fixture(scope="session")
def modelled_url(rules: RuleModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the rule-based model behind it, and a dataset `notes` of the key `a-key`."""
    models = ("reka-flash", "reka-core", "org/large")
    with serving(tmp_path_factory.mktemp("m"), upstream=rules.url, upstream_model="rules-1", models=models) as server:
        with calling(server.url) as caller:
            caller.add_prepared("notes", NOTES, "notes.txt")
        yield server.url


@pytest.fixture
def modelled(modelled_url: str, rules: RuleModel) -> Iterator[Caller]:
    """A caller of that server; what its model is asked in the test, `rules.requests` has."""
    rules.requests.clear()
    with calling(modelled_url) as caller:
        yield caller


@pytest.fixture(scope="session")
def reka_formed_url(rules: RuleModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that takes the model for one that speaks as Reka's own host does."""
    given = {"upstream": rules.url, "upstream_model": "rules-1", "upstream_api": "reka"}
    with serving(tmp_path_factory.mktemp("r"), **given) as server:
        yield server.url


@pytest.fixture
def reka_formed(reka_formed_url: str, rules: RuleModel) -> Iterator[Caller]:
    """A caller of that server."""
    rules.requests.clear()
    with calling(reka_formed_url) as caller:
        yield caller


@pytest.fixture(scope="session")
def quoting_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with no model, and the same dataset."""
    with serving(tmp_path_factory.mktemp("q")) as server:
        with calling(server.url) as caller:
            caller.add_prepared("notes", NOTES, "notes.txt")
        yield server.url


@pytest.fixture
def quoting(quoting_url: str) -> Iterator[Caller]:
    """A caller of that server."""
    with calling(quoting_url) as caller:
        yield caller
