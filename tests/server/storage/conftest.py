"""Databases of each kind that a server takes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reka.server.storage.database import Database, sqlite_url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    is_file = request.param == "sqlite"
    database = Database(sqlite_url(tmp_path / "record.sqlite") if is_file else request.getfixturevalue("postgres_url"))
    yield database
    database.close()
