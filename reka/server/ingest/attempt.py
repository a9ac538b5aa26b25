"""One attempt to run a job: it brings the index of a dataset up to date, unless it has to be abandoned."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from reka.server.errors import ServiceError
from reka.server.faults import describe_fault, is_missing, is_transient
from reka.server.ingest.pauses import pause_after
from reka.server.ingest.reader import DocumentReader
from reka.server.ingest.sweep import Sweeper
from reka.server.retrieval.index import Built, Index
from reka.server.storage.database import DatasetRow
from reka.server.storage.dataset_files import DatasetFiles
from reka.server.storage.datasets import Datasets
from reka.server.storage.document_store import GONE, ROWS, DocumentStore
from reka.server.storage.jobs import Jobs, Task
from reka.server.storage.leases import LeaseLostError, Leases

logger: Final = logging.getLogger(__name__)

REPORT_STEP: Final = 0.02
"""Progress between two entries of a job's history: at most fifty entries, however large the dataset (ours)."""

LOOK_SECONDS: Final = 0.5
"""Seconds between two looks into the database whether an attempt is wanted still (ours)."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What an attempt works with."""

    jobs: Jobs
    datasets: Datasets
    files: DatasetFiles
    documents: DocumentStore
    leases: Leases
    sweeper: Sweeper
    index: Index
    chunk_chars: int
    """Maximum length of a chunk in characters."""


