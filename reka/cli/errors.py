"""Error reports and exit codes of commands.

Errors go to standard error: one line with the fix, or, with --json, one JSON document.
"""

import json
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Final

import typer
from rich.text import Text

import reka
from reka.cli import show, terms


class ExitCode(IntEnum):
    """Exit codes."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    KEY = 3
    CONNECTION = 4
    RETRIEVAL = 5
    INTERRUPTED = 130
    PIPE_CLOSED = 141


EXIT_CODES: Final = {
    ExitCode.OK: "success",
    ExitCode.REFUSED: "refused or failed",
    ExitCode.USAGE: "wrong command line or argument",
    ExitCode.KEY: "missing or wrong API key",
    ExitCode.CONNECTION: "no connection, or no answer in time",
    ExitCode.RETRIEVAL: "dataset or retrieval error",
    ExitCode.INTERRUPTED: "Ctrl-C",
    ExitCode.PIPE_CLOSED: "the output was closed",
}
"""Meaning of each code, for the help."""


class UsageError(Exception):
    """The command line is invalid; the message says what is valid."""


class StepError(Exception):
    """A step of a command failed."""


class SettingsError(UsageError):
    """Settings of the server are invalid; each problem begins with the name of the setting."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Create an error out of its problems."""
        super().__init__("; ".join(problems))
        self.problems = problems


class ServerStartError(StepError):
    """A server, or what it stores, cannot be used; the message has names of settings."""


# The first matching class decides, so subclasses stand above their bases.
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

# Messages of the server seldom say how to fix the error; those of the client do.
_FIXES: Final[tuple[tuple[type[reka.RekaError], int | None, str], ...]] = (
    (reka.AuthError, 401, "check the key; reka config shows where it is from"),
    (reka.PermissionDeniedError, 403, "check the key; reka config shows where it is from"),
    (reka.DatasetError, 404, "reka datasets list shows the datasets"),
    (reka.InsufficientBalanceError, 429, "top up the account, or use --local"),
    (reka.RateLimitError, 429, "wait a little and try again"),
    (reka.UnexpectedResponseError, None, "check that --base-url is the address of a Reka API"),
    (reka.APITimeoutError, None, "try again later"),
)
"""Error, the status it must have, and the hint."""


_AS_TYPED: Final = terms.Places()


def exit_code(error: BaseException) -> ExitCode:
    """Exit code for an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.REFUSED)


def message(error: BaseException, places: terms.Places = _AS_TYPED) -> str:
    """Say on one line what went wrong and, where known, the fix.

    Args:
        error: What went wrong.
        places: What options are called; by default as if they were typed.
    """
    if isinstance(error, KeyboardInterrupt):
        return show.one_line(str(error)) or "interrupted"
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        place = "reka" if context is None else context.command_path
        cause = terms.located(terms.in_wants(show.one_line(error.format_message()).rstrip(".")), places)
        return f"{cause} ({place} --help lists what is available)"
    if not isinstance(error, reka.RekaError | UsageError | StepError):
        cause = show.one_line(f"{type(error).__name__}: {error}").rstrip(": ")
        return of_system(error) if isinstance(error, OSError) else f"{cause} (--debug shows where)"
    text = terms.located(_in_own_words(error, places), places)
    hints = (hint for kind, status, hint in _FIXES if isinstance(error, kind) and status in {None, error.status_code})
    fix = next(hints, None)
    return text if fix is None or fix in text else f"{text}; {fix}"


def reason_of(error: Exception) -> str:
    """Say what the system, or a library, says of a failure: not its number, nor the name of its class in Python."""
    return show.one_line(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def of_system(error: OSError) -> str:
    """Say what the system says of a file, with its path."""
    reason = reason_of(error)
    return reason if error.filename is None else f"{show.one_line(str(error.filename))}: {reason}"


def _in_own_words(error: Exception, places: terms.Places) -> str:
    if isinstance(error, SettingsError):
        return "; ".join(terms.in_settings(terms.in_wants(show.one_line(one)), places) for one in error.problems)
    text = show.one_line(str(error))
    if isinstance(error, ServerStartError):
        return terms.in_settings(text, places)
    if not isinstance(error, reka.RekaError):
        return text
    if isinstance(error, reka.AuthError) and text.startswith("no API key"):
        return terms.NO_KEY
    # What a server says of the fields of a request is about the request.
    return terms.in_options(text) if error.status_code is None else terms.in_commands(text)


def describe(error: BaseException, places: terms.Places = _AS_TYPED) -> dict[str, object]:
    """Build the --json document of an error; unknown fields are null."""
    return {
        "error": {
            "type": type(error).__name__,
            "message": message(error, places),
            "status_code": getattr(error, "status_code", None),
            "request_id": getattr(error, "request_id", None),
            "retry_after": getattr(error, "retry_after", None),
            "exit_code": int(exit_code(error)),
        }
    }


def report(error: BaseException, *, as_json: bool, debug: bool = False, places: terms.Places = _AS_TYPED) -> ExitCode:
    """Print an error to standard error and return the exit code."""
    code = exit_code(error)
    if code is ExitCode.PIPE_CLOSED:
        _discard_output()
        return code
    if debug:
        sys.stderr.write(show.clean("".join(traceback.format_exception(error))))
    if as_json:
        sys.stderr.write(json.dumps(describe(error, places)) + "\n")
    else:
        show.notes().print(Text.assemble(("error: ", "bold red"), message(error, places)), soft_wrap=True)
    return code


@contextmanager
def error_boundary(*, as_json: bool, debug: bool, places: terms.Places) -> Iterator[None]:
    """Report any error of the block and raise `typer.Exit` with its code.

    Raises:
        typer.Exit: The block failed.
    """
    try:
        yield
        sys.stdout.flush()  # so that a closed pipe is reported here, not at interpreter exit
    except (typer.Exit, typer.TyperException):
        raise
    except (Exception, KeyboardInterrupt) as error:
        raise typer.Exit(report(error, as_json=as_json, debug=debug, places=places)) from error


def _discard_output() -> None:
    """Redirect standard output to the null device: the interpreter's last flush would fail on a closed pipe."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
