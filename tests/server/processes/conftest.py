"""Servers in processes of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.server_process import ServerProcess

Serve = Callable[..., ServerProcess]
"""Starts servers in processes of their own on one data folder; see the fixture `serve`."""


@pytest.fixture
def serve(data_dir: Path) -> Iterator[Serve]:
    servers = []

    def serve(**settings: object) -> ServerProcess:
        servers.append(ServerProcess(data_dir, **settings))
        return servers[-1]

    yield serve
    for server in servers:
        server.kill()
