"""The record of datasets, jobs and keys: what makes a dataset exist, and a job's state true, is a commit here."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Float, ForeignKey, Select, String, Text, UniqueConstraint, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from typing_extensions import Unpack

from reka.server.errors import NotFoundError

BUSY_SECONDS = 30.0
"""Seconds that a writer waits for another one in SQLite (ours)."""


class Base(DeclarativeBase):
    """Base of all tables."""


class KeyRow(Base):
    """A key that this server knows: its digest, never the key."""

    __tablename__ = "keys"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the key, in hexadecimal."""
    owner: Mapped[str] = mapped_column(String(255), index=True)
    """Whose datasets the key opens."""
    created: Mapped[str] = mapped_column(String(32))


class DatasetRow(Base):
    """A dataset: as soon as its row is committed it is there, and its file with it."""

    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("owner", "name"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Its own for each upload, so that what was of a deleted dataset never becomes that of a new one."""
    owner: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(8))
    """`text` or `zip`."""
    source: Mapped[str] = mapped_column(String(255))
    """Name of the uploaded file, made safe; shown beside chunks of a text."""
    size_bytes: Mapped[int]
    created: Mapped[str] = mapped_column(String(32))
    table: Mapped[str | None] = mapped_column("index_table", String(64))
    """Its table in the index; None until it is prepared for retrieval."""


class JobRow(Base):
    """A prepare-retrieval job. It stays when its dataset is deleted: whoever has its id may still ask."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(255))
    dataset_id: Mapped[str] = mapped_column(String(32), index=True)
    dataset_name: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(16), index=True)
    """PENDING, RUNNING, COMPLETE or ERROR."""
    detail: Mapped[str] = mapped_column(Text)
    starts: Mapped[int] = mapped_column(default=0)
    """How often a server has begun it: more than once if servers ended under it."""
    created: Mapped[str] = mapped_column(String(32))
    events: Mapped[list["JobEventRow"]] = relationship(order_by="JobEventRow.id", cascade="all, delete-orphan")


class JobEventRow(Base):
    """One line of a job's history."""

    __tablename__ = "job_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    time: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16))
    detail: Mapped[str] = mapped_column(Text)
    progress: Mapped[float | None] = mapped_column(Float)
    """0 to 1; None where nothing is known of it."""


class Database:
    """Sessions on the record. Safe to share between threads."""

    def __init__(self, url: str) -> None:
        """Open the database at `url`, as SQLAlchemy writes it, and make the tables that are missing."""
        self._engine = _engine(url)
        self._writing = self._engine.execution_options(writes=True)
        Base.metadata.create_all(self._writing)
        self._reader = self._engine.raw_connection() if self.is_file else None

    @property
    def is_file(self) -> bool:
        """Whether it is an SQLite file, where a reader waits for nobody: no network, and no writer."""
        return self._engine.dialect.name == "sqlite" and bool(self._engine.url.database)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads. Rows read in it stay readable behind it."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose changes are all committed when the block ends, or, if it raises, none of them."""
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    # The type is quoted: to SQLAlchemy 2.0 a `Select` has one parameter, to 2.1 one a column.
    def prepared(self, statement: "Select[Unpack[tuple[Any, ...]]]") -> Callable[..., Sequence[Any]]:
        """Prepare what every request asks.

        Args:
            statement: It selects one row.

        Returns:
            A function of its parameters, by name, that gives the row as it is now.
        """
        reader = self._reader and self._reader.driver_connection
        if reader is None:
            return partial(self._asked, statement)
        # What SQLAlchemy does around a statement takes ten times as long as SQLite does for it.
        compiled = statement.compile(self._engine)
        sql, names = str(compiled), compiled.positiontup or ()

        def row(**values: Any) -> Sequence[Any]:
            rows: list[Sequence[Any]] = reader.execute(sql, [values[name] for name in names]).fetchall()
            return rows[0]

        return row

    def _asked(self, statement: "Select[Unpack[tuple[Any, ...]]]", **values: Any) -> Sequence[Any]:
        with self._engine.connect() as connection:
            return connection.execute(statement, values).one()

    def close(self) -> None:
        """Close all connections."""
        if self._reader is not None:
            self._reader.close()
        self._engine.dispose()


def sqlite_url(path: Path) -> str:
    """The address of an SQLite file."""
    return f"sqlite:///{path}"


def now() -> str:
    """The time, as the history of a job tells it: UTC, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # The driver would begin transactions by rules of its own; _begin_sqlite does it instead.
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    # A writer takes its lock at once and waits for it there. One that began as a reader could not wait: SQLite refuses
    # to turn a reader's view into a writer's when another has written since.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def find_dataset(session: Session, owner: str, name: str) -> DatasetRow | None:
    """The row of an owner's dataset; None if there is none."""
    exact = unicodedata.normalize("NFC", name)
    return session.scalar(select(DatasetRow).where(DatasetRow.owner == owner, DatasetRow.name == exact))


def require_dataset(session: Session, owner: str, name: str) -> DatasetRow:
    """The row of an owner's dataset.

    Raises:
        NotFoundError: There is none.
    """
    row = find_dataset(session, owner, name)
    if row is None:
        raise NotFoundError(f"There is no dataset {name!r} of this API key: GET /datasets lists those there are")
    return row
