"""Prepare-retrieval jobs and their state machine: each transition is one transaction, and no state is skipped."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from reka._protocol.datasets import ALREADY_PREPARED, BEING_PREPARED, refusal_text
from reka.server.errors import NotFoundError, RefusedError
from reka.server.retrieval.tables import TableVersion
from reka.server.storage.database import (
    IS_CHANGED,
    NO_OWNER,
    Database,
    DatasetRow,
    DocumentRow,
    JobEventRow,
    JobRow,
    now,
    require_dataset,
)
from reka.types import JobStatus

# As plain strings, which every database takes.
PENDING: Final = JobStatus.PENDING.value
RUNNING: Final = JobStatus.RUNNING.value
COMPLETE: Final = JobStatus.COMPLETE.value
ERROR: Final = JobStatus.ERROR.value

STATUSES: Final = tuple(status.value for status in JobStatus)
_OPEN: Final = (PENDING, RUNNING)

_SHOWN_CHARS: Final = 100
WAIT_SECONDS: Final = 0.05
"""Seconds between two looks at a job that is waited for (ours)."""

MAX_STARTS: Final = 20
"""Starts after which a job fails, so that one that crashes the server, or meets a fault, every time ends (ours)."""


@dataclass(frozen=True, slots=True)
class Task:
    """A started job, with everything a worker needs to run it."""

    job_id: str
    dataset_id: str
    kind: str
    base: TableVersion | None
    """The version of the index that the job changes; None if there is none yet, or one of an earlier form."""
    old_table: str | None
    """Name of the table that is searched now, of whatever form."""
    table: str
    """Name of a new table. It differs at each start, so that no start sees what an earlier one left behind."""
    starts: int
    """How often the job was started, this time included."""


class Jobs:
    """The jobs of one server."""

    def __init__(self, database: Database) -> None:
        """Store jobs in `database`."""
        self._database = database
        self._on_new: Callable[[], object] = _noop
        self._on_deleted: Callable[[str], object] = _noop

    def subscribe(self, on_new: Callable[[], object], on_deleted: Callable[[str], object]) -> None:
        """Set the callbacks.

        Args:
            on_new: Called after a job is added.
            on_deleted: Called with the dataset's id after a dataset is deleted.
        """
        self._on_new, self._on_deleted = on_new, on_deleted

    def add(self, owner: str, dataset_name: str) -> str:
        """Add a job that prepares a dataset for retrieval.

        Returns:
            The new job's id.

        Raises:
            NotFoundError: The owner has no such dataset.
            RefusedError: The dataset is already prepared, or being prepared.
        """
        with self._database.write() as session:
            dataset = require_dataset(session, owner, dataset_name)
            other = self.open_job(session, dataset.id)
            is_prepared = base_of(dataset) is not None
            if is_prepared and (other is not None or not _has_changes(session, dataset.id)):
                raise RefusedError(f"{refusal_text(ALREADY_PREPARED, dataset.name)}: it can be used", ALREADY_PREPARED)
            if other is not None:
                raise RefusedError(
                    f"{refusal_text(BEING_PREPARED, dataset.name)} by job {other.id}: ask for that job's status",
                    BEING_PREPARED,
                )
            job_id = self.request(session, dataset)
        self.notify_new()
        return job_id

    @staticmethod
    def request(session: Session, dataset: DatasetRow) -> str:
        """Return the id of a job of the dataset that has not started yet, a new one if there is none.

        Call `notify_new` after the transaction.
        """
        waiting = session.scalar(_open_jobs(dataset.id).where(JobRow.status == PENDING))
        if waiting is not None:
            return waiting.id
        job = JobRow(
            id=uuid4().hex,
            owner=dataset.owner,
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            status=PENDING,
            detail="",
            starts=0,
            created=now(),
        )
        session.add(job)
        _transition(job, PENDING, "Waiting in the queue")
        return job.id

    @staticmethod
    def open_job(session: Session, dataset_id: str) -> JobRow | None:
        """Return the last job of a dataset that has not ended."""
        return session.scalar(_open_jobs(dataset_id).order_by(JobRow.created.desc()).limit(1))

    @staticmethod
    def last_of(session: Session, dataset_id: str) -> JobRow | None:
        """Return the last job of a dataset."""
        of_dataset = select(JobRow).where(JobRow.dataset_id == dataset_id)
        return session.scalar(of_dataset.order_by(JobRow.created.desc()).limit(1))

    def wait(self, job_id: str | None, seconds: float) -> bool:
        """Wait until a job has ended; return False if it has not within some seconds."""
        deadline = time.monotonic() + seconds
        while job_id is not None:
            with self._database.read() as session:
                job = session.get(JobRow, job_id)
                if job is None or job.status not in _OPEN:
                    break
            if time.monotonic() > deadline:
                return False
            time.sleep(WAIT_SECONDS)
        return True

    def notify_new(self) -> None:
        """Notify the subscriber that there may be a new job."""
        self._on_new()

    def status(self, owner: str, job_id: str) -> dict[str, Any]:
        """Return a job's status and history in the API's form.

        Raises:
            NotFoundError: The owner has no such job.
        """
        with self._database.read() as session:
            job = session.get(JobRow, job_id)
            if job is None or job.owner != owner:
                raise NotFoundError(f"There is no job {job_id[:_SHOWN_CHARS]!r} of this API key")
            return {
                "job_status": job.status,
                "detail": job.detail,
                "history": [_event_to_dict(event) for event in job.events],
            }

    def count_by_status(self) -> dict[str, int]:
        """Count the jobs of all owners in each status."""
        with self._database.read() as session:
            rows = session.execute(select(JobRow.status, func.count().label("jobs")).group_by(JobRow.status))
            counts = {row.status: row.jobs for row in rows}
        return {status: counts.get(status, 0) for status in STATUSES}

    def start_next(self, waiting: Collection[str] = ()) -> Task | None:
        """Start the oldest open job, including one that an earlier run of the server left RUNNING.

        Args:
            waiting: Ids of jobs that are not started yet, as they wait to be tried again.

        Returns:
            The task to run; None if there is no open job.
        """
        may_start = JobRow.status.in_(_OPEN), JobRow.id.not_in(waiting)
        while True:
            with self._database.write() as session:
                job = session.scalar(select(JobRow).where(*may_start).order_by(JobRow.created, JobRow.id).limit(1))
                if job is None:
                    return None
                dataset = session.get(DatasetRow, job.dataset_id)
                if dataset is None or dataset.owner == NO_OWNER:
                    _fail(session, job, _deleted_message(job))
                elif job.starts >= MAX_STARTS:
                    _fail(session, job, _given_up_message(job))
                else:
                    _transition(job, RUNNING, "Restarted" if job.starts else "Started", progress=0.0)
                    job.starts += 1
                    table = f"chunks_{job.id}_{job.starts}"
                    return Task(job.id, dataset.id, dataset.kind, base_of(dataset), dataset.table, table, job.starts)

    def report(self, job_id: str, detail: str, progress: float) -> None:
        """Add an entry to the history of a job, if it is still running."""
        with self._database.write() as session:
            job = session.get(JobRow, job_id)
            if job is not None and job.status == RUNNING:
                _transition(job, RUNNING, detail, progress=progress)

    def complete(
        self, task: Task, detail: str, at: TableVersion, publish: Callable[[Session, DatasetRow], object] | None = None
    ) -> bool:
        """Complete a task's job and publish its table as the dataset's, atomically.

        Args:
            task: The task.
            detail: Description of the result.
            at: The version of the index that is searched from now on.
            publish: Called with the transaction and the dataset, to record what else has changed; None for nothing.

        Returns:
            False, with nothing changed, if the job is no longer running or the dataset no longer exists.
        """
        with self._database.write() as session:
            job = session.get(JobRow, task.job_id)
            dataset = session.get(DatasetRow, task.dataset_id)
            if job is None or job.status != RUNNING or dataset is None:
                return False
            if base_of(dataset) != at:
                dataset.table_changes = dataset.table_changes + 1 if dataset.table == at.table else 0
            dataset.table, dataset.table_version = at.table, at.version
            if publish is not None:
                publish(session, dataset)
            _transition(job, COMPLETE, detail, progress=1.0)
            return True

    def postpone(self, job_id: str, detail: str) -> None:
        """Put a job back into the queue, if it is still running, as what made it fail can pass."""
        with self._database.write() as session:
            job = session.get(JobRow, job_id)
            if job is not None and job.status == RUNNING:
                _transition(job, PENDING, detail)

    def fail(self, job_id: str, detail: str) -> None:
        """Fail a job, if it is still open."""
        with self._database.write() as session:
            job = session.get(JobRow, job_id)
            if job is not None and job.status in _OPEN:
                _fail(session, job, detail)

    def fail_jobs_of(self, session: Session, dataset_id: str) -> None:
        """Fail the open jobs of a dataset, in the transaction that deletes the dataset."""
        for job in session.scalars(_open_jobs(dataset_id)).all():
            _transition(job, ERROR, _deleted_message(job))

    def notify_deleted(self, dataset_id: str) -> None:
        """Notify the subscriber that a dataset is deleted."""
        self._on_deleted(dataset_id)


def base_of(dataset: DatasetRow) -> TableVersion | None:
    """Return the version of the index in which a dataset is searched; None if none, or one of an earlier form."""
    if dataset.table is None or dataset.table_version is None:
        return None
    return TableVersion(dataset.table, dataset.table_version)


def _has_changes(session: Session, dataset_id: str) -> bool:
    changes = select(DocumentRow.number).where(DocumentRow.dataset_id == dataset_id, IS_CHANGED)
    return session.scalar(changes.limit(1)) is not None


def _open_jobs(dataset_id: str) -> Select[JobRow]:
    return select(JobRow).where(JobRow.dataset_id == dataset_id, JobRow.status.in_(_OPEN))


def _transition(job: JobRow, status: str, detail: str, progress: float | None = None) -> None:
    """Set a job's state, and append it to the job's history."""
    job.status, job.detail = status, detail
    job.events.append(JobEventRow(time=now(), status=status, detail=detail, progress=progress))


def _fail(session: Session, job: JobRow, detail: str) -> None:
    """Fail a job; the changes that it claimed wait for another one."""
    session.execute(update(DocumentRow).where(DocumentRow.job_id == job.id).values(job_id=None))
    _transition(job, ERROR, detail)


def _event_to_dict(event: JobEventRow) -> dict[str, Any]:
    entry: dict[str, Any] = {"time": event.time, "job_status": event.status, "detail": event.detail}
    if event.progress is not None:
        entry["progress"] = event.progress
    return entry


def _deleted_message(job: JobRow) -> str:
    return f"Dataset {job.dataset_name!r} was deleted before it was prepared"


def _given_up_message(job: JobRow) -> str:
    if job.status == RUNNING:
        return f"Given up: the server stopped {MAX_STARTS} times while it ran this job"
    return f"Given up after {MAX_STARTS} tries. {job.detail}"


def _noop(*_: object) -> None:
    """Do nothing: the callback until `subscribe` sets one."""
