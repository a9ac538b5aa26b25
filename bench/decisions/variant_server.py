"""A server without one decision: `python -m bench.decisions.variant_server NAME`, and the options of `reka.server`."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import aiohttp
import uvicorn

from bench.decisions.measure import replaced
from reka.server import __main__ as program
from reka.server import run
from reka.server.generation.upstream import http as upstream_http
from reka.server.http import connection, request_bodies
from reka.server.storage.database import Database

Substitutes = tuple[Any, Mapping[str, object]]
"""A module or class, and what stands in for some of its attributes."""

UNCHANGED: Final = "unchanged"


def keys_by_sqlalchemy() -> Substitutes:
    """Look up keys as in other databases: through SQLAlchemy, in a thread."""
    return Database, {"is_file": property(lambda _: False)}


def collector_untouched() -> Substitutes:
    """Leave the garbage collector as Python sets it."""
    return run, {"tune_gc": lambda: None}


def bodies_in_threads() -> Substitutes:
    """Validate every body in a thread."""
    return request_bodies, {"_INLINE_BYTES": -1}


def proxies_per_request() -> Substitutes:
    """Let aiohttp read the environment at every request to the upstream."""

    def session(self: upstream_http.UpstreamHttp) -> aiohttp.ClientSession:
        if self._session is None:
            self._proxy = None
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, connector=aiohttp.TCPConnector(limit=0), trust_env=True
            )
        return self._session

    return upstream_http.UpstreamHttp, {"_get_session": session}


def streams_cut() -> Substitutes:
    """Close the upstream's connection behind a streamed response."""

    async def leave(_: aiohttp.ClientResponse) -> None: ...

    return upstream_http, {"_drain": leave}


def writes_apart() -> Substitutes:
    """Send each part of a response as it is written."""
    return connection, {"_Corked": lambda transport, _: transport}


def pure_python_http() -> Substitutes:
    """Parse requests with h11."""
    return uvicorn, {"Config": partial(uvicorn.Config, http="h11")}


VARIANTS: Final[Mapping[str, Callable[[], Substitutes]]] = {
    variant.__name__: variant
    for variant in (
        keys_by_sqlalchemy,
        collector_untouched,
        bodies_in_threads,
        proxies_per_request,
        streams_cut,
        writes_apart,
        pure_python_http,
    )
}


def main() -> int:
    """Run the server; returns the exit code."""
    name = sys.argv.pop(1)
    if name == UNCHANGED:
        return program.main()
    owner, substitutes = VARIANTS[name]()
    with replaced(owner, **substitutes):
        return program.main()


if __name__ == "__main__":
    sys.exit(main())
