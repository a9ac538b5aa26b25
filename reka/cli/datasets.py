"""`reka datasets`: add, list and delete."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

import reka
from reka.cli import show
from reka.cli.errors import ExitCode
from reka.cli.progress import upload_bar
from reka.cli.retrieval import prepare_and_wait, status_document
from reka.cli.session import Session
from reka.types import DatasetResult


def add(
    session: Session,
    path: Annotated[str, typer.Argument(help="A text file, a zip of text files, or a folder of text files.")],
    name: Annotated[
        str | None, typer.Option(help="What to call it. Default: the file's name without its ending.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="A note that is kept with it.")] = None,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Prepare it for retrieval, too, and wait for that.")
    ] = False,
) -> None:
    """Upload a text collection. A folder is zipped while it is being sent."""
    with session.client() as client:
        stored = upload(client, path, name or default_name(path), description)
        if not stored["ok"]:
            raise reka.DatasetError(f"the server did not take {path!r}: {stored['info'] or 'it does not say why'}")
        document: dict[str, object] = dict(stored)
        if not session.as_json:
            _note(document)
            if not show.results().is_terminal:
                # The stored name, which may be another than was asked for, for whatever reads the output.
                show.results().print(Text(show.one_line(stored["name"])), soft_wrap=True)
        if prepare:
            document["retrieval"] = status_document(*prepare_and_wait(client, session, str(stored["name"])))
    if session.as_json:
        session.write_json(document)


def list_(session: Session) -> None:
    """List the datasets of this key, one a line."""
    with session.client() as client:
        names = client.list_datasets()
    if session.as_json:
        session.write_json(names)
        return
    for name in names:
        show.results().print(Text(show.one_line(name)), soft_wrap=True)
    if not names:
        show.notes().print(Text("there are none; reka datasets add PATH makes one", style="dim"))


def delete(
    session: Session,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="The datasets to delete.")],
) -> None:
    """Delete datasets, with all that was prepared of them. One that fails does not keep the others."""
    results: list[dict[str, Any]] = []
    with session.client() as client:
        for name in names:
            results.append(_delete_one(client, name))
            if not session.as_json:
                _note(results[-1])
    if session.as_json:
        session.write_json(results)
    if not all(result["ok"] for result in results):
        raise typer.Exit(ExitCode.RETRIEVAL)


def default_name(path: str) -> str:
    """Name a dataset after its file or folder."""
    found = Path(path).expanduser().resolve()
    return found.name if found.is_dir() else found.stem


def upload(client: reka.Reka, path: str, name: str, description: str | None = None) -> DatasetResult:
    """Send a file or a folder, with a bar of bytes on a terminal."""
    is_folder = Path(path).expanduser().is_dir()
    send = client.add_folder if is_folder else client.add_dataset
    with upload_bar(show.notes()) as on_progress:
        return send(path, name, description, on_progress=on_progress)


def _delete_one(client: reka.Reka, name: str) -> dict[str, Any]:
    try:
        return {"ok": True, **client.delete_dataset(name)}
    except (reka.DatasetError, reka.InvalidArgumentError) as error:
        return {"name": name, "ok": False, "info": str(error)}


def _note(result: dict[str, Any]) -> None:
    """Tell what the server says about a dataset, in one line."""
    line = Text.assemble(
        ("✓ " if result.get("ok", True) else "✗ ", "green" if result.get("ok", True) else "bold red"),
        (show.one_line(str(result.get("name", ""))), "bold"),
        f"  {show.one_line(str(result.get('info', '')))}",
    )
    show.notes().print(line, soft_wrap=True)