class Attempt:
    """A started job."""

    def __init__(self, task: Task, tools: Tools, is_ending: Callable[[], bool]) -> None:
        """Prepare to run a task.

        Args:
            task: The task, whose lease this process holds.
            tools: What to work with.
            is_ending: Tells whether the worker is stopping, or the program that it runs in is ending.
        """
        self.task = task
        self._tools = tools
        self._is_ending = is_ending
        self._is_cancelled = threading.Event()
        self._last_look = time.monotonic()

    def cancel(self) -> None:
        """Have the attempt abandoned, as its dataset is deleted."""
        self._is_cancelled.set()

    def give_back(self) -> None:
        """Let any process start the job, as the program of this one ends in order."""
        try:
            self._tools.jobs.give_back(self.task)
        except Exception:  # its lease runs out instead
            logger.warning("cannot give job %s back", self.task.job_id, exc_info=True)

    def run(self) -> None:
        """Run the task to its end, to its failure or until it is abandoned."""
        try:
            failure = self._prepare()
        except LeaseLostError:
            self._abandon()
            return
        except Exception as error:
            if self._is_ending() or not self._is_wanted():
                self._abandon()  # what the interpreter takes away from a thread at its end is no fault of the job
                return
            self._drop_unpublished()
            if self._may_succeed_later(error):
                self._try_later(error)
                return
            logger.exception("job %s failed", self.task.job_id)
            failure = _public_message(error)
        if failure is not None:
            self._fail(failure)

    def _fail(self, failure: str) -> None:
        if self.task.base is None:  # there is no table that can be searched
            self._tools.index.drop(self.task.old_table or self.task.table)
        try:
            self._tools.jobs.fail(self.task, failure)
        except Exception:
            logger.exception("cannot record the failure of job %s", self.task.job_id)
            self._tools.leases.end_after(self.task, 0)

    def _abandon(self) -> None:
        """Leave the job to the next attempt; or its dataset is deleted, and nothing may be left of it."""
        self._drop_unpublished()
        if self._is_ending():
            self.give_back()
            return
        try:
            if self.task.old_table is not None and not self._tools.datasets.is_there(self.task.dataset_id):
                self._tools.index.drop(self.task.old_table)
        except Exception:  # the next start of the server does it
            logger.warning("cannot look for what job %s has left", self.task.job_id, exc_info=True)
        self._tools.leases.end_after(self.task, 0)

    def _may_succeed_later(self, error: Exception) -> bool:
        """Tell whether the job may succeed when tried again: a fault can pass, a lost table is built anew."""
        if is_transient(error) or not self._tools.files.is_store_there():
            return True
        try:
            base = self.task.base
            if base is not None and self._tools.datasets.rebuild_if_lost(self.task.dataset_id, base):
                return True
        except Exception as fault:
            logger.warning("cannot look whether the table of job %s is lost", self.task.job_id, exc_info=True)
            return is_transient(fault)
        return is_missing(error) and self.task.table in str(error)  # somebody deletes the index while it is written

    def _try_later(self, error: Exception) -> None:
        """Put the job back, to be tried again after a pause that grows with each try."""
        pause = pause_after(self.task.starts)
        logger.warning("job %s failed, and is tried again in %g s", self.task.job_id, pause, exc_info=error)
        try:
            reason = f"The server could not store the index ({describe_fault(error)})"
            self._tools.jobs.postpone(self.task, f"{reason}: it is tried again in {pause:g} s", pause)
        except Exception:  # it is still RUNNING, and so tried again, too
            logger.warning("cannot record that job %s waits", self.task.job_id, exc_info=True)

    def _drop_unpublished(self) -> None:
        """Drop the table of the attempt, which takes room, unless it has been published before the attempt failed."""
        try:
            if not self._tools.datasets.has_table(self.task.dataset_id, self.task.table):
                self._tools.index.drop(self.task.table)
        except Exception:  # the next start of the server does it
            logger.warning("cannot look for what job %s has left", self.task.job_id, exc_info=True)

    def _prepare(self) -> str | None:
        """Bring the index of the dataset up to date, and publish it.

        Returns:
            What went wrong; None if the job is complete.

        Raises:
            LeaseLostError: The worker is stopping, the dataset is deleted, or another process works on it.
        """
        task, tools = self.task, self._tools
        claimed = tools.documents.claim(task)
        documents = [document for document in claimed if document.state != GONE]
        removed = [document.number for document in claimed if document.state == GONE]
        is_upload_left = task.kind != ROWS and not any(
            document.member is not None for document in claimed if document.state == GONE
        )
        try:
            with tools.files.reading(task.dataset_id, task.kind) as path:
                if task.kind != ROWS and not is_upload_left:
                    self._take_texts_out(path)
                    documents = [replace(document, member=None) for document in documents]
                reader = DocumentReader(path, task.kind, documents, tools.documents.texts)
                built = self._build(reader, removed)
        except FileNotFoundError:
            if all(one.member is None for one in documents) or not tools.files.is_lost(task.dataset_id):
                raise
            return "The dataset's file is missing: delete the dataset and upload it again"
        if task.kind != ROWS and task.base is None and documents and not built.total:
            tools.index.drop(built.at.table)
            return "The dataset has no text to retrieve: delete it and upload one that has"

        def publish(session: Session, dataset: DatasetRow) -> None:
            counts = {document.number: built.chunks.get(document.number, 0) for document in documents}
            tools.documents.take_over(session, task.job_id, counts, reader.digests)
            dataset.embedder = tools.index.embedder_of(built.at)
            dataset.kind = dataset.kind if is_upload_left else ROWS

        self._check()
        if not tools.jobs.complete(task, f"{built.total} chunks are ready for retrieval", built.at, publish):
            raise LeaseLostError
        if not is_upload_left:
            tools.files.delete(task.dataset_id)
        if task.old_table not in (None, built.at.table):
            tools.index.drop(task.old_table)
        return None

    def _build(self, reader: DocumentReader, removed: Sequence[int]) -> Built:
        last_report = 0.0

        def on_chunks(count: int) -> None:
            nonlocal last_report
            self._check()
            if reader.progress >= last_report + REPORT_STEP:
                last_report = reader.progress
                self._report(f"{count} chunks embedded, {last_report:.0%} of the text", round(last_report * 0.99, 4))

        task, index = self.task, self._tools.index
        with closing(reader.chunks(self._tools.chunk_chars)) as chunks:
            if task.base is not None and not reader.documents and not removed:
                return Built(task.base, {}, index.count(task.base), is_new=False)
            if task.base is None:
                return index.build(task.table, chunks, on_chunks)
            return index.change(task.base, task.table, removed, chunks, on_chunks)

    def _report(self, detail: str, progress: float) -> None:
        try:
            self._tools.jobs.report(self.task, detail, progress)
        except Exception as error:
            if not is_transient(error):
                raise

    def _take_texts_out(self, path: Path) -> None:
        """Store the texts of an uploaded file in the database, so that the file, and what is deleted, can go."""
        store = self._tools.documents
        documents = [document for document in store.of_dataset(self.task.dataset_id) if document.member is not None]
        reader = DocumentReader(path, self.task.kind, documents, store.texts)
        with closing(reader.texts()) as texts:
            for document, parts in texts:
                self._check()
                store.store_text(self.task, document.number, parts)

    def _check(self) -> None:
        """Raise LeaseLostError if the attempt should not be continued."""
        if self._is_ending() or self._is_cancelled.is_set():
            raise LeaseLostError
        if time.monotonic() >= self._last_look + LOOK_SECONDS:
            self._last_look = time.monotonic()
            if not self._is_wanted():
                raise LeaseLostError

    def _is_wanted(self) -> bool:
        """Tell whether the job is to be run still, by this process; a database that is away does not change it."""
        try:
            return not self._is_cancelled.is_set() and self._tools.jobs.is_run_by(self.task)
        except Exception as error:
            if not is_transient(error):
                logger.warning("cannot look whether job %s is to be run still", self.task.job_id, exc_info=True)
            return True


def _public_message(error: Exception) -> str:
    """Describe an error to the owner of a job, without details of this machine."""
    if isinstance(error, ServiceError):
        return error.detail
    return (
        f"Preparation failed inside the server ({describe_fault(error)}), see its log for the cause; "
        "prepare the dataset again"
    )
