"""`reka retrieval`: prepare a dataset, and follow the job that does it."""

from typing import Annotated

import typer
from rich.text import Text

import reka
from reka.cli import show
from reka.cli.errors import ExitCode
from reka.cli.progress import job_bar, progress_of
from reka.cli.session import Session

Timeout = Annotated[
    float | None, typer.Option(min=0.0, metavar="SECONDS", help="Longest wait. Default: as long as the job takes.")
]


def prepare(
    session: Session,
    name: Annotated[str, typer.Argument(help="The dataset.")],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the job to its end.")] = True,
    timeout: Timeout = None,
) -> None:
    """Prepare a dataset for retrieval. Without waiting, the job's id is all that is written."""
    with session.client() as client:
        if wait:
            job_id, status = prepare_and_wait(client, session, name, timeout)
        else:
            job_id, status = client.prepare_retrieval(name), None
    if session.as_json:
        session.write_json(status_document(job_id, status))
    elif status is None:
        show.results().print(Text(show.one_line(job_id)), soft_wrap=True)


def status(
    session: Session,
    job_id: Annotated[str, typer.Argument(help="What prepare wrote.")],
    wait: Annotated[bool, typer.Option("--wait", help="Follow the job to its end.")] = False,
    timeout: Timeout = None,
) -> None:
    """Tell the state of a job. Exits with 5 if the job has failed."""
    with session.client() as client:
        state = wait_for_job(client, job_id, timeout) if wait else client.retrieval_job_status(job_id)
    if session.as_json:
        session.write_json(status_document(job_id, state))
    else:
        show.results().print(status_line(state), soft_wrap=True)
    if state.is_error():
        raise typer.Exit(ExitCode.RETRIEVAL)


def prepare_and_wait(
    client: reka.Reka, session: Session, name: str, timeout: float | None = None
) -> tuple[str, reka.PrepareRetrievalStatusResponse]:
    """Prepare a dataset and wait for it.

    Raises:
        KeyboardInterrupt: Ctrl-C; the message says how to find the job again.
    """
    job_id = client.prepare_retrieval(name)
    state = wait_for_job(client, job_id, timeout)
    if not session.as_json:
        show.notes().print(status_line(state), soft_wrap=True)
    return job_id, state


def wait_for_job(client: reka.Reka, job_id: str, timeout: float | None = None) -> reka.PrepareRetrievalStatusResponse:
    """Follow a job to its end, with a bar on a terminal."""
    try:
        with job_bar(show.notes()) as on_update:
            return client.wait_for_retrieval(job_id, timeout=timeout, on_update=on_update)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(f"interrupted; the job goes on: reka retrieval status {job_id} --wait") from error


def status_document(job_id: str, state: reka.PrepareRetrievalStatusResponse | None) -> dict[str, object]:
    """Give a job as what --json writes; just its id if its state was not asked for."""
    if state is None:
        return {"job_id": job_id}
    return {
        "job_id": job_id,
        "job_status": str(state.job_status),
        "detail": state.detail,
        "history": state.history,
    }


def status_line(state: reka.PrepareRetrievalStatusResponse) -> Text:
    """Write the state of a job on one line."""
    style = "green" if state.is_complete() else "bold red" if state.is_error() else "yellow"
    done = progress_of(state)
    percent = "" if done is None or state.is_done() else f"  {done:.0%}"
    return Text.assemble(
        (show.one_line(str(state.job_status)), style), percent, f"  {show.one_line(state.detail)}".rstrip()
    )
