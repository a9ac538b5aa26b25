"""Options shared by all commands, and the decorator that adds them."""

import functools
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Concatenate, Final, ParamSpec, cast

import typer

import reka
from reka.cli.errors import UsageError, error_boundary
from reka.types import FormChoice

P = ParamSpec("P")

LOCAL: Final = "local"
"""Address of the server embedded in this process."""

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
        base_url: Address of the server; None leaves it to the environment. The key is never an option, because
            process lists show command lines: the client reads it from the environment.
        datasets: Where datasets live; None leaves it to the environment.
        form: Form of the completions endpoint; None leaves it to the environment.
        as_json: Whether to print the result as one JSON document on standard output.
        debug: Whether to print the traceback of an error.
    """

    base_url: str | None
    datasets: str | None
    form: str | None
    as_json: bool
    debug: bool

    def client(self) -> "reka.Reka":
        """Create a client; the caller closes it.

        Raises:
            InvalidArgumentError: An option has no valid value.
        """
        return reka.Reka(base_url=self.base_url, datasets=self.datasets, form=cast("FormChoice | None", self.form))

    def async_client(self) -> "reka.AsyncReka":
        """Create an async client; the caller closes it.

        Raises:
            InvalidArgumentError: An option has no valid value.
        """
        return reka.AsyncReka(base_url=self.base_url, datasets=self.datasets, form=cast("FormChoice | None", self.form))

    def write_json(self, value: object) -> None:
        """Print a result as ASCII JSON: valid in any locale and free of terminal control characters."""
        sys.stdout.write(json.dumps(value, indent=2) + "\n")


def command(function: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    """Add the global options to a command function and report its errors.

    The options may stand before or after the command's name. The function receives them as its first argument, a
    `Session`.
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
        before = context.find_root().params
        local = local or bool(before.get("local"))
        base_url = base_url or before.get("base_url")
        session = Session(
            base_url=LOCAL if local else base_url,
            datasets=datasets or before.get("datasets"),
            form=form or before.get("form"),
            as_json=as_json or bool(before.get("as_json")),
            debug=debug or bool(before.get("debug")),
        )
        with error_boundary(as_json=session.as_json, debug=session.debug):
            if local and base_url not in {None, LOCAL}:
                raise UsageError("--local and --base-url name two servers; want one of them")
            call(session, **arguments)

    context, *shared, _ = inspect.signature(run).parameters.values()
    as_keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *shared)]
    functools.update_wrapper(run, function)
    # Typer derives the command's options from these two attributes.
    run.__signature__ = signature.replace(parameters=[context, *as_keyword])  # type: ignore[attr-defined]  # see above
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (context, *as_keyword)}
    del run.__wrapped__  # type: ignore[attr-defined]  # `update_wrapper` sets it
    return run
