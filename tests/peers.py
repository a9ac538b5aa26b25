"""Environments of their own for packages that share our import name, built once and kept."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".venv-peers"


def peer_environment(*requirements: str) -> Path:
    """Build an environment with just these packages, if it is not there yet.

    Args:
        requirements: With exact versions, such as `reka-api==2.0.0`; they name the environment.

    Returns:
        Its Python.
    """
    python_version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = FOLDER / "-".join(
        [*(requirement.replace("==", "-") for requirement in requirements), f"py{python_version}"]
    )
    if not folder.exists():
        FOLDER.mkdir(exist_ok=True)
        # Under another name until it is whole, so that neither a kill nor a second builder leaves half of one behind.
        built = Path(tempfile.mkdtemp(dir=FOLDER, prefix="building-"))
        _build(built, requirements)
        try:
            built.rename(folder)
        except OSError:
            shutil.rmtree(built)
    return folder / "bin" / "python"


def _build(folder: Path, requirements: tuple[str, ...]) -> None:
    python = folder / "bin" / "python"
    uv = shutil.which("uv")
    if uv is not None:
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "--quiet", "--python", str(python), *requirements)
    else:
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)


def _run(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "UV_LINK_MODE": "copy"}, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
