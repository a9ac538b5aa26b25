"""One of several processes that answer the requests to one server."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from reka.server.lifecycle import run_service
from reka.server.processes.balance import DRAINING, Loads, SharedListener
from reka.server.processes.garbage import tune_gc
from reka.server.processes.sharing import open_loads, open_shares
from reka.server.processes.start import set_up_log, start_errors
from reka.server.processes.web import GRACE_SECONDS, prepare_process, web_server
from reka.server.settings import Settings
from reka.server.storage.data_dir import DataFolder
from reka.server.telemetry.export import opentelemetry
from reka.server.telemetry.metrics import Metrics
from reka.server.tls import tls_context


class _Others:
    """The other processes of a server; see `http.connection.OtherProcesses`."""

    def __init__(self, loads: Loads, metrics: Metrics) -> None:
        self._loads = loads
        self._metrics = metrics

    def report(self, connections: int | None) -> None:
        self._loads.publish(DRAINING if connections is None else connections)
        self._metrics.sample()  # for a scrape that another process answers

    def leave(self) -> None:
        self._loads.publish(DRAINING)  # nothing that waits for a lock, which the interrupted code may have

    def accept(self) -> bool:
        return self._loads.others_accept()

    def drain(self) -> bool:
        return self._loads.others_drain()


def run_server_process(
    settings: Settings, locks: Sequence[int], listener: int, process: int, on_ready: Callable[[], object]
) -> None:
    """Answer requests until SIGTERM; then take no new connections, and end when no request is left.

    Args:
        settings: The server's settings.
        locks: Handles by which the parent shares the lock of the data folder.
        listener: Handle of the socket on which the parent listens.
        process: Number of this process among those of the server.
        on_ready: Called when it is about to take connections.

    Raises:
        StartError: It cannot start.
    """
    prepare_process()
    tune_gc()
    set_up_log()
    folder = DataFolder(settings.data_dir)
    for handle in locks:
        folder.join(handle)
    tls = tls_context(settings)
    shares = open_shares(folder.processes, settings, process)
    with ExitStack() as stack:
        with start_errors():
            service = stack.enter_context(run_service(settings, is_alone=False, runs_jobs=False, shares=shares))
        stack.enter_context(opentelemetry(service.metrics))
        loads = open_loads(folder.processes, process)
        shared = stack.enter_context(SharedListener(listener, loads))

        server = web_server(service, GRACE_SECONDS, tls, _Others(loads, service.metrics))
        on_ready()
        server.run(sockets=[shared])
