"""A server at work: in the foreground for `reka serve`, or in a thread of some other program."""

import gc
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from reka.server.errors import StartError
from reka.server.generation.types import ChatBackend
from reka.server.http.app import create_app
from reka.server.http.health import no_model_notice
from reka.server.retrieval.embeddings import Embedder
from reka.server.service import Service, run_service
from reka.server.settings import Settings
from reka.server.storage.data_dir import DataFolder

logger = logging.getLogger(__name__)

BACKLOG: Final = 128
"""Connections that wait to be accepted (ours)."""

GRACE_SECONDS: Final = 5
"""How long `reka serve` lets requests at work finish when it is told to stop (ours)."""

_COLLECT_AFTER: Final = 20_000
"""Objects made and not freed that call for a collection; a request makes some hundreds for a short time (ours)."""

BACKGROUND_GRACE_SECONDS: Final = 1
"""The same inside another program, which is ending itself (ours)."""


def serve(settings: Settings) -> None:
    """Run a server until it gets SIGINT or SIGTERM. The first line on the standard output is its address.

    Raises:
        StartError: It cannot start; the message says why and the way out.
    """
    _raise_fd_limit()
    with _prepared(settings) as (service, listener):
        _tune_gc()
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        print(f"reka is listening on {_url(listener)}", flush=True)
        if text := no_model_notice(service):
            logger.warning(text)
        _server(service, GRACE_SECONDS).run(sockets=[listener])


class BackgroundServer:
    """A server in a thread of this process. It answers as soon as the constructor has returned."""

    def __init__(
        self, settings: Settings, *, backend: ChatBackend | None = None, embedder: Embedder | None = None
    ) -> None:
        """Start a server.

        Args:
            settings: How it runs; port 0 takes a free one.
            backend: What answers questions; None for the one that the settings ask for.
            embedder: What compares texts; None for the built-in one.

        Raises:
            StartError: It cannot start; DataFolderInUseError if another server works on the same data.
        """
        with ExitStack() as stack:
            service, listener = stack.enter_context(_prepared(settings, backend, embedder))
            self.url = _url(listener)
            """The address, without a slash at its end."""
            self._server = _server(service, BACKGROUND_GRACE_SECONDS)
            self._thread = threading.Thread(
                target=self._server.run, kwargs={"sockets": [listener]}, name="reka-server", daemon=True
            )
            self._thread.start()
            if text := no_model_notice(service):
                logger.info(text)
            self._parts = stack.pop_all()

    def stop(self) -> None:
        """Stop the server, and let go of its data folder. A second time does nothing."""
        self._server.should_exit = True
        self._thread.join()
        self._parts.close()


@contextmanager
def _prepared(
    settings: Settings, backend: ChatBackend | None = None, embedder: Embedder | None = None
) -> Iterator[tuple[Service, socket.socket]]:
    """Hold the data folder, have the service's parts at work, and listen: connections wait until they are served."""
    with DataFolder(settings.data_dir).locked(), ExitStack() as stack:
        try:
            service = stack.enter_context(run_service(settings, backend, embedder))
        except ValueError as error:
            raise StartError(str(error)) from error
        except SQLAlchemyError as error:
            raise StartError(
                "database_url: cannot open the record of datasets, jobs and keys "
                f"({type(error).__name__}): check the address, or restore the file from a copy"
            ) from error
        if not settings.is_loopback and not service.keys.list():
            raise StartError(
                f"host: other machines can reach {settings.host!r}, and this server knows no keys, so it would serve "
                "everybody: make a key first (reka keys create), or listen on 127.0.0.1"
            )
        yield service, stack.enter_context(_listening(settings))


def _listening(settings: Settings) -> socket.socket:
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
            f"port: cannot listen on port {settings.port} of {settings.host} ({error.strerror}): end what uses it, or "
            "choose another port (0 takes a free one)"
        ) from error
    return listener


def _raise_fd_limit() -> None:
    """Raise this process's limit of open files, often 1,024, to the most it may have: a stream holds two connections.

    Only a server in a process of its own does so; the limits of other programs are their own business.
    """
    try:
        import resource
    except ImportError:
        return  # Windows has no such limit
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS says that there is no limit, and refuses that as one
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _tune_gc() -> None:
    """Leave what was loaded to start out of garbage collections, and make them rarer: a tenth of a request's time.

    Only a server in a process of its own does so, too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(service: Service, grace_seconds: int) -> uvicorn.Server:
    # Logging is the program's business, and access logs would tell dataset names.
    return uvicorn.Server(
        uvicorn.Config(
            create_app(service),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # whose address a request comes from is asked nowhere
            timeout_graceful_shutdown=grace_seconds,
        )
    )
