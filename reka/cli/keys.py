"""`reka keys`: the keys that a server of your own takes. They work on its data, whether it runs or not."""

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
from reka.cli.serve import DataDir, server_settings
from reka.cli.session import Session

if TYPE_CHECKING:
    from reka.server.storage.api_keys import KeyRing

_ID_CHARACTERS: Final = 12


def create(
    session: Session,
    owner: Annotated[str, typer.Argument(help="Whose it is. The keys of one owner open the same datasets.")],
    data_dir: DataDir = None,
) -> None:
    """Make a key, and write it: the one time it can be seen."""
    with _key_ring(data_dir, make=True) as keys:
        try:
            key = keys.create(owner)
        except ValueError as error:
            raise UsageError(str(error)) from error
    if session.as_json:
        session.write_json({"key": key, "owner": owner})
        return
    show.results().print(Text(key), soft_wrap=True)
    show.notes().print(Text("not stored, so keep it now; from here on the server takes known keys alone", style="dim"))


def list_(session: Session, data_dir: DataDir = None) -> None:
    """List the keys: their ids, never the keys themselves."""
    with _key_ring(data_dir) as keys:
        known = keys.list()
    if session.as_json:
        session.write_json([asdict(key) for key in known])
        return
    table = Table("id", "owner", "created", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for key in known:
        table.add_row(key.digest[:_ID_CHARACTERS], Text(show.one_line(key.owner)), key.created)
    if known:
        show.results().print(table)
    else:
        show.notes().print(Text("there are none: the server takes any key, on this machine alone", style="dim"))


def revoke(
    session: Session,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, from reka keys list.")],
    data_dir: DataDir = None,
) -> None:
    """Take a key back. The datasets of its owner stay."""
    with _key_ring(data_dir) as keys:
        try:
            revoked = keys.revoke(key_id)
        except LookupError as error:
            raise StepError(f"{error}; reka keys list shows the ids") from error
    if session.as_json:
        session.write_json(asdict(revoked))
    else:
        show.notes().print(Text(f"revoked {revoked.digest[:_ID_CHARACTERS]} of {show.one_line(revoked.owner)}"))


@contextmanager
def _key_ring(data_dir: Path | None, *, make: bool = False) -> "Iterator[KeyRing]":
    """Open the keys of the server that keeps its data in a folder.

    Raises:
        UsageError: There is no server's data, and it is not to be made; or the server's packages are missing.
    """
    settings = server_settings(data_dir=data_dir)
    from reka.server.errors import StartError
    from reka.server.storage.api_keys import KeyRing
    from reka.server.storage.data_dir import DataFolder
    from reka.server.storage.database import Database, sqlite_url

    folder = DataFolder(settings.data_dir)
    if settings.database_url is None and not make and not folder.database.exists():
        raise UsageError(f"{str(settings.data_dir)!r} holds no server's data; give its folder with --data-dir")
    try:
        folder.make()
    except StartError as error:
        raise StepError(str(error)) from error
    database = Database(settings.database_url or sqlite_url(folder.database))
    try:
        yield KeyRing(database, accept_any=False)
    finally:
        database.close()
