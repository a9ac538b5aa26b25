"""Running a server: in the foreground for `reka serve`, or in a thread of another program."""

import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Final

from reka.server.errors import StartError
from reka.server.generation.types import ChatBackend
from reka.server.http.health import no_model_notice
from reka.server.lifecycle import prepare_storage, run_service
from reka.server.processes.garbage import tune_gc
from reka.server.processes.parent import (
    check_can_share,
    drain_on_signal,
    server_processes,
    worker_process,
)
from reka.server.processes.start import set_up_log, start_errors, watch_signals
from reka.server.processes.web import GRACE_SECONDS, listen, prepare_process, url_of, web_server
from reka.server.program_end import is_program_ending
from reka.server.retrieval.embeddings import Embedder
from reka.server.service import Service
from reka.server.settings import Settings
from reka.server.storage.data_dir import DataFolder
from reka.server.telemetry.export import opentelemetry
from reka.server.tls import tls_context

logger: Final = logging.getLogger(__name__)

BACKGROUND_GRACE_SECONDS: Final = 1
"""Seconds that a `BackgroundServer` gives running requests to finish, when its program is ending as well (ours)."""


def serve(settings: Settings) -> None:
    """Run a server until SIGINT or SIGTERM. Its address is the first line on the standard output.

    A process of its own runs the jobs, unless the settings say that there is none; several answer requests, if they say
    so. After SIGTERM the server is not ready any more, answers what still comes, and ends when no request is left, or
    after `drain_seconds`. A server without a terminal ignores SIGHUP, which has no meaning for it.

    Raises:
        StartError: The server cannot start; the message says why, and how to fix it.
    """
    check_can_share(settings)
    prepare_process()
    tls = tls_context(settings)
    with ExitStack() as stack:
        locks = stack.enter_context(_locked(settings))
        with start_errors():
            prepare_storage(settings)
        if settings.workers > 1:
            with _checked_service(settings, is_alone=False, runs_jobs=False) as service:
                notice = no_model_notice(service)
            listener = stack.enter_context(listen(settings))
            set_up_log()
            _serve_together(settings, locks, listener, lambda: _announce(listener, tls, notice))
            return
        service = stack.enter_context(_checked_service(settings, is_alone=False, runs_jobs=False))
        listener = stack.enter_context(listen(settings))
        tune_gc()
        set_up_log()
        stack.enter_context(opentelemetry(service.metrics))
        if not settings.no_worker:
            service.is_worker_running = stack.enter_context(worker_process(settings, locks))
        _announce(listener, tls, no_model_notice(service))
        web_server(service, GRACE_SECONDS, tls).run(sockets=[listener])


def _serve_together(
    settings: Settings, locks: tuple[int, ...], listener: socket.socket, on_ready: Callable[[], object]
) -> None:
    """Have several processes answer requests, until SIGINT or SIGTERM."""
    with ExitStack() as stack:
        if not settings.no_worker:
            stack.enter_context(worker_process(settings, locks))
        servers = stack.enter_context(server_processes(settings, locks, listener.fileno()))
        signals = watch_signals()
        on_ready()
        drain_on_signal(servers, signals, settings.drain_seconds)


def _announce(listener: socket.socket, tls: ssl.SSLContext | None, notice: str | None) -> None:
    print(f"reka is listening on {url_of(listener, tls)}", flush=True)
    if notice:
        logger.warning(notice)


class BackgroundServer:
    """A server in a thread of this process, as is its worker. It accepts requests once the constructor returns."""

    def __init__(
        self, settings: Settings, *, backend: ChatBackend | None = None, embedder: Embedder | None = None
    ) -> None:
        """Start a server.

        Args:
            settings: The server's settings; port 0 selects a free port.
            backend: Generates the responses of chats; None for the backend that the settings select.
            embedder: Embeds the chunks of new datasets; None for the embedder that the settings select.

        Raises:
            DataFolderInUseError: Another server uses the same data folder.
            StartError: The server cannot start.
        """
        tls = tls_context(settings)
        with ExitStack() as stack:
            stack.enter_context(_locked(settings))
            service = stack.enter_context(_background_service(settings, backend, embedder))
            listener = stack.enter_context(listen(settings))
            self.url: str = url_of(listener, tls)
            """Base URL of the server, without a trailing slash."""
            self._server = web_server(service, BACKGROUND_GRACE_SECONDS, tls)
            self._thread = threading.Thread(target=self._run, args=(listener,), name="reka-server", daemon=True)
            self._thread.start()
            if notice := no_model_notice(service):
                logger.info(notice)
            self._parts = stack.pop_all()

    def stop(self) -> None:
        """Stop the server and unlock its data folder. Further calls do nothing."""
        self._server.should_exit = True
        self._thread.join()
        self._parts.close()

    def _run(self, listener: socket.socket) -> None:
        try:
            self._server.run(sockets=[listener])
        except RuntimeError:
            # The server has stopped, and asyncio would wait in a thread for those of its executor.
            if not is_program_ending():
                raise


@contextmanager
def _locked(settings: Settings) -> Iterator[tuple[int, ...]]:
    """Lock the data folder for a server, and its jobs too unless others run them; yield what a child shares."""
    folder = DataFolder(settings.data_dir)
    with ExitStack() as stack:
        with start_errors():
            locks = stack.enter_context(folder.locked())
            if not settings.no_worker:
                stack.enter_context(folder.running_jobs())
        yield locks


def _background_service(
    settings: Settings, backend: ChatBackend | None, embedder: Embedder | None
) -> AbstractContextManager[Service]:
    """Run a service that is the only process on its data, unless a worker runs its jobs."""
    if settings.no_worker:
        with start_errors():
            prepare_storage(settings)
    is_alone = not settings.no_worker
    return _checked_service(settings, backend, embedder, is_alone=is_alone, runs_jobs=is_alone)


@contextmanager
def _checked_service(
    settings: Settings,
    backend: ChatBackend | None = None,
    embedder: Embedder | None = None,
    *,
    is_alone: bool,
    runs_jobs: bool,
) -> Iterator[Service]:
    """Run a service that may be reached where the settings say."""
    with ExitStack() as stack:
        with start_errors():
            service = stack.enter_context(
                run_service(settings, backend, embedder, is_alone=is_alone, runs_jobs=runs_jobs)
            )
        if not settings.is_loopback and not service.keys.list():
            raise StartError(
                f"host: other machines can reach {settings.host!r}, and this server has no API keys, so anybody could "
                "use it: create a key first (reka keys create), or listen on 127.0.0.1"
            )
        yield service
