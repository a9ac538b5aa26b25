"""Migrations of a data folder: each takes the data of one version to the next, under the folder's lock."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

DATABASE: Final = "reka.sqlite"
"""Name of the SQLite database in a data folder."""

Migration = Callable[[Path], None]
"""Changes the data in a folder. A kill may interrupt it, so it must be able to run again on what it left."""


def add_document_columns(root: Path) -> None:
    """Add to the datasets what version 2 has of their tables; new tables are made when the database is opened."""
    path = root / DATABASE
    if not path.exists():
        return
    columns = {"table_version": "INTEGER", "table_changes": "INTEGER NOT NULL DEFAULT 0", "embedder": "VARCHAR(255)"}
    with closing(sqlite3.connect(path)) as connection, connection:
        present = {row[1] for row in connection.execute("PRAGMA table_info(datasets)")}
        for name, kind in columns.items() if present else ():
            if name not in present:
                connection.execute(f"ALTER TABLE datasets ADD COLUMN {name} {kind}")


MIGRATIONS: Final[tuple[Migration, ...]] = (add_document_columns,)
"""Migrations in order: the first takes data of version 1 to version 2. Data without a marker are of version 1."""


def version_after(migrations: Sequence[Migration] = MIGRATIONS) -> int:
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
