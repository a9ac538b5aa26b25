"""Servers on loopback ports, and callers of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from tests.server.caller import Caller
from tests.server.parts import WordEmbedder

MAX_UPLOAD = 300_000

Start = Callable[..., BackgroundServer]
Call = Callable[..., Caller]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def start(data_dir: Path) -> Iterator[Start]:
    """Start servers on one data folder, with settings and parts as told."""
    servers = []

    def start(answerer: Any = None, embedder: Any = None, **settings: Any) -> BackgroundServer:
        given = {"port": 0, "data_dir": data_dir, **settings}
        server = BackgroundServer(Settings(**given), answerer=answerer, embedder=embedder or WordEmbedder())
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
    """One server for all tests of a module that leave nothing behind."""
    settings = Settings(
        port=0,
        data_dir=shared_data_dir,
        max_upload_bytes=MAX_UPLOAD,
        max_unpacked_bytes=4_000_000,
        max_zip_entries=50,
        max_body_bytes=100_000,
        max_description_bytes=1000,
    )
    server = BackgroundServer(settings, embedder=WordEmbedder())
    yield server
    server.stop()


@pytest.fixture
def api(shared: BackgroundServer, call: Call) -> Iterator[Caller]:
    """A caller of the shared server, which has no datasets before the test and none behind it."""
    caller = call(shared)
    yield caller
    for name in caller.names():
        caller.delete(name)
