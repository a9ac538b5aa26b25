"""What every command is told, and the decorator that tells it: where the server is, and how to answer."""

import functools
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Concatenate, ParamSpec

import typer

import reka
from reka.cli.errors import error_boundary

P = ParamSpec("P")

BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        help="The server: an address, or local for the one embedded in this process, which needs no key. "
        "Default: REKA_BASE_URL, else Reka's own.",
        rich_help_panel="Options of every command",
    ),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json", help="Write one JSON document to standard output.", rich_help_panel="Options of every command"
    ),
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel="Options of every command")
]


@dataclass(frozen=True, slots=True)
class Session:
    """How one command runs.

    Attributes:
        base_url: Address of the server; None leaves it to the environment. The key is never an argument, because
            process lists show arguments: the client finds it in the environment.
        as_json: Whether the result is one JSON document on standard output.
        debug: Whether an error shows its traceback.
    """

    base_url: str | None
    as_json: bool
    debug: bool

    def client(self) -> reka.Reka:
        """Make the client of this command; it is to be closed."""
        return reka.Reka(base_url=self.base_url)

    def write_json(self, value: object) -> None:
        """Write the result as JSON, in ASCII: right in any locale, and with nothing in it that a terminal obeys."""
        sys.stdout.write(json.dumps(value, indent=2) + "\n")


def command(function: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    """Make a function a command that has the options of every command, too.

    They may stand before the command's name or after it. The function gets them as its first argument, a `Session`;
    its errors are reported.
    """
    signature = inspect.signature(function)
    own = list(signature.parameters.values())[1:]

    # Typer calls with what the signature below says, which no type checker can see.
    call: Callable[..., None] = function

    def run(
        context: typer.Context,
        base_url: BaseUrl = None,
        as_json: AsJson = False,
        debug: Debug = False,
        **arguments: object,
    ) -> None:
        before = context.find_root().params
        session = Session(
            base_url=base_url or before.get("base_url"),
            as_json=as_json or bool(before.get("as_json")),
            debug=debug or bool(before.get("debug")),
        )
        with error_boundary(as_json=session.as_json, debug=session.debug):
            call(session, **arguments)

    context, *shared, _ = inspect.signature(run).parameters.values()
    as_keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *shared)]
    functools.update_wrapper(run, function)
    # Typer reads a command's options off these two.
    run.__signature__ = signature.replace(parameters=[context, *as_keyword])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (context, *as_keyword)}
    del run.__wrapped__  # type: ignore[attr-defined]
    return run
