"""What a failed command says, and the code it exits with.

Errors go to standard error: one line with the way out, or, with --json, one JSON document.
"""

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final

import typer
from rich.text import Text

import reka
from reka.cli import show


class ExitCode(IntEnum):
    """What the shell sees."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    KEY = 3
    CONNECTION = 4
    RETRIEVAL = 5
    INTERRUPTED = 130
    PIPE_CLOSED = 141


EXIT_CODES: Final = {
    ExitCode.OK: "done",
    ExitCode.REFUSED: "refused or failed",
    ExitCode.USAGE: "wrong command line or argument",
    ExitCode.KEY: "no key, or a wrong one",
    ExitCode.CONNECTION: "no connection, or no answer in time",
    ExitCode.RETRIEVAL: "trouble with a dataset or its retrieval",
    ExitCode.INTERRUPTED: "Ctrl-C",
    ExitCode.PIPE_CLOSED: "the output was closed",
}
"""What the help says of each code."""


class UsageError(Exception):
    """The command line asks for what cannot be done; the message says what can."""


class StepError(Exception):
    """Something that a command did is not as it must be."""


# The first class that fits decides, so a child stands above its parent.
_CODES: Final[tuple[tuple[type[BaseException], ExitCode], ...]] = (
    (UsageError, ExitCode.USAGE),
    (typer.TyperException, ExitCode.USAGE),
    (reka.InvalidArgumentError, ExitCode.USAGE),
    (reka.InvalidConversationError, ExitCode.USAGE),
    (reka.AuthError, ExitCode.KEY),
    (reka.PermissionDeniedError, ExitCode.KEY),
    (reka.WaitTimeoutError, ExitCode.CONNECTION),
    (reka.APIConnectionError, ExitCode.CONNECTION),
    (reka.DatasetError, ExitCode.RETRIEVAL),
    (reka.RetrievalError, ExitCode.RETRIEVAL),
    (KeyboardInterrupt, ExitCode.INTERRUPTED),
    (BrokenPipeError, ExitCode.PIPE_CLOSED),
)

# What the server says seldom tells the way out; what the client says does.
_WAYS_OUT: Final[tuple[tuple[type[reka.RekaError], int | None, str], ...]] = (
    (reka.AuthError, 401, "check the key in REKA_API_KEY"),
    (reka.PermissionDeniedError, 403, "check the key in REKA_API_KEY"),
    (reka.DatasetError, 404, "reka datasets list shows the names there are"),
    (reka.InsufficientBalanceError, 429, "top up the account, or use --base-url local"),
    (reka.RateLimitError, 429, "wait a little and try again"),
    (reka.UnexpectedResponseError, None, "check that --base-url is the address of a Reka API"),
    (reka.APITimeoutError, None, "try again later"),
)
"""Error, the status it must have, and the hint."""


def exit_code(error: BaseException) -> ExitCode:
    """Tell the code a command exits with after an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.REFUSED)


def message(error: BaseException) -> str:
    """Say on one line what went wrong, and the way out if there is one."""
    if isinstance(error, KeyboardInterrupt):
        return show.one_line(str(error)) or "interrupted"
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        place = "reka" if context is None else context.command_path
        return f"{show.one_line(error.format_message()).rstrip('.')} ({place} --help shows what there is)"
    if not isinstance(error, reka.RekaError | UsageError | StepError):
        cause = show.one_line(f"{type(error).__name__}: {error}").rstrip(": ")
        return cause if isinstance(error, OSError) else f"{cause} (--debug shows where)"
    text = show.one_line(str(error))
    hints = (
        hint for kind, status, hint in _WAYS_OUT if isinstance(error, kind) and status in {None, error.status_code}
    )
    way_out = next(hints, None)
    return text if way_out is None else f"{text}; {way_out}"


def describe(error: BaseException) -> dict[str, object]:
    """Give an error as what --json writes; what is not known is null."""
    return {
        "error": {
            "type": type(error).__name__,
            "message": message(error),
            "status_code": getattr(error, "status_code", None),
            "request_id": getattr(error, "request_id", None),
            "retry_after": getattr(error, "retry_after", None),
            "exit_code": int(exit_code(error)),
        }
    }


def report(error: BaseException, *, as_json: bool, debug: bool = False) -> ExitCode:
    """Write an error to standard error, and tell the code to exit with."""
    code = exit_code(error)
    if code is ExitCode.PIPE_CLOSED:
        _discard_output()
        return code
    if debug:
        traceback.print_exception(error)
    if as_json:
        sys.stderr.write(json.dumps(describe(error)) + "\n")
    else:
        show.notes().print(Text.assemble(("error: ", "bold red"), message(error)), soft_wrap=True)
    return code


@contextmanager
def error_boundary(*, as_json: bool, debug: bool) -> Iterator[None]:
    """Turn any error of the body into its report and `typer.Exit`.

    Raises:
        typer.Exit: The body failed.
    """
    try:
        yield
        sys.stdout.flush()  # a closed pipe shows here, not in the interpreter's last breath
    except (typer.Exit, typer.TyperException):
        raise
    except (Exception, KeyboardInterrupt) as error:
        raise typer.Exit(report(error, as_json=as_json, debug=debug)) from error


def _discard_output() -> None:
    """Send what is still buffered nowhere: the interpreter flushes once more as it ends, and would complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
