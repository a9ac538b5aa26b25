"""The `reka` command line: its commands, and the execution of one line."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from io import TextIOWrapper
from typing import Annotated, Final, cast

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from reka import __version__
from reka.cli import datasets, keys, retrieval, show
from reka.cli.backup import backup, restore
from reka.cli.chat import ChatCommand, chat
from reka.cli.configuration.file import read_config
from reka.cli.configuration.places import CONFIG, RunPlaces
from reka.cli.demo.tour import demo
from reka.cli.documents import commands as documents
from reka.cli.errors import EXIT_CODES, ExitCode, report
from reka.cli.logs import commands as logs
from reka.cli.mcp_server.command import mcp
from reka.cli.serve import serve, worker
from reka.cli.session import AsJson, BaseUrl, Datasets, Debug, FormOption, Local, Session, command
from reka.cli.setup.config import config
from reka.cli.setup.doctor import doctor
from reka.cli.terms import Places

_EPILOG: Final = "Exit codes: " + ", ".join(f"{int(code)} {meaning}" for code, meaning in EXIT_CODES.items()) + "."

_HELP: Final = ["-h", "--help"]
_SETTINGS: Final = {"help_option_names": _HELP}

_Long = Annotated[
    bool, typer.Option("--long/--no-long", "-l", help="Describe each model: limits, modalities, features, prices.")
]


def models(session: Session, long: _Long = False) -> None:
    """List the models that the key can use, one per line."""
    if long:
        _describe_models(session)
        return
    with session.client() as client:
        names = client.get_models()
    if session.as_json:
        session.write_json(names)
        return
    for name in names:
        show.result_line(name)


def _describe_models(session: Session) -> None:
    with session.client() as client:
        models = client.describe_models()
    if session.as_json:
        session.write_json([asdict(model) for model in models])
        return
    show.models(show.results(), models)


def _group(help_text: str) -> typer.Typer:
    return typer.Typer(help=help_text, no_args_is_help=True, context_settings=_SETTINGS)


def _examples(*lines: str) -> str:
    """Write the examples at the end of a command's help."""
    return "\n\n".join(("Examples:" if len(lines) > 1 else "Example:", *lines))


app: Final = _group(
    "Chat with Reka's models, and over your own texts.\n\n"
    "The API key is read from the environment variable REKA_API_KEY, or the file that reka config shows; --local, a "
    "server in this process, needs none."
)
app.info.epilog = _EPILOG
app.command(
    "chat",
    cls=ChatCommand,
    epilog=_examples(
        'reka chat "What is a monad?"',
        'reka chat --dataset manual --system "Be brief."',
        'reka chat "What is this?" --media https://example.com/cat.png',
        'reka chat --continue "And in French?"',
    ),
)(command(chat))

_logs: Final = typer.Typer(context_settings=_SETTINGS)
_logs.callback(invoke_without_command=True, epilog=_examples("reka logs -n 5", "reka logs --json"))(command(logs.logs))
_logs.command("show", epilog=_examples("reka logs show 12"))(command(logs.show_))
_logs.command("search", epilog=_examples('reka logs search "opening hours"'))(command(logs.search))
_logs.command("delete", epilog=_examples("reka logs delete 12", "reka logs delete --all"))(command(logs.delete))
app.add_typer(_logs, name="logs")

app.command("models", epilog=_examples("reka models --long"))(command(models))

_datasets: Final = _group("Upload, list and delete datasets, and the documents in them: texts to retrieve from.")
_datasets.command(
    "add", epilog=_examples("reka datasets add book.txt --prepare", "reka datasets add notes/ --name notes")
)(command(datasets.add))
_datasets.command("list", epilog=_examples("reka datasets list --json"))(command(datasets.list_))
_datasets.command("delete", epilog=_examples("reka datasets delete notes"))(command(datasets.delete))
_datasets.command("show", epilog=_examples("reka datasets show notes"))(command(documents.show_))
_datasets.command("documents", epilog=_examples("reka datasets documents notes"))(command(documents.documents))
_datasets.command("put", epilog=_examples("reka datasets put notes today.md plans/"))(command(documents.put))
_datasets.command(
    "rm",
    epilog=_examples("reka datasets rm notes today.md", 'reka datasets rm notes --filter \'{"year": {"$lt": 2020}}\''),
)(command(documents.rm))
_datasets.command("search", epilog=_examples('reka datasets search notes "opening hours" -k 3'))(
    command(documents.search)
)
_datasets.command("export", epilog=_examples("reka datasets export notes notes.zip"))(command(documents.export))
app.add_typer(_datasets, name="datasets")

_retrieval: Final = _group("Prepare datasets for retrieval and follow the jobs.")
_retrieval.command("prepare", epilog=_examples("reka retrieval prepare notes"))(command(retrieval.prepare))
_retrieval.command("status", epilog=_examples("reka retrieval status JOB --wait"))(command(retrieval.status))
app.add_typer(_retrieval, name="retrieval")

