"""The `doctor` command: what this installation is made of, where its calls go, and what to do about what is wrong."""

import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from rich.text import Text

import reka
from reka._installation import VENDOR, vendor_version
from reka._protocol.checks import choice
from reka._protocol.forms import FORMS
from reka.cli import show, terms
from reka.cli.configuration.catalogue import API_KEY
from reka.cli.configuration.file import ConfigFile
from reka.cli.errors import StepError, UsageError, message, of_system
from reka.cli.serve import server_settings
from reka.cli.session import Session
from reka.endpoint import (
    AUTO,
    checked_address,
    checked_place,
    current_address,
    current_place,
    environment,
    is_local,
    local_folder,
)

_EXTRAS: Final = {
    "server": (("fastapi", "lancedb", "uvicorn"), "--local and reka serve"),
    "cli": (("markdown_it", "prompt_toolkit", "rich", "typer"), "the reka command"),
    "mcp": (("mcp", "uvicorn"), "reka mcp"),
    "postgres": (("psycopg",), "reka serve --database-url postgresql+psycopg://..."),
    "store": (("obstore",), "reka serve --store-url"),
    "ray": (("ray",), "reka worker --ray"),
    "otel": (("opentelemetry.sdk",), "spans and metrics"),
}
"""Modules that each extra brings, among others, and what it is for."""


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
    yield from map(_extra, _EXTRAS)
    yield _config(session.config)
    address = session.base_url or session.config.value("base-url") or current_address()
    place = session.datasets or session.config.value("datasets")
    yield from _folders(session, address, place)
    connection = (_server(session, address), _datasets(session, place, address), _form(session))
    key = _key(address, session.config)
    yield from (key, *connection)
    if all(finding.fix is None for finding in (key, *connection)):
        yield _answer(session)


def _extra(name: str) -> Finding:
    modules, purpose = _EXTRAS[name]
    missing = [module for module in modules if not _is_there(module)]
    return Finding(f"extra {name}", f"without {', '.join(missing)}; needed for {purpose}" if missing else "installed")


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False


def _vendor() -> Finding:
    version = vendor_version()
    if version is None:
        return Finding(VENDOR, "not installed")
    return Finding(
        VENDOR,
        f"{version} is installed in the same folder, under this package",
        f"`pip uninstall -y {VENDOR}` takes files of this package along: install this package again after it",
    )


def _folders(session: Session, address: str, place: str | None) -> Iterator[Finding]:
    """Look at the folders of the embedded server, if one is in use, and of `reka serve`; nothing is written."""
    try:
        from reka.server.embedded import data_folder
    except ImportError:
        return
    local = next((one for one in (address, place or environment("REKA_DATASETS") or "") if one and is_local(one)), None)
    if local is not None:
        try:
            folder = data_folder(local_folder(local))
        except reka.InvalidArgumentError as error:
            yield Finding("data folder", local, error.message)
        else:
            yield _folder(
                "data folder", folder, lambda problem: f"{problem.removeprefix('data_dir: ')}; use local:PATH"
            )
    subject = "data folder of reka serve"
    defaults = session.config.default_map()
    try:
        settings = server_settings(**{**defaults.get("worker", {}), **defaults.get("serve", {})})
    except UsageError as error:
        yield Finding(subject, "unknown", message(error, session.places))
        return
    yield _folder(subject, settings.data_dir, lambda problem: terms.in_settings(problem, session.places))


def _folder(subject: str, folder: Path, in_words: Callable[[str], str]) -> Finding:
    from reka.server.errors import StartError

    try:
        problem = _problem(folder.absolute())
    except StartError as error:
        problem = show.one_line(str(error))
    except OSError as error:
        problem = f"data_dir: {of_system(error)}"
    return Finding(subject, str(folder), None if problem is None else in_words(problem))


def _problem(folder: Path) -> str | None:
    """Say why a server cannot store data in a folder; None if nothing speaks against it."""
    from reka.server.storage.ownership import check_folder

    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return f"data_dir: {there} is no folder that you may write to; choose another one"
    if there == folder:
        check_folder(folder)
    return None


def _server(session: Session, address: str) -> Finding:
    shown = "an address with an @ in it" if "@" in address else address
    return _checked("server", shown, session, lambda: checked_address(address))


def _datasets(session: Session, place: str | None, address: str) -> Finding:
    def check() -> None:
        if place is not None:
            checked_place(place, "datasets")
        current_place(place, address)

    return _checked("datasets", place or environment("REKA_DATASETS") or AUTO, session, check)


def _form(session: Session) -> Finding:
    form = session.form or session.config.value("form") or environment("REKA_FORM") or AUTO
    return _checked("form", form, session, lambda: choice(form, "form", FORMS))


def _checked(subject: str, state: str, session: Session, check: Callable[[], object]) -> Finding:
    try:
        check()
    except reka.InvalidArgumentError as error:
        return Finding(subject, state, message(error, session.places))
    return Finding(subject, state)


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
        is_argument = isinstance(error, reka.InvalidArgumentError)
        what, _, fix = message(error, session.places).partition("; ")
        return Finding("answer", what, fix or ("correct it" if is_argument else "check the address and the network"))
    return Finding("answer", f"{len(names)} models, such as {', '.join(names[:3])}")


def _show(finding: Finding) -> None:
    mark = ("✓ ", "green") if finding.fix is None else ("✗ ", "bold red")
    line = Text.assemble(mark, (f"{finding.subject}: ", "bold"), show.one_line(finding.state))
    if finding.fix is not None:
        line.append(f"; {finding.fix}", "yellow")
    show.results().print(line, soft_wrap=True)
