"""Environments of their own for packages that share our import name, or that only tests need; built once and kept."""

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
"""What `llamaindex_reka` is compared with."""

_ALONE: Final = ("--no-deps", "--only-binary", ":all:")
_NOT_THERE: Final = ("No matching distribution found", "No solution found")
"""How pip and uv say that an index which they have read holds no file that fits."""
_NOT_READ: Final = ("Retrying", "Could not fetch URL")
"""How pip says that it could not read the index, before it says that nothing in it fits."""


class UnavailableError(Exception):
    """The package index has no file of a package for this Python and machine."""


def peer_environment(*requirements: str, alone: bool = False) -> Path:
    """Build an environment with just these packages, if it is not there yet.

    Args:
        requirements: With exact versions, such as `reka-api==2.0.0`; they name the environment.
        alone: Whether to leave out what they depend on, and to take nothing that must be compiled.

    Returns:
        Its Python.

    Raises:
        UnavailableError: One of them is not to be had for this Python and machine.
        RuntimeError: It could not be built for another reason.
    """
    python_version = f"{sys.version_info.major}.{sys.version_info.minor}"
    names = [requirement.replace("==", "-") for requirement in requirements]
    folder = FOLDER / "-".join([*names, *(["alone"] if alone else []), f"py{python_version}"])
    if not folder.exists():
        FOLDER.mkdir(exist_ok=True)
        # Under another name until it is whole, so that neither a kill nor a second builder leaves half of one behind.
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


def _build(folder: Path, what: Sequence[str]) -> None:
    python = folder / "bin" / "python"
    uv = shutil.which("uv")
    if uv is not None:
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "--quiet", "--python", str(python), *what)
    else:
        _run(sys.executable, "-m", "venv", str(folder))
        install = ("install", "--quiet", "--disable-pip-version-check", "--retries", "2")
        _run(str(python), "-m", "pip", *install, *what)


def _run(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "UV_LINK_MODE": "copy"}, check=False
    )
    if done.returncode:
        told = f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
        if any(words in told for words in _NOT_THERE) and not any(words in told for words in _NOT_READ):
            raise UnavailableError(told.strip().splitlines()[-1])
        raise RuntimeError(told)
