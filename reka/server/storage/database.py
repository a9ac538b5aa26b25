"""The database of datasets, jobs and keys. A commit here is what creates a dataset or changes a job's state."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    Select,
    String,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    literal_column,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from typing_extensions import Unpack

from reka.server.errors import NotFoundError
from reka.server.faults import is_disk_full
from reka.server.storage.data_dir import DataFolder
from reka.server.storage.reserve import Reserve

T = TypeVar("T")

BUSY_SECONDS = 30.0
"""Seconds that an SQLite writer waits for another one (ours)."""

_MAX_NAME_CHARS: Final = 255
"""Characters of a stored name."""

_MAX_DECOMPOSITION: Final = 4
"""Characters of which one of a stored name is composed at most (Unicode 16, NFD)."""

_SHOWN_CHARS: Final = 100


class Base(DeclarativeBase):
    """Base class of all tables."""


class KeyRow(Base):
    """A registered API key: its digest, never the key itself."""

    __tablename__ = "keys"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the key, in hexadecimal."""
    owner: Mapped[str] = mapped_column(String(255), index=True)
    """Owner of the datasets that the key gives access to."""
    created: Mapped[str] = mapped_column(String(32))


class RevokedKeyRow(Base):
    """A key that was registered. While there is one, a server without registered keys does not accept just any."""

    __tablename__ = "revoked_keys"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(255))
    revoked: Mapped[str] = mapped_column(String(32))


class StoreRow(Base):
    """The data folder that has the files and tables of the datasets. There is one row, of number 1."""

    __tablename__ = "store"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    folder_id: Mapped[str] = mapped_column(String(32))


class DatasetRow(Base):
    """A dataset. It exists once its row is committed; its file is in place before that."""

    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("owner", "name"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Unique per upload, so that files and jobs of a deleted dataset never belong to a new one of the same name."""
    owner: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(_MAX_NAME_CHARS))
    description: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(8))
    """`text` or `zip`, or `rows` if there is no uploaded file: all texts are in the database."""
    source: Mapped[str] = mapped_column(String(255))
    """Safe name of the uploaded file; the source of the chunks of a text dataset."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    """Size of the uploaded file; 0 if there is none."""
    created: Mapped[str] = mapped_column(String(32))
    table: Mapped[str | None] = mapped_column("index_table", String(64))
    """Name of its table in the index; None until the dataset is prepared for retrieval."""
    table_version: Mapped[int | None]
    """Version of that table that is searched; a job makes a later one. None in data of before there were documents."""
    table_changes: Mapped[int] = mapped_column(default=0, server_default="0")
    """Jobs that have changed the table since it was written: it then holds deleted chunks, and new ones apart."""
    embedder: Mapped[str | None] = mapped_column(String(255))
    """Name of the embedder of its table."""


NO_OWNER: Final = ""
"""Owner of datasets that are deleted, and of which something may be left."""


IS_THERE: Final = literal_column("state <> 'gone'", Boolean)
"""Condition of documents that are neither deleted nor replaced. A database uses an index with such a condition only if
a statement has the same one in its text."""

IS_CHANGED: Final = literal_column("state <> 'live'", Boolean)
"""Condition of documents that the index lacks, or still has."""


class DocumentRow(Base):
    """A document of a dataset."""

    __tablename__ = "documents"
    __table_args__ = (
        Index(
            "documents_by_name",
            "dataset_id",
            "name",
            unique=True,
            sqlite_where=IS_THERE,
            postgresql_where=IS_THERE,
        ),
        Index("documents_by_number", "dataset_id", "number"),
        Index("documents_changed", "dataset_id", sqlite_where=IS_CHANGED, postgresql_where=IS_CHANGED),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    """Never used again, so that a document that replaces another is told from it."""
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(512))
    """The document's id in its dataset."""
    source: Mapped[str] = mapped_column(String(512))
    meta: Mapped[str] = mapped_column("metadata", Text)
    """JSON object."""
    digest: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of source, metadata and text; None until an uploaded file is read."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    chunks: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(String(8))
    """`new` (not in the index), `live` (in the index) or `gone` (deleted or replaced, perhaps still in the index)."""
    member: Mapped[int | None]
    """Place of its file among those of the upload; None if its text is in the database."""
    job_id: Mapped[str | None] = mapped_column(String(32), index=True)
    """The job that takes its change over."""


class DocumentTextRow(Base):
    """A part of a document's text."""

    __tablename__ = "document_texts"

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"),
        ForeignKey("documents.number", ondelete="CASCADE"),
        primary_key=True,
    )
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(Text)


