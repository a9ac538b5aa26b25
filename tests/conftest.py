"""Fixtures for every test: a scripted server, clients of it, and an environment without the user's settings."""

import asyncio
import gc
from collections.abc import Iterator
from typing import Any, cast

import pytest

import reka
from reka.testing import FakeReka
from tests.support.clients import KEY, BlockingClient, Connect
from tests.support.fixtures import at_once, fake, isolated_environment

__all__ = ["at_once", "client", "connect", "fake", "isolated_environment", "sync_client"]


def pytest_configure() -> None:
    """Collect no garbage while modules and tests are loaded, a third of the time that it takes."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Spare collections of garbage what was loaded: whole frameworks, and thousands of tests."""
    gc.freeze()
    gc.enable()


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Make clients, of both kinds in turn; the asynchronous one blocks, so that a test reads the same."""
    loop = asyncio.new_event_loop()

    def connect(*arguments: Any, **options: Any) -> reka.Reka:
        if request.param == "sync":
            return reka.Reka(*arguments, **options)
        return cast("reka.Reka", BlockingClient(reka.AsyncReka(*arguments, **options), loop))

    yield connect
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture
def client(fake: FakeReka, connect: Connect) -> Iterator[reka.Reka]:
    """A client of the scripted server, of both kinds in turn."""
    with connect(KEY, fake.url, timeout=5) as client:
        yield client


@pytest.fixture
def sync_client(fake: FakeReka) -> Iterator[reka.Reka]:
    """A client of one kind, for tables of what both kinds leave to the same code."""
    with reka.Reka(KEY, fake.url, timeout=5) as client:
        yield client
