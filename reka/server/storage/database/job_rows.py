"""States of a job's row, and its history: every change of a state is an entry of it."""

from typing import Any, Final

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from reka.server.storage.database.rows import DatasetRow, DocumentRow, JobEventRow, JobRow, now
from reka.types import JobStatus

# As plain strings, which every database takes.
PENDING: Final = JobStatus.PENDING.value
RUNNING: Final = JobStatus.RUNNING.value
COMPLETE: Final = JobStatus.COMPLETE.value
ERROR: Final = JobStatus.ERROR.value

STATUSES: Final = tuple(status.value for status in JobStatus)
OPEN: Final = (PENDING, RUNNING)
"""States of jobs that have not ended."""

FIRST_FIRST: Final = (JobRow.number, JobRow.created, JobRow.id)
"""Order of a queue."""

LAST_FIRST: Final = tuple(column.desc() for column in FIRST_FIRST)
"""Order of the jobs of a dataset, the last one first."""


def open_jobs(dataset_id: str) -> Select[JobRow]:
    """Select the jobs of a dataset that have not ended."""
    return select(JobRow).where(JobRow.dataset_id == dataset_id, JobRow.status.in_(OPEN))


def count_by_status(session: Session) -> dict[str, int]:
    """Count the jobs of all owners in each status."""
    rows = session.execute(select(JobRow.status, func.count().label("jobs")).group_by(JobRow.status))
    return dict.fromkeys(STATUSES, 0) | {row.status: row.jobs for row in rows}


def lock(session: Session, dataset_id: str, job_id: str) -> tuple[DatasetRow | None, JobRow | None]:
    """Lock the rows of a dataset and a job of it, and return those that are there."""
    dataset = session.get(DatasetRow, dataset_id, with_for_update=True)
    return dataset, session.get(JobRow, job_id, with_for_update=True)


def transition(job: JobRow, status: str, detail: str, progress: float | None = None) -> None:
    """Set a job's state, and append it to the job's history."""
    job.status, job.detail = status, detail
    job.events.append(JobEventRow(time=now(), status=status, detail=detail, progress=progress))


def fail(session: Session, job: JobRow, detail: str) -> None:
    """Fail a job; the changes that it claimed wait for another one."""
    session.execute(update(DocumentRow).where(DocumentRow.job_id == job.id).values(job_id=None))
    transition(job, ERROR, detail)


def event_to_dict(event: JobEventRow) -> dict[str, Any]:
    """Return an entry of a history in the API's form."""
    entry: dict[str, Any] = {"time": event.time, "job_status": event.status, "detail": event.detail}
    if event.progress is not None:
        entry["progress"] = event.progress
    return entry
