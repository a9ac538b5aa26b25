"""The examples run as they stand."""

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module", autouse=True)
def _data_folder_of_our_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`local` keeps its data in the user's data folder, wherever the platform has it: here it must be ours."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HOME", str(home))
        environment.setenv("XDG_DATA_HOME", str(home / "data"))
        yield


@pytest.mark.parametrize(
    ("name", "arguments", "printed"),
    [
        ("documented_page.py", [], "Hi, my name is John."),
        ("your_own_files.py", ["TEXTS", "What is on the glass table?"], "golden key"),
        ("many_at_once.py", [], "100 answers"),
    ],
)
def test_an_example_runs_on_the_embedded_server(
    alice: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    arguments: list[str],
    printed: str,
) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    alice.rename(texts / alice.name)
    monkeypatch.setattr(sys, "argv", [name, *(str(texts) if word == "TEXTS" else word for word in arguments)])
    monkeypatch.setenv("REKA_BASE_URL", "local")

    runpy.run_path(str(EXAMPLES / name), run_name="__main__")

    assert printed in capsys.readouterr().out


def test_every_example_is_tried() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == [
        "documented_page.py",
        "many_at_once.py",
        "your_own_files.py",
    ]
