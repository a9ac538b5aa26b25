"""The tables of a database, and the version of their layout, which is recorded in it."""

from collections.abc import Set
from typing import Final

from sqlalchemy import Connection, Engine, insert, inspect, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from reka.server.errors import StartError
from reka.server.storage.database.rows import Base
from reka.server.storage.migrations import DATABASE_MIGRATIONS, version_after

_FIRST: Final = frozenset({"keys", "datasets", "jobs", "job_events"})
"""Tables of version 1, and of a database that records no version."""

_UNVERSIONED: Final = _FIRST | {"revoked_keys", "documents", "document_texts", "store"}
"""Tables that are older than the one with the version."""

_LOCK: Final = 0x72656B61
"""Number of PostgreSQL's lock under which one server at a time creates and changes tables (ours)."""


class SchemaRow(Base):
    """The version of the layout. There is one row, of number 1."""

    __tablename__ = "schema_version"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]


def prepare_schema(engine: Engine, writer: Engine, *, makes: bool) -> None:
    """Create the tables of a database, or bring them to the present version. Several servers may do so at once.

    Args:
        engine: Engine of the database.
        writer: The same, whose transactions write.
        makes: Whether the tables of a database that has none are created.

    Raises:
        StartError: The database lacks tables that it should have, is of a newer version, or cannot store every text.
    """
    with engine.begin() as connection:
        present = set(inspect(connection).get_table_names()) & set(Base.metadata.tables)
        version = _version(connection)
    _check_version(version)
    if not present and not makes:
        raise no_data()
    if lacking := _required(present, version) - present:
        raise StartError(
            f"the database lacks tables of a server's data ({', '.join(sorted(lacking))}), as something has deleted "
            "them: put back a copy of it, or restore a backup into new places (reka restore)"
        )
    if version == version_after():
        return
    with writer.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            _check_encoding(connection)
        version = _version(connection)
        _check_version(version)
        for migrate in DATABASE_MIGRATIONS[(version or 1) - 1 :]:
            migrate(connection)
        Base.metadata.create_all(connection)
        if version is None:
            connection.execute(insert(SchemaRow).values(number=1, version=version_after()))
        else:
            connection.execute(update(SchemaRow).values(version=version_after()))


def no_data() -> StartError:
    """Return the error of a database that has nothing of what it should have."""
    return StartError(
        "the database has no server's data, or has lost all of them: check data_dir and database_url, put back a copy "
        "of it, or restore a backup into new places (reka restore)"
    )


def _required(present: set[str], version: int | None) -> Set[str]:
    """Return the names of the tables that a database must have, of which some are present, or none if it is new."""
    if not present:
        return frozenset()
    if version == version_after():
        return set(Base.metadata.tables)
    if version is None and not present <= _UNVERSIONED:
        return _FIRST | {SchemaRow.__tablename__}
    return _FIRST if version in (None, 1) else _FIRST | {"documents", "document_texts"}


def _check_version(version: int | None) -> None:
    if version is not None and version > version_after():
        raise StartError(
            f"database_url: the database is of version {version}, and this release of reka reads up to version "
            f"{version_after()}: install the release that wrote it, or use another database"
        )


def _version(connection: Connection) -> int | None:
    """Return the version of a database; None if none is recorded."""
    if not inspect(connection).has_table(SchemaRow.__tablename__):
        return None
    return connection.scalar(select(SchemaRow.version))


def _check_encoding(connection: Connection) -> None:
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise StartError(
            f"database_url: the database has the encoding {encoding}, which cannot store every text: create one with "
            "ENCODING 'UTF8'"
        )
