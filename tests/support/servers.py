"""Servers in this process, each on a data folder of its own, and callers of them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import requests

from reka.server.embedded import LocalServer
from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from tests.support.caller import Caller
from tests.support.embedders import WordEmbedder

NOTES: Final = "The owl of the mill hunts at night.\n\nThe hen of the farm lays 12 eggs.\n"
"""The text of the dataset `notes` on the shared servers."""

MAX_UPLOAD: Final = 300_000
"""Bytes that the server of the fixture `shared` takes in one upload."""

SMALL_LIMITS: Final[Mapping[str, Any]] = {
    "max_upload_bytes": MAX_UPLOAD,
    "max_unpacked_bytes": 4_000_000,
    "max_zip_entries": 50,
    "max_body_bytes": 100_000,
    "max_description_bytes": 1000,
}
"""Limits of that server, which tests reach soon."""

Start = Callable[..., BackgroundServer]
"""Starts servers; see the fixture `start`."""

Call = Callable[..., Caller]
"""Makes callers; see the fixture `call`."""


def status_of(server: LocalServer, key: str | None = None) -> int:
    """The status of an embedded server's answer to its own key, or to another one."""
    return requests.get(f"{server.base_url}/datasets", headers={"X-Api-Key": key or server.api_key}).status_code


@contextmanager
def run_server(data_dir: Path, **settings: Any) -> Iterator[BackgroundServer]:
    """Run a server until the block ends."""
    server = BackgroundServer(Settings(port=0, data_dir=data_dir, **settings), embedder=WordEmbedder())
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def open_caller(url: str) -> Iterator[Caller]:
    """Give a caller with any key, and close it when the block ends."""
    caller = Caller(url)
    try:
        yield caller
    finally:
        caller.close()
