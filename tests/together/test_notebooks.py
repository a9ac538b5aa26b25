"""The notebooks run from top to bottom, and print what they show."""

import asyncio
import gc
import json
from pathlib import Path

import pytest

from tests.support.documentation import Block, run_program
from tests.support.peers import ROOT

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))

pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_prints_what_it_shows(
    path: Path, local_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]

    run_program(
        [Block(1, "".join(cell["source"]), None) for cell in cells], path, {'"local"': repr(f"local:{local_folder}")}
    )

    shown = ["".join(output["text"]) for cell in cells for output in cell["outputs"]]
    assert capsys.readouterr().out == "".join(shown)
    asyncio.set_event_loop(None)  # LlamaIndex leaves one; it is collected here, where its warning is no error
    gc.collect()
