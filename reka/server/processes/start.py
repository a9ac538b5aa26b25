"""The start of a process: its signals, its log, and what keeps it from starting."""

import logging
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from reka.server.errors import StartError
from reka.server.storage.database.engine import database_failure
from reka.server.telemetry.request_record import add_request_id


def ignore_hangup() -> None:
    """Ignore SIGHUP, which has no meaning for a server; with a terminal, it is the terminal that hangs up."""
    if hasattr(signal, "SIGHUP") and not (sys.stdin and sys.stdin.isatty()):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def watch_signals() -> "SimpleQueue[int]":
    """Collect SIGTERM and SIGINT from now on, but for what is ignored."""
    signals: SimpleQueue[int] = SimpleQueue()  # the one that can be put into while it is being put into
    for sign in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(sign) is not signal.SIG_IGN:
            signal.signal(sign, lambda number, _: signals.put(number))
    return signals


def set_up_log() -> None:
    """Write the log of a process that is nothing but a server to its standard error, with the ids of requests."""
    handler = logging.StreamHandler()
    handler.addFilter(add_request_id)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(request)s%(message)s", handlers=[handler]
    )


@contextmanager
def start_errors() -> Iterator[None]:
    """Turn the errors of a block that starts a part of a server into what is said to whoever starts it.

    Raises:
        StartError: It cannot start; the message says why, and how to fix it.
    """
    try:
        yield
    except ValueError as error:
        raise StartError(str(error)) from error
    except IntegrityError as error:
        raise StartError("database_url: another server has just taken the database: use another one") from error
    except OSError as error:
        if error.filename is None:
            raise
        raise StartError(f"cannot use {error.filename} ({error.strerror}): move it away, or free it") from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise database_failure(error) from error
