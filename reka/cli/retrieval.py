"""`reka retrieval`: prepare a dataset and follow the job."""

from typing import Annotated

import typer
from rich.text import Text

import reka
from reka.cli import show
from reka.cli.errors import ExitCode
from reka.cli.progress import job_bar, progress_of
from reka.cli.session import Session

Timeout = Annotated[float | None, typer.Option(min=0.0, metavar="SECONDS", help="Maximum wait. Default: no limit.")]


def prepare(
    session: Session,
    name: Annotated[str, typer.Argument(help="Name of the dataset.")],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the job has ended.")] = True,
    timeout: Timeout = None,
) -> None:
    """Prepare a dataset for retrieval. With --no-wait, prints the job id and returns."""
    with session.client() as client:
        if wait:
            job_id, status = prepare_and_wait(client, session, name, timeout)
        else:
            job_id, status = client.prepare_retrieval(name), None
    if session.as_json:
        session.write_json(status_document(job_id, status))
    elif status is None:
        show.result_line(job_id)


def status(
    session: Session,
    job_id: Annotated[str, typer.Argument(help="Job id, as printed by prepare.")],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the job has ended.")] = False,
    timeout: Timeout = None,
) -> None:
    """Show the status of a job. Exits with 5 if the job has failed."""
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
    """Prepare a dataset and wait for the job.

    Raises:
        KeyboardInterrupt: Ctrl-C; the message says how to follow the job again.
    """
    job_id = client.prepare_retrieval(name)
    state = wait_for_job(client, job_id, timeout)
    if not session.as_json:
        show.notes().print(status_line(state), soft_wrap=True)
    return job_id, state


def wait_for_job(client: reka.Reka, job_id: str, timeout: float | None = None) -> reka.PrepareRetrievalStatusResponse:
    """Wait for a job, with a progress bar on a terminal."""
    try:
        with job_bar(show.notes()) as on_update:
            return client.wait_for_retrieval(job_id, timeout=timeout, on_update=on_update)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(f"interrupted; the job continues: reka retrieval status {job_id} --wait") from error


def status_document(job_id: str, state: reka.PrepareRetrievalStatusResponse | None) -> dict[str, object]:
    """Build the --json document of a job; only its id if `state` is None."""
    if state is None:
        return {"job_id": job_id}
    return {
        "job_id": job_id,
        "job_status": str(state.job_status),
        "detail": state.detail,
        "history": state.history,
    }


def status_line(state: reka.PrepareRetrievalStatusResponse) -> Text:
    """Format the status of a job on one line."""
    style = "green" if state.is_complete() else "bold red" if state.is_error() else "yellow"
    done = progress_of(state)
    percent = "" if done is None or state.is_done() else f"  {done:.0%}"
    return Text.assemble(
        (show.one_line(str(state.job_status)), style), percent, f"  {show.one_line(state.detail)}".rstrip()
    )
