"""`reka keys`: API keys of your own server; works on its data folder, whether the server runs or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from reka.cli import show
from reka.cli.errors import StepError, UsageError
from reka.cli.serve import DatabaseUrl, DataDir, require_data, server_settings, start_failures
from reka.cli.session import Session

if TYPE_CHECKING:
    from reka.server.storage.api_keys import KeyRing

_ID_CHARACTERS: Final = 12


def create(
    session: Session,
    owner: Annotated[str, typer.Argument(help="Owner of the key. All keys of an owner open the same datasets.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Create a key and print it. It cannot be shown again."""
    with _key_ring(data_dir, database_url, make=True) as keys:
        try:
            key = keys.create(owner)
        except ValueError as error:
            raise UsageError(str(error)) from error
    if session.as_json:
        session.write_json({"key": key, "owner": owner})
        return
    show.results().print(Text(key), soft_wrap=True)
    show.notes().print(
        Text("save it now: only its hash is stored. From now on the server accepts created keys only", style="dim")
    )


def list_(session: Session, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """List the ids and owners of the keys; the keys themselves are not stored."""
    with _key_ring(data_dir, database_url) as keys:
        records, accepts_any = keys.list(), keys.is_new
    if session.as_json:
        session.write_json([asdict(key) for key in records])
        return
    table = Table("id", "owner", "created", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for key in records:
        table.add_row(key.digest[:_ID_CHARACTERS], Text(show.one_line(key.owner)), key.created)
    if records:
        show.results().print(table)
    else:
        note = "accepts any, from this machine only" if accepts_any else "accepts none, as it had keys before"
        show.notes().print(Text(f"no keys: until one is created, the server {note}", style="dim"))


def revoke(
    session: Session,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the key, from reka keys list.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Revoke a key. The datasets of its owner are kept."""
    with _key_ring(data_dir, database_url) as keys:
        try:
            revoked = keys.revoke(key_id)
            is_last = not keys.list()
        except LookupError as error:
            raise StepError(f"{error}; reka keys list shows the ids") from error
    if session.as_json:
        session.write_json(asdict(revoked))
    else:
        show.notes().print(Text(f"revoked {revoked.digest[:_ID_CHARACTERS]} of {show.one_line(revoked.owner)}"))
        if is_last:
            show.notes().print(Text("it was the last one: the server accepts no key until one is created", style="dim"))


@contextmanager
def _key_ring(data_dir: Path | None, database_url: str | None, *, make: bool = False) -> "Iterator[KeyRing]":
    """Open the key store in a data folder.

    Args:
        data_dir: The server's data folder; None for the default.
        database_url: URL of its database; None for the one that the environment or the folder has.
        make: Whether to create folder or database if there are none.

    Raises:
        UsageError: The folder holds no server's data, or the server's packages are missing.
        StepError: Folder or database cannot be used, or the database has no server's data.
    """
    settings = server_settings(data_dir=data_dir, database_url=database_url)
    from reka.server.storage.api_keys import KeyRing
    from reka.server.storage.data_dir import DataFolder
    from reka.server.storage.database import open_database

    if not make:
        require_data(settings)
    with (
        start_failures(),
        open_database(DataFolder(settings.data_dir), settings.database_url, makes=make) as database,
    ):
        yield KeyRing(database, accept_any=False)
