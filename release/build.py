"""Distributions are built from copies of what git tracks, with absolute links and addresses, into `dist`."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from release.distributions import DISTRIBUTIONS, ROOT, Distribution
from release.links import absolute_links

SOURCE: Final = ROOT / "build" / "release" / "source"
_URLS: Final = """
[project.urls]
Repository = "{repository}"
Changelog = "{repository}/blob/v{version}/CHANGELOG.md"
Documentation = "{repository}/blob/v{version}/docs/index.md"
Issues = "{repository}/issues"
"""


def build(target: Path, repository: str, version: str) -> None:
    """Build a wheel and an sdist of each distribution, each into a folder of its name.

    Args:
        target: Folder that holds these and nothing else afterwards.
        repository: Address of the repository; empty leaves links as they are.
        version: The version.
    """
    copy_tracked_files(SOURCE)
    shutil.rmtree(target, ignore_errors=True)
    for distribution in DISTRIBUTIONS:
        folder = SOURCE / distribution.folder
        if repository:
            set_addresses(folder, distribution, repository, version)
        command = [sys.executable, "-m", "build", "--installer", "uv", "--outdir", str(target / distribution.name)]
        print(f"== build {distribution.name} {version}", flush=True)
        run([*command, str(folder)], quiet=True)


def copy_tracked_files(target: Path) -> None:
    """Copy what git tracks: nothing else that lies about gets into a distribution."""
    shutil.rmtree(target, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)


def set_addresses(folder: Path, distribution: Distribution, repository: str, version: str) -> None:
    """Write the repository's address into a distribution's README and metadata."""
    readme, project = folder / "README.md", folder / "pyproject.toml"
    readme.write_text(absolute_links(readme.read_text(), distribution.folder, repository, version))
    project.write_text(project.read_text() + _URLS.format(repository=repository, version=version))


def run(command: list[str], *, quiet: bool = False) -> None:
    """Run a program; what it prints is shown, of a quiet one only if it fails.

    Raises:
        SystemExit: It fails.
    """
    done = subprocess.run(command, cwd=ROOT, capture_output=quiet, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stdout or ''}{done.stderr or ''}\n{' '.join(command)}: exit code {done.returncode}")
