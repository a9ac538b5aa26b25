"""Faults of the disk, the database and the store: which of them can pass, and what may be said of them to a client."""

import errno
import os
import re
import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_FULL: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_PASSING: Final = _FULL | {
    getattr(errno, name)
    for name in (
        *("EAGAIN", "EBUSY", "EIO", "EMFILE", "ENFILE", "ENODEV", "ENOMEM", "ENXIO", "EROFS", "ESTALE"),
        *("ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "EPIPE", "ETIMEDOUT"),
    )
    if hasattr(errno, name)
}
_SQLITE_FULL: Final = "database or disk is full"
_SQLITE_PASSING: Final = (
    _SQLITE_FULL,
    "is locked",
    "disk I/O error",
    "out of memory",
    "readonly database",
    "unable to open database file",
)
"""What SQLite says of faults that can pass (`sqlite3_errstr`); Python 3.10 does not give its codes."""

_OS_ERROR: Final = re.compile(r"\(os error (\d+)\)")
"""How LanceDB, which is written in Rust, names an error of the system."""

_NOT_FOUND: Final = re.compile(r"\bnot found\b", re.IGNORECASE)
"""How it says that a file is not there."""

_OF_STORE: Final = re.compile(r"Generic (?:S3|GCS|MicrosoftAzure) error|store: \"(?:S3|GCS|MicrosoftAzure)\"")
"""How LanceDB says that an object store does not answer, or refuses; it says otherwise that something is not there."""


_PASSING_ERRORS: Final = re.compile(
    "shutdown|[Ii]ncompatible transaction|commit conflict|concurrent (?:writers|transaction)"
)
"""What says that this process ends, or that another one has written to the same table of LanceDB."""


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an error says that the disk, or what this user may store on it, is full."""
    if (cause := _of_database(error)) is not None:
        return _SQLITE_FULL in str(cause) or type(cause).__name__ == "DiskFull"  # psycopg's
    return _errno(error) in _FULL


def is_transient(error: BaseException) -> bool:
    """Tell whether an error can pass without a change of what was tried: a full disk, a locked database."""
    if isinstance(cause := _of_database(error), sqlite3.Error):
        return any(text in str(cause) for text in _SQLITE_PASSING)
    if isinstance(error, DBAPIError):
        is_read_only = type(error.orig).__name__ == "ReadOnlySqlTransaction"  # psycopg's: a standby took over
        return isinstance(error, OperationalError) or error.connection_invalidated or is_read_only
    if isinstance(error, RuntimeError | ValueError) and _OF_STORE.search(str(error)):
        return True
    if isinstance(error, RuntimeError) and _PASSING_ERRORS.search(str(error)):
        return True
    return isinstance(error, ConnectionError | TimeoutError | MemoryError | PoolTimeoutError) or (
        _errno(error) in _PASSING
    )


def is_missing(error: BaseException) -> bool:
    """Tell whether an error says that a file is not there."""
    says_so = isinstance(error, RuntimeError | ValueError) and _NOT_FOUND.search(str(error)) is not None
    return says_so or _errno(error) == errno.ENOENT


def describe_fault(error: BaseException) -> str:
    """Describe a fault in a few words, without a path of this machine or a statement."""
    if isinstance(cause := _of_database(error), sqlite3.Error):
        return str(cause)
    number = _errno(error)
    description = type(error).__name__ if number is None else os.strerror(number)
    return str(getattr(error, "description", description))


def _of_database(error: BaseException) -> BaseException | None:
    """Return the driver's own error; None if the error is not of a database."""
    return error.orig if isinstance(error, DBAPIError) else error if isinstance(error, sqlite3.Error) else None


def _errno(error: BaseException) -> int | None:
    if isinstance(error, OSError):
        return error.errno
    match = _OS_ERROR.search(str(error)) if isinstance(error, RuntimeError | ValueError) else None
    return int(match[1]) if match else None
