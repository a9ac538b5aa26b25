"""The package as it is installed: built, put into an environment of its own, and looked at there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from tests.support.peers import ROOT

NEEDED = {"aiohttp", "certifi", "filetype", "pydantic", "requests", "typing-extensions", "urllib3", "yarl"}

LOOK = """
import json, sys
from importlib.metadata import distributions, requires
import reka
assert "requests" not in sys.modules and "pydantic" not in sys.modules
from importlib.resources import files
assert files("reka").joinpath("py.typed").is_file()
reka.Reka, reka.AsyncReka
print(json.dumps({d.name: requires(d.name) or [] for d in distributions()}))
"""


def _run(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.mark.prove
def test_the_wheel_alone_brings_just_the_client_and_what_that_needs(tmp_path: Path) -> None:
    python = str(tmp_path / "environment" / "bin" / "python")
    _run(sys.executable, "-m", "venv", str(tmp_path / "environment"), cwd=tmp_path)
    _run(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT), cwd=tmp_path)
    (wheel,) = tmp_path.glob("reka-*.whl")
    _run(python, "-m", "pip", "install", "--quiet", str(wheel), cwd=tmp_path)

    found = json.loads(_run(python, "-c", LOOK, cwd=tmp_path))
    installed = {canonicalize_name(name): needs for name, needs in found.items()}

    assert installed.keys() - _reached(installed) <= {"pip", "setuptools", "wheel"}
    assert installed.keys() >= NEEDED
    assert not {"fastapi", "lancedb", "typer", "sqlalchemy"} & installed.keys()


def _reached(needs: dict[NormalizedName, list[str]]) -> set[NormalizedName]:
    """What `reka` needs, with what that needs."""
    reached, new = set[NormalizedName](), {canonicalize_name("reka")}
    while new:
        reached |= new
        wanted = [Requirement(need) for name in new for need in needs[name]]
        new = {
            canonicalize_name(need.name)
            for need in wanted
            if need.marker is None or need.marker.evaluate({"extra": ""})
        }
        new = (new & needs.keys()) - reached
    return reached
