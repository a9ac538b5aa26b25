"""`reka-api` fills the folder `reka/` too: whichever is on top, this package says in one line what mends it."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import reka
from tests.support.peers import ROOT

VENDORS_PACKAGES = ("api", "chat", "core", "errors", "models", "types", "v2", "v2/api")
VENDORS_FILES = {
    "__init__.py": "from .errors import UnprocessableEntityError\nfrom . import chat\n__version__ = '3.2.0'\n",
    "client.py": "class Reka: pass\n",
    "chat/__init__.py": "",
    "core/__init__.py": "",
    "core/http_client.py": "",
    "errors/__init__.py": "class UnprocessableEntityError(Exception): pass\n",
    "types/__init__.py": "class ChatMessage: pass\n",
    "types/chat_message.py": "",
    "v2/__init__.py": "",
    "v2/api/__init__.py": "",
}
"""Files as the vendor's, in name and place."""


def needs(package: str) -> pytest.MarkDecorator:
    """Skip a test of an extra where the client is installed alone."""
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


IMPORTS = ["import reka.adapters", "import reka.media", "import reka.async_client"]
OF_THE_SERVER = pytest.param("from reka.server import settings", marks=needs("pydantic_settings"))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder that packages are installed in, with this one."""
    shutil.copytree(ROOT / "reka", tmp_path / "reka", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def _install_vendor(site: Path) -> None:
    for name, text in VENDORS_FILES.items():
        path = site / "reka" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    about = site / "reka_api-3.2.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: reka-api\nVersion: 3.2.0\n")


def _uninstall_vendor(site: Path) -> None:
    for name in VENDORS_FILES:
        (site / "reka" / name).unlink()
    shutil.rmtree(site / "reka_api-3.2.0.dist-info")


def _last_line(site: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return (done.stdout + done.stderr).strip().splitlines()[-1]


@pytest.mark.parametrize("statement", [*IMPORTS, OF_THE_SERVER])
def test_a_package_that_the_vendor_s_lies_over_says_so_and_what_mends_it(site: Path, statement: str) -> None:
    _install_vendor(site)

    line = _last_line(site, "-c", statement)

    assert f"reka-api 3.2.0 lies over this package: both fill {site / 'reka'}" in line
    assert "`pip uninstall -y reka-api` and `pip install --force-reinstall --no-deps " in line


@pytest.mark.parametrize("statement", IMPORTS[:2])
def test_a_package_that_lost_files_with_the_vendor_s_says_so_and_what_mends_it(site: Path, statement: str) -> None:
    _install_vendor(site)
    _uninstall_vendor(site)

    # -S: a folder without `__init__.py` is a package only where no other `reka` is found.
    line = _last_line(site, "-S", "-c", statement)

    assert "lacks files of this package: reka-api, which was removed, fills the same folder" in line
    assert "`pip uninstall -y reka-api` and `pip install --force-reinstall --no-deps " in line


def test_the_command_says_it_too(site: Path) -> None:
    _install_vendor(site)

    assert _last_line(site, "-m", "reka.cli", "doctor").startswith("error: reka-api 3.2.0 lies over this package")


def test_installed_after_the_vendor_s_this_package_works(site: Path) -> None:
    _install_vendor(site)
    shutil.copytree(ROOT / "reka", site / "reka", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    code = (
        "import reka, reka.v2, reka.adapters, reka.errors; from reka import ChatMessage; from reka.client import Reka; "
        "reka.chat, reka.AsyncReka, reka.errors.RateLimitError; print(Reka('k').chat.create.__name__)"
    )

    assert _last_line(site, "-c", code) == "create"


@needs("typer")
def test_installed_after_the_vendor_s_this_package_has_a_doctor_that_warns(site: Path) -> None:
    _install_vendor(site)
    shutil.copytree(ROOT / "reka", site / "reka", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))

    found = subprocess.run(
        [sys.executable, "-m", "reka.cli", "doctor", "--base-url", "http://127.0.0.1:9"],
        capture_output=True,
        text=True,
        check=False,
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site)},
    )
    assert "✗ reka-api: 3.2.0 is installed in the same folder, under this package; `pip uninstall -y reka-api`" in (
        found.stdout
    )


def test_no_package_of_the_vendor_s_hides_a_module_of_ours() -> None:
    folder = Path(reka.__file__).parent

    assert [name for name in VENDORS_PACKAGES if (folder / f"{name}.py").exists()] == []


def test_what_it_was_installed_from_is_named_and_no_name_on_an_index(site: Path) -> None:
    _install_vendor(site)
    ours = site / "reka-0.1.0.dist-info"
    ours.mkdir()
    (ours / "METADATA").write_text("Metadata-Version: 2.1\nName: reka\nVersion: 0.1.0\n")
    assert "--no-deps WHAT_IT_WAS_INSTALLED_FROM`" in _last_line(site, "-c", IMPORTS[0])

    (ours / "direct_url.json").write_text('{"url": "https://x.example/reka.git", "vcs_info": {"vcs": "git"}}')
    assert "--no-deps 'reka @ git+https://x.example/reka.git'`" in _last_line(site, "-c", IMPORTS[0])

    (ours / "direct_url.json").write_text('{"url": "https://user:secret@x.example/reka.whl"}')
    assert "secret" not in _last_line(site, "-c", IMPORTS[0])
