"""`base_url="local"`: one embedded server a data folder, for every thread and every process that asks for that folder.

The first who asks starts the server inside its own process and holds the folder's lock. Others find the lock held, read
the address from `server.json`, and join. The lock is the operating system's: it ends with its process, however that
ends, and the next one to ask starts a server again.
"""

import atexit
import contextlib
import json
import os
import secrets
import sys
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
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

__all__ = ["LocalServer", "local_server", "stop_local_servers"]

START_SECONDS: Final = 30.0
"""Seconds that another process is given to get its server ready; cold and busy machines take five (ours)."""

_LOOK_SECONDS: Final = 0.05
_OWNER: Final = "local"


@dataclass(frozen=True, slots=True)
class LocalServer:
    """Where the embedded server listens, and the key that opens it."""

    base_url: str
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Joined:
    """A server that another process runs."""

    server: LocalServer
    stamp: tuple[int, int]
    """Tells one `server.json` from the next."""


class _Servers:
    """The servers that this process runs, and those that it has joined, by folder."""

    def __init__(self) -> None:
        self.starting = threading.Lock()
        self.own: dict[Path, tuple[BackgroundServer, LocalServer]] = {}
        self.joined: dict[Path, _Joined] = {}

    def find(self, folder: Path) -> LocalServer | None:
        """Give the server of a folder if it is known and still there."""
        if own := self.own.get(folder):
            return own[1]
        joined = self.joined.get(folder)
        if joined and _stamp(folder) == joined.stamp and _is_held(folder):
            return joined.server
        return None


_servers = _Servers()
# What a forked child has inherited and must not touch. Kept, because freeing it could run the owner's clean-up.
_inherited: Final[list[_Servers]] = []


def local_server(data_dir: Path | None = None, *, patience: float = START_SECONDS) -> LocalServer:
    """Give the embedded server of a folder; start it, or join the process that runs it, if need be.

    Called before every request: a known server costs some ten microseconds.

    Args:
        data_dir: Folder of its data, a leading `~` is the home folder; None for `reka/local` in the user's data folder.
        patience: Seconds to wait for another process that holds the folder.

    Raises:
        InvalidArgumentError: The folder cannot be used, or the server's packages are not installed.
        APIConnectionError: Another process holds the folder and its server does not get ready.
    """
    folder = user_data_path("reka") / "local" if data_dir is None else _absolute(data_dir)
    return _servers.find(folder) or _attach(folder, patience)


def _absolute(path: Path) -> Path:
    try:
        # Not resolve(), which asks the disk for every part of the path, at every request.
        return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100
    except RuntimeError as error:
        raise InvalidArgumentError(f"base_url: got {path}, and there is no such user's home folder") from error


def _attach(folder: Path, patience: float) -> LocalServer:
    with _servers.starting:  # of threads that ask at once, one starts the server and the others find it
        deadline = time.monotonic() + patience
        while True:
            server = _servers.find(folder) or _start(folder) or _join(folder)
            if server is not None:
                return server
            if time.monotonic() > deadline:
                raise APIConnectionError(
                    f"base_url: another process holds {folder}, and its server did not get ready in {patience:g} s. If "
                    "it is `reka serve`, use its address as base_url; else choose another folder: base_url='local:PATH'"
                )
            time.sleep(_LOOK_SECONDS)


