"""The plugin of pytest: fixtures `reka_server` and `reka_client`.

It is beside the package `reka`, for pytest loads it in every run of whoever has installed that: so nothing else is
loaded until a test asks for a fixture, and what measures coverage sees the package from its first line.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from reka import Reka
    from reka.testing import FakeReka

_KEY = "key-of-the-test"
_SECONDS = 10.0
_NO_LIST = 'no list of models is scripted: set reka_server.listing, for example to answer(200, ["reka-flash"])'


@pytest.fixture
def reka_server(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[FakeReka]":
    """A server that gives the answers a test scripts, and records requests; see `reka.testing.FakeReka`.

    Clients without an address go there: the functions of `reka`, `reka.Reka()`, `ChatReka()`, `RekaLLM()`. The user's
    own keys, addresses and proxies are hidden from the test. It has no list of models until `listing` is set.
    """
    from reka.testing import FakeReka, fails, hide_settings

    with hide_settings(monkeypatch, tmp_path_factory.getbasetemp()), FakeReka() as server:
        server.listing = fails(404, _NO_LIST)
        monkeypatch.setenv("REKA_BASE_URL", server.url)
        monkeypatch.setenv("REKA_API_KEY", _KEY)
        yield server


@pytest.fixture
def reka_client(reka_server: "FakeReka") -> "Iterator[Reka]":
    """A client of `reka_server`, which gives up after 10 s."""
    from reka import Reka

    with Reka(_KEY, reka_server.url, timeout=_SECONDS) as client:
        yield client
