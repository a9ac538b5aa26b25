"""A server on PostgreSQL answers what one on SQLite does, and says why where it cannot use a database."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import requests
from sqlalchemy import create_engine, text
from sqlalchemy.exc import InternalError, OperationalError

from reka.server.errors import StartError
from reka.server.faults import is_disk_full, is_transient
from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from reka.server.storage.database import Database, DatasetRow, JobRow, KeyRow, find_dataset, now
from reka.server.storage.database.columns import escape, unescape
from reka.server.storage.database.engine import database_url
from reka.server.storage.database.schema import SchemaRow
from reka.server.storage.jobs import Jobs
from reka.server.storage.leases import Leases
from tests.support.caller import Caller
from tests.support.postgres import Postgres
from tests.support.servers import Call, Start, open_caller

TEXTS = (
    "a\0b",
    "\0",
    "\x1a0",
    "\ud800",
    "\U0010ffff\ufffe",
    "\x01\x7f\x80",
    "'\"\\%s %(a)s :a $1 ?",
    "\U0001f600" * 512,
    "x" * 3000,
    "e\u0301" * 256,
)
JSON = {"Content-Type": "application/json"}


def answers(api: Caller, given: str) -> Iterator[tuple[str, int, str]]:
    """Send a text to each place where one reaches the database."""
    raw, path = json.dumps(given), quote(given.encode("utf-8", "surrogatepass"))
    data = given.encode("utf-8", "surrogatepass")
    sent: list[tuple[str, str, dict[str, Any]]] = [
        ("PUT", "/datasets/d/documents", {"data": f'[{{"id": {raw}, "text": "owl"}}]'}),
        ("PUT", "/datasets/d/documents", {"data": f'[{{"id": "one", "text": "owl", "source": {raw}}}]'}),
        ("PUT", "/datasets/d/documents", {"data": f'[{{"id": "two", "text": "a", "metadata": {{{raw}: {raw}}}}}]'}),
        ("PUT", "/datasets/d/documents", {"data": f'[{{"id": "three", "text": {raw}}}]'}),
        ("PUT", f"/datasets/{path}/documents", {"data": '[{"id": "one", "text": "hen"}]'}),
        ("POST", "/datasets/d/documents/get", {"data": f'{{"ids": [{raw}, "three"]}}'}),
        ("GET", "/datasets/d/documents", {}),
        ("POST", "/datasets/d/documents/delete", {"data": f'{{"ids": [{raw}]}}'}),
        ("POST", "/datasets/d/documents/delete", {"data": f'{{"filter": {{{raw}: {raw}}}}}'}),
        ("GET", f"/datasets/{path}", {}),
        ("GET", f"/datasets/{path}/documents", {}),
        ("DELETE", f"/datasets/no{path}", {}),
        ("GET", f"/jobs/prepare-retrieval/{path}/status", {}),
    ]
    for method, place, body in sent:
        answer = api.ask(method, place, headers=JSON if body else {}, **body)
        yield f"{method} {place} {body}", answer.status_code, answer.text
    form = {"dataset_name": data, "dataset_description": data}
    answer = api.ask("POST", "/datasets", data=form, files={"file": ("notes.txt", data + b" owl")})
    yield "POST /datasets", answer.status_code, answer.text
    yield "GET /datasets", 200, str(api.names())


def comparable(answer: tuple[str, int, str]) -> tuple[str, int, str]:
    """Leave out what differs from server to server, and how far a job is."""
    varying = r'"(?:job_id|embedder)":(?:null|"[^"]*")|[0-9a-f]{32}|\d{4}-\d\d-\d\dT[^"]*|"chunks":\d+|"state":"\w+"'
    return answer[0], answer[1], re.sub(varying, "", answer[2])


def test_every_text_is_answered_as_on_sqlite(start: Start, call: Call, postgres_url: str, data_dir: Any) -> None:
    there = call(start(database_url=postgres_url))
    here = call(start(data_dir=data_dir.parent / "here"))

    for given in TEXTS:
        pairs = zip(answers(there, given), answers(here, given), strict=True)
        for on_postgres, on_sqlite in pairs:
            assert comparable(on_postgres) == comparable(on_sqlite)
            assert on_postgres[1] < 500


def test_names_are_in_the_same_order_as_on_sqlite(start: Start, call: Call, postgres_url: str) -> None:
    api = call(start(database_url=postgres_url))
    names = ["b", "B", "a", "\u00e4", "Z", "z", "A", "\U00010380", "\uff21"]
    for name in names:
        assert api.ask("PUT", f"/datasets/{quote(name)}/documents", json=[{"id": "1", "text": "owl"}]).ok

    assert api.names() == sorted(names)


@pytest.mark.parametrize("given", TEXTS)
def test_a_text_comes_back_from_its_escaped_form_which_has_no_nul(given: str) -> None:
    assert "\0" not in escape(given)
    assert unescape(escape(given)) == given
    assert escape(given) not in {escape(other) for other in TEXTS if other != given}


def test_texts_longer_than_any_limit_and_with_nul_are_stored(postgres_url: str) -> None:
    row = {"owner": "o" * 255, "name": "\0" * 255, "kind": "text", "source": "s" * 5000, "size_bytes": 2**40}
    database = Database(postgres_url)
    with database.write() as session:
        session.add(DatasetRow(id="\x1a\0", description="\0" * 10_000, created=now(), **row))

    with database.read() as session:
        found = find_dataset(session, "o" * 255, "\0" * 255)

    assert found is not None
    assert (found.id, found.description, found.size_bytes) == ("\x1a\0", "\0" * 10_000, 2**40)
    database.close()


def at_once(server: BackgroundServer, ask: Callable[[Caller], requests.Response], times: int = 8) -> list[int]:
    """Send a request several times at once; return the statuses, sorted."""

    def send(_: int) -> int:
        with open_caller(server.url) as api:
            return ask(api).status_code

    with ThreadPoolExecutor(times) as pool:
        return sorted(pool.map(send, range(times)))


def test_what_is_asked_at_once_leaves_what_it_would_one_after_the_other(
    start: Start, call: Call, postgres_url: str
) -> None:
    server = start(database_url=postgres_url, max_datasets=3)
    api, numbers = call(server), count()
    rows = [{"id": str(number), "text": f"owl {number}"} for number in range(50)]

    uploads = at_once(server, lambda api: api.add("notes", "An owl hunts."))
    prepares = at_once(server, lambda api: api.prepare("notes"))
    puts = at_once(server, lambda api: api.ask("PUT", "/datasets/rows/documents", json=rows))
    counted = at_once(server, lambda api: api.add(f"d{next(numbers)}", "An owl hunts."))
    deletes = at_once(server, lambda api: api.delete("notes"))

    assert uploads == [200] + [400] * 7
    assert prepares == [200] + [400] * 7
    assert puts == [200] * 8
    assert counted == [200] + [400] * 7
    assert deletes == [200] + [404] * 7
    described = api.ask("GET", "/datasets/rows").json()
    api.await_end(described["job_id"])
    assert described["documents"] == len(api.search("rows", "owl", k=100)) == 50


def test_a_restart_of_the_database_is_a_pause(start: Start, call: Call, postgres: Postgres, postgres_url: str) -> None:
    api = call(start(database_url=postgres_url))
    api.add_prepared("notes", "An owl hunts.")
    postgres.stop()
    refused, ready = api.ask("GET", "/datasets"), api.ask("GET", "/readyz")
    postgres.start()

    assert (refused.status_code, ready.status_code) == (503, 503)
    assert int(refused.headers["Retry-After"]) >= 1
    assert "postgres" not in refused.text
    assert api.names() == ["notes"]
    api.add_prepared("more", "A hen lays.")
    assert [chunk["text"] for chunk in api.chunks("owl", "notes")] == ["An owl hunts."]


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (OperationalError("", {}, psycopg.errors.AdminShutdown()), True),
        (OperationalError("", {}, psycopg.errors.TooManyConnections()), True),
        (OperationalError("", {}, psycopg.errors.CannotConnectNow()), True),
        (OperationalError("", {}, psycopg.errors.DeadlockDetected()), True),
        (OperationalError("", {}, psycopg.OperationalError("the connection is lost")), True),
        (InternalError("", {}, psycopg.errors.ReadOnlySqlTransaction()), True),
        (InternalError("", {}, psycopg.errors.InFailedSqlTransaction()), False),
    ],
)
def test_which_errors_of_postgresql_can_pass(error: Exception, passes: bool) -> None:
    assert is_transient(error) is passes


def test_a_full_disk_of_postgresql_is_a_full_disk() -> None:
    assert is_disk_full(OperationalError("", {}, psycopg.errors.DiskFull()))


def test_several_servers_start_on_an_empty_database_at_once(postgres_url: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        databases = list(pool.map(Database, [postgres_url] * 6))

    with databases[0].write() as session:
        session.add(KeyRow(digest="0" * 64, owner="ann", created=now()))
    with databases[5].read() as session:
        assert session.get_one(KeyRow, "0" * 64).owner == "ann"
    for database in databases:
        database.close()


def test_a_database_of_before_there_were_versions_is_migrated(postgres_url: str) -> None:
    Database(postgres_url).close()
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE datasets DROP COLUMN table_changes, DROP COLUMN embedder"))
        connection.execute(text("ALTER TABLE jobs DROP COLUMN number, DROP COLUMN stops, DROP COLUMN size_bytes"))
        connection.execute(
            text("DROP TABLE schema_version, leases, arrivals, files, file_parts, vector_stores, file_batches")
        )
        connection.execute(
            text(
                "INSERT INTO datasets (id, owner, name, kind, source, size_bytes, created) "
                "VALUES ('1', 'ann', 'a', 'text', '', 1, '')"
            )
        )
    engine.dispose()

    database = Database(postgres_url)

    with database.read() as session:
        row = session.get_one(DatasetRow, "1")
        assert (row.table_changes, row.embedder, session.get(JobRow, "1")) == (0, None, None)
    Jobs(database, Leases(database)).add("ann", "a")
    database.close()


def test_a_database_of_a_newer_release_is_refused(start: Start, postgres_url: str) -> None:
    database = Database(postgres_url)
    with database.write() as session:
        session.get_one(SchemaRow, 1).version += 1
    database.close()

    with pytest.raises(StartError, match=r"the database is of version \d+, and this release of reka reads up to"):
        start(database_url=postgres_url)


def test_a_database_that_cannot_store_every_text_is_refused(start: Start, postgres: Postgres) -> None:
    url = postgres.create("ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")

    with pytest.raises(StartError, match=r"has the encoding SQL_ASCII.*ENCODING 'UTF8'"):
        start(database_url=url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql+psycopg://ann:s3cret@127.0.0.1:1/reka", r"\(Connection refused\): check the URL"),
        ("postgresql://ann:s3cret/%@127.0.0.1:1/reka", "cannot open the database|got no URL"),
        ("s3cret", "got no URL of a database"),
        ("mysql://ann:s3cret@127.0.0.1/reka", "got a URL of 'mysql', want sqlite"),
        ("postgresql+psycopg2://ann:s3cret@127.0.0.1/reka", r"got a URL of 'postgresql\+psycopg2'"),
    ],
)
def test_why_a_database_cannot_be_used_is_told_without_its_password(start: Start, url: str, reason: str) -> None:
    with pytest.raises(StartError, match=reason) as refusal:
        start(database_url=url)

    assert "s3cret" not in f"{refusal.value}"
    assert refusal.value.__cause__ is None
    assert "s3cret" not in repr(Settings(database_url=url))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_plain_url_of_postgresql_is_that_of_psycopg(scheme: str) -> None:
    assert database_url(f"{scheme}://ann@db/reka").drivername == "postgresql+psycopg"
