"""The server on standard input and output, or on a port of this machine."""

import sys
from collections.abc import Sequence
from typing import Any

import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

import reka
from reka.cli.mcp_server.server import make_server

PATH = "/mcp"
"""Path of the server on its port."""


async def run_on_stdio(client: reka.AsyncReka, only: Sequence[str]) -> None:
    """Serve the program that started this one, until it closes standard input."""
    async with client:
        server = make_server(client, only)
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())


async def run_on_port(client: reka.AsyncReka, only: Sequence[str], host: str, port: int) -> None:
    """Serve on a port, until the process is told to end.

    Args:
        client: Asks the server that has the datasets.
        only: Names of the datasets to offer; all if there is none.
        host: Address to listen on, of this machine alone.
        port: Port to listen on; 0 picks a free one.
    """
    async with client:
        await _AnnouncedServer(make_server(client, only), host, port).serve()


class _AnnouncedServer(uvicorn.Server):
    """Says where it listens, once it does."""

    def __init__(self, server: Server[Any], host: str, port: int) -> None:
        # The SDK refuses requests of web pages of other origins on these hosts.
        app = server.streamable_http_app(streamable_http_path=PATH, host=host)
        super().__init__(uvicorn.Config(app, host=host, port=port, log_level="warning"))

    async def startup(self, *arguments: Any, **options: Any) -> None:
        await super().startup(*arguments, **options)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
            sys.stderr.write(f"reka mcp is listening on http://{host}:{port}{PATH}\n")
            sys.stderr.flush()
