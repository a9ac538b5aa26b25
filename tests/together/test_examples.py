"""The examples run as they stand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "arguments", "printed"),
    [
        ("documented_page.py", [], "Hi, my name is John."),
        ("your_own_files.py", ["TEXTS", "What is on the glass table?"], "golden key"),
        ("many_at_once.py", [], "100 answers"),
    ],
)
def test_an_example_runs_on_the_embedded_server(
    alice: Path, tmp_path: Path, name: str, arguments: list[str], printed: str
) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    alice.rename(texts / alice.name)
    command = [sys.executable, str(EXAMPLES / name), *(str(texts) if word == "TEXTS" else word for word in arguments)]
    # `local` keeps its data in the user's data folder, wherever the platform has it: here it must be ours.
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data"), "REKA_BASE_URL": "local"}

    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **home}, check=False)

    assert done.returncode == 0, done.stderr
    assert printed in done.stdout


def test_every_example_is_tried() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == [
        "documented_page.py",
        "many_at_once.py",
        "your_own_files.py",
    ]
