"""Clean environments: each distribution alone and all together, on each Python, with the lowest and newest versions."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from release.distributions import DISTRIBUTIONS, ROOT

ENVIRONMENTS: Final = ROOT / "build" / "release" / "environments"
_AT_ONCE: Final = 2
_SUPPORTED: Final = range(10, 15)
"""Minor versions of Python 3 that the distributions are for."""

ALONE: Final = {distribution.name: (distribution.module,) for distribution in DISTRIBUTIONS}
TOGETHER: Final = "together"
_EVERYTHING: Final = ("reka", "reka.server", "langchain_reka", "llamaindex_reka")


@dataclass(frozen=True)
class Trial:
    """An environment, and what is tried in it.

    Attributes:
        python: The Python that it is made with.
        label: Version of that, as in 3.12.
        what: Name of the distribution, or `together` for all with their extras.
        versions: `lowest` or `newest`, of what they need.
    """

    python: Path
    label: str
    what: str
    versions: str

    @property
    def name(self) -> str:
        """Its name, and that of its folder."""
        return f"{self.what}-{self.label}-{self.versions}"

    @property
    def folder(self) -> Path:
        """Where it is made."""
        return ENVIRONMENTS / self.name

    @property
    def modules(self) -> tuple[str, ...]:
        """What is tried."""
        return ALONE.get(self.what, _EVERYTHING)


def pythons() -> dict[str, Path]:
    """The Pythons of this machine that the distributions are for, by version; of each version the first one found."""
    found: dict[str, Path] = {}
    for python in _candidates():
        # pyenv's shims exist for versions that they refuse to start, so each is asked.
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([python, "-c", code], capture_output=True, text=True)
        label = done.stdout.strip()
        if done.returncode == 0 and label in {f"3.{minor}" for minor in _SUPPORTED}:
            found.setdefault(label, python)
    return dict(sorted(found.items(), key=lambda item: int(item[0].partition(".")[2])))


def _candidates() -> Iterator[Path]:
    yield Path(sys.executable)
    for minor in _SUPPORTED:
        if path := shutil.which(f"python3.{minor}"):
            yield Path(path)
    for folder in sorted((Path.home() / ".pyenv" / "versions").glob("3.*")):
        yield folder / "bin" / "python"


def trials(labels: list[str] | None) -> list[Trial]:
    """Every trial, or those on the Pythons of these versions."""
    return [
        Trial(python, label, what, versions)
        for label, python in pythons().items()
        if labels is None or label in labels
        for what in (*ALONE, TOGETHER)
        for versions in ("lowest", "newest")
    ]


def try_all(wheels: Path, version: str, labels: list[str] | None) -> list[str]:
    """Make every environment, install into it, and try what is installed.

    Returns:
        What went wrong.
    """
    shutil.rmtree(ENVIRONMENTS, ignore_errors=True)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [problem for problem in pool.map(lambda trial: _try(trial, wheels, version), trials(labels)) if problem]


def _try(trial: Trial, wheels: Path, version: str) -> str | None:
    python = _interpreter(trial.folder)
    smoke = [str(python), "-I", "-W", "error::DeprecationWarning:__main__", str(Path(__file__).with_name("smoke.py"))]
    steps = (
        ["uv", "venv", "--quiet", "--python", str(trial.python), str(trial.folder)],
        ["uv", "pip", "install", "--quiet", "--python", str(python), *_requirements(trial, wheels)],
        ["uv", "pip", "check", "--quiet", "--python", str(python)],
        [*smoke, version, *trial.modules],
    )
    for step in steps:
        done = subprocess.run(step, cwd=ROOT / "build", capture_output=True, text=True, timeout=900)
        if done.returncode:
            print(f"== {trial.name}: failed", flush=True)
            return f"{trial.name}: {' '.join(step)}\n{done.stdout}{done.stderr}"
    print(f"== {trial.name}: works", flush=True)
    return None


def _requirements(trial: Trial, wheels: Path) -> list[str]:
    """The wheels to install, by their files: a name might be found on an index too."""
    files = {name: str(next((wheels / name).glob("*.whl"))) for name in ALONE}
    if trial.what == TOGETHER:
        wanted = [f"{files['reka']}[server,cli]", files["langchain-reka"], files["llamaindex-reka"]]
    else:
        wanted = sorted({files["reka"], files[trial.what]})
    return [*wanted, *(("-c", str(ROOT / "constraints-lowest.txt")) if trial.versions == "lowest" else ())]


def newest(what: str) -> Path:
    """The Python of the environment with the newest versions on the newest Python, of those of `Trial.what`."""
    folders = ENVIRONMENTS.glob(f"{what}-3.*-newest")
    return _interpreter(max(folders, key=lambda folder: int(re.findall(r"-3\.(\d+)-newest$", folder.name)[0])))


def _interpreter(environment: Path) -> Path:
    return environment / ("Scripts" if os.name == "nt" else "bin") / "python"
