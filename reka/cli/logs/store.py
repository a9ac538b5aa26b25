"""The database of conversations: SQLite, which survives a kill in mid-write and several programs at once."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Final, NamedTuple

from platformdirs import user_data_path

from reka._protocol.checks import expanded
from reka.endpoint import environment

_PRIVATE: Final = 0o600
_BUSY_SECONDS: Final = 10.0
"""Time to wait for another program that writes (ours)."""

_MAX_INTEGER: Final = 2**63 - 1
"""What SQLite takes for a number."""

_VERSION: Final = 1
_SCHEMA: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, began TEXT NOT NULL, changed TEXT NOT NULL, revision INTEGER NOT NULL,
    model TEXT, dataset TEXT, system TEXT
);
CREATE TABLE IF NOT EXISTS turns (
    conversation INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE, place INTEGER NOT NULL,
    type TEXT NOT NULL, text TEXT NOT NULL, media TEXT, PRIMARY KEY (conversation, place)
) WITHOUT ROWID;
PRAGMA user_version = {_VERSION};
COMMIT;
"""

_READ: Final = """
SELECT id, began, changed, revision, model, dataset, system FROM conversations WHERE ?1 IS NULL OR id = ?1
ORDER BY changed DESC, id DESC LIMIT 1
"""
# SQLite takes the words from the row that has the least place.
_SUMMARIES: Final = """
SELECT id, began, changed, model, dataset, (SELECT count(*) FROM turns WHERE conversation = id), words
FROM (SELECT conversation, text AS words, min(place) FROM turns WHERE ?1 IS NULL OR instr(fold(text), ?1)
    GROUP BY conversation)
JOIN conversations ON conversation = id ORDER BY changed DESC, id DESC LIMIT ?2
"""


class KeptTurn(NamedTuple):
    """A turn as it is kept."""

    type: str
    text: str
    media: str | None = None
    """Path or address of its media, whose bytes are not kept; None for none."""


class Head(NamedTuple):
    """What a conversation has besides its turns; None for what it has not."""

    model: str | None
    dataset: str | None
    system: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A conversation as it is kept; times are in UTC, in ISO form."""

    id: int
    began: str
    changed: str
    revision: int
    """Grows with each change."""
    head: Head
    turns: tuple[KeptTurn, ...]


class Summary(NamedTuple):
    """A conversation in a list."""

    id: int
    began: str
    changed: str
    model: str | None
    dataset: str | None
    turns: int
    """Number of turns."""
    text: str
    """The first question, or the turn in which a text was found."""


def logs_path() -> Path:
    """Return the path of the database: REKA_LOGS, else `conversations.db` in the user's data folder."""
    variable = environment("REKA_LOGS")
    return user_data_path("reka") / "conversations.db" if variable is None else expanded(variable, "REKA_LOGS")


