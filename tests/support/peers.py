"""Virtual environments for packages that share our import name or that tests alone need; built once and kept."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".venv-peers"

LLAMAINDEX_PEER = ("llama-index-llms-reka==0.5.0", "reka-api==3.2.0", "llama-index-core==0.14.25")
"""The package that `llamaindex_reka` replaces, with its dependencies."""

BROWSER = ("playwright==1.65.2", "axe-playwright-python==0.1.8")
"""What drives a browser, and looks at what it shows."""

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""The browser; None if it is not on this machine."""

_ALONE: Final = ("--no-deps", "--only-binary", ":all:")
_NOT_THERE: Final = ("No matching distribution found", "No solution found")
"""What pip and uv print when the index has no file that fits."""
_NOT_READ: Final = ("Retrying", "Could not fetch URL")
"""What pip prints first when it cannot read the index at all."""


class UnavailableError(Exception):
    """The package index has no file of a package for this Python and machine."""


def peer_environment(*requirements: str, alone: bool = False) -> Path:
    """Build an environment with these packages alone, unless it exists.

    Args:
        requirements: With exact versions, such as `reka-api==2.0.0`; they name the environment.
        alone: Whether to leave out their dependencies, and to install nothing that must be compiled.

    Returns:
        The path of its Python.

    Raises:
        UnavailableError: The index has no file of one of them for this Python and machine.
        RuntimeError: The installer failed for another reason.
    """
    python_version = f"{sys.version_info.major}.{sys.version_info.minor}"
    names = [requirement.replace("==", "-") for requirement in requirements]
    folder = FOLDER / "-".join([*names, *(["alone"] if alone else []), f"py{python_version}"])
    if not folder.exists():
        FOLDER.mkdir(exist_ok=True)
        # Under another name until it is complete, so that neither a kill nor a second builder leaves half of it behind.
        built = Path(tempfile.mkdtemp(dir=FOLDER, prefix="building-"))
        try:
            _build(built, [*(_ALONE if alone else ()), *requirements])
            built.rename(folder)
        except OSError:
            if not folder.exists():
                raise
        finally:
            shutil.rmtree(built, ignore_errors=True)
    return folder / "bin" / "python"


def _build(folder: Path, requirements: Sequence[str]) -> None:
    python = folder / "bin" / "python"
    uv = shutil.which("uv")
    if uv is not None:
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "--quiet", "--python", str(python), *requirements)
    else:
        _run(sys.executable, "-m", "venv", str(folder))
        install = ("install", "--quiet", "--disable-pip-version-check", "--retries", "2")
        _run(str(python), "-m", "pip", *install, *requirements)


def _run(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "UV_LINK_MODE": "copy"}, check=False
    )
    if done.returncode:
        output = f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
        if any(words in output for words in _NOT_THERE) and not any(words in output for words in _NOT_READ):
            raise UnavailableError(output.strip().splitlines()[-1])
        raise RuntimeError(output)
