"""The rows of the database, and how one finds a dataset among them."""

import hashlib
import unicodedata
from datetime import datetime, timezone
from typing import Any, ClassVar, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    UniqueConstraint,
    func,
    literal_column,
    select,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from reka.server.errors import NotFoundError, RefusedError
from reka.server.storage.database.columns import ANY_TEXT, ROW_NUMBER
from reka.server.storage.names import secure_name

_MAX_NAME_CHARS: Final = 255
"""Characters of a stored name."""

_MAX_DECOMPOSITION: Final = 4
"""Characters of which one of a stored name is composed at most (Unicode 16, NFD)."""

_SHOWN_CHARS: Final = 100


class Base(DeclarativeBase):
    """Base class of all tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {str: ANY_TEXT}


class KeyRow(Base):
    """A registered API key: its digest, never the key itself."""

    __tablename__ = "keys"

    digest: Mapped[str] = mapped_column(primary_key=True)
    """SHA-256 of the key, in hexadecimal."""
    owner: Mapped[str] = mapped_column(index=True)
    """Owner of the datasets that the key gives access to."""
    created: Mapped[str]


class RevokedKeyRow(Base):
    """A key that was registered. While there is one, a server without registered keys does not accept just any."""

    __tablename__ = "revoked_keys"

    digest: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    revoked: Mapped[str]


class StoreRow(Base):
    """What belongs together: in row 1 the id of the data folder or store that has the files and tables of the datasets.

    Row 2 has the id of the database itself, row 3 that of the data folder that it is in, if it is in one. Row 4
    is there while a backup is restored.
    """

    __tablename__ = "store"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    folder_id: Mapped[str]


class ArrivalRow(Base):
    """A file that is being written to a shared store and belongs to no dataset yet; see `Arrivals`."""

    __tablename__ = "arrivals"

    name: Mapped[str] = mapped_column(primary_key=True)
    """Id of the dataset that it will be of."""
    beat: Mapped[int] = mapped_column(default=0)
    """A number that grows while it is written."""


class DatasetRow(Base):
    """A dataset. It exists once its row is committed; its file is in place before that."""

    __tablename__ = "datasets"
    __table_args__: Any = (UniqueConstraint("owner", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    """Unique per upload, so that files and jobs of a deleted dataset never belong to a new one of the same name."""
    owner: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    kind: Mapped[str]
    """`text` or `zip`, or `rows` if there is no uploaded file: all texts are in the database."""
    source: Mapped[str]
    """Safe name of the uploaded file; the source of the chunks of a text dataset."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    """Size of the uploaded file; 0 if there is none."""
    created: Mapped[str]
    table: Mapped[str | None] = mapped_column("index_table")
    """Name of its table in the index; None until the dataset is prepared for retrieval."""
    table_version: Mapped[int | None]
    """Version of that table that is searched; a job makes a later one. None in data of before there were documents."""
    table_changes: Mapped[int] = mapped_column(default=0, server_default="0")
    """Jobs that have changed the table since it was written: it then holds deleted chunks, and new ones apart."""
    embedder: Mapped[str | None]
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
    __table_args__: Any = (
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

    number: Mapped[int] = mapped_column(ROW_NUMBER, primary_key=True)
    """Never used again, so that a document that replaces another is told from it."""
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    name: Mapped[str]
    """The document's id in its dataset."""
    source: Mapped[str]
    meta: Mapped[str] = mapped_column("metadata")
    """JSON object."""
    digest: Mapped[str | None]
    """SHA-256 of source, metadata and text; None until an uploaded file is read."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    chunks: Mapped[int] = mapped_column(default=0)
    state: Mapped[str]
    """`new` (not in the index), `live` (in the index) or `gone` (deleted or replaced, perhaps still in the index)."""
    member: Mapped[int | None]
    """Place of its file among those of the upload; None if its text is in the database."""
    job_id: Mapped[str | None] = mapped_column(index=True)
    """The job that takes its change over."""


class DocumentTextRow(Base):
    """A part of a document's text."""

    __tablename__ = "document_texts"

    number: Mapped[int] = mapped_column(
        ROW_NUMBER,
        ForeignKey("documents.number", ondelete="CASCADE"),
        primary_key=True,
    )
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str]


