"""The process that runs the jobs, so that requests stay fast while it works."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from reka.server.errors import StartError
from reka.server.lifecycle import end_attempts, run_service
from reka.server.processes.start import ignore_hangup, set_up_log, start_errors, watch_signals
from reka.server.retrieval.building.link import ClusterError
from reka.server.retrieval.embeddings import EmbeddingError
from reka.server.service import cluster_of, embedder_of
from reka.server.settings import Settings
from reka.server.storage.data_dir import DataFolder

NICENESS: Final = 5
"""Priority of the process: of a core that it shares with a server, it gets about a quarter (ours)."""

_THREADS: Final = tuple(f"{name}_THREADS" for name in ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "RAYON_NUM", "LANCE_CPU"))
"""Variables by which the libraries that embed and index limit their threads."""


def run_worker(settings: Settings, locks: list[int] | None = None, on_ready: Callable[[], object] = int) -> None:
    """Run the jobs of a data folder until SIGTERM or SIGINT.

    Args:
        settings: The server's settings.
        locks: Handles by which the server that has started this process shares the lock of its folder; None for a
            worker that no server has started.
        on_ready: Called when it looks for jobs.

    Raises:
        StartError: It cannot start, or a server runs the jobs of the folder; the message says why, and how to fix it.
    """
    os.umask(0o077)
    set_up_log()
    _make_way()
    folder = DataFolder(settings.data_dir)
    for handle in locks or ():
        folder.join(handle)
    ignore_hangup()
    signals = watch_signals()
    with ExitStack() as stack:
        with start_errors():
            if locks is None:
                folder.open()
                stack.enter_context(folder.working())
            if locks:
                end_attempts(settings)  # of the one before this
            _check_cluster(settings)
            stack.enter_context(run_service(settings, is_alone=False))
        on_ready()
        signals.get()


def _check_cluster(settings: Settings) -> None:
    """Check that the cluster that the settings name, if any, can do the work.

    Raises:
        StartError: It cannot.
    """
    if cluster := cluster_of(settings):
        try:
            cluster.check(embedder_of(settings))
        except (ClusterError, EmbeddingError) as error:
            raise StartError(f"ray: {error}") from error


def _make_way() -> None:
    """Leave half of the cores, and the time of those that are shared, to the servers on this machine."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    threads = max(1, (os.cpu_count() or 1) // 2)
    for name in _THREADS:
        os.environ.setdefault(name, str(threads))
