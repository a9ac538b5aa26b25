"""Progress bars on standard error, for uploads and jobs; silent without a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from reka import PrepareRetrievalStatusResponse
from reka.cli import show
from reka.types import OnProgress, OnUpdate


@contextmanager
def waiting(console: Console, what: str) -> Iterator[None]:
    """Show a spinner until the block ends."""
    if not console.is_terminal:
        yield
        return
    with _bar(console, SpinnerColumn(), TextColumn("{task.description}", style="dim"), transient=True) as bar:
        bar.add_task(what, total=None)
        yield


@contextmanager
def upload_bar(console: Console, indent: int = 0) -> Iterator[OnProgress]:
    """Progress bar of an upload. The total of a zipped folder is unknown until its end: the bar then pulses."""
    with _bar(console, TextColumn("{task.description}"), BarColumn(28), DownloadColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task(" " * indent + "upload  ", total=None)
        sent = 0

        def on_progress(sent_bytes: int, total_bytes: int | None) -> None:
            nonlocal sent
            sent = sent_bytes
            bar.update(task, completed=sent_bytes, total=total_bytes)

        yield on_progress
        bar.update(task, completed=sent, total=sent)


@contextmanager
def job_bar(console: Console, label: str = "prepare", indent: int = 0) -> Iterator[OnUpdate]:
    """Progress bar of a job, by its history; it pulses if the server reports no progress."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(28),
        TaskProgressColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with _bar(console, *columns) as bar:
        task = bar.add_task(" " * indent + f"{label:<8}", total=None, state="PENDING")

        def on_update(status: PrepareRetrievalStatusResponse) -> None:
            done = progress_of(status)
            total = None if done is None else 1.0
            bar.update(task, completed=done or 0, total=total, state=show.one_line(str(status.job_status)))

        yield on_update


def progress_of(status: PrepareRetrievalStatusResponse) -> float | None:
    """Progress of a job, 0 to 1; None if the server does not report it."""
    if status.is_complete():
        return 1.0
    for entry in reversed(status.history):
        done = entry.get("progress")
        if isinstance(done, int | float) and not isinstance(done, bool):
            return min(max(float(done), 0.0), 1.0)
    return None


def _bar(console: Console, *columns: ProgressColumn, transient: bool = False) -> Progress:
    return Progress(*columns, console=console, transient=transient, disable=not console.is_terminal)