class JobRow(Base):
    """A prepare-retrieval job. It outlives its dataset, so that its status can still be read after a deletion."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    dataset_id: Mapped[str] = mapped_column(index=True)
    dataset_name: Mapped[str]
    status: Mapped[str] = mapped_column(index=True)
    """PENDING, RUNNING, COMPLETE or ERROR."""
    detail: Mapped[str]
    starts: Mapped[int] = mapped_column(default=0)
    """How often the job was started: more than once if a worker stopped while running it."""
    stops: Mapped[int] = mapped_column(default=0, server_default="0")
    """Starts that do not count against the job, as their worker ended in order."""
    number: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0", index=True)
    """Place in the queue: grows with each job of a dataset, whatever the clocks say."""
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """Size of the texts that the job reads, as far as it is known."""
    created: Mapped[str]
    events: Mapped[list["JobEventRow"]] = relationship(order_by="JobEventRow.id", cascade="all, delete-orphan")


class LeaseRow(Base):
    """The lease of a dataset: one attempt at a time works on a dataset, in one of all processes."""

    __tablename__ = "leases"

    dataset_id: Mapped[str] = mapped_column(primary_key=True)
    table: Mapped[str] = mapped_column("index_table")
    """Table that the attempt may create. No other attempt has that name, so it tells attempts apart."""
    process: Mapped[str] = mapped_column(index=True)
    """Id of the process that holds the lease."""
    beat: Mapped[int] = mapped_column(BigInteger, default=0)
    """Grows as long as the process lives."""


class JobEventRow(Base):
    """One entry of a job's history."""

    __tablename__ = "job_events"

    id: Mapped[int] = mapped_column(ROW_NUMBER, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    time: Mapped[str]
    status: Mapped[str]
    detail: Mapped[str]
    progress: Mapped[float | None] = mapped_column(Float)
    """0 to 1; None if it does not apply."""


def now() -> str:
    """Return the current time in ISO 8601: UTC, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lock_owner(session: Session, owner: str) -> None:
    """Let what an owner stores be counted and stored by one transaction at a time, as it is in SQLite."""
    if session.get_bind().dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(owner.encode()).digest()[:8], "big", signed=True)
        session.execute(select(func.pg_advisory_xact_lock(number)))


def find_dataset(session: Session, owner: str, name: str, *, for_update: bool = False) -> DatasetRow | None:
    """Return the row of an owner's dataset, or None if there is none.

    Args:
        session: A session that writes, if `for_update` is set.
        owner: The owner.
        name: The dataset's name, or one that it is the safe form of.
        for_update: Whether other writers of the dataset wait until the session ends.
    """
    if len(name) > _MAX_DECOMPOSITION * _MAX_NAME_CHARS:
        return None  # normalizing takes time quadratic in the number of adjacent marks
    stored_name = unicodedata.normalize("NFC", name)
    row = _find_stored(session, owner, stored_name, for_update=for_update)
    if row is None and (safe := _safe_form(name)) not in {None, stored_name}:
        row = _find_stored(session, owner, str(safe), for_update=for_update)
    return row


def _find_stored(session: Session, owner: str, name: str, *, for_update: bool) -> DatasetRow | None:
    statement = select(DatasetRow).where(DatasetRow.owner == owner, DatasetRow.name == name)
    return session.scalar(statement.with_for_update() if for_update else statement)


def _safe_form(name: str) -> str | None:
    try:
        return secure_name(name, _MAX_NAME_CHARS)
    except RefusedError:
        return None  # no dataset can have it


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
