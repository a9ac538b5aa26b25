"""What every request asks of the record, in a file and elsewhere."""

from pathlib import Path

import pytest

from reka.server.errors import WrongKeyError
from reka.server.storage.api_keys import KeyRing
from reka.server.storage.database import Database, KeyRow, now, sqlite_url


def test_a_key_is_known_from_its_making_to_its_end_wherever_the_record_is(empty_database: Database) -> None:
    keys = KeyRing(empty_database, accept_any=False)

    key = keys.create("ann")
    owner = keys.owner_of(key)
    keys.revoke(key)

    assert keys.is_nonblocking is empty_database.is_file
    assert owner == "ann"
    with pytest.raises(WrongKeyError):
        keys.owner_of(key)


def test_what_another_process_s_connection_commits_is_seen_at_once_and_what_it_has_not_committed_is_not(
    tmp_path: Path,
) -> None:
    here, there = (Database(sqlite_url(tmp_path / "record.db")) for _ in range(2))
    keys = KeyRing(here, accept_any=True)
    anybody = keys.owner_of("any-key")

    with there.write() as session:
        session.add(KeyRow(digest="0" * 64, owner="ann", created=now()))
        session.flush()
        while_written = keys.owner_of("any-key")

    assert while_written == anybody
    with pytest.raises(WrongKeyError):
        keys.owner_of("any-key")
    here.close()
    there.close()
