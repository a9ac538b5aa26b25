"""`base_url="local"`: one embedded server per data folder, shared by all threads and processes that use the folder.

The first process that needs the server starts it and holds the folder's lock. Other processes find the lock held, read
the address from `server.json`, and join. The lock belongs to the operating system: it ends with its process, however
that ends, and the next process that needs the server starts it again.
"""

import atexit
import json
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from reka.errors import APIConnectionError, InvalidArgumentError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from reka.server.run import BackgroundServer

__all__ = ["LocalServer", "local_server", "running_server", "stop_local_servers"]

START_SECONDS: Final = 30.0
"""Seconds to wait for the server of another process to become ready; slow machines take five (ours)."""

_POLL_SECONDS: Final = 0.05
_OWNER: Final = "local"


@dataclass(frozen=True, slots=True)
class LocalServer:
    """Address and API key of an embedded server."""

    base_url: str
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _JoinedServer:
    """A server of another process."""

    server: LocalServer
    stamp: tuple[int, int]
    """Identifies the version of `server.json` that describes the server."""


class _Servers:
    """The servers that this process runs or has joined, by folder."""

    def __init__(self) -> None:
        self.start_lock = threading.Lock()
        self.own: dict[Path, tuple[BackgroundServer, LocalServer]] = {}
        self.joined: dict[Path, _JoinedServer] = {}

    def find(self, folder: Path) -> LocalServer | None:
        """Return the server of a folder if this process already uses it and it still runs."""
        if own := self.own.get(folder):
            return own[1]
        joined = self.joined.get(folder)
        if joined and _stamp(folder) == joined.stamp and _is_locked(folder):
            return joined.server
        return None


_servers = _Servers()
# Servers that a forked child inherited and must not touch. Referenced, because freeing them could stop the servers.
_inherited: Final[list[_Servers]] = []


def local_server(data_dir: Path | None = None, *, max_wait: float = START_SECONDS) -> LocalServer:
    """Return the embedded server of a folder; start it, or join the process that runs it, if needed.

    This is called before every request; it takes some ten microseconds once the server is in use.

    Args:
        data_dir: Folder of the server's data, with `~` for the home folder; None for `reka/local` in the user's data
            folder.
        max_wait: Seconds to wait for another process that holds the folder's lock.

    Raises:
        InvalidArgumentError: The folder cannot be used, or the server's packages are not installed.
        APIConnectionError: Another process holds the folder's lock, and its server does not become ready.
    """
    folder = data_folder(data_dir)
    return _servers.find(folder) or _attach(folder, max_wait)


def running_server(data_dir: Path | None = None) -> LocalServer | None:
    """Return the embedded server of a folder if this process uses it already.

    Raises:
        InvalidArgumentError: The folder cannot be one.
    """
    return _servers.find(data_folder(data_dir))


def data_folder(data_dir: Path | None) -> Path:
    """Find the folder of an embedded server's data; nothing is written.

    Args:
        data_dir: As in `local_server`.

    Raises:
        InvalidArgumentError: The folder cannot be one.
    """
    return user_data_path("reka") / "local" if data_dir is None else _absolute(data_dir)


def _absolute(path: Path) -> Path:
    try:
        # Not resolve(), which would access the disk for every part of the path at every request.
        return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100  # see above
    except RuntimeError as error:
        raise InvalidArgumentError(f"got {path}, which has no known home folder: write the path out") from error


def _attach(folder: Path, max_wait: float) -> LocalServer:
    with _servers.start_lock:  # of concurrent threads, one starts the server and the others find it
        deadline = time.monotonic() + max_wait
        while True:
            server = _servers.find(folder) or _start(folder) or _join(folder)
            if server is not None:
                return server
            if time.monotonic() > deadline:
                raise APIConnectionError(
                    f"another process holds {folder}, and its server was not ready within {max_wait:g} s. If it is "
                    "`reka serve`, use its address as base_url; else choose another folder: 'local:PATH'"
                )
            time.sleep(_POLL_SECONDS)


