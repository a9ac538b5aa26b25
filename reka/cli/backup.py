"""`reka backup` and `reka restore`: all that your own server stores, as a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from reka.cli import show
from reka.cli.errors import SettingsError, StepError
from reka.cli.serve import DatabaseUrl, DataDir, StoreUrl, require_data, server_settings, start_failures
from reka.cli.session import Session

if TYPE_CHECKING:
    from reka.server.backup.layout import Summary
    from reka.server.settings import Settings


def backup(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the backup; it is empty or new.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    store_url: StoreUrl = None,
) -> None:
    """Back up datasets, documents, jobs and keys of your server, which may go on meanwhile.

    Keys are in it as digests. The index is not: a server builds it anew from the texts.
    """
    settings = _settings(data_dir, database_url, store_url)
    from reka.server.backup.dump import back_up
    from reka.server.storage.opening import open_stored

    require_data(settings)
    with _failures(), open_stored(settings) as (database, files):
        summary = back_up(database, files, folder)
    _report(session, "backed up", summary)


def restore(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the backup.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    store_url: StoreUrl = None,
) -> None:
    """Restore a backup into a new data folder, or a new database and a new store, on which no server runs."""
    settings = _settings(data_dir, database_url, store_url)
    from reka.server.backup.restore import restore as restore_backup
    from reka.server.storage.data_dir import DataFolder
    from reka.server.storage.opening import open_storage

    data_folder = DataFolder(settings.data_dir)
    with _failures(), data_folder.locked(), open_storage(settings, restores=True) as (database, store):
        summary = restore_backup(database, store.files, data_folder, folder)
    _report(session, "restored", summary)


def _settings(data_dir: Path | None, database_url: str | None, store_url: str | None) -> "Settings":
    return server_settings(data_dir=data_dir, database_url=database_url, store_url=store_url)


@contextmanager
def _failures() -> Iterator[None]:
    from reka.server.backup.layout import BackupError

    try:
        with start_failures():
            yield
    except BackupError as error:
        raise StepError(str(error)) from error
    except ValueError as error:
        raise SettingsError([str(error)]) from error
    except OSError as error:
        raise StepError(f"cannot read or write all of it ({error.strerror or error})") from error


def _report(session: Session, what: str, summary: "Summary") -> None:
    if session.as_json:
        session.write_json(asdict(summary))
        return
    size = f"{summary.datasets} datasets, {summary.documents} documents, {summary.files} files, {summary.bytes} bytes"
    show.notes().print(Text(f"{what} {size}"))
