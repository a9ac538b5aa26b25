"""The thread that does the jobs, one after the other, and can be told to let go of one."""

import logging
import threading
from contextlib import closing
from typing import Final

from reka.server.errors import ServiceError
from reka.server.ingest.reader import DatasetText
from reka.server.retrieval.index import Index
from reka.server.storage.data_dir import DataFolder
from reka.server.storage.jobs import Jobs, Task

logger = logging.getLogger(__name__)

REPORT_STEP: Final = 0.02
"""Progress between two lines of a job's history: at most fifty lines, however large the dataset (ours)."""

STOP_SECONDS: Final = 2.0
"""How long `stop` waits for the batch at hand. What takes longer is cut off and done again at the next start (ours)."""


class _JobAbandoned(Exception):  # noqa: N818 - not an error
    """The job at hand is not to be gone on with."""


class Worker:
    """Prepares datasets in the background."""

    def __init__(self, jobs: Jobs, folder: DataFolder, index: Index, chunk_chars: int) -> None:
        """Do `jobs`: read datasets from `folder` and build their tables in `index`."""
        self._jobs = jobs
        self._folder = folder
        self._index = index
        self._chunk_chars = chunk_chars
        self._changed = threading.Condition()
        self._work_available = True
        self._is_stopping = False
        self._current_dataset_id: str | None = None
        self._is_deleted = False
        # A daemon: a process that ends without having stopped its server must not wait for a job of minutes.
        self._thread = threading.Thread(target=self._run, name="reka-jobs", daemon=True)

    def start(self) -> None:
        """Begin, with what an earlier run of the server has left undone."""
        self._jobs.subscribe(on_new=self._wake, on_deleted=self._on_deleted)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether jobs are done now."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Let go of the job at hand, which stays RUNNING for the next start to take up, and end the thread."""
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
            while task := self._next():
                self._do(task)

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._work_available or self._is_stopping)
            self._work_available = False
            return not self._is_stopping

    def _next(self) -> Task | None:
        with self._changed:
            if self._is_stopping:
                return None
        try:
            task = self._jobs.start_next()
        except Exception:
            # The database may come back; the thread must be there then. The next request for a job wakes it.
            logger.exception("cannot look for jobs")
            return None
        with self._changed:
            self._current_dataset_id = task.dataset_id if task else None
            self._is_deleted = False
        return task

    def _do(self, task: Task) -> None:
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
            logger.exception("cannot record that job %s failed", task.job_id)

    def _prepare(self, task: Task) -> str | None:
        """Build a task's table and make it the dataset's; tell what went wrong, or None."""
        path = self._folder.dataset(task.dataset_id)
        try:
            text = DatasetText(path, task.kind, task.source, self._chunk_chars)
        except FileNotFoundError:
            return "The dataset's file is gone: delete the dataset and upload it again"
        reported = 0.0

        def on_chunks(count: int) -> None:
            nonlocal reported
            self._check()
            if text.progress >= reported + REPORT_STEP:
                reported = text.progress
                detail = f"{count} chunks embedded, {reported:.0%} of the text"
                self._jobs.report(task.job_id, detail, round(reported * 0.99, 4))

        with closing(text.chunks()) as chunks:
            count = self._index.build(task.table, chunks, on_chunks)
        if count == 0:
            return "The dataset has no text to retrieve: delete it and upload one that has"
        if self._is_cut_off() or not self._jobs.complete(task, f"{count} chunks are ready for retrieval"):
            self._index.drop(task.table)
        return None

    def _check(self) -> None:
        """Raise _LetGo if the job at hand is not to be gone on with."""
        if self._is_cut_off():
            raise _JobAbandoned

    def _is_cut_off(self) -> bool:
        with self._changed:
            return self._is_stopping or self._is_deleted


def _public_message(error: Exception) -> str:
    """What a job's owner is told of an error: nothing of this machine."""
    if isinstance(error, ServiceError):
        return error.detail
    if isinstance(error, OSError) and error.strerror:
        return f"The server could not store the index ({error.strerror}): prepare the dataset again"
    return (
        f"Preparing failed inside the server ({type(error).__name__}), and its log says why; prepare the dataset again"
    )
