"""The background thread that runs prepare-retrieval jobs one at a time, and can abandon the current one."""

import logging
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import uuid4

from sqlalchemy.orm import Session

from reka.server.errors import ServiceError
from reka.server.faults import describe_fault, is_transient
from reka.server.ingest.pauses import Pauses, pause_after
from reka.server.ingest.reader import DocumentReader
from reka.server.program_end import is_program_ending
from reka.server.retrieval.index import Built, Index
from reka.server.retrieval.tables import TableVersion
from reka.server.storage.data_dir import DataFolder
from reka.server.storage.database import DatasetRow
from reka.server.storage.datasets import Datasets
from reka.server.storage.document_store import GONE, ROWS, DocumentStore
from reka.server.storage.jobs import Jobs, Task

logger = logging.getLogger(__name__)

REPORT_STEP: Final = 0.02
"""Progress between two entries of a job's history: at most fifty entries, however large the dataset (ours)."""

STOP_SECONDS: Final = 2.0
"""Seconds that `stop` waits for the current batch. A job that takes longer is restarted at the next start (ours)."""


IDLE_SECONDS: Final = 1.0
"""Seconds without a job after which tables that hold what was deleted are written anew (ours)."""


QUEUE: Final = "queue"
"""Name of the pause in which the queue is not read; the others are named by their jobs' ids."""


class _JobAbandoned(Exception):  # noqa: N818 - not an error
    """Raised to abandon the current job."""


