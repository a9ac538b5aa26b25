"""Restoring a backup into an empty database and an empty data folder or store."""

import shutil
from pathlib import Path
from uuid import uuid4

from reka.server.backup import rows
from reka.server.backup.layout import BackupError, Summary, read
from reka.server.storage.data_dir import DataFolder
from reka.server.storage.database import Database
from reka.server.storage.database.binding import end_restoration
from reka.server.store.files import Files, flush


def restore(database: Database, files: Files, folder: DataFolder, backup: Path) -> Summary:
    """Restore a backup. No server may run on what it is restored into.

    First all of the backup is compared with its checksums, then the files are stored, then all rows in one transaction:
    before it nothing is there, after it everything. The index is built anew when a server starts.

    Args:
        database: The database.
        files: Where the uploaded files go.
        folder: The data folder, whose lock the caller holds.
        backup: Folder of the backup.

    Returns:
        What was restored.

    Raises:
        BackupError: The backup is incomplete, damaged or of a newer version; or there is something in the database.
    """
    parts, summary = read(backup)
    with database.read() as session:
        if not rows.is_empty(session):
            raise BackupError(
                "the server's database is not empty: restore into a new data folder, or a new database and a new store"
            )
    for left in files.ids():  # by a restoration that was interrupted
        files.delete(left)
    ids = {name.removeprefix("files/") for name in parts if name.startswith("files/")}
    for one in sorted(ids):
        staged = folder.staging / uuid4().hex
        shutil.copyfile(backup / "files" / one, staged)
        staged.chmod(0o600)
        flush(staged)
        files.put(one, staged)
    with database.write() as session:
        for table in rows.tables():
            if f"rows/{table.name}.jsonl" in parts:
                rows.read_table(session, table, backup / "rows" / f"{table.name}.jsonl")
        end_restoration(session)
    if missing := ids - files.ids():
        raise BackupError(
            f"{len(missing)} files were deleted meanwhile, as a server runs on them: stop it, and restore"
        )
    return summary
