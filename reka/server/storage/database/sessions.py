"""Sessions on the database: a commit here is what creates a dataset or changes a job's state."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Select, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from typing_extensions import Unpack

from reka.server.faults import is_disk_full
from reka.server.storage.database.engine import (
    BUSY_SECONDS,
    database_url,
    make_engine,
    sqlite_file,
)
from reka.server.storage.database.open_files import OpenFiles
from reka.server.storage.database.schema import no_data, prepare_schema
from reka.server.store.reserve import Reserve

T = TypeVar("T")


class Database:
    """Sessions on the database. Safe to share between threads."""

    def __init__(self, url: URL | str, reserve: Reserve | None = None, *, makes: bool = True) -> None:
        """Open the database at an SQLAlchemy URL, and create missing tables, or migrate those of an earlier release.

        Args:
            url: The URL; see `database_url`.
            reserve: Room for deletions on a full disk; None if the database is on no disk of this server's.
            makes: Whether a database that is not there yet is created.

        Raises:
            StartError: A server cannot use the database.
            SQLAlchemyError: It cannot be opened.
        """
        self._reserve = reserve
        location = database_url(url)
        if not makes and (path := sqlite_file(location)) and not path.exists():  # SQLite would make it
            raise no_data()
        engine = make_engine(location)
        is_file = engine.dialect.name == "sqlite"
        # In SQLite who reads waits for no writer, nor should it for the connections of those that wait for each other.
        self._write_engine = (make_engine(engine.url) if is_file else engine).execution_options(writes=True)
        # Every statement of a session that reads sees the same state, as it does in SQLite.
        snapshot = {} if is_file else {"isolation_level": "REPEATABLE READ"}
        self._engine = engine.execution_options(**snapshot)
        try:
            prepare_schema(self._engine, self._write_engine, makes=makes)
        except BaseException:
            self._dispose()
            raise
        self._read_connection = self._engine.raw_connection() if self.is_file else None
        path = sqlite_file(location)
        self._files = OpenFiles(path) if path else None
        for each in (self._engine, self._write_engine):
            event.listen(each, "do_connect", lambda *_: self.require_files())  # SQLite would make another file

    @property
    def is_file(self) -> bool:
        """Whether it is an SQLite file, which is read without waiting for a network or for a writer."""
        return self._engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a read-only session. Its rows stay usable after it is closed."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session that commits when the block ends, and rolls back if it raises.

        Raises:
            OSError: The database's file is gone.
        """
        self.require_files()
        with Session(self._write_engine, expire_on_commit=False) as session, session.begin():
            yield session

    def require_files(self) -> None:
        """Check that the file of the database, if it is one, is still there, for what is written to be found again.

        Raises:
            OSError: It is deleted or replaced.
        """
        if self._files is not None:
            self._files.require()

    def parts(self, row: type[T], number: int) -> Iterator[T]:
        """Yield the rows of a table that have the parts of a text or file, each read when it is wanted.

        Args:
            row: The table, whose key is a number and a part, counted from 0.
            number: The number.
        """
        for part in count():
            with self.read() as session:
                found = session.get(row, (number, part))
            if found is None:
                return
            yield found

    def remove(self, work: Callable[[Session], T]) -> T:
        """Run a small transaction that deletes something, also on a full disk, whose reserve it may use up.

        Args:
            work: Called with the session; again, if the disk was full.
        """
        try:
            with self.write() as session:
                return work(session)
        except DBAPIError as error:
            if self._reserve is None or not is_disk_full(error):
                raise
        self._reserve.release()
        with self.write() as session:
            return work(session)

    def fill_reserve(self) -> None:
        """Keep room for deletions again, if there is any."""
        if self._reserve is not None:
            self._reserve.fill()

    # The type is quoted: to SQLAlchemy 2.0 a `Select` has one parameter, to 2.1 one a column.
    def prepare(self, statement: "Select[Unpack[tuple[Any, ...]]]") -> Callable[..., Sequence[Any]]:
        """Compile a query that runs at every request.

        Args:
            statement: Selects exactly one row.

        Returns:
            A function that takes the statement's parameters by name and returns the current row.
        """
        connection = self._read_connection and self._read_connection.driver_connection
        if connection is None:
            return partial(self._select_row, statement)
        # SQLAlchemy's own work around a statement takes ten times as long as SQLite's for it.
        compiled = statement.compile(self._engine)
        sql, names = str(compiled), compiled.positiontup or ()

        def select_row(**values: Any) -> Sequence[Any]:
            rows: list[Sequence[Any]] = connection.execute(sql, [values[name] for name in names]).fetchall()
            return rows[0]

        return select_row

    def _select_row(self, statement: "Select[Unpack[tuple[Any, ...]]]", **values: Any) -> Sequence[Any]:
        with self._engine.connect() as connection:
            return connection.execute(statement, values).one()

    def erase_deleted(self) -> None:
        """Remove what deleted rows had from the disk, where the database keeps it elsewhere: SQLite, in its log."""
        if self.is_file:
            with closing(self._engine.raw_connection()) as connection:
                # Writers wait meanwhile, so it is left for the next time if a long reader, a backup, keeps the log.
                cursor = connection.cursor()
                for pragma in (
                    "busy_timeout = 100",
                    "wal_checkpoint(TRUNCATE)",
                    f"busy_timeout = {BUSY_SECONDS * 1000:.0f}",
                ):
                    cursor.execute(f"PRAGMA {pragma}")

    def close(self) -> None:
        """Close all connections."""
        if self._read_connection is not None:
            self._read_connection.close()
        self._dispose()

    def _dispose(self) -> None:
        for engine in (self._engine, self._write_engine):
            engine.dispose()


def sqlite_url(path: Path) -> URL:
    """Return the SQLAlchemy URL of an SQLite file, whatever characters its path has."""
    return URL.create("sqlite", database=str(path))
