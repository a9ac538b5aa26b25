"""Servers that answer, each on a data folder of its own, and callers of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from tests.support.asking import WordBag
from tests.support.caller import Caller

NOTES = "The owl of the mill hunts at night.\n\nThe hen of the farm lays 12 eggs.\n"
"""What the dataset `notes` of the shared servers holds."""


@contextmanager
def serving(data_dir: Path, **settings: Any) -> Iterator[BackgroundServer]:
    """A server on a data folder of its own."""
    server = BackgroundServer(Settings(port=0, data_dir=data_dir, **settings), embedder=WordBag())
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def calling(url: str) -> Iterator[Caller]:
    """A caller with a key that needs not be known."""
    caller = Caller(url)
    try:
        yield caller
    finally:
        caller.close()
