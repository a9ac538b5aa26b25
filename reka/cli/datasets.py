"""`reka datasets`: add, list and delete."""

from typing import Annotated, Any

import typer
from rich.text import Text

import reka
from reka._protocol.checks import expanded
from reka.cli import show
from reka.cli.errors import ExitCode, message
from reka.cli.progress import upload_bar
from reka.cli.retrieval import prepare_and_wait, status_document
from reka.cli.session import Session
from reka.types import DatasetResult


def add(
    session: Session,
    path: Annotated[str, typer.Argument(help="A text file, a zip of text files, or a folder of text files.")],
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the dataset. Default: the file's name without its extension."),
    ] = None,
    description: Annotated[str | None, typer.Option(help="Description stored with the dataset.")] = None,
    prepare: Annotated[
        bool, typer.Option("--prepare/--no-prepare", help="Also prepare it for retrieval, and wait.")
    ] = False,
) -> None:
    """Upload a text collection as a dataset. A folder is zipped as it is sent."""
    with session.client() as client:
        stored = upload(client, path, name or default_name(path), description)
        if not stored["ok"]:
            raise reka.DatasetError(f"the server did not accept {path!r}: {stored['info'] or 'it gave no reason'}")
        document: dict[str, object] = dict(stored)
        if not session.as_json:
            _note(document)
            if not show.results().is_terminal:
                # The stored name, which may differ from the requested one, for programs that read the output.
                show.result_line(stored["name"])
        if prepare:
            document["retrieval"] = status_document(*prepare_and_wait(client, session, str(stored["name"])))
    if session.as_json:
        session.write_json(document)


def list_(session: Session) -> None:
    """List the datasets of the key, one per line."""
    with session.client() as client:
        names = client.list_datasets()
    if session.as_json:
        session.write_json(names)
        return
    for name in names:
        show.result_line(name)
    if not names:
        show.notes().print(Text("no datasets; upload one with reka datasets add PATH", style="dim"))


def delete(
    session: Session,
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="The datasets to delete.")],
) -> None:
    """Delete datasets with their indexes. A failure does not stop the others."""
    results: list[dict[str, Any]] = []
    with session.client() as client:
        for name in names:
            results.append(_delete_one(client, session, name))
            if not session.as_json:
                _note(results[-1])
    if session.as_json:
        session.write_json(results)
    if not all(result["ok"] for result in results):
        raise typer.Exit(ExitCode.RETRIEVAL)


def default_name(path: str) -> str:
    """Derive a dataset's name from its file or folder."""
    resolved = expanded(path, "PATH").resolve()
    return resolved.name if resolved.is_dir() else resolved.stem


def upload(client: reka.Reka, path: str, name: str, description: str | None = None) -> DatasetResult:
    """Upload a file or a folder, with a progress bar on a terminal."""
    is_folder = expanded(path, "PATH").is_dir()
    send = client.add_folder if is_folder else client.add_dataset
    with upload_bar(show.notes()) as on_progress:
        return send(path, name, description, on_progress=on_progress)


def _delete_one(client: reka.Reka, session: Session, name: str) -> dict[str, Any]:
    try:
        return {"ok": True, **client.delete_dataset(name)}
    except (reka.AuthError, reka.APIStatusError):
        raise  # of no one dataset, although these are also a `DatasetError`
    except (reka.DatasetError, reka.InvalidArgumentError) as error:
        return {"name": name, "ok": False, "info": message(error, session.places)}


def _note(result: dict[str, Any]) -> None:
    """Print the server's message about a dataset on one line."""
    line = Text.assemble(
        ("✓ ", "green") if result.get("ok", True) else ("✗ ", "bold red"),
        (show.one_line(str(result.get("name", ""))), "bold"),
        f"  {show.one_line(str(result.get('info', '')))}",
    )
    show.notes().print(line, soft_wrap=True)
