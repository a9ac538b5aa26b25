"""A server in front of an upstream whose answers a test scripts."""

from collections.abc import Iterator

import pytest

from tests.support.caller import Caller
from tests.support.fake_reka import FakeReka
from tests.support.servers import open_caller, run_server


@pytest.fixture(scope="session")
def scripted_upstream() -> Iterator[FakeReka]:
    fake = FakeReka()
    yield fake
    fake.close()


@pytest.fixture(scope="session")
def proxy_url(scripted_upstream: FakeReka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    given = {"upstream": scripted_upstream.url, "upstream_model": "m", "upstream_retries": 0}
    with run_server(tmp_path_factory.mktemp("proxy"), **given) as server:
        yield server.url


@pytest.fixture
def upstream(scripted_upstream: FakeReka) -> FakeReka:
    """The upstream; `upstream.requests` has what it receives in the test."""
    scripted_upstream.requests.clear()
    return scripted_upstream


@pytest.fixture
def proxy(proxy_url: str, upstream: FakeReka) -> Iterator[Caller]:
    """A caller of the server, whose test must have used every scripted answer."""
    with open_caller(proxy_url) as caller:
        yield caller
    assert upstream.all_answers_sent
