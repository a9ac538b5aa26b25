"""Prepare-retrieval jobs and their state machine: each transition is one transaction, and no state is skipped."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from reka._protocol.datasets import ALREADY_PREPARED, BEING_PREPARED, refusal_text
from reka.server.errors import NotFoundError, RefusedError
from reka.server.retrieval.tables import TableVersion
from reka.server.storage.database import (
    IS_CHANGED,
    IS_THERE,
    NO_OWNER,
    Database,
    DatasetRow,
    DocumentRow,
    JobRow,
    now,
    require_dataset,
)
from reka.server.storage.database.job_rows import (
    COMPLETE,
    ERROR,
    FIRST_FIRST,
    LAST_FIRST,
    OPEN,
    PENDING,
    RUNNING,
    event_to_dict,
    fail,
    lock,
    open_jobs,
    transition,
)
from reka.server.storage.leases import Leases, is_free

_SHOWN_CHARS: Final = 100
WAIT_SECONDS: Final = 0.05
"""Seconds between two looks at a job that is waited for (ours)."""

MAX_STARTS: Final = 20
"""Starts after which a job fails, so that one that crashes its worker, or meets a fault, every time ends (ours)."""


@dataclass(frozen=True, slots=True)
class Task:
    """A started job, with everything a worker needs to run it."""

    job_id: str
    dataset_id: str
    owner: str
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
    """The jobs on a database.

    Whoever changes documents or jobs of a dataset locks its row first, then that of the job, then that of the lease.
    """

    def __init__(self, database: Database, leases: Leases) -> None:
        """Store jobs in `database`; whoever runs one holds the lease of its dataset."""
        self._database = database
        self._leases = leases
        self._served: dict[str, int] = {}
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
            dataset = require_dataset(session, owner, dataset_name, for_update=True)
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
    def request(session: Session, dataset: DatasetRow, added_bytes: int = 0) -> str:
        """Return the id of a job of the dataset that has not started yet, a new one if there is none.

        Call `notify_new` after the transaction.

        Args:
            session: The transaction, which has locked the dataset.
            dataset: The dataset.
            added_bytes: Size of the texts that the transaction adds to the dataset.
        """
        waiting = session.scalar(open_jobs(dataset.id).where(JobRow.status == PENDING))
        if waiting is not None:
            waiting.size_bytes += added_bytes
            return waiting.id
        job = JobRow(
            id=uuid4().hex,
            owner=dataset.owner,
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            status=PENDING,
            detail="",
            starts=0,
            number=session.scalar(select(func.coalesce(func.max(JobRow.number), 0) + 1)),
            size_bytes=_size_of(session, dataset),
            created=now(),
        )
        session.add(job)
        transition(job, PENDING, "Waiting in the queue")
        return job.id

    @staticmethod
    def open_job(session: Session, dataset_id: str) -> JobRow | None:
        """Return the last job of a dataset that has not ended."""
        return session.scalar(open_jobs(dataset_id).order_by(*LAST_FIRST).limit(1))

    @staticmethod
    def last_of(session: Session, dataset_id: str) -> JobRow | None:
        """Return the last job of a dataset."""
        return session.scalar(select(JobRow).where(JobRow.dataset_id == dataset_id).order_by(*LAST_FIRST).limit(1))

    def wait(self, job_id: str | None, seconds: float) -> bool:
        """Wait until a job has ended; return False if it has not within some seconds."""
        deadline = time.monotonic() + seconds
        while job_id is not None:
            with self._database.read() as session:
                job = session.get(JobRow, job_id)
                if job is None or job.status not in OPEN:
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
                "history": [event_to_dict(event) for event in job.events],
            }

    def check_database(self) -> None:
        """Read a job, which fails where the database does not answer, or its file is deleted."""
        self._database.require_files()
        with self._database.read() as session:
            session.execute(select(JobRow.id).limit(1))

    def start_next(self, max_bytes: int | None = None, besides: Collection[str] = ()) -> Task | None:
        """Start the oldest job that nobody runs, of the owner whose last start is longest ago.

        Args:
            max_bytes: Maximum size of the texts of the job; None for any.
            besides: Owners whose jobs are not started.

        Returns:
            The task to run; None if there is no such job.
        """
        passed = set(besides)
        while (owner := self._next_owner(max_bytes, passed)) is not None:
            passed.add(owner)
            while (started := self._start_job_of(owner, max_bytes)) is not None:
                if isinstance(started, Task):
                    self._served[owner] = max(self._served.values(), default=0) + 1
                    return started
        return None

    def is_wanted(self, dataset_id: str) -> bool:
        """Tell whether a job waits that could start if nobody worked on a dataset."""
        with self._database.read() as session:
            waits = JobRow.status.in_(OPEN), or_(is_free(JobRow.dataset_id), JobRow.dataset_id == dataset_id)
            return session.scalar(select(JobRow.id).where(*waits).limit(1)) is not None

    def _next_owner(self, max_bytes: int | None, passed: Collection[str]) -> str | None:
        with self._database.read() as session:
            first = func.min(JobRow.number).label("number")
            rows = session.execute(
                select(JobRow.owner, first)
                .where(*_startable(max_bytes), JobRow.owner.not_in(passed))
                .group_by(JobRow.owner)
            ).all()
        found = min(rows, key=lambda row: (self._served.get(row.owner, 0), row.number), default=None)
        if found is None and not passed:
            self._served.clear()
        return None if found is None else str(found.owner)

    def _start_job_of(self, owner: str, max_bytes: int | None) -> Task | str | None:
        """Start a job of an owner.

        Returns:
            The task, or the id of a job that is failed instead; None if others have started all of them.
        """
        next_job = select(JobRow).where(*_startable(max_bytes), JobRow.owner == owner)
        next_job = next_job.order_by(*FIRST_FIRST).limit(1)
        try:
            with self._database.write() as session:
                job = session.scalar(next_job.with_for_update(skip_locked=True))
                if job is None:
                    return None
                dataset = session.get(DatasetRow, job.dataset_id)
                if dataset is None or dataset.owner == NO_OWNER:
                    failure = _deleted_message(job)
                elif job.starts - job.stops >= MAX_STARTS:
                    failure = _given_up_message(job)
                else:
                    job.starts += 1
                    table = f"chunks_{job.id}_{job.starts}"
                    self._leases.take(session, dataset.id, table)
                    transition(job, RUNNING, "Restarted" if job.starts > 1 else "Started", progress=0.0)
                    return Task(
                        job.id, dataset.id, owner, dataset.kind, base_of(dataset), dataset.table, table, job.starts
                    )
        except IntegrityError:  # another process has begun to work on the dataset
            return None
        with self._database.write() as session:
            _, open_job = lock(session, job.dataset_id, job.id)
            if open_job is not None and open_job.status in OPEN:
                fail(session, open_job, failure)
        return job.id

    def is_run_by(self, task: Task) -> bool:
        """Tell whether a task runs its job still: the dataset is not deleted, and no other process works on it."""
        with self._database.read() as session:
            job = session.get(JobRow, task.job_id)
            return job is not None and job.status == RUNNING and self._leases.is_held(session, task)

    def report(self, task: Task, detail: str, progress: float) -> None:
        """Add an entry to the history of a task's job, if the task still runs it."""
        with self._database.write() as session:
            job = session.get(JobRow, task.job_id, with_for_update=True)
            if job is not None and job.status == RUNNING and self._leases.is_held(session, task):
                transition(job, RUNNING, detail, progress=progress)

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
            False, with nothing changed, if the task does not run the job any more or the dataset no longer exists.
        """
        with self._database.write() as session:
            dataset, job = self._of_task(session, task)
            if dataset is None or job is None:
                return False
            if base_of(dataset) != at:
                dataset.table_changes = dataset.table_changes + 1 if dataset.table == at.table else 0
            dataset.table, dataset.table_version = at.table, at.version
            if publish is not None:
                publish(session, dataset)
            transition(job, COMPLETE, detail, progress=1.0)
            self._leases.end(session, task)
            return True

    def postpone(self, task: Task, detail: str, seconds: float) -> None:
        """Put a task's job back into the queue for some seconds, as what made it fail can pass."""
        self._leases.end_after(task, seconds)
        with self._database.write() as session:
            _, job = self._of_task(session, task)
            if job is not None:
                transition(job, PENDING, detail)

    def give_back(self, task: Task) -> None:
        """Let any process start a task's job, as the program of this one ends in order; it counts as no start."""
        with self._database.write() as session:
            _, job = self._of_task(session, task)
            if job is not None:
                job.stops += 1
                self._leases.end(session, task)

    def fail(self, task: Task, detail: str) -> None:
        """Fail a task's job, if the task still runs it."""
        with self._database.write() as session:
            _, job = self._of_task(session, task)
            if job is not None:
                fail(session, job, detail)
                self._leases.end(session, task)

    @staticmethod
    def fail_jobs_of(session: Session, dataset_id: str) -> None:
        """Fail the open jobs of a dataset, in the transaction that deletes the dataset and has locked it.

        Who runs one of them keeps the lease until it has dropped its table.
        """
        for job in session.scalars(open_jobs(dataset_id).with_for_update()).all():
            transition(job, ERROR, _deleted_message(job))

    def _of_task(self, session: Session, task: Task) -> tuple[DatasetRow | None, JobRow | None]:
        """Lock the dataset and the job of a task; there is no job if the task does not run it any more."""
        dataset, job = lock(session, task.dataset_id, task.job_id)
        is_run = job is not None and job.status == RUNNING and self._leases.is_held(session, task, for_update=True)
        return dataset, job if is_run else None

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


def _size_of(session: Session, dataset: DatasetRow) -> int:
    """Return the size of the texts that a job of a dataset reads."""
    session.flush()
    read = IS_THERE if base_of(dataset) is None else IS_CHANGED
    size = select(func.sum(DocumentRow.size_bytes)).where(DocumentRow.dataset_id == dataset.id, read)
    return int(session.scalar(size) or 0)


def _startable(max_bytes: int | None) -> list[ColumnElement[bool]]:
    """Return the conditions of jobs that may start: nobody works on their datasets."""
    conditions = [JobRow.status.in_(OPEN), is_free(JobRow.dataset_id)]
    return conditions if max_bytes is None else [*conditions, JobRow.size_bytes <= max_bytes]


def _deleted_message(job: JobRow) -> str:
    return f"Dataset {job.dataset_name!r} was deleted before it was prepared"


def _given_up_message(job: JobRow) -> str:
    if job.status == RUNNING:
        return f"Given up: the server stopped {MAX_STARTS} times while it ran this job"
    return f"Given up after {MAX_STARTS} tries. {job.detail}"


def _noop(*_: object) -> None:
    """Do nothing: the callback until `subscribe` sets one."""
