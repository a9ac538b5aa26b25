"""Fixtures for every test: a scripted server, a client of it, and an environment with no settings of the user's."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, cast

import pytest

import reka
from tests.support.fake_reka import FakeReka
from tests.support.waiting import Waiting

Connect: TypeAlias = Callable[..., reka.Reka]

KEY = "secret-key-f3a9"


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ("REKA_API_KEY", "REKA_BASE_URL", "REKA_SERVER", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    for name in (*ours, "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(reka, "API_KEY", None)
    monkeypatch.setattr(reka, "BASE_URL", None)


@pytest.fixture
def fake() -> Iterator[FakeReka]:
    server = FakeReka()
    yield server
    server.close()


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Make clients, of both kinds in turn; the async one is waited for, so that a test reads the same."""
    loop = asyncio.new_event_loop()

    def connect(*arguments: Any, **options: Any) -> reka.Reka:
        if request.param == "sync":
            return reka.Reka(*arguments, **options)
        return cast("reka.Reka", Waiting(reka.AsyncReka(*arguments, **options), loop))

    yield connect
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture
def client(fake: FakeReka, connect: Connect) -> Iterator[reka.Reka]:
    with connect(KEY, fake.url, timeout=5) as client:
        yield client
