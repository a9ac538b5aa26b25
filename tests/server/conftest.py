"""Servers on loopback ports, and callers of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from reka.testing import FakeReka
from tests.support.caller import Caller
from tests.support.embedders import WordEmbedder
from tests.support.generation_requests import Ask, ask
from tests.support.postgres import Postgres
from tests.support.rule_model import RuleModel
from tests.support.servers import NOTES, SMALL_LIMITS, Call, Start, open_caller, run_server

if TYPE_CHECKING:
    from tests.support.object_store import Bucket, ObjectStoreServer


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """An empty database."""
    return postgres.create()


@pytest.fixture
def start(data_dir: Path) -> Iterator[Start]:
    """Start servers on one data folder, with these settings, backend and embedder."""
    servers = []

    def start(backend: Any = None, embedder: Any = None, **settings: Any) -> BackgroundServer:
        given = {"port": 0, "data_dir": data_dir, **settings}
        server = BackgroundServer(Settings(**given), backend=backend, embedder=embedder or WordEmbedder())
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def call() -> Iterator[Call]:
    """Make callers of servers."""
    callers = []

    def call(server: BackgroundServer, key: str | None = "a-key") -> Caller:
        callers.append(Caller(server.url, key))
        return callers[-1]

    yield call
    for caller in callers:
        caller.close()


@pytest.fixture(scope="module")
def shared_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def shared(shared_data_dir: Path) -> Iterator[BackgroundServer]:
    """One server for all tests of a module."""
    with run_server(shared_data_dir, **SMALL_LIMITS) as server:
        yield server


@pytest.fixture
def api(shared: BackgroundServer, call: Call) -> Iterator[Caller]:
    """A caller of the shared server, which has no datasets before the test and none after it."""
    caller = call(shared)
    yield caller
    for name in caller.names():
        caller.delete(name)


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def question() -> Ask:
    return ask


@pytest.fixture(scope="session")
def rules() -> Iterator[RuleModel]:
    with RuleModel() as model:
        yield model


@pytest.fixture(scope="session")
def modelled_url(rules: RuleModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the rule-based model behind it, and a dataset `notes` of the key `a-key`."""
    models = ("reka-flash", "reka-core", "org/large")
    with run_server(
        tmp_path_factory.mktemp("m"), upstream=rules.url, upstream_model="rules-1", models=models
    ) as server:
        with open_caller(server.url) as caller:
            caller.add_prepared("notes", NOTES, "notes.txt")
        yield server.url


@pytest.fixture
def modelled(modelled_url: str, rules: RuleModel) -> Iterator[Caller]:
    """A caller of that server; `rules.requests` has what the model receives in the test."""
    rules.requests.clear()
    with open_caller(modelled_url) as caller:
        yield caller


@pytest.fixture(scope="session")
def reka_formed_url(rules: RuleModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that sends its upstream the form of Reka's own host."""
    given = {"upstream": rules.url, "upstream_model": "rules-1", "upstream_api": "reka"}
    with run_server(tmp_path_factory.mktemp("r"), **given) as server:
        yield server.url


@pytest.fixture
def reka_formed(reka_formed_url: str, rules: RuleModel) -> Iterator[Caller]:
    """A caller of that server."""
    rules.requests.clear()
    with open_caller(reka_formed_url) as caller:
        yield caller


@pytest.fixture(scope="session")
def quoting_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with no model, and the same dataset."""
    with run_server(tmp_path_factory.mktemp("q")) as server:
        with open_caller(server.url) as caller:
            caller.add_prepared("notes", NOTES, "notes.txt")
        yield server.url


@pytest.fixture
def quoting(quoting_url: str) -> Iterator[Caller]:
    """A caller of that server."""
    with open_caller(quoting_url) as caller:
        yield caller


@pytest.fixture(scope="session")
def scripted_upstream() -> Iterator[FakeReka]:
    """A model whose answers a test scripts."""
    with FakeReka() as fake:
        yield fake


@pytest.fixture(scope="session")
def proxy_url(scripted_upstream: FakeReka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with that model behind it."""
    given = {"upstream": scripted_upstream.url, "upstream_model": "m", "upstream_retries": 0}
    with run_server(tmp_path_factory.mktemp("proxy"), **given) as server:
        yield server.url


@pytest.fixture
def upstream(scripted_upstream: FakeReka) -> FakeReka:
    """That model; `upstream.requests` has what it receives in the test."""
    scripted_upstream.requests.clear()
    return scripted_upstream


@pytest.fixture
def proxy(proxy_url: str, upstream: FakeReka) -> Iterator[Caller]:
    """A caller of the server, whose test must have used every scripted answer."""
    with open_caller(proxy_url) as caller:
        yield caller
    assert upstream.all_answers_sent


@pytest.fixture(scope="session")
def object_store() -> Iterator["ObjectStoreServer"]:
    """An S3 server."""
    from tests.support.object_store import ObjectStoreServer

    server = ObjectStoreServer()
    yield server
    server.close()


@pytest.fixture
def bucket(object_store: "ObjectStoreServer", monkeypatch: pytest.MonkeyPatch) -> "Iterator[Bucket]":
    """A bucket of its own, and an environment in which servers find it."""
    from tests.support.object_store import Bucket

    for name, value in object_store.environment().items():
        monkeypatch.setenv(name, value)
    object_store.is_refusing = False
    yield Bucket(object_store, f"b{uuid4().hex}")
    object_store.is_refusing = False
