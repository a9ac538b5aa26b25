"""`reka mcp`: datasets for assistants and editors that speak the Model Context Protocol."""

import asyncio
from importlib.util import find_spec
from typing import Annotated, Final

import typer

from reka.cli.errors import UsageError
from reka.cli.session import Session

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

_Dataset = Annotated[
    list[str] | None,
    typer.Option("--dataset", metavar="NAME", help="A dataset to offer; can be given several times. Default: all."),
]
_Http = Annotated[
    bool, typer.Option("--http/--no-http", help="Listen on a port, in place of standard input and output.")
]
_Host = Annotated[str, typer.Option(metavar="ADDRESS", help="With --http: address of this machine to listen on.")]
_Port = Annotated[
    int, typer.Option(min=0, max=65535, metavar="PORT", help="With --http: port to listen on; 0 picks a free one.")
]


def mcp(
    session: Session, only: _Dataset = None, http: _Http = False, host: _Host = "127.0.0.1", port: _Port = 8001
) -> None:
    """Offer datasets to assistants and editors by the Model Context Protocol.

    A program that speaks it starts `reka mcp`, and finds a tool that searches datasets, and documents as resources.
    """
    if find_spec("mcp") is None or find_spec("uvicorn") is None:
        raise UsageError("reka mcp needs the official SDK: install this package with the extra `mcp`: reka[mcp]")
    if session.as_json:
        raise UsageError("reka mcp prints no JSON; leave out --json")
    if not http and (typed := sorted({"host", "port"} & session.typed)):
        raise UsageError(f"--{typed[0]}: it says where to listen; give --http as well")
    if http and host not in _LOOPBACK:
        raise UsageError(
            f"--host: got {host!r}, want one of {', '.join(_LOOPBACK)}: whoever reaches the port reads with your key; "
            "put a proxy that asks for a password before it"
        )
    # Loaded here: the SDK takes half a second, and other commands do without it.
    from reka.cli.mcp_server.running import run_on_port, run_on_stdio

    client = session.async_client()
    if http:
        asyncio.run(run_on_port(client, only or (), host, port))
    else:
        asyncio.run(run_on_stdio(client, only or ()))
