"""Running a server: in the foreground for `reka serve`, or in a thread of another program."""

import gc
import logging
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

import uvicorn
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from reka.server.errors import StartError
from reka.server.generation.types import ChatBackend
from reka.server.http.app import create_app
from reka.server.http.connection import LimitedServer, limited_connection
from reka.server.http.health import no_model_notice
from reka.server.program_end import is_program_ending
from reka.server.retrieval.embeddings import Embedder
from reka.server.service import Service, run_service
from reka.server.settings import Settings
from reka.server.storage.data_dir import DataFolder
from reka.server.tls import tls_context

logger = logging.getLogger(__name__)

BACKLOG: Final = 128
"""Connections that may wait to be accepted (ours)."""

GRACE_SECONDS: Final = 5
"""Seconds that `reka serve` gives running requests to finish when it stops (ours)."""

BACKGROUND_GRACE_SECONDS: Final = 1
"""Seconds that a `BackgroundServer` gives running requests to finish, when its program is ending as well (ours)."""

GC_THRESHOLD: Final = 20_000
"""Allocated objects that trigger a garbage collection; a request allocates some hundreds for a short time (ours)."""


def serve(settings: Settings) -> None:
    """Run a server until SIGINT or SIGTERM. Its address is the first line on the standard output.

    After SIGTERM the server is not ready any more, answers what still comes, and ends when no request is left, or after
    `drain_seconds`. A server without a terminal ignores SIGHUP, which has no meaning for it.

    Raises:
        StartError: The server cannot start; the message says why, and how to fix it.
    """
    os.umask(0o077)  # what libraries create in the data folder is for this user only, too
    _raise_fd_limit()
    tls = tls_context(settings)
    with _prepared(settings) as (service, listener):
        _tune_gc()
        _ignore_hangups()
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        print(f"reka is listening on {_url(listener, tls)}", flush=True)
        if notice := no_model_notice(service):
            logger.warning(notice)
        _server(service, GRACE_SECONDS, tls).run(sockets=[listener])


class BackgroundServer:
    """A server in a thread of this process. It accepts requests once the constructor returns."""

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
            service, listener = stack.enter_context(_prepared(settings, backend, embedder))
            self.url = _url(listener, tls)
            """Base URL of the server, without a trailing slash."""
            self._server = _server(service, BACKGROUND_GRACE_SECONDS, tls)
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
def _prepared(
    settings: Settings, backend: ChatBackend | None = None, embedder: Embedder | None = None
) -> Iterator[tuple[Service, socket.socket]]:
    """Lock the data folder, run the service, and listen: connections wait until the server accepts them."""
    with DataFolder(settings.data_dir).locked(), ExitStack() as stack:
        try:
            service = stack.enter_context(run_service(settings, backend, embedder))
        except ValueError as error:
            raise StartError(str(error)) from error
        except IntegrityError as error:
            raise StartError("database_url: another server has just taken the database: use another one") from error
        except SQLAlchemyError as error:
            raise StartError(
                f"database_url: cannot open the database ({type(error).__name__}): check the URL, or restore the file "
                "from a backup"
            ) from error
        if not settings.is_loopback and not service.keys.list():
            raise StartError(
                f"host: other machines can reach {settings.host!r}, and this server has no API keys, so anybody could "
                "use it: create a key first (reka keys create), or listen on 127.0.0.1"
            )
        yield service, stack.enter_context(_listen(settings))


def _listen(settings: Settings) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartError(f"host: cannot listen on {settings.host!r}: {error.strerror}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(
            f"port: cannot listen on port {settings.port} of {settings.host} ({error.strerror}): stop the program that "
            "uses it, or choose another port (0 selects a free one)"
        ) from error
    return listener


def _raise_fd_limit() -> None:
    """Raise this process's soft limit of open files, often 1,024, to the hard limit: a stream holds two connections.

    Only for a server in a process of its own; the limits of other programs are left alone.
    """
    try:
        import resource
    except ImportError:
        return  # Windows has no such limit
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS reports no hard limit, and rejects that as a limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


def _ignore_hangups() -> None:
    """Ignore SIGHUP, unless it is the server's terminal that would hang up."""
    if hasattr(signal, "SIGHUP") and not (sys.stdin and sys.stdin.isatty()):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _tune_gc() -> None:
    """Make garbage collections rarer. Only for a server in a process of its own."""
    gc.set_threshold(GC_THRESHOLD, *gc.get_threshold()[1:])


def _url(listener: socket.socket, tls: ssl.SSLContext | None) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "http" if tls is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _server(service: Service, grace_seconds: int, tls: ssl.SSLContext | None) -> uvicorn.Server:
    # Logging is up to the program, and access logs would contain names of datasets.
    config = uvicorn.Config(
        create_app(service),
        http=limited_connection(service.settings),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the address of a client is not used
        timeout_graceful_shutdown=grace_seconds,
    )
    config.load()
    config.ssl = tls  # after `load`, which makes one of its own out of files
    return LimitedServer(config, service.settings.drain_seconds, service.drain)
