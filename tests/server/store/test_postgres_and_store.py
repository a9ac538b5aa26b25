"""Servers and workers that share PostgreSQL and a store, and nothing on their own disks."""

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from reka.server.backup.dump import back_up
from reka.server.backup.restore import restore
from reka.server.settings import Settings
from reka.server.storage.data_dir import DataFolder
from reka.server.storage.database import ArrivalRow, Database, DatasetRow
from reka.server.storage.opening import open_storage, open_stored
from tests.server.ingest.test_shared import Site, load_on
from tests.support.object_store import Bucket
from tests.support.postgres import Postgres
from tests.support.servers import NOTES, open_caller, run_server
from tests.support.shared_process import Kind, SharedProcess


class StoreSite(Site):
    """Processes on one database and one store, each with a folder of its own."""

    def __init__(self, data_dir: Path, url: str, bucket: Bucket, servers: int, workers: int) -> None:
        self.bucket = bucket
        self._started = 0
        super().__init__(data_dir, url, servers, workers)

    def check_nothing_is_left_over(self) -> None:
        """Check that what belongs to no dataset leaves database and store, though nobody starts again."""
        database = Database(self.url)
        while True:
            with database.read() as session:
                rows = session.scalars(select(DatasetRow)).all()
                arrivals = session.scalar(select(func.count()).select_from(ArrivalRow))
            expected = {"files": len(rows), "tables": sum(row.table is not None for row in rows)}
            if arrivals == 0 and all(row.owner for row in rows) and self.bucket.kinds() == expected:
                break
            threading.Event().wait(0.2)
        database.close()

    def _start(self, kind: Kind) -> SharedProcess:
        self._started += 1
        return SharedProcess(kind, self.settings.data_dir / str(self._started), self.url, lease_seconds=5)


@pytest.fixture
def open_site(
    tmp_path: Path, postgres_url: str, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., StoreSite]]:
    monkeypatch.setenv("REKA_SERVER_STORE_URL", bucket.url)
    monkeypatch.setenv("REKA_SERVER_ORPHAN_SECONDS", "3")
    sites = []

    def open_site(**processes: int) -> StoreSite:
        sites.append(StoreSite(tmp_path / "data", postgres_url, bucket, **processes))
        return sites[-1]

    yield open_site
    for site in sites:
        site.close()


@pytest.mark.parametrize(
    ("kills", "servers", "workers", "clients"), [(2, 2, 1, 1), pytest.param(100, 3, 2, 2, marks=pytest.mark.prove)]
)
def test_killed_at_random_under_load_while_database_and_store_fail(
    open_site: Callable[..., StoreSite],
    postgres: Postgres,
    bucket: Bucket,
    kills: int,
    servers: int,
    workers: int,
    clients: int,
) -> None:
    site, chance = open_site(servers=servers, workers=workers), random.Random(kills)
    with load_on(site, clients):
        for kill in range(kills):
            threading.Event().wait(chance.uniform(0.1, 1.5))
            site.replace(chance.randrange(len(site.processes)))
            if kill % 10 == 0:
                bucket.server.is_refusing = True
                threading.Event().wait(30 if kill == 50 else chance.uniform(0.5, 3))
                bucket.server.is_refusing = False
            if kill % 10 == 1:
                postgres.restart()

    site.check_nothing_is_left_over()


@pytest.mark.parametrize("direction", ["to PostgreSQL and a store", "from PostgreSQL and a store"])
def test_a_backup_moves_between_databases_and_stores(
    tmp_path: Path, postgres_url: str, bucket: Bucket, direction: str
) -> None:
    here: dict[str, Any] = {"data_dir": tmp_path / "here"}
    there: dict[str, Any] = {"data_dir": tmp_path / "there", "database_url": postgres_url, "store_url": bucket.url}
    source, target = (here, there) if direction.startswith("to") else (there, here)
    with run_server(**source) as server, open_caller(server.url) as api:
        api.add_prepared("notes", NOTES)
        api.put("rows", [{"id": "owl", "text": "An owl hunts.", "metadata": {"word": "Eule \x00"}}])
        before = [api.documents(name) for name in ("notes", "rows")]
        with open_stored(Settings(**source)) as (database, files):
            back_up(database, files, tmp_path / "backup")

    folder = DataFolder(target["data_dir"])
    with folder.locked(), open_storage(Settings(**target), restores=True) as (database, store):
        restore(database, store.files, folder, tmp_path / "backup")

    with run_server(**target) as server, open_caller(server.url) as api:
        assert [api.documents(name) for name in ("notes", "rows")] == before
        assert api.search("rows", "owl")[0]["text"] == "An owl hunts."
        assert "12 eggs" in api.search("notes", "hen")[0]["text"]
        api.put("rows", [{"id": "new", "text": "A hen lays."}])  # numbered after those that were restored
        assert [one["id"] for one in api.documents("rows")] == ["owl", "new"]
