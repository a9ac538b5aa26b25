"""`reka mcp` refuses at once what it could only ignore, or would fail at later."""

import pytest

from tests.support.clients import KEY
from tests.support.command_line import Command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--base-url", "foo"], "--base-url: got 'foo', want an address"),
        (["--datasets", "foo"], "--datasets: got 'foo', want 'auto'"),
        (["--port", "1"], "--port: it says where to listen; give --http as well"),
        (["--host", "127.0.0.1"], "--host: it says where to listen; give --http as well"),
        (["--http", "--host", "0.0.0.0"], "--host: got '0.0.0.0', want one of"),
    ],
)
def test_a_server_that_cannot_be_is_not_begun(command: Command, arguments: list[str], said: str) -> None:
    outcome = command("mcp", *arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"error: {said}")


@pytest.mark.parametrize("variable", ["REKA_BASE_URL", "REKA_DATASETS"])
def test_an_address_of_the_environment_is_looked_at_too(
    command: Command, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("REKA_API_KEY", KEY)
    monkeypatch.setenv(variable, "foo")

    outcome = command("mcp")

    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {variable}: got 'foo', want ")


def test_it_has_no_json_to_write(command: Command) -> None:
    outcome = command("mcp", "--json")

    assert outcome.code == 2
    assert outcome.error["message"] == "reka mcp prints no JSON; leave out --json"
