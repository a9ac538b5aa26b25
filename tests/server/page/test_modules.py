"""The modules of the page, in node: they parse, and what needs no browser is tested there."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import reka.server

FOLDER = Path(reka.server.__path__[0]) / "page"
MODULES = sorted(path.name for path in FOLDER.glob("*.js"))
TESTS = sorted(Path(__file__).parent.glob("*.test.js"))

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not on this machine")


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """The modules and their tests in a folder that tells node what they are."""
    shutil.copytree(FOLDER, tmp_path / "page")
    (tmp_path / "package.json").write_text(json.dumps({"type": "module"}))
    for test in TESTS:
        shutil.copy(test, tmp_path / test.name)
    return tmp_path


def node(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(["node", *arguments], cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_module_parses(modules: Path) -> None:
    assert MODULES
    for name in MODULES:
        node("--check", f"page/{name}", cwd=modules)


def test_no_module_has_more_than_400_lines() -> None:
    assert [name for name in MODULES if len((FOLDER / name).read_text().splitlines()) > 400] == []


@pytest.mark.parametrize("name", [test.name for test in TESTS])
def test_the_tests_of_a_module_pass(modules: Path, name: str) -> None:
    report = node("--test", "--test-reporter=tap", name, cwd=modules)

    assert "# fail 0\n" in report
    assert "# pass 0\n" not in report
