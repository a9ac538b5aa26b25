"""The background threads that run prepare-retrieval jobs: one of any size, and one of small ones that never wait."""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Final

from reka.server.ingest.attempt import LOOK_SECONDS, Attempt, Tools
from reka.server.ingest.pauses import pause_after
from reka.server.program_end import is_program_ending
from reka.server.storage.datasets import Rewrite
from reka.server.storage.leases import LeaseLostError

logger: Final = logging.getLogger(__name__)

STOP_SECONDS: Final = 2.0
"""Seconds that `stop` waits for the current batches. A job that takes longer is started anew elsewhere (ours)."""

IDLE_SECONDS: Final = 1.0
"""Seconds without a job after which tables that hold what was deleted are written anew (ours)."""

POLL_SECONDS: Final = 0.2
"""Seconds between two looks for jobs that other processes have added (ours)."""

TIDY_SECONDS: Final = 5.0
"""Seconds between two looks for what other processes have deleted (ours)."""

SMALL_BYTES: Final = 1024 * 1024
"""Size of texts up to which a job is small: a second for wordllama, ten for slower embedders (ours)."""


@dataclass(slots=True)
class _Lane:
    """A thread that runs one job at a time."""

    max_bytes: int | None
    """Maximum size of the texts of its jobs; None if it takes any, and tidies up."""
    signals: int = -1
    """Signals that it has seen."""
    failures: int = 0
    """Failures in a row to read the queue."""
    last_tidy: float = 0.0


class Worker:
    """Prepares datasets for retrieval in the background. Of each owner it runs one job at a time."""

    def __init__(self, tools: Tools, *, is_alone: bool = True) -> None:
        """Create a worker; it runs nothing before `start`.

        Args:
            tools: What to work with.
            is_alone: Whether no other process adds jobs or runs them, so that nothing is looked for without a signal.
        """
        self._tools = tools
        self._is_alone = is_alone
        self._changed = threading.Condition()
        self._signals = 0
        self._is_stopping = False
        self._starting = threading.Lock()
        self._attempts: list[Attempt] = []
        # Daemon threads, so that a process that ends without stopping its server does not wait minutes for a job.
        self._threads = [
            threading.Thread(target=self._run, args=(_Lane(most),), name="reka-jobs", daemon=True)
            for most in (None, SMALL_BYTES)
        ]

    def start(self) -> None:
        """Start the threads. Jobs of processes that are gone are run first."""
        self._tools.jobs.subscribe(on_new=self._signal, on_deleted=self._on_deleted)
        if not self._is_alone:
            self._tools.leases.start(on_end=self._on_dead)
        for thread in self._threads:
            thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the threads are running."""
        return all(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Stop the threads. Current jobs stay RUNNING; the next worker, or another one that runs, restarts them."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        end = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        for attempt in list(self._attempts):
            attempt.give_back()
        self._tools.leases.stop()

    def _signal(self) -> None:
        with self._changed:
            self._signals += 1
            self._changed.notify_all()

    def _on_deleted(self, dataset_id: str) -> None:
        for attempt in list(self._attempts):
            if attempt.task.dataset_id == dataset_id:
                attempt.cancel()
        self._signal()

    def _on_dead(self, table: str) -> None:
        """Drop what another process has left, and run its job."""
        self._tools.index.drop(table)
        self._signal()

    def _run(self, lane: _Lane) -> None:
        while self._wait_for_work(lane):
            while attempt := self._start_next(lane):
                try:
                    attempt.run()
                finally:
                    self._attempts.remove(attempt)
                    self._signal()  # the owner's next job may be one for another lane
            if lane.max_bytes is None and self._is_tidying_due(lane):
                self._tidy_up(lane)

    def _is_tidying_due(self, lane: _Lane) -> bool:
        return self._is_alone or time.monotonic() >= lane.last_tidy + TIDY_SECONDS

    def _wait_for_work(self, lane: _Lane) -> bool:
        """Wait until there may be a job to start, or something to tidy up; return False when the worker is stopping."""
        seconds = self._tools.leases.next_due() if self._is_alone else POLL_SECONDS
        if lane.failures:
            seconds = pause_after(lane.failures)
        with self._changed:
            self._changed.wait_for(lambda: self._signals != lane.signals or self._is_stopping, seconds)
            lane.signals = self._signals
            return not self._is_ending()

    def _start_next(self, lane: _Lane) -> Attempt | None:
        if self._is_ending():
            return None
        try:
            with self._starting:
                self._tools.leases.end_due()
                owners = {attempt.task.owner for attempt in self._attempts}
                task = self._tools.jobs.start_next(lane.max_bytes, besides=owners)
                lane.failures = 0
                if task is None:
                    return None
                self._attempts.append(attempt := Attempt(task, self._tools, self._is_ending))
                return attempt
        except Exception:
            if self._is_ending():
                return None
            lane.failures += 1
            logger.exception("cannot read the job queue, and try again in %g s", pause_after(lane.failures))
            return None

    def _tidy_up(self, lane: _Lane) -> None:
        """Remove from the disk what was deleted, as long as there is no job."""
        lane.last_tidy = time.monotonic()
        try:
            self._tools.datasets.remove_deleted()
            self._tools.sweeper.sweep_if_due()
            self._tools.documents.erase_deleted()
            while (rewrite := self._tools.datasets.start_rewrite()) and self._rewrite(lane, rewrite):
                pass
        except Exception:
            if not self._is_ending():
                logger.exception("cannot remove what was deleted")

    def _rewrite(self, lane: _Lane, rewrite: Rewrite) -> bool:
        """Write a table anew; return False if it is abandoned, as there is a job."""
        last_look = time.monotonic()

        def on_chunks(_: int) -> None:
            nonlocal last_look
            if self._is_wanted(lane):
                raise LeaseLostError
            if time.monotonic() >= last_look + LOOK_SECONDS:
                last_look = time.monotonic()
                if self._tools.jobs.is_wanted(rewrite.dataset_id) or not self._tools.datasets.is_rewritten(rewrite):
                    raise LeaseLostError

        try:
            if self._is_wanted(lane, IDLE_SECONDS) or self._tools.jobs.is_wanted(rewrite.dataset_id):
                return False
            built = self._tools.index.rewrite(rewrite.base, rewrite.table, on_chunks)
            if not self._tools.datasets.replace_table(rewrite, built.at):
                self._tools.index.drop(rewrite.table)
        except LeaseLostError:
            return False
        except Exception:
            if not self._tools.datasets.rebuild_if_lost(rewrite.dataset_id, rewrite.base):
                raise
        finally:
            self._tools.leases.end_after(rewrite, 0)
            self._tools.leases.end_due()
        return True

    def _is_wanted(self, lane: _Lane, seconds: float = 0.0) -> bool:
        """Tell whether there is a signal, or one comes within some seconds; or the worker is stopping."""
        with self._changed:
            return self._changed.wait_for(lambda: self._signals != lane.signals or self._is_ending(), seconds)

    def _is_ending(self) -> bool:
        """Tell whether the worker is stopping, or the program that it runs in is ending."""
        return self._is_stopping or is_program_ending()
