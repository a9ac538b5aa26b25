"""Migrations of a data folder: each takes the data of one version to the next, under the folder's lock."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

Migration = Callable[[Path], None]
"""Changes the data in a folder. A kill may interrupt it, so it must be able to run again on what it left."""

MIGRATIONS: Final[tuple[Migration, ...]] = ()
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
