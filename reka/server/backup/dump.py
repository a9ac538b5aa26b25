"""Taking a backup, while servers run or not."""

from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from reka.server.backup import rows
from reka.server.backup.layout import BackupError, Part, Summary, complete, make_folder, part_of
from reka.server.storage.database import NO_OWNER, Database, DatasetRow, DocumentRow
from reka.server.storage.document_store import ROWS
from reka.server.store.files import Files

TRIES: Final = 20
"""Looks at the rows, each but the first because a file that they name was deleted before it was copied (ours)."""


_EXAMPLES: Final = 3
"""Datasets that an error names."""


def back_up(database: Database, files: Files, folder: Path) -> Summary:
    """Take a backup of all that a server stores.

    The rows are those of one moment. The files that they name never change; they are copied before and after it, and
    if one of them is deleted meanwhile, the rows are read again.

    Args:
        database: The server's database.
        files: The server's uploaded files.
        folder: Folder of the backup: it is empty, or does not exist yet.

    Returns:
        What the backup has.

    Raises:
        BackupError: The folder is not empty or cannot be written; or files are missing, or are deleted faster than they
            are copied.
    """
    make_folder(folder)
    copies: dict[str, Part] = {}
    with database.read() as session:
        wanted = _file_ids(session)
    for _ in range(TRIES):
        gone = _copy(files, wanted, folder, copies)
        with database.read() as session:
            wanted = _file_ids(session)
            if lost := gone & wanted:  # a dataset that is deleted loses its row before its file
                raise _lost_files(session, lost)
            counts = _write_rows(session, folder)
        _copy(files, wanted, folder, copies)
        if wanted <= copies.keys():
            break
    else:
        raise BackupError("datasets are deleted faster than they are copied: try again at a quieter time")
    for surplus in copies.keys() - wanted:
        (folder / "files" / surplus).unlink()
    parts = {f"rows/{table.name}.jsonl": part_of(_path(folder, table.name)) for table in rows.tables()}
    parts |= {f"files/{one}": copies[one] for one in sorted(wanted)}
    size = sum(part.size for part in parts.values())
    summary = Summary(counts[DatasetRow.__tablename__], counts[DocumentRow.__tablename__], len(wanted), size)
    complete(folder, parts, summary)
    return summary


def _file_ids(session: Session) -> set[str]:
    return set(session.scalars(select(DatasetRow.id).where(DatasetRow.owner != NO_OWNER, DatasetRow.kind != ROWS)))


def _lost_files(session: Session, lost: set[str]) -> BackupError:
    shown = sorted(lost)[:_EXAMPLES]
    names = session.scalars(select(DatasetRow.name).where(DatasetRow.id.in_(shown)).order_by(DatasetRow.name))
    return BackupError(
        f"the uploaded files of {len(lost)} datasets are missing ({', '.join(map(repr, names))}"
        f"{' and more' if len(lost) > len(shown) else ''}): give the data folder or store that has them, or delete "
        "those datasets"
    )


def _copy(files: Files, wanted: set[str], folder: Path, copies: dict[str, Part]) -> set[str]:
    """Copy the files that are not copied yet; return those that are gone."""
    gone = set()
    for one in sorted(wanted - copies.keys()):
        target = folder / "files" / one
        try:
            files.copy(one, target)
        except FileNotFoundError:
            target.unlink(missing_ok=True)
            gone.add(one)
            continue
        target.chmod(0o600)
        copies[one] = part_of(target)
    return gone


def _write_rows(session: Session, folder: Path) -> dict[str, int]:
    counts = {}
    for table in rows.tables():
        path = _path(folder, table.name)
        path.unlink(missing_ok=True)
        path.touch(0o600)
        counts[table.name] = rows.write_table(session, table, path)
    return counts


def _path(folder: Path, table: str) -> Path:
    return folder / "rows" / f"{table}.jsonl"
