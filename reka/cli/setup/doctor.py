"""The `doctor` command: what this installation is made of, where its calls go, and what to do about what is wrong."""

import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from rich.text import Text

import reka
from reka._installation import VENDOR, vendor_version
from reka.cli import show, terms
from reka.cli.configuration.catalogue import API_KEY
from reka.cli.configuration.file import ConfigFile
from reka.cli.errors import StepError
from reka.cli.session import Session
from reka.endpoint import current_address, environment, is_local

_EXTRAS: Final = {"server": ("fastapi", "lancedb", "uvicorn"), "cli": ("rich", "typer")}
"""Modules that each extra brings, among others."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: str
    fix: str | None = None
    """What to do; None if nothing is wrong."""


def doctor(session: Session) -> None:
    """Check the installation, the key and the server, and say what to do."""
    findings = []
    for finding in _findings(session):
        findings.append(finding)
        if not session.as_json:
            _show(finding)
    if session.as_json:
        session.write_json([asdict(finding) for finding in findings])
    wrong = sum(finding.fix is not None for finding in findings)
    if wrong:
        raise StepError(f"{wrong} of {len(findings)} checks failed")


def _findings(session: Session) -> Iterator[Finding]:
    yield Finding("reka", f"{reka.__version__} in {Path(reka.__file__).parent}, Python {platform.python_version()}")
    yield _vendor()
    for extra, modules in _EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        state = f"without {', '.join(missing)}; needed for base_url='local'" if missing else "installed"
        yield Finding(f"extra {extra}", state)
    yield _data_folder()
    yield _config(session.config)
    address = session.base_url or session.config.value("base-url") or current_address()
    key = _key(address, session.config)
    yield key
    yield Finding("server", "an address with an @ in it" if "@" in address else address)
    if key.fix is None:
        yield _answer(session)


def _vendor() -> Finding:
    version = vendor_version()
    if version is None:
        return Finding(VENDOR, "not installed")
    return Finding(
        VENDOR,
        f"{version} is installed in the same folder, under this package",
        f"`pip uninstall -y {VENDOR}` takes files of this package along: install this package again after it",
    )


def _data_folder() -> Finding:
    try:
        from pydantic import ValidationError

        from reka.server.settings import Settings, describe_settings_error
    except ImportError:
        return Finding("data folder", "none: it is the embedded server's")
    try:
        return Finding("data folder", str(Settings().data_dir))
    except ValidationError as error:
        return Finding("data folder", "unknown", terms.in_wants(describe_settings_error(error)))


def _config(config: ConfigFile) -> Finding:
    if config.problem is not None:
        return Finding("config file", show.one_line(config.problem), "mend it; reka config shows what is in effect")
    if (warning := config.warning()) is not None:
        return Finding("config file", *warning.rsplit(": ", 1))
    return Finding("config file", f"{config.path}{'' if config.is_there else ', which does not exist'}")


def _key(address: str, config: ConfigFile) -> Finding:
    if is_local(address):
        return Finding("key", "none needed")
    if config.value(API_KEY):
        return Finding("key", f"set in {config.path}")
    where = "reka.API_KEY" if "API_KEY" in vars(reka) else "REKA_API_KEY"
    if environment("REKA_API_KEY") or vars(reka).get("API_KEY"):
        return Finding("key", f"set in {where}")
    return Finding("key", "not set", "export REKA_API_KEY=..., or use --base-url local, which needs none")


def _answer(session: Session) -> Finding:
    try:
        with session.client() as client:
            names = client.with_options(timeout=10, max_retries=0).list_models()
    except reka.RekaError as error:
        fix = "check the key" if isinstance(error, reka.AuthError) else "check the address and the network"
        return Finding("answer", show.one_line(str(error)), fix)
    return Finding("answer", f"{len(names)} models, such as {', '.join(names[:3])}")


def _show(finding: Finding) -> None:
    mark = ("✓ ", "green") if finding.fix is None else ("✗ ", "bold red")
    line = Text.assemble(mark, (f"{finding.subject}: ", "bold"), show.one_line(finding.state))
    if finding.fix is not None:
        line.append(f"; {finding.fix}", "yellow")
    show.results().print(line, soft_wrap=True)
