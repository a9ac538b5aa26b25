"""The notebooks run from top to bottom, and print what they show."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.peers import ROOT

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))

# In a process of its own: what a notebook leaves open ends with it.
RUN = """
import json, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from tests.support.documentation import Block, run_program
cells, place = json.load(sys.stdin)
run_program([Block(1, cell, None) for cell in cells], Path("notebook"), {'"local"': repr(place)})
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_prints_what_it_shows(path: Path, tmp_path: Path) -> None:
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]

    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{RUN}"],
        input=json.dumps([["".join(cell["source"]) for cell in cells], f"local:{tmp_path}"]),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=200,
    )

    shown = ["".join(output["text"]) for cell in cells for output in cell["outputs"]]
    assert (done.returncode, done.stdout) == (0, "".join(shown)), done.stderr
