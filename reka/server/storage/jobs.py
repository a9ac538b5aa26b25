"""Prepare-retrieval jobs as they are recorded: each change of state is one transaction, and no state is skipped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from reka.server.errors import NotFoundError, RefusedError
from reka.server.storage.database import Database, DatasetRow, JobEventRow, JobRow, now

PENDING: Final = "PENDING"
RUNNING: Final = "RUNNING"
COMPLETE: Final = "COMPLETE"
ERROR: Final = "ERROR"

STATUSES: Final = (PENDING, RUNNING, COMPLETE, ERROR)
_OPEN: Final = (PENDING, RUNNING)

MAX_STARTS: Final = 20
"""How often a job is begun before it is given up: one that brings the server down each time must end too (ours)."""


@dataclass(frozen=True, slots=True)
class Task:
    """A job that has begun, and all that its work needs to know."""

    job_id: str
    dataset_id: str
    kind: str
    source: str
    table: str
    """The table to build; another name at each start, so that no start meets what an earlier one has left."""


class Jobs:
    """The jobs of one server."""

    def __init__(self, database: Database) -> None:
        """Record jobs in `database`."""
        self._database = database
        self._on_new: Callable[[], object] = _noop
        self._on_deleted: Callable[[str], object] = _noop

    def listen(self, on_new: Callable[[], object], on_deleted: Callable[[str], object]) -> None:
        """Have `on_new` called when there is a new job, `on_deleted` with a dataset's id when that was deleted."""
        self._on_new, self._on_deleted = on_new, on_deleted

    def add(self, owner: str, dataset_name: str) -> str:
        """Ask for a dataset to be prepared.

        Returns:
            The new job's id.

        Raises:
            NotFoundError: The owner has no such dataset.
            RefusedError: It is prepared already, or being prepared.
        """
        from reka.server.storage.database import require_dataset

        with self._database.write() as session:
            dataset = require_dataset(session, owner, dataset_name)
            if dataset.table is not None:
                raise RefusedError(f"Retrieval has already been prepared for dataset {dataset.name!r}: it can be used")
            other = session.scalar(_open_jobs(dataset.id))
            if other is not None:
                raise RefusedError(
                    f"Retrieval is already being prepared for dataset {dataset.name!r} by job {other.id}: "
                    "ask for that job's status"
                )
            job = JobRow(
                id=uuid4().hex,
                owner=owner,
                dataset_id=dataset.id,
                dataset_name=dataset.name,
                status=PENDING,
                detail="",
                starts=0,
                created=now(),
            )
            session.add(job)
            _transition(job, PENDING, "Waiting for its turn")
        self._on_new()
        return job.id

    def status(self, owner: str, job_id: str) -> dict[str, Any]:
        """A job's state, as the API tells it.

        Raises:
            NotFoundError: The owner has no such job.
        """
        with self._database.read() as session:
            job = session.get(JobRow, job_id)
            if job is None or job.owner != owner:
                raise NotFoundError(f"There is no job {job_id!r} of this API key")
            return {
                "job_status": job.status,
                "detail": job.detail,
                "history": [_event_to_dict(line) for line in job.events],
            }

    def count_by_status(self) -> dict[str, int]:
        """How many jobs there are of each status, of all keys."""
        with self._database.read() as session:
            rows = session.execute(select(JobRow.status, func.count().label("jobs")).group_by(JobRow.status))
            counts = {row.status: row.jobs for row in rows}
        return {status: counts.get(status, 0) for status in STATUSES}

    def begin_next(self) -> Task | None:
        """Begin the oldest job that has not ended, be it one that another run of the server had begun.

        Returns:
            What is to be done; None if there is nothing.
        """
        while True:
            with self._database.write() as session:
                job = session.scalar(
                    select(JobRow).where(JobRow.status.in_(_OPEN)).order_by(JobRow.created, JobRow.id).limit(1)
                )
                if job is None:
                    return None
                dataset = session.get(DatasetRow, job.dataset_id)
                if dataset is None:
                    _transition(job, ERROR, _deleted(job))
                elif job.starts >= MAX_STARTS:
                    _transition(
                        job, ERROR, f"Given up: the server ended {MAX_STARTS} times while it worked on this job"
                    )
                else:
                    _transition(job, RUNNING, "Taken up again" if job.starts else "Started", progress=0.0)
                    job.starts += 1
                    table = f"chunks_{job.id}_{job.starts}"
                    return Task(job.id, dataset.id, dataset.kind, dataset.source, table)

    def report(self, job_id: str, detail: str, progress: float) -> None:
        """Add a line to the history of a running job; of one that has ended meanwhile, nothing."""
        with self._database.write() as session:
            job = session.get(JobRow, job_id)
            if job is not None and job.status == RUNNING:
                _transition(job, RUNNING, detail, progress=progress)

    def complete(self, task: Task, detail: str) -> bool:
        """Make a task's table the dataset's, and its job complete, at once.

        Returns:
            False, and nothing has changed, if the job had ended meanwhile or the dataset is gone.
        """
        with self._database.write() as session:
            job = session.get(JobRow, task.job_id)
            dataset = session.get(DatasetRow, task.dataset_id)
            if job is None or job.status != RUNNING or dataset is None:
                return False
            dataset.table = task.table
            _transition(job, COMPLETE, detail, progress=1.0)
            return True

    def fail(self, job_id: str, detail: str) -> None:
        """End a job as failed, unless it has ended."""
        with self._database.write() as session:
            job = session.get(JobRow, job_id)
            if job is not None and job.status in _OPEN:
                _transition(job, ERROR, detail)

    def fail_jobs_of(self, session: Session, dataset_id: str) -> None:
        """End, in the transaction that deletes a dataset, the jobs that prepare it."""
        jobs: Sequence[JobRow] = session.scalars(_open_jobs(dataset_id)).all()
        for job in jobs:
            _transition(job, ERROR, _deleted(job))

    def notify_deleted(self, dataset_id: str) -> None:
        """Tell whoever works on a deleted dataset."""
        self._on_deleted(dataset_id)


def _open_jobs(dataset_id: str) -> Any:
    return select(JobRow).where(JobRow.dataset_id == dataset_id, JobRow.status.in_(_OPEN))


def _transition(job: JobRow, status: str, detail: str, progress: float | None = None) -> None:
    """Put a job into a state, and that into its history."""
    job.status, job.detail = status, detail
    job.events.append(JobEventRow(time=now(), status=status, detail=detail, progress=progress))


def _event_to_dict(line: JobEventRow) -> dict[str, Any]:
    told: dict[str, Any] = {"time": line.time, "job_status": line.status, "detail": line.detail}
    if line.progress is not None:
        told["progress"] = line.progress
    return told


def _deleted(job: JobRow) -> str:
    return f"Dataset {job.dataset_name!r} was deleted before it was prepared"


def _noop(*_: object) -> None:
    """Nobody listens."""
