"""The `reka` command. Imports happen inside `main`, so that `import reka.cli` is cheap."""

import os
import sys


def main() -> None:
    """Run the command line of this process and exit with its code."""
    if sys.argv[1:] == ["--version"] and sys.stdout is not None:  # at once, without what commands need
        from reka._version import __version__

        sys.stdout.write(f"reka {__version__}\n")
        return
    _open_missing_streams()
    from reka._installation import damage_found

    if (damage := damage_found()) is not None:
        sys.exit(f"error: {damage}")
    try:
        from reka.cli.app import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in {"platformdirs", "rich", "typer"}:
            raise
        sys.exit("error: the reka command needs more packages; install this package with the extra `cli`: reka[cli]")
    sys.exit(run(sys.argv[1:]))


def _open_missing_streams() -> None:
    """Open the standard streams that whoever started this process has closed, such as `>&-` in a shell.

    There is nothing to read then, and results go to a pipe that nobody reads.
    """
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY), encoding="utf-8")
    if sys.stdout is None:
        reader, writer = os.pipe()
        os.close(reader)
        if writer != 1:  # else a socket might become what libraries take for the standard output
            os.dup2(writer, 1)
            os.close(writer)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
