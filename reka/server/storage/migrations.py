"""Migrations of the stored data: each takes those of one version to the next."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlalchemy import Connection

DATABASE: Final = "reka.sqlite"
"""Name of the SQLite database in a data folder."""

DatabaseMigration = Callable[["Connection"], None]
"""Changes a database, of which nothing may be there yet. It must be able to run again on what it left."""

Migration = Callable[[Path], None]
"""Changes the data in a folder. A kill may interrupt it, so it must be able to run again on what it left."""


def add_document_columns(connection: "Connection") -> None:
    """Add to the datasets what version 2 has of their tables; new tables are made when the database is opened."""
    columns = {"table_version": "INTEGER", "table_changes": "INTEGER NOT NULL DEFAULT 0", "embedder": "VARCHAR(255)"}
    _add_columns(connection, "datasets", columns)


def add_queue_columns(connection: "Connection") -> None:
    """Add to the jobs what version 3 has of them."""
    from sqlalchemy import inspect, text

    columns = {"stops": "INTEGER", "number": "BIGINT", "size_bytes": "BIGINT"}
    _add_columns(connection, "jobs", {name: f"{kind} NOT NULL DEFAULT 0" for name, kind in columns.items()})
    if inspect(connection).has_table("jobs"):
        connection.execute(text("CREATE INDEX IF NOT EXISTS ix_jobs_number ON jobs (number)"))


def require_every_table(connection: "Connection") -> None:
    """Change nothing: a database has every table from version 4 on; those that one before lacks are made later."""


def _add_columns(connection: "Connection", table: str, columns: Mapping[str, str]) -> None:
    """Add the columns that a table lacks, if it is there."""
    from sqlalchemy import inspect, text

    inspector = inspect(connection)
    if inspector.has_table(table):
        present = {column["name"] for column in inspector.get_columns(table)}
        for name, kind in columns.items():
            if name not in present:
                connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {name} {kind}"))


def in_file(run: DatabaseMigration) -> Migration:
    """Return a migration of the SQLite database in a data folder."""

    def migrate_file(root: Path) -> None:
        if not (path := root / DATABASE).exists():
            return
        from sqlalchemy import URL, create_engine  # late: who joins the server of another process migrates nothing

        engine = create_engine(URL.create("sqlite", database=str(path)))
        try:
            with engine.begin() as connection:
                run(connection)
        finally:
            engine.dispose()

    return migrate_file


DATABASE_MIGRATIONS: Final[tuple[DatabaseMigration, ...]] = (
    add_document_columns,
    add_queue_columns,
    require_every_table,
)
"""Migrations of a database in order: the first takes one of version 1, which records none, to version 2."""

MIGRATIONS: Final[tuple[Migration, ...]] = tuple(map(in_file, DATABASE_MIGRATIONS))
"""Migrations of a data folder, under its lock. Data without a marker are of version 1."""


def version_after(migrations: Sequence[object] = MIGRATIONS) -> int:
    """Version of data that all migrations have run on."""
    return 1 + len(migrations)


def migrate(
    root: Path, version: int, on_version: Callable[[int], None], migrations: Sequence[Migration] = MIGRATIONS
) -> None:
    """Bring the data in a folder to the present version.

    Args:
        root: The data folder, whose lock the caller holds.
        version: Version of its data.
        on_version: Called with the new version after each migration, to record it.
        migrations: All migrations in order.
    """
    for number, run in enumerate(migrations[version - 1 :], start=version + 1):
        run(root)
        on_version(number)
