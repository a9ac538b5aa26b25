"""Leases: which process works on which dataset. They need no clock that processes share.

A process that holds leases raises their beat every few seconds. Whoever sees the same beat for long enough, by a clock
of its own that is never set, takes the process for dead and ends its leases; what that one still does is not published.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol
from uuid import uuid4

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from reka.server.storage.database import Database, LeaseRow

logger: Final = logging.getLogger(__name__)

LEASE_SECONDS: Final = 15.0
"""Seconds without a beat after which a process is taken for dead (ours)."""

_BEATS: Final = 6
"""Beats in that time, so that a slow one does no harm (ours)."""


class LeaseLostError(Exception):
    """The attempt must end: its dataset is deleted, or another process works on it."""


class Attempt(Protocol):
    """What works on a dataset."""

    @property
    def dataset_id(self) -> str:
        """The dataset."""
        ...

    @property
    def table(self) -> str:
        """Name of the table that it may create, which no other attempt has."""
        ...


class Leases:
    """The leases of all processes on a database, and those that this process holds."""

    def __init__(
        self, database: Database, seconds: float = LEASE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Hold leases in `database`.

        Args:
            database: The database.
            seconds: Time without a beat after which a process is taken for dead.
            clock: Returns seconds, and is not set back.
        """
        self._database = database
        self._seconds = seconds
        self._clock = clock
        self._process = uuid4().hex
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], float] = {}
        self._seen: dict[tuple[str, str], tuple[int, float]] = {}
        self._last_look = clock()
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self, session: Session, dataset_id: str, table: str) -> None:
        """Take the lease of a dataset for an attempt, in its transaction.

        Raises:
            IntegrityError: Another attempt has it.
        """
        session.add(LeaseRow(dataset_id=dataset_id, table=table, process=self._process))
        session.flush()

    @staticmethod
    def is_held(session: Session, attempt: Attempt, *, for_update: bool = False) -> bool:
        """Tell whether an attempt has its lease still; with `for_update`, it keeps it until the transaction ends."""
        statement = select(LeaseRow.beat).where(_of(attempt))
        return session.scalar(statement.with_for_update() if for_update else statement) is not None

    def require(self, session: Session, attempt: Attempt) -> None:
        """Check that an attempt has its lease, which it keeps until the transaction ends.

        Raises:
            LeaseLostError: It has lost it.
        """
        if not self.is_held(session, attempt, for_update=True):
            raise LeaseLostError

    @staticmethod
    def end(session: Session, attempt: Attempt) -> None:
        """End the lease of an attempt, in the transaction that ends the attempt."""
        session.execute(delete(LeaseRow).where(_of(attempt)))

    def end_after(self, attempt: Attempt, seconds: float) -> None:
        """End the lease of an attempt that has ended after some seconds: until then no process begins another one."""
        with self._lock:
            self._kept[attempt.dataset_id, attempt.table] = self._clock() + seconds

    def end_due(self) -> None:
        """End the leases that were kept long enough."""
        now = self._clock()
        with self._lock:
            over = [key for key, end in self._kept.items() if end <= now]
        for dataset_id, table in over:
            with self._database.write() as session:
                session.execute(delete(LeaseRow).where(LeaseRow.dataset_id == dataset_id, LeaseRow.table == table))
            with self._lock:
                self._kept.pop((dataset_id, table), None)

    def next_due(self) -> float | None:
        """Return the seconds until the first is; None if none is kept."""
        with self._lock:
            return max(min(self._kept.values()) - self._clock(), 0.0) if self._kept else None

    def end_all(self) -> None:
        """End the leases of all processes, none of which is there any more."""
        self._database.remove(lambda session: session.execute(delete(LeaseRow)))

    def live(self) -> tuple[set[str], set[str]]:
        """Return the datasets that attempts of any process work on, and the names of these attempts' tables."""
        with self._database.read() as session:
            rows = session.execute(select(LeaseRow.dataset_id, LeaseRow.table)).all()
        return {row.dataset_id for row in rows}, {row.table for row in rows}

    def start(self, on_end: Callable[[str], object]) -> None:
        """Begin to beat, and to watch other processes, in a thread.

        Args:
            on_end: Called with the table of each attempt whose process is taken for dead.
        """
        self._thread = threading.Thread(target=self._run, args=(on_end,), name="reka-leases", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join(self._seconds / _BEATS)

    def beat(self) -> list[str]:
        """Raise the beat of this process, and end the leases of processes that are dead.

        Returns:
            The tables of their attempts.
        """
        with self._database.read() as session:
            rows = session.scalars(select(LeaseRow)).all()
        if any(row.process == self._process for row in rows):
            with self._database.write() as session:
                session.execute(
                    update(LeaseRow).where(LeaseRow.process == self._process).values(beat=LeaseRow.beat + 1)
                )
        return [row.table for row in self._dead(rows) if self._end_dead(row)]

    def _run(self, on_end: Callable[[str], object]) -> None:
        while not self._is_stopping.wait(self._seconds / _BEATS):
            try:
                for table in self.beat():
                    logger.warning("a process has stopped at its work, which goes on elsewhere")
                    on_end(table)
                self.end_due()
            except Exception:
                if not self._is_stopping.is_set():
                    logger.warning("cannot renew leases, and try again", exc_info=True)

    def _dead(self, rows: Sequence[LeaseRow]) -> list[LeaseRow]:
        """Return the leases of other processes whose beat has stayed the same for long enough."""
        now = self._clock()
        if now - self._last_look > self._seconds / 2:
            self._seen.clear()  # nobody could beat, or be seen, while the database or this process stood still
        self._last_look = now
        others = [row for row in rows if row.process != self._process]
        seen = {}
        for row in others:
            beat, since = self._seen.get((row.dataset_id, row.table), (None, now))
            seen[row.dataset_id, row.table] = (row.beat, since if beat == row.beat else now)
        self._seen = seen
        return [row for row in others if now - seen[row.dataset_id, row.table][1] >= self._seconds]

    def _end_dead(self, row: LeaseRow) -> bool:
        """End a lease, unless its process has given a beat meanwhile."""
        with self._database.write() as session:
            found = session.scalar(
                select(LeaseRow).where(_of(row), LeaseRow.beat == row.beat).with_for_update(skip_locked=True)
            )
            if found is not None:
                session.delete(found)
            return found is not None


def is_free(dataset_id: "InstrumentedAttribute[str]") -> ColumnElement[bool]:
    """Return the condition that no attempt works on a dataset, for statements on rows that have its id."""
    return ~select(LeaseRow.dataset_id).where(LeaseRow.dataset_id == dataset_id).exists()


def _of(attempt: Attempt | LeaseRow) -> ColumnElement[bool]:
    return and_(LeaseRow.dataset_id == attempt.dataset_id, LeaseRow.table == attempt.table)