class Worker:
    """Prepares datasets for retrieval in the background."""

    def __init__(
        self,
        jobs: Jobs,
        datasets: Datasets,
        documents: DocumentStore,
        folder: DataFolder,
        index: Index,
        chunk_chars: int,
    ) -> None:
        """Create a worker; it runs nothing before `start`.

        Args:
            jobs: The queue of jobs.
            datasets: The datasets that are prepared.
            documents: The documents of the datasets.
            folder: Folder of the uploaded files.
            index: The index to build tables in.
            chunk_chars: Maximum length of a chunk in characters.
        """
        self._jobs = jobs
        self._datasets = datasets
        self._documents = documents
        self._folder = folder
        self._index = index
        self._chunk_chars = chunk_chars
        self._changed = threading.Condition()
        self._work_available = True
        self._is_stopping = False
        self._current_dataset_id: str | None = None
        self._is_deleted = False
        self._pauses = Pauses()
        self._queue_failures = 0
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
            self._work_available = True
            self._changed.notify_all()

    def _run(self) -> None:
        while self._wait_for_work():
            while task := self._start_next():
                self._run_task(task)
            self._tidy_up()

    def _wait_for_work(self) -> bool:
        """Wait for a new job, or for one that is to be tried again; return False when the worker is stopping."""
        with self._changed:
            self._changed.wait_for(lambda: self._work_available or self._is_stopping, self._pauses.next_end())
            self._work_available = False
            return not self._is_ending()

    def _start_next(self) -> Task | None:
        with self._changed:
            if self._is_ending():
                return None
        try:
            task = self._jobs.start_next(self._pauses.waiting() - {QUEUE})
        except Exception:
            if self._is_ending():
                return None
            self._queue_failures += 1
            pause = pause_after(self._queue_failures)
            self._pauses.begin(QUEUE, pause)
            logger.exception("cannot read the job queue, and try again in %g s", pause)
            return None
        self._queue_failures = 0
        with self._changed:
            self._current_dataset_id = task.dataset_id if task else None
            self._is_deleted = False
        return task

    def _run_task(self, task: Task) -> None:
        failure = None
        try:
            failure = self._prepare(task)
        except _JobAbandoned:
            pass
        except Exception as error:
            if self._is_ending():
                return  # what the interpreter takes away from a thread at its end is no fault of the job
            self._drop_unpublished(task)
            if self._may_succeed_later(task, error):
                self._try_later(task, error)
            else:
                logger.exception("job %s failed", task.job_id)
                failure = _public_message(error)
        with self._changed:
            is_deleted = self._is_deleted
        if is_deleted or (failure is not None and task.base is None):  # there is no table that can be searched
            self._index.drop(task.old_table or task.table)
        if failure is None:
            return
        try:
            self._jobs.fail(task.job_id, failure)
        except Exception:
            logger.exception("cannot record the failure of job %s", task.job_id)

    def _may_succeed_later(self, task: Task, error: Exception) -> bool:
        """Tell whether a failed job may succeed when tried again: a fault can pass, a lost table is built anew."""
        if is_transient(error) or not self._folder.is_there():
            return True
        try:
            return task.base is not None and self._datasets.rebuild_if_lost(task.dataset_id, task.base)
        except Exception as fault:
            logger.warning("cannot look whether the table of job %s is lost", task.job_id, exc_info=True)
            return is_transient(fault)

    def _try_later(self, task: Task, error: Exception) -> None:
        """Put a job back, to be tried again after a pause that grows with each try."""
        pause = pause_after(task.starts)
        self._pauses.begin(task.job_id, pause)
        logger.warning("job %s failed, and is tried again in %g s", task.job_id, pause, exc_info=error)
        try:
            reason = f"The server could not store the index ({describe_fault(error)})"
            self._jobs.postpone(task.job_id, f"{reason}: it is tried again in {pause:g} s")
        except Exception:  # it is still RUNNING, and so tried again, too
            logger.warning("cannot record that job %s waits", task.job_id, exc_info=True)

    def _drop_unpublished(self, task: Task) -> None:
        """Drop the table of a failed job, which takes room, unless the job has published it before it failed."""
        try:
            if not self._datasets.has_table(task.dataset_id, task.table):
                self._index.drop(task.table)
        except Exception:  # the next start of the server does it
            logger.warning("cannot look for what job %s has left", task.job_id, exc_info=True)

    def _tidy_up(self) -> None:
        """Remove from the disk what was deleted, as long as there is no job."""
        try:
            self._datasets.remove_deleted()
            self._documents.erase_deleted()
            while (dataset := self._datasets.next_to_rewrite()) and not self._is_wanted(IDLE_SECONDS):
                self._rewrite(*dataset)
        except _JobAbandoned:
            pass
        except Exception:
            if not self._is_ending():
                logger.exception("cannot remove what was deleted")

    def _rewrite(self, dataset_id: str, base: TableVersion) -> None:
        table = f"chunks_{uuid4().hex}_1"

        def on_chunks(_: int) -> None:
            if self._is_wanted():
                raise _JobAbandoned

        try:
            built = self._index.rewrite(base, table, on_chunks)
        except _JobAbandoned:
            raise
        except Exception:
            if self._datasets.rebuild_if_lost(dataset_id, base):
                return
            raise
        if not self._datasets.replace_table(dataset_id, base, built.at):
            self._index.drop(table)

    def _is_wanted(self, seconds: float = 0.0) -> bool:
        """Tell whether there is a job, or one comes within some seconds; or the worker is stopping."""
        with self._changed:
            return self._changed.wait_for(lambda: self._work_available or self._is_stopping, seconds)

    def _prepare(self, task: Task) -> str | None:
        """Bring the index of a task's dataset up to date, and publish it.

        Returns:
            What went wrong; None if the job is complete.

        Raises:
            _JobAbandoned: The worker is stopping, or the dataset is deleted.
        """
        claimed = self._documents.claim(task)
        documents = [document for document in claimed if document.state != GONE]
        removed = [document.number for document in claimed if document.state == GONE]
        path = self._folder.dataset(task.dataset_id)
        is_upload_left = task.kind != ROWS and not any(
            document.member is not None for document in claimed if document.state == GONE
        )
        try:
            if task.kind != ROWS and not is_upload_left:
                self._take_texts_out(task, path)
                documents = [replace(document, member=None) for document in documents]
            reader = DocumentReader(path, task.kind, documents, self._documents.texts)
            built = self._build(task, reader, removed)
        except FileNotFoundError:
            if path.exists() or not path.parent.exists() or all(document.member is None for document in documents):
                raise
            return "The dataset's file is missing: delete the dataset and upload it again"
        if task.kind != ROWS and task.base is None and documents and not built.total:
            self._index.drop(built.at.table)
            return "The dataset has no text to retrieve: delete it and upload one that has"

        def publish(session: Session, dataset: DatasetRow) -> None:
            counts = {document.number: built.chunks.get(document.number, 0) for document in documents}
            self._documents.take_over(session, task.job_id, counts, reader.digests)
            dataset.embedder = self._index.embedder_of(built.at)
            dataset.kind = dataset.kind if is_upload_left else ROWS

        detail = f"{built.total} chunks are ready for retrieval"
        if self._is_abandoned() or not self._jobs.complete(task, detail, built.at, publish):
            if built.is_new:
                self._index.drop(built.at.table)
            return None
        if not is_upload_left:
            path.unlink(missing_ok=True)
        if task.old_table not in (None, built.at.table):
            self._index.drop(task.old_table)
        return None

    def _build(self, task: Task, reader: DocumentReader, removed: Sequence[int]) -> Built:
        last_report = 0.0

        def on_chunks(count: int) -> None:
            nonlocal last_report
            if self._is_abandoned():
                raise _JobAbandoned
            if reader.progress >= last_report + REPORT_STEP:
                last_report = reader.progress
                detail = f"{count} chunks embedded, {last_report:.0%} of the text"
                self._jobs.report(task.job_id, detail, round(last_report * 0.99, 4))

        with closing(reader.chunks(self._chunk_chars)) as chunks:
            if task.base is not None and not reader.documents and not removed:
                return Built(task.base, {}, self._index.count(task.base), is_new=False)
            if task.base is None:
                return self._index.build(task.table, chunks, on_chunks)
            return self._index.change(task.base, task.table, removed, chunks, on_chunks)

    def _take_texts_out(self, task: Task, path: Path) -> None:
        """Store the texts of an uploaded file in the database, so that the file, and what is deleted, can go."""
        documents = [
            document for document in self._documents.of_dataset(task.dataset_id) if document.member is not None
        ]
        reader = DocumentReader(path, task.kind, documents, self._documents.texts)
        with closing(reader.texts()) as texts:
            for document, parts in texts:
                if self._is_abandoned():
                    raise _JobAbandoned
                self._documents.store_text(document.number, parts)

    def _is_abandoned(self) -> bool:
        """Tell whether the current job should not be continued."""
        with self._changed:
            return self._is_ending() or self._is_deleted

    def _is_ending(self) -> bool:
        """Tell whether the worker is stopping, or the program that it runs in is ending."""
        return self._is_stopping or is_program_ending()


def _public_message(error: Exception) -> str:
    """Describe an error to the owner of a job, without details of this machine."""
    if isinstance(error, ServiceError):
        return error.detail
    return (
        f"Preparation failed inside the server ({describe_fault(error)}), see its log for the cause; "
        "prepare the dataset again"
    )
