"""The embedded server in this process, real ones in their own, hosts without datasets, and texts to ask about."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import reka
from tests.support.processes import output_of, run_program, run_reka_serve
from tests.support.strict_host import StrictHost
from tests.support.strict_hosts import STRICT_HOSTS

ALICE = """Alice was beginning to get very tired of sitting by her sister on the bank.

There was nothing on the glass table except a tiny golden key, and Alice thought it might belong to a door of the hall.

The White Rabbit took a watch out of its waistcoat-pocket, and looked at it, and then hurried on.
"""


@pytest.fixture(scope="session")
def local_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local")


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch, local_folder: Path) -> Iterator[None]:
    """Module-level functions speak to the embedded server, which has no datasets before the test and none after it."""
    monkeypatch.setattr(reka, "BASE_URL", f"local:{local_folder}")
    yield
    monkeypatch.setattr(reka, "BASE_URL", f"local:{local_folder}")
    for name in reka.list_datasets():
        reka.delete_dataset(name)


@pytest.fixture
def place(local_folder: Path) -> Iterator[str]:
    """Where datasets live; there are none before the test, and none after it."""
    place = f"local:{local_folder}"
    yield place
    with reka.Reka(base_url=place) as client:
        for name in client.list_datasets():
            client.delete_dataset(name)


@pytest.fixture(params=STRICT_HOSTS)
def host(request: pytest.FixtureRequest) -> Iterator[StrictHost]:
    """A host that has no datasets."""
    with STRICT_HOSTS[request.param]() as host:
        yield host


@pytest.fixture
def alice(tmp_path: Path) -> Path:
    path = tmp_path / "alice.txt"
    path.write_text(ALICE)
    return path


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a `reka serve` process that takes any key; each has its own datasets."""
    with run_reka_serve(tmp_path_factory.mktemp("serve") / "data") as url:
        yield url


@pytest.fixture(scope="session")
def rules_serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a `reka serve` process with the rule-based model behind it, and the one key that it takes."""
    data = tmp_path_factory.mktemp("rules") / "data"
    key = output_of(sys.executable, "-m", "reka.cli", "keys", "create", "tester", "--data-dir", str(data)).strip()
    with (
        run_program(sys.executable, "-m", "tests.support.rule_model") as rules,
        run_reka_serve(data, "--upstream", rules, "--upstream-model", "rules-1") as url,
    ):
        yield url, key
