"""`reka datasets show | documents | put | rm | search | export`."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

import reka
from reka import config
from reka.cli import show
from reka.cli.documents.inputs import documents_of, json_object
from reka.cli.errors import UsageError
from reka.cli.progress import job_bar, waiting
from reka.cli.session import Session

_Name = Annotated[str, typer.Argument(help="Name of the dataset.")]
_Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the change can be searched.")]
_Filter = Annotated[
    str | None,
    typer.Option(
        "--filter", metavar="JSON", help='Condition on metadata, such as {"lang": "de", "year": {"$gt": 2020}}.'
    ),
]

_FIELDS: Final = ("state", "documents", "chunks", "size_bytes", "description", "created", "embedder", "job_id")


def show_(session: Session, name: _Name) -> None:
    """Describe a dataset: its size, and whether it can be searched."""
    with session.client() as client:
        info = client.describe_dataset(name)
    if session.as_json:
        session.write_json(info)
        return
    fields: dict[str, Any] = {**info}
    show.results().print(Text(show.one_line(info["name"]), style="bold"), soft_wrap=True)
    for field in _FIELDS:
        if (value := fields.get(field)) is not None:
            show.results().print(Text(f"  {field:<12}{show.one_line(str(value))}"), soft_wrap=True)


def documents(session: Session, name: _Name) -> None:
    """List the documents of a dataset, one per line: id, source, size, chunks, metadata."""
    with session.client() as client:
        listed = client.list_documents(name)
        if session.as_json:
            session.write_json(list(listed))
            return
        count = 0
        for document in listed:
            show.results().print(_document_line(document), soft_wrap=True)
            count += 1
    if not count:
        show.notes().print(Text("no documents; put some with reka datasets put NAME PATH", style="dim"))


def put(
    session: Session,
    name: _Name,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Text files (the id is the name), folders of text files (the id is the path in the folder), .jsonl "
            'files with one {"id", "text", "source", "metadata"} a line, or - for such lines on standard input.',
        ),
    ],
    metadata: Annotated[
        str | None, typer.Option(metavar="JSON", help="Metadata of each document that does not have its own.")
    ] = None,
    wait: _Wait = True,
) -> None:
    """Put documents into a dataset. One whose id is there replaces it; the others stay."""
    given = documents_of(paths, json_object(metadata, "--metadata") or {})
    with session.client() as client, job_bar(show.notes(), "put") as on_update, given.named():
        result = client.put_documents(name, given, wait=wait, on_update=on_update)
    if session.as_json:
        session.write_json(result)
        return
    counts = (f"{result[count]:,} {count}" for count in ("added", "replaced", "unchanged"))
    _note_change(name, ", ".join(counts), None if wait else result["job_id"])


def rm(
    session: Session,
    name: _Name,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Ids of the documents to delete.")] = None,
    condition: _Filter = None,
    wait: _Wait = True,
) -> None:
    """Delete documents of a dataset, by their ids or by a filter; reka datasets delete deletes all of it."""
    if bool(ids) == (condition is not None):
        raise UsageError("want ids of documents, or --filter; reka datasets delete deletes the whole dataset")
    wanted = json_object(condition, "--filter")
    with session.client() as client, job_bar(show.notes(), "delete") as on_update:
        result = client.delete_documents(name, ids or None, filter=wanted, wait=wait, on_update=on_update)
    if session.as_json:
        session.write_json(result)
        return
    _note_change(name, f"{result['deleted']:,} deleted", None if wait else result["job_id"])


def search(
    session: Session,
    name: _Name,
    query: Annotated[str, typer.Argument(help="What to search for, in natural language.")],
    k: Annotated[int, typer.Option("-k", "--top", help="Maximum number of chunks.")] = config.RETRIEVED_CHUNKS,
    condition: _Filter = None,
    mode: Annotated[str, typer.Option(help="How to search: hybrid, keyword or vector.")] = "hybrid",
) -> None:
    """Search a dataset, without a chat: score, source and text of the chunks, best first."""
    wanted = json_object(condition, "--filter")
    with session.client() as client, waiting(show.notes(), "searching"):
        # The client checks the mode.
        found = client.retrieve(query, name, k, filter=wanted, mode=mode)  # type: ignore[arg-type]
    if session.as_json:
        session.write_json(found)
    else:
        show.chunks(show.results(), found)


def export(
    session: Session,
    name: _Name,
    path: Annotated[
        str | None, typer.Argument(help="The file to write, which is replaced. Default: NAME.zip in this folder.")
    ] = None,
) -> None:
    """Download the texts of a dataset as a zip."""
    with session.client() as client, waiting(show.notes(), "downloading"):
        written = client.export_dataset(name, Path(f"{name}.zip").name if path is None else path)
    size = written.stat().st_size
    if session.as_json:
        session.write_json({"name": name, "path": str(written), "size_bytes": size})
    else:
        line = Text.assemble(("✓ ", "green"), f"{show.one_line(str(written))}  {size:,} bytes")
        show.notes().print(line, soft_wrap=True)


def _document_line(document: reka.DocumentInfo) -> Text:
    metadata = json.dumps(document["metadata"], ensure_ascii=False) if document["metadata"] else ""
    source = document["source"] if document["source"] not in {None, document["id"]} else ""
    chunks = f"{document['chunks']:,} chunk{'' if document['chunks'] == 1 else 's'}"
    details = f"{source}  {document['size_bytes']:,} bytes  {chunks}  {metadata}"
    return Text.assemble((show.one_line(document["id"]), "bold"), f"  {show.one_line(details)}")


def _note_change(name: str, change: str, job_id: str | None) -> None:
    line = Text.assemble(("✓ ", "green"), (show.one_line(name), "bold"), f"  {change}")
    if job_id is not None:
        line.append(f"; job {show.one_line(job_id)}: reka retrieval status {show.one_line(job_id)} --wait")
    show.notes().print(line, soft_wrap=True)
