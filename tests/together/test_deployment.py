"""The files in `deploy/`: read by the linters of their formats, and consistent with the command line."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reka.server.settings import Settings
from tests.support.peers import ROOT

DEPLOY = ROOT / "deploy"
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
compose = pytest.importorskip("compose_spec")


def check_command(words: list[str]) -> None:
    """Check that the command line has the command and its options."""
    command, *arguments = words
    told = subprocess.run(
        [sys.executable, "-m", "reka.cli", command, "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert not [word for word in arguments if word.startswith("--") and word not in told]


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed")
def test_the_container_file_passes_its_linter() -> None:
    assert HADOLINT is not None
    checked = subprocess.run([HADOLINT, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stdout) == (0, "")


def test_the_container_gets_what_it_is_built_from() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    sent = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        name for line in lines if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]
    }

    assert {name.removeprefix("./") for name in copied} == sent
    assert all((ROOT / name).exists() for name in sent)


def test_the_compose_file_is_one_and_its_settings_are_the_servers() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    parsed = compose.PyCompose.from_yaml(text)
    parsed.validate()
    services = parsed.to_dict()["services"]

    for name in ("server", "worker"):
        check_command(services[name]["command"])
        settings = {key for key in services[name]["environment"] if key.startswith("REKA_SERVER_")}
        assert settings <= {f"REKA_SERVER_{field.upper()}" for field in Settings.model_fields}
    grace = int(services["server"]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings.model_fields["drain_seconds"].default
    named = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert named == set(parsed.to_dict()["volumes"])


def test_the_unit_is_one_and_waits_until_requests_have_ended(tmp_path: Path) -> None:
    text = (DEPLOY / "reka.service").read_text()
    (command,) = re.findall(r"^ExecStart=\S+ (.*)$", text, re.MULTILINE)
    check_command(shlex.split(command))
    (timeout,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(timeout) > Settings.model_fields["drain_seconds"].default
    if verify := shutil.which("systemd-analyze"):
        unit = tmp_path / "reka.service"
        unit.write_text(text.replace("/opt/reka/bin/reka", sys.executable))
        checked = subprocess.run([verify, "verify", unit], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")
