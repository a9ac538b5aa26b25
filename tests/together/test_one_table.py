"""What the client lets through the server takes, and what it refuses the server refuses too: there is one table."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

import reka
from reka._protocol.sampling import ARGUMENTS, PARAMETERS, V0_NAMES

VALUES: Final[Mapping[str, list[Any]]] = {
    "integer": [-(2**70), -1, 0, 1, 100, 101, 2**31, 2**63, 2**64, 2**70],
    "number": [-1e300, -3, -1, -0.5, 0, 0.5, 1, 1.5, 2.5, 11, 1e300],
    "choice": ["none", "minimal", "low", "max", "", "LOW", "lots", 1, True, ["low"]],
    "strings": [[], ["a"], [""], ["a", ""], ["a"] * 1000],
}
HI: Final = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[reka.Reka]:
    folder: Path = tmp_path_factory.mktemp("local")
    with reka.Reka(base_url=f"local:{folder}") as client:
        yield client


def _error(ask: Callable[..., object], *arguments: object, **options: object) -> type[reka.RekaError] | None:
    try:
        ask(*arguments, **options)
    except reka.RekaError as error:
        return type(error)
    return None


@pytest.mark.parametrize("name", PARAMETERS)
def test_client_and_server_take_the_same_values_of_a_parameter(client: reka.Reka, name: str) -> None:
    v0_name = V0_NAMES.get(name, name)
    refusals = []
    for value in VALUES[PARAMETERS[name].kind]:
        by_client = _error(PARAMETERS[name].check, value, name)
        # Past the client's own checks.
        by_server = {
            _error(client.chat, "Hi", extra_request_args={v0_name: value}),
            _error(client.complete, HI, extra_request_args={name: value}),
        }
        assert by_server == {reka.InvalidRequestError if by_client else None}, value
        refusals.append(by_client)
    assert None in refusals


@pytest.mark.parametrize(
    ("method", "question", "options"), [("chat", "Hi", reka.ChatOptions), ("complete", HI, reka.CompletionOptions)]
)
def test_the_arguments_of_a_client_are_checked_by_the_table(
    client: reka.Reka, method: str, question: object, options: type
) -> None:
    ask: Callable[..., object] = getattr(client, method)
    by_argument = {name: ARGUMENTS[name] for name in options.__annotations__ if name in ARGUMENTS}
    for argument, (name, parameter) in by_argument.items():
        for value in VALUES[parameter.kind]:
            # `chat` leaves upper limits to the server, which has those of the table.
            by_client = _error(parameter.check, value, argument)
            by_server = _error(PARAMETERS[name].check, value, name) and reka.InvalidRequestError
            assert _error(ask, question, **{argument: value}) == (by_client or by_server), argument
    assert len(by_argument) > 6


@pytest.mark.parametrize("scheme", ["https", "HTTPS", "Http"])
def test_a_media_url_that_the_client_lets_through_the_server_takes(client: reka.Reka, scheme: str) -> None:
    url = f"{scheme}://x.example/cat.png"

    assert "image" in client.chat("What is this?", url)["text"]
    assert "image" in client.complete([{"role": "user", "content": [{"type": "image_url", "image_url": url}]}]).text


def test_tools_that_the_server_refuses_the_client_refuses_before_they_are_sent(client: reka.Reka) -> None:
    tool = {"name": "f", "description": "", "parameters": {"type": "object", "properties": {}}}

    for wrong in (
        [tool, tool],
        [{"name": ""}],
        [{**tool, "parameters": []}],
        [{**tool, "parameters": {"type": "array"}}],
    ):
        with pytest.raises(reka.InvalidArgumentError, match="tools"):
            client.complete(HI, tools=wrong)
        with pytest.raises(reka.InvalidRequestError, match="tools"):
            client.complete(HI, extra_request_args={"tools": wrong})
