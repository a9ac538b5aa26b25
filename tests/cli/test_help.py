"""The help of every command ends with examples, which are command lines that it takes."""

import re
import shlex

import pytest
import typer
from typer.core import TyperCommand

from reka.cli.app import app
from tests.support.command_line import Command


def _commands(group: object, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], object]]:
    inside = getattr(group, "commands", None)
    if inside is None:
        return [(path, group)]
    return [found for name, one in inside.items() for found in _commands(one, (*path, name))]


COMMANDS = _commands(typer.main.get_command(app))
EXAMPLES = [
    (path, command, line)
    for path, command in COMMANDS
    for line in str(getattr(command, "epilog", "")).split("\n\n")[1:]
]


def test_every_command_has_an_example() -> None:
    assert {path for path, _ in COMMANDS} == {path for path, _, _ in EXAMPLES}


@pytest.mark.parametrize(("path", "parser", "line"), EXAMPLES, ids=[line for _, _, line in EXAMPLES])
def test_an_example_is_a_command_line_that_its_command_takes(path: tuple[str, ...], parser: object, line: str) -> None:
    words = shlex.split(line)

    assert words[: len(path) + 1] == ["reka", *path]
    assert isinstance(parser, TyperCommand)
    parser.make_context(path[-1], words[len(path) + 1 :])


def test_the_help_shows_the_examples(command: Command) -> None:
    shown = command("datasets", "add", "--help").out

    assert "Examples:" in shown
    assert "reka datasets add book.txt --prepare" in shown


@pytest.mark.parametrize("path", [path for path, _ in COMMANDS], ids=" ".join)
@pytest.mark.parametrize("columns", [80, 59, 40])
def test_help_names_values_without_types_of_python_and_cuts_nothing(
    command: Command, monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...], columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))

    shown = command(*path, "--help").out

    assert not re.search(r"<\w+|list\[|INTEGER|FLOAT", shown)
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= columns


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("chat hi --temperature hot", "--temperature: want a number"),
        ("chat hi --max-tokens 1.5", "--max-tokens: want a whole number"),
        ("chat hi --top-p 3", "--top-p: want 1 or less"),
        ("logs -n 0", "--number: want 1 or more"),
        ("logs delete x", "ID: want a whole number"),
        ("serve --workers 0", "workers: want 1 or more"),
        ("serve --upstream-api x", "want 'auto', 'openai' or 'reka'"),
    ],
)
def test_a_wrong_value_is_answered_with_what_is_wanted(command: Command, line: str, said: str) -> None:
    outcome = command(*line.split())

    assert outcome.code == 2
    assert said in outcome.err
    assert "Input should" not in outcome.err


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("line", [(), ("datasets",)], ids=["alone", "a group"])
def test_without_a_command_the_help_is_shown(
    command: Command, monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...], columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))

    outcome = command(*line)

    assert outcome.code == 2
    assert "Usage: reka" in outcome.out
    assert outcome.err == ""
