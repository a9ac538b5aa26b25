"""Options shared by all commands, and the decorator that adds them."""

import functools
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

import reka
from reka.cli import show
from reka.cli.configuration.catalogue import API_KEY
from reka.cli.configuration.file import ConfigFile
from reka.cli.configuration.places import CONFIG, RunPlaces, is_typed
from reka.cli.errors import UsageError, error_boundary
from reka.cli.terms import Places
from reka.config import LOCAL
from reka.endpoint import checked_address, current_address, current_place

P = ParamSpec("P")

BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        help="Address of the server, or local for one embedded in this process, which needs no key. "
        "Default: REKA_BASE_URL, else Reka's host.",
        rich_help_panel="Global options",
    ),
]
Local = Annotated[
    bool, typer.Option("--local", help="Short for --base-url local: no key needed.", rich_help_panel="Global options")
]
Datasets = Annotated[
    str | None,
    typer.Option(
        "--datasets",
        metavar="PLACE",
        help="Where datasets live: host, local (a server embedded in this process; the host answers over what it "
        "retrieves), local:PATH, or auto, the host with a clear error if it has none. "
        "Default: REKA_DATASETS, else auto.",
        rich_help_panel="Global options",
    ),
]
FormOption = Annotated[
    str | None,
    typer.Option(
        "--form",
        metavar="FORM",
        help="How /v1/chat/completions is written: openai, reka (the form of Reka's host in 2025), or auto, which "
        "finds out. Default: REKA_FORM, else auto.",
        rich_help_panel="Global options",
    ),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print the result as one JSON document.", rich_help_panel="Global options"),
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Print the traceback of an error.", rich_help_panel="Global options")
]


@dataclass(frozen=True, slots=True)
class Session:
    """Global options of one run.

    Attributes:
        base_url: Address of the server; None leaves it to the environment and the file. The key is never an option,
            because process lists show command lines.
        datasets: Where datasets live; None leaves it to the environment and the file.
        form: Form of the completions endpoint; None leaves it to the environment and the file.
        as_json: Whether to print the result as one JSON document on standard output.
        debug: Whether to print the traceback of an error.
        config: The file with the user's defaults.
        typed: Names of the command's parameters that are on the command line.
        places: What its options are called in messages.
    """

    base_url: str | None
    datasets: str | None
    form: str | None
    as_json: bool
    debug: bool
    config: ConfigFile
    typed: frozenset[str]
    places: Places

    def client(self) -> "reka.Reka":
        """Create a client; the caller closes it.

        Raises:
            InvalidArgumentError: An option has no valid value.
        """
        return reka.Reka(**self._connection())

    def async_client(self) -> "reka.AsyncReka":
        """Create an async client; the caller closes it.

        Raises:
            InvalidArgumentError: An option has no valid value.
        """
        return reka.AsyncReka(**self._connection())

    def _connection(self) -> dict[str, Any]:
        """Arguments of a client: what is on the command line, else in the file; None leaves one to the environment.

        Raises:
            InvalidArgumentError: The address, or the place of datasets, is none. A client would say so with its first
                call, which some commands make long after they have begun.
        """
        base_url = self.base_url or self.config.value("base-url")
        datasets = self.datasets or self.config.value("datasets")
        checked_address(base_url or current_address())
        current_place(datasets, base_url)
        return {
            "api_key": self.config.value(API_KEY),
            "base_url": base_url,
            "datasets": datasets,
            "form": self.form or self.config.value("form"),
        }

    def write_json(self, value: object) -> None:
        """Print a result as ASCII JSON: valid in any locale and free of terminal control characters."""
        sys.stdout.write(json.dumps(value, indent=2) + "\n")


def command(function: Callable[Concatenate[Session, P], None], *, needs_config: bool = True) -> Callable[..., None]:
    """Add the global options to a command function and report its errors.

    The options may stand before or after the command's name. The function receives them as its first argument, a
    `Session`. That of a group runs if no command of the group is named.

    Args:
        function: The command.
        needs_config: Whether it fails if something is wrong with the configuration file.
    """
    signature = inspect.signature(function)
    own = list(signature.parameters.values())[1:]

    # Typer calls it by the signature set below, which a type checker cannot see.
    call: Callable[..., None] = function

    def run(
        context: typer.Context,
        base_url: BaseUrl = None,
        local: Local = False,
        datasets: Datasets = None,
        form: FormOption = None,
        as_json: AsJson = False,
        debug: Debug = False,
        **arguments: object,
    ) -> None:
        if context.invoked_subcommand is not None:
            return
        session = _session(context)
        with error_boundary(as_json=session.as_json, debug=session.debug, places=session.places):
            if needs_config:
                _require(session.config)
            if _global_option(context, "local") and session.base_url != LOCAL:
                raise UsageError("--local and --base-url name two servers; want one of them")
            call(session, **arguments)

    context, *shared, _ = inspect.signature(run).parameters.values()
    as_keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *shared)]
    functools.update_wrapper(run, function)
    # Typer derives the command's options from these two attributes.
    run.__signature__ = signature.replace(parameters=[context, *as_keyword])  # type: ignore[attr-defined]  # see above
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (context, *as_keyword)}
    run.__doc__ = _in_paragraphs(inspect.getdoc(function) or "")
    del run.__wrapped__  # type: ignore[attr-defined]  # `update_wrapper` sets it
    return run


def _in_paragraphs(text: str) -> str:
    """Join the lines of each paragraph: the help is as wide as the terminal."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _session(context: typer.Context) -> Session:
    return Session(
        base_url=_global_option(context, "base_url") or (LOCAL if _global_option(context, "local") else None),
        datasets=_global_option(context, "datasets"),
        form=_global_option(context, "form"),
        as_json=bool(_global_option(context, "as_json")),
        debug=bool(_global_option(context, "debug")),
        config=context.meta[CONFIG],
        typed=frozenset(name for name in context.params if is_typed(context, name)),
        places=RunPlaces(context),
    )


def _global_option(context: typer.Context, name: str) -> Any:
    """Value of an option after the command's name, else before it; None if it is nowhere."""
    places = [context]
    while (parent := places[-1].parent) is not None:
        places.append(parent)  # type: ignore[arg-type]  # Typer makes them all
    return next((value for place in places if (value := place.params.get(name))), None)


def _require(config: ConfigFile) -> None:
    """Warn of what is unsafe about the configuration file.

    Raises:
        UsageError: Something is wrong with it.
    """
    if config.problem is not None:
        raise UsageError(config.problem)
    if (warning := config.warning()) is not None:
        show.warn(warning)
