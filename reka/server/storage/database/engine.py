"""Connections to the databases that a server takes: SQLite and PostgreSQL."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from reka.server.errors import StartError
from reka.server.faults import is_disk_full

BUSY_SECONDS: Final = 30.0
"""Seconds that an SQLite writer waits for another one (ours)."""

CONNECT_SECONDS: Final = 10
"""Seconds in which PostgreSQL must accept a connection (ours)."""

POOL_SIZE: Final = 8
"""Connections to PostgreSQL that a process keeps; as many again for a time of more work (ours)."""

POOL_SECONDS: Final = 10.0
"""Seconds that a request waits for one of them (ours)."""

STALL_SECONDS: Final = 60
"""Seconds in which a transaction must go on, or PostgreSQL ends it (ours)."""

_POSTGRES: Final = "postgresql+psycopg"
_NETWORK: Final[Mapping[str, Any]] = {
    "connect_timeout": CONNECT_SECONDS,
    # A machine that vanishes is noticed within some 30 s (libpq's names; milliseconds in the last one).
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
    "client_encoding": "utf8",
}

_LOCKED: Final = "is locked"
_CAUSES: Final = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "Connection refused",
    "No such file or directory",
    "Name or service not known",
    "Temporary failure in name resolution",
    "timeout expired",
    "certificate verify failed",
    "too many clients",
    "starting up",
    "shutting down",
    "permission denied",
    "does not exist",
    "read-only",
    _LOCKED,
    "is not a database",
    "is malformed",
)
"""What may be shown of a database's message, which otherwise may have parts of the URL, and so of its password."""


def database_url(url: URL | str) -> URL:
    """Read the URL of a database.

    Args:
        url: SQLAlchemy URL of SQLite, or of PostgreSQL, whose driver is psycopg 3.

    Raises:
        StartError: It is none, or of another database or driver. The message shows nothing of it.
    """
    wanted = "want sqlite:////PATH or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StartError(f"database_url: got no URL of a database (it is not shown), {wanted}") from None
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername=_POSTGRES)
    if parsed.drivername not in (_POSTGRES, "sqlite", "sqlite+pysqlite"):
        raise StartError(f"database_url: got a URL of {parsed.drivername[:40]!r}, {wanted}")
    if parsed.drivername != _POSTGRES and _is_in_memory(parsed):
        raise StartError(f"database_url: got a URL of SQLite in memory, which each connection has for itself: {wanted}")
    return parsed


def _is_in_memory(url: URL) -> bool:
    is_unnamed = (url.database or "").removeprefix("file:") in ("", ":memory:")
    return is_unnamed or url.query.get("mode") == "memory" or url.query.get("vfs") == "memdb"


def sqlite_file(url: URL) -> Path | None:
    """Return the file of an SQLite database; None if the URL names another kind, or has options of SQLite."""
    return None if url.drivername == _POSTGRES or "uri" in url.query else Path(str(url.database))


def make_engine(url: URL) -> Engine:
    """Make the engine of a database; nothing is connected yet.

    Raises:
        StartError: The driver is not installed.
    """
    if url.drivername != _POSTGRES:
        engine = create_engine(url, connect_args={} if "timeout" in url.query else {"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        engine = create_engine(
            url,
            connect_args={name: value for name, value in _NETWORK.items() if name not in url.query},
            pool_pre_ping=True,  # connections that a restart of the database has ended are not used
            pool_size=POOL_SIZE,
            max_overflow=POOL_SIZE,
            pool_timeout=POOL_SECONDS,
        )
        event.listen(engine, "connect", _set_up_postgres)
        return engine
    except (ModuleNotFoundError, ImportError, NoSuchModuleError):
        raise StartError(
            "database_url: PostgreSQL needs psycopg, which is not installed: install this package with the extra "
            "`postgres`, reka[postgres]"
        ) from None


def database_failure(error: BaseException, *, is_full: bool = False) -> StartError:
    """Say why a database cannot be used, and what to do, without anything of its URL.

    Args:
        error: What the driver has raised.
        is_full: Whether its disk is known to be full, which SQLite does not always say.
    """
    if is_full or is_disk_full(error):
        return StartError("database_url: cannot open the database, as its disk is full: make room on it")
    cause = _cause_of(error)
    if cause == _LOCKED:
        return StartError(
            "database_url: cannot open the database, which is locked: end the program that writes to it, or try again "
            "when it has ended"
        )
    return StartError(
        f"database_url: cannot open the database ({cause}): check the URL, or restore the file from a backup"
    )


def _cause_of(error: BaseException) -> str:
    message = str(error.orig if isinstance(error, DBAPIError) else error)
    return next((cause for cause in _CAUSES if cause in message), type(error).__name__)


def _set_up_postgres(connection: Any, _record: object) -> None:
    # A process that stands still in a transaction does not keep others from rows that it has locked.
    connection.execute(f"SET idle_in_transaction_session_timeout = '{STALL_SECONDS}s'")
    connection.commit()


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # Turns off the driver's implicit transactions; _begin_sqlite starts them instead.
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    # A writer waits for its lock here. If it started as a reader it could not wait later: SQLite refuses to upgrade a
    # read transaction when another connection has written since.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
