"""The commands of `reka`, put together, and the run of one command line."""

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated, Final

import typer
from rich.text import Text

from reka import __version__
from reka.cli import datasets, keys, retrieval, show
from reka.cli.chat import chat
from reka.cli.demo import demo
from reka.cli.errors import EXIT_CODES, ExitCode, report
from reka.cli.serve import serve
from reka.cli.session import AsJson, BaseUrl, Debug, Session, command

_EPILOG: Final = "Exit codes: " + ", ".join(f"{int(code)} {meaning}" for code, meaning in EXIT_CODES.items()) + "."


def models(session: Session) -> None:
    """List the models that this key may use, one a line."""
    with session.client() as client:
        names = client.get_models()
    if session.as_json:
        session.write_json(names)
        return
    for name in names:
        show.results().print(Text(show.one_line(name)), soft_wrap=True)


def _group(help_text: str) -> typer.Typer:
    return typer.Typer(help=help_text, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})


app: Final = _group(
    "Chat with Reka's models, and with texts of your own.\n\n"
    "The key is read from the environment's REKA_API_KEY; --base-url local needs none."
)
app.info.epilog = _EPILOG
app.command("chat")(command(chat))
app.command("models")(command(models))

_datasets: Final = _group("Add, list and delete collections of text.")
_datasets.command("add")(command(datasets.add))
_datasets.command("list")(command(datasets.list_))
_datasets.command("delete")(command(datasets.delete))
app.add_typer(_datasets, name="datasets")

_retrieval: Final = _group("Prepare a dataset for retrieval, and follow the job that does it.")
_retrieval.command("prepare")(command(retrieval.prepare))
_retrieval.command("status")(command(retrieval.status))
app.add_typer(_retrieval, name="retrieval")

app.command("serve")(command(serve))


_keys: Final = _group("Make, list and revoke the keys that a server of your own takes.")
_keys.command("create")(command(keys.create))
_keys.command("list")(command(keys.list_))
_keys.command("revoke")(command(keys.revoke))
app.add_typer(_keys, name="keys")

app.command("demo")(command(demo))


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"reka {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    base_url: BaseUrl = None,
    as_json: AsJson = False,
    debug: Debug = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    # The options of every command may stand here as well; `command` picks them up.
    del base_url, as_json, debug, version


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Args:
        arguments: What follows `reka`.

    Returns:
        The exit code, one of `EXIT_CODES`.
    """
    # A terminal's or a pipe's encoding may lack what an answer holds: better a question mark than a traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    # Read off the words themselves, since a command line that cannot be parsed must answer in JSON too.
    as_json, debug = "--json" in arguments, "--debug" in arguments
    try:
        code = typer.main.get_command(app).main(list(arguments), prog_name="reka", standalone_mode=False)
    except typer.TyperException as error:
        if not error.format_message():
            return ExitCode.USAGE  # no arguments at all: the help has been shown
        return report(error, as_json=as_json, debug=debug)
    except (typer.Abort, KeyboardInterrupt):
        return report(KeyboardInterrupt(), as_json=as_json)
    return code if isinstance(code, int) else 0