class LogStore:
    """The conversations in one file, which its user alone can read."""

    def __init__(self, path: Path) -> None:
        """Use a file; it is made by the first conversation that is kept."""
        self.path = path

    def save(self, known: Kept | None, head: Head, turns: Sequence[KeptTurn]) -> Kept | None:
        """Keep a conversation as it is now. One that another program has changed since is kept anew, beside it.

        Args:
            known: How it was kept last; None if it was not.
            head: What it has besides its turns.
            turns: All its turns.

        Returns:
            How it is kept now; None if it was deleted since.

        Raises:
            sqlite3.Error: It cannot be written.
            OSError: Likewise.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        with self._opened(make=True) as database, _transaction(database):
            if known is not None and not _exists(database, known.id):
                return None
            if known is None or not _renew(database, known, head, now):
                known = Kept(_insert(database, head, now), now, now, 0, head, ())
            same = _common(known.turns, turns)
            database.execute("DELETE FROM turns WHERE conversation = ? AND place >= ?", (known.id, same))
            database.executemany(
                "INSERT INTO turns VALUES (?, ?, ?, ?, ?)",
                [(known.id, place, *turn) for place, turn in enumerate(turns)][same:],
            )
        return replace(known, changed=now, revision=known.revision + 1, head=head, turns=tuple(turns))

    def read(self, number: int | None) -> Kept | None:
        """Read a conversation, or the one that changed last; None if there is none."""
        if number is not None and number > _MAX_INTEGER:
            return None
        with self._opened() as database:
            row = database.execute(_READ, (number,)).fetchone()
            if row is None:
                return None
            turns = database.execute(
                "SELECT type, text, media FROM turns WHERE conversation = ? ORDER BY place", (row[0],)
            )
            began, changed, revision = row[1:4]
            return Kept(row[0], began, changed, revision, Head(*row[4:]), tuple(map(KeptTurn._make, turns)))

    def summaries(self, number: int, text: str | None = None) -> list[Summary]:
        """List conversations, the one that changed last first.

        Args:
            number: Maximum number of conversations.
            text: What a turn of them must have, in capitals or not; None for any.
        """
        with self._opened() as database:
            database.create_function("fold", 1, str.casefold, deterministic=True)
            rows = database.execute(_SUMMARIES, (None if text is None else text.casefold(), min(number, _MAX_INTEGER)))
            return list(map(Summary._make, rows))

    def delete(self, numbers: Sequence[int] | None) -> list[int]:
        """Delete conversations, or all of them.

        Returns:
            Their numbers; one that is not there is not in them.
        """
        with self._opened() as database, _transaction(database):
            there = [number for (number,) in database.execute("SELECT id FROM conversations")]
            chosen = there if numbers is None else [number for number in numbers if number in there]
            database.executemany("DELETE FROM conversations WHERE id = ?", [(number,) for number in chosen])
        return chosen

    @contextmanager
    def _opened(self, *, make: bool = False) -> Iterator[sqlite3.Connection]:
        if make:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, _PRIVATE))
        exists = self.path.exists()
        if self.path.is_file() and os.name == "posix":  # of what is no file, SQLite says so
            self.path.chmod(_PRIVATE)  # also one that was copied here
        with closing(
            sqlite3.connect(self.path if exists else ":memory:", timeout=_BUSY_SECONDS, isolation_level=None)
        ) as database:
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("PRAGMA secure_delete = ON")  # what is deleted cannot be read in the file any more
            _prepare(database)
            yield database


def _prepare(database: sqlite3.Connection) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise sqlite3.DatabaseError(f"it is of a newer version of this package ({version}, want {_VERSION})")
    if version < _VERSION:
        database.executescript(_SCHEMA)


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if database.in_transaction:  # SQLite itself ends one on a full disk
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _exists(database: sqlite3.Connection, number: int) -> bool:
    return database.execute("SELECT 1 FROM conversations WHERE id = ?", (number,)).fetchone() is not None


def _renew(database: sqlite3.Connection, known: Kept, head: Head, now: str) -> bool:
    """Note a change; False if there was another one since."""
    changed = database.execute(
        "UPDATE conversations SET changed = ?, revision = revision + 1, model = ?, dataset = ?, system = ? "
        "WHERE id = ? AND revision = ?",
        (now, *head, known.id, known.revision),
    )
    return changed.rowcount == 1


def _insert(database: sqlite3.Connection, head: Head, now: str) -> int:
    number = database.execute(
        "INSERT INTO conversations (began, changed, revision, model, dataset, system) VALUES (?, ?, 1, ?, ?, ?)",
        (now, now, *head),
    ).lastrowid
    assert number is not None
    return number


def _common(kept: Sequence[KeptTurn], turns: Sequence[KeptTurn]) -> int:
    """Count the turns at the beginning that two conversations share."""
    pairs = enumerate(zip(kept, turns, strict=False))
    return next((place for place, (old, new) in pairs if old != new), min(len(kept), len(turns)))
