"""`reka logs`: the conversations of `reka chat` that are kept."""

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reka._protocol.checks import require_utf8
from reka.cli import show
from reka.cli.errors import StepError, UsageError, reason_of
from reka.cli.logs.store import Kept, KeptTurn, LogStore, Summary, logs_path
from reka.cli.session import Session

_EXCERPT: Final = 200
_BEFORE_HIT: Final = 30
"""Characters before a text that was searched for."""

_NONE_KEPT: Final = "no conversations are kept yet; reka chat begins one"

_Number = Annotated[
    int, typer.Option("--number", "-n", min=1, metavar="COUNT", help="Maximum number of conversations.")
]


def logs(session: Session, number: _Number = 20) -> None:
    """List the conversations of reka chat that are kept, the newest first.

    They are on this machine, readable by you alone: questions and answers, names of media, no keys. With --no-log, or
    log = false in the section chat of the file that reka config shows, none is kept.
    """
    with _store() as store:
        found = store.summaries(number)
    _show_list(session, found, [summary.text for summary in found])
    if not found:
        _note(_NONE_KEPT)


def search(
    session: Session,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What a question or an answer has, in capitals or not.")],
    number: _Number = 20,
) -> None:
    """Search the conversations that are kept, the newest first."""
    require_utf8(text, "TEXT")
    with _store() as store:
        found = store.summaries(number, text)
    _show_list(session, found, [around(summary.text, text) for summary in found])
    if not found:
        _note("no conversation has this text")


def show_(
    session: Session,
    number: Annotated[
        int | None, typer.Argument(metavar="ID", help="Its id in the list. Default: the newest.", show_default=False)
    ] = None,
) -> None:
    """Show a conversation that is kept."""
    with _store() as store:
        kept = store.read(number)
    if kept is None:
        raise _missing(number)
    if session.as_json:
        session.write_json(_document(kept))
        return
    console = show.results()
    _note(" · ".join(filter(None, (str(kept.id), _local(kept.changed), kept.head.model, kept.head.dataset))))
    if kept.head.system:
        _note(f"system: {kept.head.system}")
    for turn in kept.turns:
        _show_turn(console, turn)


def delete(
    session: Session,
    numbers: Annotated[list[int] | None, typer.Argument(metavar="ID", help="Ids in the list.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete all of them.")] = False,
) -> None:
    """Delete conversations that are kept."""
    if bool(numbers) == everything:
        raise UsageError("want ids of conversations, or --all")
    with _store() as store:
        deleted = store.delete(None if everything else numbers)
    if session.as_json:
        session.write_json({"deleted": deleted})
    else:
        _note(f"{len(deleted)} deleted")
    missing = [number for number in numbers or () if number not in deleted]
    if missing:
        raise _missing(missing[0])


def around(text: str, wanted: str) -> str:
    """Cut a text so that it shows a place that it has."""
    line = show.one_line(text)
    # Capitals may have other lengths: then the place is a little off.
    place = line.casefold().find(show.one_line(wanted).casefold())
    if place <= _BEFORE_HIT:
        return line
    begin = line.find(" ", place - _BEFORE_HIT)
    return f"…{line[begin + 1 if 0 <= begin < place else place :]}"


@contextmanager
def _store() -> Iterator[LogStore]:
    store = LogStore(logs_path())
    try:
        yield store
    except (OSError, sqlite3.Error) as error:
        raise StepError(f"{store.path}: {reason_of(error)}") from error


def _missing(number: int | None) -> UsageError:
    if number is None:
        return UsageError(_NONE_KEPT)
    return UsageError(f"there is no conversation {number}; reka logs lists them")


def _show_list(session: Session, found: Sequence[Summary], texts: Sequence[str]) -> None:
    if session.as_json:
        session.write_json([summary._asdict() for summary in found])
        return
    console = show.results()
    rows = [
        (str(one.id), _local(one.changed), show.one_line(one.model or ""), str(one.turns), show.excerpt(text, _EXCERPT))
        for one, text in zip(found, texts, strict=True)
    ]
    if not console.is_terminal:
        for row in rows:
            sys.stdout.write("\t".join(row) + "\n")
    elif rows:
        console.print(_table(rows, console.width))


def _table(rows: Sequence[tuple[str, ...]], width: int) -> Table:
    table = show.plain_table()
    table.add_column("id", justify="right", style="cyan", no_wrap=True)
    table.add_column("time", no_wrap=True)
    if width >= show.NARROW:
        table.add_column("model", style="green", max_width=width // 4, overflow="ellipsis", no_wrap=True)
        table.add_column("turns", justify="right", no_wrap=True)
    table.add_column("text", ratio=1, overflow="ellipsis", no_wrap=True)
    for number, time, model, turns, text in rows:
        details = (model, turns) if width >= show.NARROW else ()
        table.add_row(*map(Text, (number, time, *details, text)))
    return table


def _show_turn(console: Console, turn: KeptTurn) -> None:
    console.print()
    if turn.type == "model":
        show.answer(console, turn.text)
        return
    lines = show.clean(turn.text).strip("\n").split("\n")
    for line in (*lines, *([f"[{show.one_line(turn.media)}]"] if turn.media else ())):
        console.print(Text(f"> {line}", style="bold"), soft_wrap=not console.is_terminal)


def _document(kept: Kept) -> dict[str, Any]:
    """A conversation as `/save` writes it, so that `/load` takes it, with what else is known of it."""
    return {
        "id": kept.id,
        "began": kept.began,
        "changed": kept.changed,
        **kept.head._asdict(),
        "turns": [{key: value for key, value in turn._asdict().items() if value is not None} for turn in kept.turns],
    }


def _local(time: str) -> str:
    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M")


def _note(text: str) -> None:
    show.notes().print(Text(show.one_line(text), style="dim"), soft_wrap=True)
