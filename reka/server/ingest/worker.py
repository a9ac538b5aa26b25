"""The background thread that runs prepare-retrieval jobs one at a time, and can abandon the current one."""

import logging
import threading
from contextlib import closing
from typing import Final

from reka.server.errors import ServiceError
from reka.server.ingest.reader import DatasetReader
from reka.server.retrieval.index import Index
from reka.server.storage.data_dir import DataFolder
from reka.server.storage.jobs import Jobs, Task

logger = logging.getLogger(__name__)

REPORT_STEP: Final = 0.02
"""Progress between two entries of a job's history: at most fifty entries, however large the dataset (ours)."""

STOP_SECONDS: Final = 2.0
"""Seconds that `stop` waits for the current batch. A job that takes longer is restarted at the next start (ours)."""


class _JobAbandoned(Exception):  # noqa: N818 - not an error
    """Raised to abandon the current job."""


class Worker:
    """Prepares datasets for retrieval in the background."""

    def __init__(self, jobs: Jobs, folder: DataFolder, index: Index, chunk_chars: int) -> None:
        """Create a worker; it runs nothing before `start`.

        Args:
            jobs: The queue of jobs.
            folder: Folder of the dataset files.
            index: The index to build tables in.
            chunk_chars: Maximum length of a chunk in characters.
        """
        self._jobs = jobs
        self._folder = folder
        self._index = index
        self._chunk_chars = chunk_chars
        self._changed = threading.Condition()
        self._work_available = True
        self._is_stopping = False
        self._current_dataset_id: str | None = None
        self._is_deleted = False
        # A daemon thread, so that a process that ends without stopping its server does not wait minutes for a job.
        self._thread = threading.Thread(target=self._run, name="reka-jobs", daemon=True)

    def start(self) -> None:
        """Start the thread. It runs the jobs of an earlier run of the server first."""
        self._jobs.subscribe(on_new=self._wake, on_deleted=self._on_deleted)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the thread is running."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Stop the thread. The current job stays RUNNING, and the next start of the server restarts it."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        self._thread.join(STOP_SECONDS)

    def _wake(self) -> None:
        with self._changed:
            self._work_available = True
            self._changed.notify_all()

    def _on_deleted(self, dataset_id: str) -> None:
        with self._changed:
            self._is_deleted = self._is_deleted or dataset_id == self._current_dataset_id

    def _run(self) -> None:
        while self._wait_for_work():
            while task := self._start_next():
                self._run_task(task)

    def _wait_for_work(self) -> bool:
        """Wait for a new job; return False when the worker is stopping."""
        with self._changed:
            self._changed.wait_for(lambda: self._work_available or self._is_stopping)
            self._work_available = False
            return not self._is_stopping

    def _start_next(self) -> Task | None:
        with self._changed:
            if self._is_stopping:
                return None
        try:
            task = self._jobs.start_next()
        except Exception:
            # The database may come back, so the thread must survive. The next new job wakes it.
            logger.exception("cannot read the job queue")
            return None
        with self._changed:
            self._current_dataset_id = task.dataset_id if task else None
            self._is_deleted = False
        return task

    def _run_task(self, task: Task) -> None:
        try:
            failure = self._prepare(task)
        except _JobAbandoned:
            return
        except Exception as error:
            logger.exception("job %s failed", task.job_id)
            failure = _public_message(error)
        if failure is None:
            return
        try:
            self._jobs.fail(task.job_id, failure)
        except Exception:
            logger.exception("cannot record the failure of job %s", task.job_id)

    def _prepare(self, task: Task) -> str | None:
        """Build a task's table and publish it as the dataset's.

        Returns:
            What went wrong; None if the job is complete.

        Raises:
            _JobAbandoned: The worker is stopping, or the dataset is deleted.
        """
        path = self._folder.dataset(task.dataset_id)
        try:
            reader = DatasetReader(path, task.kind, task.source, self._chunk_chars)
        except FileNotFoundError:
            return "The dataset's file is missing: delete the dataset and upload it again"
        last_report = 0.0

        def on_chunks(count: int) -> None:
            nonlocal last_report
            if self._is_abandoned():
                raise _JobAbandoned
            if reader.progress >= last_report + REPORT_STEP:
                last_report = reader.progress
                detail = f"{count} chunks embedded, {last_report:.0%} of the text"
                self._jobs.report(task.job_id, detail, round(last_report * 0.99, 4))

        with closing(reader.chunks()) as chunks:
            count = self._index.build(task.table, chunks, on_chunks)
        if count == 0:
            return "The dataset has no text to retrieve: delete it and upload one that has"
        if self._is_abandoned() or not self._jobs.complete(task, f"{count} chunks are ready for retrieval"):
            self._index.drop(task.table)
        return None

    def _is_abandoned(self) -> bool:
        """Tell whether the current job should not be continued."""
        with self._changed:
            return self._is_stopping or self._is_deleted


def _public_message(error: Exception) -> str:
    """Describe an error to the owner of a job, without details of this machine."""
    if isinstance(error, ServiceError):
        return error.detail
    if isinstance(error, OSError) and error.strerror:
        return f"The server could not store the index ({error.strerror}): prepare the dataset again"
    return (
        f"Preparation failed inside the server ({type(error).__name__}), see its log for the cause; "
        "prepare the dataset again"
    )
