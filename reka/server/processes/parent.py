"""The process that starts others for one server, and ends them in order."""

import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any, Final

from reka.server.errors import StartError
from reka.server.processes.children import KILL_SECONDS, Child, end_together
from reka.server.processes.sharing import forget_process, prepare_folder
from reka.server.processes.start import start_errors
from reka.server.processes.web import GRACE_SECONDS
from reka.server.settings import Settings
from reka.server.storage.data_dir import DataFolder

logger: Final = logging.getLogger(__name__)

_POLL_SECONDS = 0.1


def check_can_share(settings: Settings) -> None:
    """Check that several processes can serve one port, if they are to.

    Raises:
        StartError: They cannot.
    """
    if settings.workers > 1 and sys.platform == "win32":
        raise StartError(
            f"workers: got {settings.workers}, and on Windows processes cannot share a port in this server: leave it "
            "out, or run several servers behind a load balancer"
        )


@contextmanager
def worker_process(settings: Settings, locks: tuple[int, ...]) -> Iterator[Callable[[], bool]]:
    """Run the jobs in a process of their own until the block ends; yield what tells whether it is at work."""
    child = Child("worker", _orders(settings, locks), locks)
    child.start()
    try:
        yield lambda: child.is_running
    finally:
        end_together([child], KILL_SECONDS)


@contextmanager
def server_processes(settings: Settings, locks: tuple[int, ...], listener: int) -> Iterator[list[Child]]:
    """Answer requests in several processes until the block ends, which kills those that do not end soon after it.

    Args:
        settings: The server's settings.
        locks: Handles by which they share the lock of the data folder.
        listener: Handle of the socket from which they accept connections.

    Yields:
        The processes, which are ready.

    Raises:
        StartError: One of them cannot start.
    """
    shared = DataFolder(settings.data_dir).processes
    with start_errors():
        prepare_folder(shared, settings.workers)
    handles = (*locks, listener)
    orders = _orders(_share_of(settings), locks) | {"listener": listener}
    servers = [
        Child(f"server {number}", orders | {"process": number}, handles, partial(forget_process, shared, number))
        for number in range(settings.workers)
    ]
    try:
        for server in servers:
            server.start()
        if not all(server.wait_until_ready() for server in servers):
            raise StartError("workers: a process of the server ended before it was ready; the log says why")
        yield servers
    finally:
        end_together(servers, GRACE_SECONDS + KILL_SECONDS)


def drain_on_signal(servers: list[Child], signals: "SimpleQueue[int]", drain_seconds: float) -> None:
    """Wait for a signal, then until no request is left; for SIGINT, or after another signal, not so long.

    Args:
        servers: The processes that answer requests.
        signals: The signals; see `start.watch_signals`.
        drain_seconds: Maximum time for requests to end after SIGTERM.
    """
    seconds = drain_seconds if signals.get() == signal.SIGTERM else GRACE_SECONDS
    deadline = time.monotonic() + seconds
    for server in servers:
        server.stop()
    while any(not server.wait(_POLL_SECONDS) for server in servers):
        if time.monotonic() > deadline or not signals.empty():
            return


def _orders(settings: Settings, locks: tuple[int, ...]) -> dict[str, Any]:
    # What is not set stays so: some defaults depend on what is.
    return {"settings": settings.model_dump(mode="json", exclude_unset=True), "locks": locks}


def _share_of(settings: Settings) -> Settings:
    """Settings of one of the processes: an upstream takes as many requests as it did of one process."""
    limits = {
        name: -(-getattr(settings, name) // settings.workers) for name in ("upstream_concurrency", "upstream_queue")
    }
    return settings.model_copy(update=limits)