def _start(folder: Path) -> LocalServer | None:
    """Start a server in this process; None if another process has the folder, or is about to."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Of processes that ask at once one goes on: the others would load all that a server needs, for nothing.
        with FileLock(folder / "starting", timeout=0):
            return None if _is_held(folder) else _started(folder)
    except Timeout:
        return None
    except (OSError, ValueError) as error:
        raise InvalidArgumentError(f"base_url: the local server cannot keep its data in {folder}: {error}") from error


def _started(folder: Path) -> LocalServer | None:
    try:
        from sqlalchemy.exc import SQLAlchemyError

        from reka.server.errors import DataFolderInUseError, StartError
        from reka.server.run import BackgroundServer
        from reka.server.settings import Settings
    except ImportError as error:
        raise InvalidArgumentError(
            f"base_url: 'local' starts a server in this process, which needs more packages ({error.name} is missing): "
            "pip install 'reka[server]'"
        ) from error
    settings = Settings(host="127.0.0.1", port=0, data_dir=folder, database_url=None)
    try:
        key = _made_key(folder)
        running = BackgroundServer(settings)
    except DataFolderInUseError:
        return None
    except StartError as error:
        raise InvalidArgumentError(f"base_url: the local server cannot start: {error}") from error
    except SQLAlchemyError as error:
        raise InvalidArgumentError(
            f"base_url: the local server cannot open {folder / 'reka.sqlite'}: move that file away, and the datasets "
            "with it, or choose another folder: base_url='local:PATH'"
        ) from error
    server = LocalServer(running.url, key)
    _servers.own[folder] = running, server
    _await_first_answer(server.base_url)
    _write(folder / "server.json", json.dumps({"base_url": server.base_url, "pid": os.getpid()}))
    return server


def _await_first_answer(base_url: str) -> None:
    """Wait until all that an answer needs is loaded.

    A program may fork as soon as it has its server. A child that was forked while the server's thread imported a module
    would wait for ever when it imports the same one: the lock on it was copied, the thread that holds it was not.
    """
    connection = HTTPConnection(urlsplit(base_url).netloc, timeout=START_SECONDS)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    finally:
        connection.close()


def _join(folder: Path) -> LocalServer | None:
    """Find the server that another process runs; None if it is not ready."""
    stamp = _stamp(folder)
    try:
        told = json.loads((folder / "server.json").read_text(encoding="utf-8"))
        server = LocalServer(str(told["base_url"]), (folder / "key").read_text(encoding="utf-8"))
        is_alive = _is_alive(int(told["pid"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None
    # A new owner holds the lock for a moment before it has replaced what a killed one left behind.
    if stamp is None or not is_alive or not _is_held(folder):
        return None
    _servers.joined[folder] = _Joined(server, stamp)
    return server


def _made_key(folder: Path) -> str:
    """Give the folder's key; make one if there is none, or if the server's record does not know it."""
    from reka.server.errors import WrongKeyError
    from reka.server.storage.api_keys import KeyRing
    from reka.server.storage.data_dir import DataFolder
    from reka.server.storage.database import Database, sqlite_url

    with contextlib.closing(Database(sqlite_url(DataFolder(folder).database))) as database:
        keys = KeyRing(database, accept_any=False)
        try:
            key = (folder / "key").read_text(encoding="utf-8")
            keys.owner_of(key)
        except (OSError, ValueError, WrongKeyError):
            key = keys.create(_OWNER)
            _write(folder / "key", key)
    return key


def _write(path: Path, text: str) -> None:
    """Put a file in its place at once, readable by this user alone."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with open(draft, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags | os.O_EXCL, 0o600)) as file:
        file.write(text)
    draft.replace(path)


def _stamp(folder: Path) -> tuple[int, int] | None:
    try:
        status = (folder / "server.json").stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # there `os.kill` has no way to only ask
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    return True


def _is_held(folder: Path) -> bool:
    """Tell whether some server holds the folder, by trying its lock and letting go of it at once."""
    path = folder / "lock"
    if sys.platform == "win32":
        try:
            with FileLock(path, timeout=0):
                return False
        except Timeout:
            return True
    # What FileLock does, for a twentieth of its time.
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
    """Stop the servers that this process runs, as happens at its exit. The next call starts them again."""
    while _servers.own:
        folder, (running, _) = _servers.own.popitem()
        (folder / "server.json").unlink(missing_ok=True)
        running.stop()


def _forget() -> None:
    global _servers
    _inherited.append(_servers)
    _servers = _Servers()


atexit.register(stop_local_servers)
if hasattr(os, "register_at_fork"):
    # A forked child has the memory of a server, but none of its threads. It joins its parent's like any other process;
    # the lock's handle is closed there by filelock, which leaves the parent's lock alone.
    os.register_at_fork(after_in_child=_forget)