class JobRow(Base):
    """A prepare-retrieval job. It outlives its dataset, so that its status can still be read after a deletion."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(255))
    dataset_id: Mapped[str] = mapped_column(String(32), index=True)
    dataset_name: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(16), index=True)
    """PENDING, RUNNING, COMPLETE or ERROR."""
    detail: Mapped[str] = mapped_column(Text)
    starts: Mapped[int] = mapped_column(default=0)
    """How often the job was started: more than once if a server stopped while running it."""
    created: Mapped[str] = mapped_column(String(32))
    events: Mapped[list["JobEventRow"]] = relationship(order_by="JobEventRow.id", cascade="all, delete-orphan")


class JobEventRow(Base):
    """One entry of a job's history."""

    __tablename__ = "job_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    time: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16))
    detail: Mapped[str] = mapped_column(Text)
    progress: Mapped[float | None] = mapped_column(Float)
    """0 to 1; None if it does not apply."""


class Database:
    """Sessions on the database. Safe to share between threads."""

    def __init__(self, url: str, reserve: Reserve | None = None) -> None:
        """Open the database at an SQLAlchemy URL, and create missing tables.

        Args:
            url: The URL.
            reserve: Room for deletions on a full disk; None if the database is on no disk of this server's.
        """
        self._reserve = reserve
        self._engine = _engine(url)
        self._write_engine = self._engine.execution_options(writes=True)
        Base.metadata.create_all(self._write_engine)
        self._read_connection = self._engine.raw_connection() if self.is_file else None

    @property
    def is_file(self) -> bool:
        """Whether it is an SQLite file, which is read without waiting for a network or for a writer."""
        return self._engine.dialect.name == "sqlite" and bool(self._engine.url.database)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a read-only session. Its rows stay usable after it is closed."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session that commits when the block ends, and rolls back if it raises."""
        with Session(self._write_engine, expire_on_commit=False) as session, session.begin():
            yield session

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
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close all connections."""
        if self._read_connection is not None:
            self._read_connection.close()
        self._engine.dispose()


@contextmanager
def open_database(folder: DataFolder, url: str | None = None) -> Iterator[Database]:
    """Open the database of a server, running or not, and close it when the block ends.

    Args:
        folder: The server's data folder; it is created if it does not exist.
        url: SQLAlchemy URL of the database; None for the SQLite file of the folder.

    Raises:
        StartError: The data folder cannot be used.
    """
    folder.open()
    database = Database(url or sqlite_url(folder.make_database()), Reserve(folder.reserve))
    try:
        yield database
    finally:
        database.close()


def sqlite_url(path: Path) -> str:
    """Return the SQLAlchemy URL of an SQLite file."""
    return f"sqlite:///{path}"


def now() -> str:
    """Return the current time in ISO 8601: UTC, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # Turns off the driver's implicit transactions; _begin_sqlite starts them instead.
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    # A writer waits for its lock here. If it started as a reader it could not wait later: SQLite refuses to upgrade a
    # read transaction when another connection has written since.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def find_dataset(session: Session, owner: str, name: str, *, for_update: bool = False) -> DatasetRow | None:
    """Return the row of an owner's dataset, or None if there is none.

    Args:
        session: A session that writes, if `for_update` is set.
        owner: The owner.
        name: The dataset's name.
        for_update: Whether other writers of the dataset wait until the session ends.
    """
    if len(name) > _MAX_DECOMPOSITION * _MAX_NAME_CHARS:
        return None  # normalizing takes time quadratic in the number of adjacent marks
    stored_name = unicodedata.normalize("NFC", name)
    statement = select(DatasetRow).where(DatasetRow.owner == owner, DatasetRow.name == stored_name)
    return session.scalar(statement.with_for_update() if for_update else statement)


def require_dataset(session: Session, owner: str, name: str, *, for_update: bool = False) -> DatasetRow:
    """Return the row of an owner's dataset; see `find_dataset`.

    Raises:
        NotFoundError: The owner has no such dataset.
    """
    row = find_dataset(session, owner, name, for_update=for_update)
    if row is None:
        raise NotFoundError(
            f"There is no dataset {name[:_SHOWN_CHARS]!r} of this API key: GET /datasets lists the existing ones"
        )
    return row