def _start(folder: Path) -> LocalServer | None:
    """Start a server in this process; return None if another process has the folder, or is starting its server."""
    from reka.server.errors import DataFolderInUseError, StartError
    from reka.server.storage.data_dir import DataFolder
    from reka.server.store.private_files import make_private_file

    try:
        # Also before a server is joined: from a folder that others may write to, an address and a key are not taken.
        DataFolder(folder).claim()
        make_private_file(folder / "starting")
        # Of concurrent processes one continues: the others would import all of the server for nothing.
        with FileLock(folder / "starting", timeout=0):
            return None if _is_locked(folder) else _start_server(folder)
    except (Timeout, DataFolderInUseError):
        return None
    except StartError as error:
        if isinstance(error.__cause__, OSError):  # of the folder, whose name its caller did not give as `data_dir`
            raise InvalidArgumentError(
                f"the local server cannot keep its data in {folder}: {error.__cause__.strerror}"
            ) from error
        raise InvalidArgumentError(f"the local server cannot start: {error}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidArgumentError(f"the local server cannot keep its data in {folder}: {reason}") from error


def _start_server(folder: Path) -> LocalServer | None:
    try:
        from sqlalchemy.exc import SQLAlchemyError

        from reka.server.errors import DataFolderInUseError
        from reka.server.run import BackgroundServer
        from reka.server.settings import Settings
        from reka.server.store.private_files import write_private
    except ImportError as error:
        raise InvalidArgumentError(
            f"'local' starts a server in this process, which needs more packages ({error.name} is missing): "
            "install this package with the extra `server`, reka[server]"
        ) from error
    # What the environment may set for another server is none of this one's.
    settings = Settings(
        host="127.0.0.1",
        port=0,
        tls_cert=None,
        tls_key=None,
        data_dir=folder,
        database_url=None,
        store_url=None,
        no_worker=False,
        access_log=None,
    )
    try:
        key = _get_or_create_key(folder)
        running = BackgroundServer(settings)
    except DataFolderInUseError:
        return None
    except SQLAlchemyError as error:
        raise InvalidArgumentError(
            f"the local server cannot open {folder / 'reka.sqlite'}: move that file and the datasets away, "
            "or choose another folder: 'local:PATH'"
        ) from error
    server = LocalServer(running.url, key)
    _servers.own[folder] = running, server
    _wait_until_loaded(server.base_url)
    write_private(folder / "server.json", json.dumps({"base_url": server.base_url, "pid": os.getpid()}))
    return server


def _wait_until_loaded(base_url: str) -> None:
    """Wait until every module that a response needs is imported.

    A program may fork once it has its server. A child forked while the server's thread imports a module would
    deadlock when it imports the same one: it would have a copy of the import lock, but not the thread that holds it.
    """
    connection = HTTPConnection(urlsplit(base_url).netloc, timeout=START_SECONDS)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    finally:
        connection.close()


def _join(folder: Path) -> LocalServer | None:
    """Return the server that another process of this user runs; None if it is not ready.

    Raises:
        InvalidArgumentError: The files that describe it are not this user's, or the address is not this machine's.
    """
    from reka.server.store.private_files import read_own

    stamp = _stamp(folder)
    try:
        info = json.loads(read_own(folder / "server.json"))
        server = LocalServer(str(info["base_url"]), read_own(folder / "key"))
        is_alive = _is_alive(int(info["pid"]))
        is_loopback = ip_address(urlsplit(server.base_url).hostname or "").is_loopback
    except PermissionError as error:
        raise InvalidArgumentError(
            f"the local server in {folder} is not joined, because of {error.filename}: {error.strerror}. Delete it, or "
            "choose another folder: 'local:PATH'"
        ) from error
    except (OSError, ValueError, LookupError, TypeError):
        return None
    if not is_loopback:
        raise InvalidArgumentError(
            f"the local server in {folder} is not joined: its server.json names {server.base_url!r}, which is not on "
            "this machine. Delete that file, or choose another folder: 'local:PATH'"
        )
    # A new owner holds the lock for a moment before it replaces the file of a killed one.
    if stamp is None or not is_alive or not _is_locked(folder):
        return None
    _servers.joined[folder] = _JoinedServer(server, stamp)
    return server


def _get_or_create_key(folder: Path) -> str:
    """Return the folder's API key; create one if there is none, or if it is not registered."""
    from reka.server.errors import WrongKeyError
    from reka.server.storage.api_keys import KeyRing
    from reka.server.storage.data_dir import DataFolder
    from reka.server.storage.database import open_database
    from reka.server.store.private_files import read_own, write_private

    with open_database(DataFolder(folder)) as database:
        keys = KeyRing(database, accept_any=False)
        try:
            key = read_own(folder / "key")
            keys.owner_of(key)
        except (OSError, ValueError, WrongKeyError):
            key = keys.create(_OWNER)
            write_private(folder / "key", key)
    return key


def _stamp(folder: Path) -> tuple[int, int] | None:
    try:
        status = (folder / "server.json").stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # on Windows `os.kill` cannot test for a process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the process belongs to another user
        return False
    return True


def _is_locked(folder: Path) -> bool:
    """Tell whether a server holds the folder's lock, by trying to take it for an instant."""
    path = folder / "lock"
    if sys.platform == "win32":
        try:
            with FileLock(path, timeout=0):
                return False
        except Timeout:
            return True
    # The same as FileLock, in a twentieth of its time.
    try:
        handle = os.open(path, os.O_RDWR)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def stop_local_servers() -> None:
    """Stop the servers that this process runs, as at its exit. The next `local_server` call starts them again."""
    while _servers.own:
        folder, (running, _) = _servers.own.popitem()
        (folder / "server.json").unlink(missing_ok=True)
        running.stop()


def _reset_after_fork() -> None:
    global _servers
    _inherited.append(_servers)
    _servers = _Servers()


atexit.register(stop_local_servers)
if hasattr(os, "register_at_fork"):
    # A forked child has the memory of a server but none of its threads, so it joins its parent's server, as any other
    # process does. filelock closes the lock's handle in the child, which does not release the parent's lock.
    os.register_at_fork(after_in_child=_reset_after_fork)
