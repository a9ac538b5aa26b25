"""The command run in this process, or on a terminal of its own."""

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reka.cli.app import run
from reka.testing import FakeReka
from tests.support.clients import KEY
from tests.support.command_line import Command, Outcome, Terminal


@pytest.fixture
def server(fake: FakeReka, monkeypatch: pytest.MonkeyPatch) -> FakeReka:
    """The scripted server, as the environment's."""
    monkeypatch.setenv("REKA_BASE_URL", fake.url)
    monkeypatch.setenv("REKA_API_KEY", KEY)
    return fake


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command line in this process: `command("models", "--json")`, with what is piped in as `stdin`."""

    def call(*arguments: str, stdin: str = "") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = run(arguments)
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return call


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Starts a command on a terminal: `terminal("chat")`."""
    opened: list[Terminal] = []

    # The history of questions is no user's own.
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def start(*arguments: str, columns: int = 80) -> Terminal:
        opened.append(Terminal(arguments, columns))
        return opened[-1]

    yield start
    for one in opened:
        one.close()
