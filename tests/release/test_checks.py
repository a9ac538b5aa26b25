"""What is refused in a wheel or an sdist."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from release.checks import MAX_WHEEL_BYTES, problems
from release.distributions import ROOT, Distribution

EXAMPLE = Distribution("ex-ample", "examples", "ex_ample", ("_plugin.py",))
ADDRESS = "https://repository.example/owner/name"
METADATA = f"""Metadata-Version: 2.4
Name: ex-ample
Version: 1.2.3
Project-URL: Repository, {ADDRESS}
License-Expression: Apache-2.0
License-File: LICENSE
Requires-Python: >=3.10
Requires-Dist: pydantic>=2.11
Description-Content-Type: text/markdown

[a]({ADDRESS}/blob/v1.2.3/a.md)
"""
LICENSE = (ROOT / "LICENSE").read_text()
INFO = "ex_ample-1.2.3.dist-info"
WHEEL = {
    "_plugin.py": "",
    "ex_ample/__init__.py": "",
    "ex_ample/py.typed": "",
    f"{INFO}/METADATA": METADATA,
    f"{INFO}/licenses/LICENSE": LICENSE,
}
SDIST = {"ex_ample/__init__.py": "", "README.md": "", "LICENSE": LICENSE, "pyproject.toml": "", "PKG-INFO": METADATA}


def _write(folder: Path, wheel: dict[str, str], sdist: dict[str, str]) -> None:
    with zipfile.ZipFile(folder / "ex_ample-1.2.3-py3-none-any.whl", "w") as archive:
        for name, content in wheel.items():
            archive.writestr(name, content)
    with tarfile.open(folder / "ex_ample-1.2.3.tar.gz", "w:gz") as tar:
        for name, content in sdist.items():
            member = tarfile.TarInfo(f"ex_ample-1.2.3/{name}")
            member.size = len(content.encode())
            tar.addfile(member, io.BytesIO(content.encode()))


def test_nothing_is_wrong_with_what_is_right(tmp_path: Path) -> None:
    _write(tmp_path, WHEEL, SDIST)

    assert problems(tmp_path, EXAMPLE, ADDRESS, "1.2.3") == []


@pytest.mark.parametrize(
    ("wheel", "said"),
    [
        ({"tests/test_a.py": ""}, "the wheel has tests/test_a.py"),
        ({"ex_ample/data.json": ""}, "the wheel has ex_ample/data.json"),
        ({"ex_ample/a.py": "# /home/somebody/project"}, "which is private"),
        ({"ex_ample/a.py": "#" * (MAX_WHEEL_BYTES + 1)}, "bytes, want at most 1000000"),
        ({f"{INFO}/licenses/LICENSE": "mine"}, "the wheel has not the licence"),
        ({f"{INFO}/METADATA": METADATA.replace("Apache-2.0", "MIT")}, "License-Expression is 'MIT'"),
        ({f"{INFO}/METADATA": METADATA.replace(">=2.11", "")}, "pydantic has no lowest version"),
        ({f"{INFO}/METADATA": METADATA + "[b](docs/b.md)"}, "link to docs/b.md leads nowhere"),
        ({f"{INFO}/METADATA": METADATA.replace(f"y, {ADDRESS}", "y, https://other.example")}, "https://other.example"),
        ({f"{INFO}/METADATA": METADATA.replace(f"Project-URL: Repository, {ADDRESS}\n", "")}, "has no addresses"),
    ],
)
def test_a_fault_of_a_wheel_is_named(tmp_path: Path, wheel: dict[str, str], said: str) -> None:
    _write(tmp_path, WHEEL | wheel, SDIST)

    (problem,) = problems(tmp_path, EXAMPLE, ADDRESS, "1.2.3")

    assert said in problem


@pytest.mark.parametrize(
    ("sdist", "said"),
    [({".env": ""}, "the sdist has .env"), ({"LICENSE": ""}, "the sdist has not the licence of the repository")],
)
def test_a_fault_of_an_sdist_is_named(tmp_path: Path, sdist: dict[str, str], said: str) -> None:
    _write(tmp_path, WHEEL, SDIST | sdist)

    (problem,) = problems(tmp_path, EXAMPLE, ADDRESS, "1.2.3")

    assert said in problem


def test_an_address_is_taken_from_nowhere_but_the_one_place(tmp_path: Path) -> None:
    _write(tmp_path, WHEEL, SDIST)

    (problem,) = problems(tmp_path, EXAMPLE, "", "1.2.3")

    assert f"has the address {ADDRESS}" in problem


def test_another_version_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, WHEEL, SDIST)

    (problem,) = problems(tmp_path, EXAMPLE, ADDRESS, "1.2.4")

    assert "want ['ex_ample-1.2.4-py3-none-any.whl', 'ex_ample-1.2.4.tar.gz']" in problem
