"""The `reka` command. Imports happen inside `main`, so that `import reka.cli` is cheap."""

import sys


def main() -> None:
    """Run the command line of this process and exit with its code."""
    if sys.argv[1:] == ["--version"]:  # at once, without what commands need
        from reka._version import __version__

        sys.stdout.write(f"reka {__version__}\n")
        return
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
