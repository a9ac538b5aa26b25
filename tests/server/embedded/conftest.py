"""A folder for an embedded server, which ends with the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reka.server.embedded import stop_local_servers


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    stop_local_servers()
