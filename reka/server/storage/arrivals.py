"""What is being written to a shared store and belongs to no dataset yet: the database knows of it before it is there.

So whatever the store has and the database does not is left over, whoever asks, at any time, by no clock. What is not
written any more, because its process was killed, is found by its beat, which stands still.
"""

import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from reka.server.errors import StorageUnavailableError
from reka.server.storage.database import ArrivalRow, Database

BEATS: Final = 10
"""Beats in the time after which what does not beat is left over (ours)."""


class Arrivals:
    """What is being written to a store. In a folder, which one server alone writes to, nothing is recorded."""

    def __init__(
        self, database: Database, seconds: float, *, is_shared: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Record arrivals in a database.

        Args:
            database: The database.
            seconds: Time without a beat after which what was being written is left over.
            is_shared: Whether other processes write to the same store.
            clock: Returns seconds, and is not set back.
        """
        self._database = database
        self._seconds = seconds
        self._is_shared = is_shared
        self._clock = clock
        self._beats: dict[str, float] = {}
        self._seen: dict[tuple[str, int], float] = {}

    def announce(self, name: str) -> None:
        """Record that something of this name will be written: the id of a dataset."""
        if self._is_shared:
            with self._database.write() as session:
                session.add(ArrivalRow(name=name, beat=0))
            self._beats[name] = self._clock()

    def beat(self, name: str) -> None:
        """Record that it is still being written; most calls find that it was said a moment ago."""
        if self._is_shared and self._clock() > self._beats.get(name, 0) + self._seconds / BEATS:
            self._beats[name] = self._clock()
            with self._database.write() as session:
                session.execute(
                    update(ArrivalRow).where(ArrivalRow.name == name).values(beat=ArrivalRow.beat + 1),
                    execution_options={"synchronize_session": False},
                )

    def end(self, session: Session, name: str) -> None:
        """Record, in the transaction that makes it a dataset's, that it was written.

        Raises:
            StorageUnavailableError: It took so long that it was taken for left over, and is deleted.
        """
        if not self._is_shared:
            return
        self._beats.pop(name, None)
        if session.scalar(delete(ArrivalRow).where(ArrivalRow.name == name).returning(ArrivalRow.name)) is None:
            raise StorageUnavailableError("The server's store was too slow: try again")

    def forget(self, name: str) -> None:
        """Record that it is deleted."""
        if self._is_shared:
            self._beats.pop(name, None)
            with self._database.write() as session:
                session.execute(delete(ArrivalRow).where(ArrivalRow.name == name))

    def names(self) -> set[str]:
        """Return the names of all that is being written."""
        with self._database.read() as session:
            return set(session.scalars(select(ArrivalRow.name)))

    def end_overdue(self, seconds: float | None = None) -> None:
        """Forget what has had the same beat for a time in seconds; who writes it nevertheless, fails in `end`.

        Args:
            seconds: The time; None for that of all arrivals.
        """
        if not self._is_shared:
            return
        with self._database.read() as session:
            rows = [(row.name, row.beat) for row in session.scalars(select(ArrivalRow))]
        now = self._clock()
        self._seen = {row: self._seen.get(row, now) for row in rows}
        for (name, beat), since in self._seen.items():
            if now - since >= (self._seconds if seconds is None else seconds):
                with self._database.write() as session:
                    session.execute(delete(ArrivalRow).where(ArrivalRow.name == name, ArrivalRow.beat == beat))
