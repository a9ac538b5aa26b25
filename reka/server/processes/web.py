"""The web server of a process: where it listens, and how it ends."""

import os
import signal
import socket
import ssl
import sys
from contextlib import suppress
from typing import Final

import uvicorn

from reka.server.errors import StartError
from reka.server.http.app import create_app
from reka.server.http.connection import LimitedServer, OtherProcesses, limited_connection
from reka.server.processes.start import ignore_hangup
from reka.server.service import Service
from reka.server.settings import Settings

BACKLOG: Final = 2048
"""Connections that may wait to be accepted, which uvicorn asks for as well."""

GRACE_SECONDS: Final = 5
"""Seconds that `reka serve` gives running requests to finish when it stops (ours)."""


def prepare_process() -> None:
    """Set up a process that is nothing but a server; SIGTERM ends it in order, as Ctrl-C does."""
    os.umask(0o077)  # what libraries create in the data folder is for this user only, too
    _raise_fd_limit()
    signal.signal(signal.SIGTERM, _leave)
    ignore_hangup()


def listen(settings: Settings) -> socket.socket:
    """Listen: connections wait until a server accepts them.

    Raises:
        StartError: The address is none of this machine, or the port is in use.
    """
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


def url_of(listener: socket.socket, tls: ssl.SSLContext | None) -> str:
    """Return the base URL of a server, without a trailing slash."""
    host, port = listener.getsockname()[:2]
    scheme = "http" if tls is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def web_server(
    service: Service,
    grace_seconds: int,
    tls: ssl.SSLContext | None,
    others: OtherProcesses | None = None,
) -> uvicorn.Server:
    """Make the web server of a service.

    Args:
        service: The service.
        grace_seconds: Seconds that running requests have to finish when it stops.
        tls: TLS of its connections; None for none.
        others: The other processes that listen on its socket, if there are any.
    """
    # Logging is up to the program, and access logs would contain names of datasets.
    config = uvicorn.Config(
        create_app(service),
        http=limited_connection(service.settings),
        # Of several processes, each takes one connection at a time, by `SharedListener.accept`, which uvloop passes by.
        loop="auto" if others is None else "asyncio",
        backlog=BACKLOG if others is None else 1,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the address of a client is not used
        timeout_graceful_shutdown=grace_seconds,
    )
    config.load()
    config.ssl = tls  # after `load`, which makes one of its own out of files
    return LimitedServer(config, service.settings.drain_seconds, service.drain, others)


def _leave(*_: object) -> None:
    sys.exit(0)


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