app.command("serve", epilog=_examples("reka serve --data-dir data", "reka serve --upstream http://127.0.0.1:11434/v1"))(
    command(serve)
)
app.command("worker", epilog=_examples("reka worker --data-dir data"))(command(worker))
app.command("backup", epilog=_examples("reka backup notes-2026 --data-dir data"))(command(backup))
app.command("restore", epilog=_examples("reka restore notes-2026 --data-dir data"))(command(restore))


_keys: Final = _group("Create, list and revoke the API keys of your own server.")
_keys.command("create", epilog=_examples("reka keys create alice"))(command(keys.create))
_keys.command("list", epilog=_examples("reka keys list"))(command(keys.list_))
_keys.command("revoke", epilog=_examples("reka keys revoke 3f2a"))(command(keys.revoke))
app.add_typer(_keys, name="keys")

app.command("mcp", epilog=_examples("reka mcp --dataset manual", "reka mcp --http --port 8001"))(command(mcp))
app.command("demo", epilog=_examples("reka demo"))(command(demo))
app.command("doctor", epilog=_examples("reka doctor --local"))(command(doctor, needs_config=False))
app.command("config", epilog=_examples("reka config"))(command(config, needs_config=False))


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"reka {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    base_url: BaseUrl = None,
    local: Local = False,
    datasets: Datasets = None,
    form: FormOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    # Global options may also stand before the command's name; `command` picks them up.
    del base_url, local, datasets, form, as_json, debug, version
    context.meta[CONFIG] = config_file = read_config(cast("TyperGroup", context.command))
    context.default_map = config_file.default_map()


class _NarrowHelp(typer.Context.formatter_class):  # type: ignore[misc,valid-type]  # Typer has no public name for it
    """Help for a narrow terminal: texts begin near its left edge, below longer names of options."""

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl(rows, min(col_max, self.width // 4), col_spacing)


class _NarrowContext(typer.Context):
    formatter_class = _NarrowHelp


def commands() -> TyperGroup:
    """Build the commands. Their help names values as the command line does, and is not cut on a narrow terminal."""
    group = cast("TyperGroup", typer.main.get_command(app))
    width = show.results().width
    if width < show.NARROW:
        group.context_settings["terminal_width"] = width
    _adapt(group, is_narrow=width < show.NARROW)
    return group


def _adapt(command: TyperCommand | TyperGroup, *, is_narrow: bool) -> None:
    if is_narrow:
        command.rich_markup_mode = None  # columns beside each other would be cut
        command.context_class = _NarrowContext
    helps = command.get_help_option(typer.Context(command, help_option_names=_HELP))
    for parameter in (*command.params, *filter(None, [helps])):
        if isinstance(parameter, TyperArgument):
            parameter.metavar = parameter.metavar or parameter.name.upper()
            parameter.display_type_rich = _no_type  # type: ignore[method-assign]  # Typer has no setting for it
        elif isinstance(parameter, TyperOption) and parameter.metavar is None:
            kind = parameter.type_descriptor.annotation
            parameter.metavar = "" if parameter.is_flag else "NUMBER" if kind in {int, float} else "TEXT"
    if isinstance(command, TyperGroup):
        for below in command.commands.values():
            _adapt(cast("TyperCommand", below), is_narrow=is_narrow)


def _no_type(ctx: object) -> None:
    """Show no type of Python for an argument."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Args:
        arguments: What follows `reka`.

    Returns:
        The exit code, one of `EXIT_CODES`.
    """
    show.forget_odd_sizes()
    # An answer may hold characters that the output's encoding lacks: print a question mark rather than fail.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    # Looked up in the raw arguments, since errors of parsing must be reported as JSON too.
    as_json, debug = "--json" in arguments, "--debug" in arguments
    log, lines = logging.getLogger("reka"), show.LogLines(logging.WARNING)
    log.addHandler(lines)
    try:
        code = commands().main(list(arguments), prog_name="reka", standalone_mode=False)
        sys.stdout.flush()  # also of what is no command, such as --version: see `error_boundary`
    except typer.TyperException as error:
        message = error.format_message()
        if not message or message.startswith("Usage: "):  # no command: the help has been shown, or, narrow, is this
            sys.stdout.write(message and f"{message}\n")
            return ExitCode.USAGE
        context = getattr(error, "ctx", None)
        places = Places() if context is None else RunPlaces(context)
        return report(error, as_json=as_json, debug=debug, places=places)
    except (typer.Abort, KeyboardInterrupt):
        return report(KeyboardInterrupt(), as_json=as_json)
    except Exception as error:  # noqa: BLE001  # reported as one line, whatever it is
        return report(error, as_json=as_json, debug=debug)
    finally:
        log.removeHandler(lines)
    return code if isinstance(code, int) else 0
