from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from reka.server.storage.api_keys import KeyRing
from reka.server.storage.database import Database, sqlite_url
from tests.support.caller import Caller
from tests.support.servers import Call, Start


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "record.sqlite"


@pytest.fixture
def database(record: Path) -> Iterator[Database]:
    database = Database(sqlite_url(record))
    yield database
    database.close()


@pytest.fixture
def keys(database: Database) -> KeyRing:
    return KeyRing(database, accept_any=False)


NEEDS_KEY = [
    ("POST", "/chat"),
    ("GET", "/models"),
    ("GET", "/datasets"),
    ("POST", "/datasets"),
    ("DELETE", "/datasets/x"),
    ("POST", "/datasets/x/prepare-retrieval"),
    ("GET", "/jobs/prepare-retrieval/x/status"),
]


@pytest.mark.parametrize(("method", "path"), NEEDS_KEY)
@pytest.mark.parametrize("headers", [{}, {"X-Api-Key": ""}, {"Authorization": "Basic eDp5"}], ids=str)
def test_without_a_key_there_is_nothing(api: Caller, method: str, path: str, headers: dict[str, str]) -> None:
    answer = requests.request(method, api.url + path, headers=headers, timeout=10)

    assert answer.status_code == 401
    assert "X-Api-Key" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_what_the_server_is_needs_no_key(api: Caller, path: str) -> None:
    assert requests.get(api.url + path, timeout=10).status_code == 200


def test_a_key_may_come_as_a_bearer_and_opens_the_same_datasets(api: Caller) -> None:
    assert api.add("notes", "text").ok

    answer = requests.get(f"{api.url}/datasets", headers={"Authorization": "Bearer a-key"}, timeout=10)

    assert answer.json() == ["notes"]


def test_as_soon_as_the_server_knows_a_key_no_other_will_do(start: Start, call: Call, data_dir: Path) -> None:
    server = start()
    stranger = call(server, "any-key")
    assert stranger.add("old", "text").ok
    database = Database(sqlite_url(data_dir / "reka.sqlite"))
    keys = KeyRing(database, accept_any=False)

    key = keys.create("ann")
    second = keys.create("ann")
    ann, same = call(server, key), call(server, second)
    assert ann.add("notes", "text").ok
    wrong = stranger.add("more", "text")

    assert wrong.status_code == 401
    assert "does not know this API key" in wrong.json()["detail"]
    assert "any-key" not in wrong.text
    assert list((data_dir / "staging").iterdir()) == []
    assert ann.names() == same.names() == ["notes"]

    keys.revoke(key)
    assert ann.ask("GET", "/datasets").status_code == 401
    assert same.names() == ["notes"]
    database.close()


def test_the_key_of_an_upload_is_looked_at_before_its_body(start: Start, data_dir: Path) -> None:
    server = start()
    database = Database(sqlite_url(data_dir / "reka.sqlite"))
    KeyRing(database, accept_any=False).create("ann")
    database.close()

    answer = requests.post(
        f"{server.url}/datasets",
        data={"dataset_name": "x"},
        files={"file": ("a.txt", b"text " * 400_000)},
        headers={"X-Api-Key": "wrong"},
        timeout=10,
    )

    assert answer.status_code == 401
    assert list((data_dir / "staging").iterdir()) == []


def test_a_key_is_never_stored(keys: KeyRing, database: Database, record: Path) -> None:
    key = keys.create("ann")

    database.close()
    stored = b"".join(path.read_bytes() for path in record.parent.iterdir())
    assert b"ann" in stored
    assert key.encode() not in stored
    assert key.removeprefix("reka_").encode() not in stored


def test_keys_are_listed_and_revoked_by_key_or_by_digest(keys: KeyRing) -> None:
    first, second = keys.create("ann"), keys.create("bob")

    listed = keys.list()
    assert [known.owner for known in listed] == ["ann", "bob"]
    assert keys.owner_of(first) == "ann"
    assert keys.revoke(first).owner == "ann"
    assert keys.revoke(listed[1].digest[:8]).owner == "bob"
    assert keys.list() == []
    with pytest.raises(LookupError, match="0 keys match"):
        keys.revoke(second)


@pytest.mark.parametrize("meant", ["", "abc", "0" * 64, "%", "________"])
def test_what_means_no_key_revokes_none(keys: KeyRing, meant: str) -> None:
    keys.create("ann")

    with pytest.raises(LookupError, match="0 keys match"):
        keys.revoke(meant)
    assert len(keys.list()) == 1


@pytest.mark.parametrize("owner", ["", " ", "x" * 256])
def test_an_owner_needs_a_name(keys: KeyRing, owner: str) -> None:
    with pytest.raises(ValueError, match="owner"):
        keys.create(owner)
