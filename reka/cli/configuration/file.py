"""The configuration file: where it is, what it says, and the defaults that it gives to commands."""

import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from platformdirs import user_config_path

from reka._protocol.addresses import Secret, checked_key
from reka._protocol.checks import expanded
from reka._protocol.forms import FORMS
from reka.cli.configuration.catalogue import API_KEY, GLOBAL, Setting, catalogue
from reka.cli.errors import UsageError
from reka.endpoint import checked_address, checked_place, environment
from reka.errors import InvalidArgumentError

if TYPE_CHECKING:
    from typer.core import TyperGroup

_PASSWORD: Final = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]+@")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the file."""

    setting: Setting
    value: Any

    @property
    def is_private(self) -> bool:
        """Whether nobody else should read it: it is a key, or has a password."""
        return self.setting.is_secret or (isinstance(self.value, str) and without_password(self.value) != self.value)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration file.

    Attributes:
        path: Where it is, or would be.
        is_there: Whether it exists.
        settings: All that it may set, by section and key.
        entries: What it says.
        problem: What is wrong with it; then it has no entries.
    """

    path: Path
    is_there: bool
    settings: Mapping[tuple[str, str], Setting]
    entries: tuple[Entry, ...] = ()
    problem: str | None = None

    def value(self, key: str) -> Any | None:
        """Value of a key of the section [global] that no environment variable overrides; None if there is none."""
        return next(
            (entry.value for entry in self._in_effect() if (entry.setting.section, entry.setting.key) == (GLOBAL, key)),
            None,
        )

    def default_map(self) -> dict[str, Any]:
        """Defaults of the options by the names of commands and parameters, as a context of Typer takes them."""
        defaults: dict[str, Any] = {}
        for entry in self._in_effect():
            for path, parameter in entry.setting.places:
                table = defaults
                for name in path:
                    table = table.setdefault(name, {})
                table[parameter] = entry.value
        return defaults

    def warning(self) -> str | None:
        """Warn of a key or a password that others on this machine can read, or of a file that all can change."""
        if not self.is_there or os.name != "posix":
            return None
        mode = self.path.stat().st_mode
        private = next((entry for entry in self.entries if entry.is_private), None)
        if private is not None and mode & _OTHERS:
            return f"others can read {self.path}, which has {private.setting.name}: chmod 600 {self.path}"
        if stat.S_ISREG(mode) and mode & stat.S_IWOTH:
            return f"others can change {self.path}, and so where your key goes: chmod 600 {self.path}"
        return None

    def _in_effect(self) -> Iterator[Entry]:
        return (entry for entry in self.entries if entry.setting.variable() is None)


def without_password(text: str) -> str:
    """Write stars for the password of a URL."""
    return _PASSWORD.sub(r"\1:***@", text)


def read_config(commands: "TyperGroup") -> ConfigFile:
    """Read the file that REKA_CONFIG names, else `config.toml` in the user's configuration folder, if it exists.

    Args:
        commands: All commands, whose options it may set.
    """
    settings = catalogue(commands)
    variable = environment("REKA_CONFIG")
    path = user_config_path("reka") / "config.toml" if variable is None else Path(variable)
    try:
        path = path if variable is None else expanded(variable, "REKA_CONFIG")
        text = path.read_bytes().decode()
    except InvalidArgumentError as error:
        return ConfigFile(path, False, settings, problem=error.message)
    except (FileNotFoundError, NotADirectoryError):
        problem = None if variable is None else f"REKA_CONFIG: there is no file {path}"
        return ConfigFile(path, False, settings, problem=problem)
    except OSError as error:
        return ConfigFile(path, True, settings, problem=f"{path} cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        return ConfigFile(path, True, settings, problem=f"{path} is no text in UTF-8")
    try:
        entries = tuple(_entries(_parse(text), settings))
    except (UsageError, InvalidArgumentError) as error:
        return ConfigFile(path, True, settings, problem=f"{path}: {error}")
    return ConfigFile(path, True, settings, entries)


def _parse(text: str) -> dict[str, Any]:
    # Python has it since 3.11; by its name, since type checkers look at the oldest Python alone.
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        document: dict[str, Any] = toml.loads(text)
    except toml.TOMLDecodeError as error:
        raise UsageError(f"not in the form of TOML: {error}") from error
    except RecursionError as error:
        raise UsageError("not in the form of TOML: its values are nested too deeply") from error
    return document


def _entries(document: Mapping[str, Any], settings: Mapping[tuple[str, str], Setting]) -> Iterator[Entry]:
    for section, key, value in _lines(document, ""):
        setting = settings.get((section, key))
        if setting is None:
            raise UsageError(_unknown(section, key, settings))
        if (problem := setting.problem(value)) is not None:
            raise UsageError(f"{setting.name}: {problem}")
        _check_global(setting, value)
        yield Entry(setting, Secret(value) if setting.is_secret else value)


def _lines(table: Mapping[str, Any], section: str) -> Iterator[tuple[str, str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _lines(value, f"{section}.{key}" if section else key)
        else:
            yield section, key, value


def _check_global(setting: Setting, value: Any) -> None:
    """Check what no option checks.

    Raises:
        UsageError: It is not valid.
        InvalidArgumentError: Likewise.
    """
    if setting.section != GLOBAL:
        return
    if setting.key == API_KEY:
        checked_key(value, setting.name)
    elif setting.key == "datasets":
        checked_place(value, setting.name)
    elif setting.key == "form" and value not in FORMS:
        raise UsageError(f"{setting.name}: got {value!r}, want {', '.join(FORMS)}")
    elif setting.key == "base-url":
        try:
            checked_address(value)
        except InvalidArgumentError as error:
            raise UsageError(f"{setting.name}: {error.message.removeprefix('base_url: ')}") from error


def _unknown(section: str, key: str, settings: Mapping[tuple[str, str], Setting]) -> str:
    """Say what is wanted in place of a key that there is not. Its value may be a key of the API, and is not shown."""
    place = f"[{section}]" if section else "before the first section"
    sections = sorted({known for known, _ in settings})
    found = sorted(known for known, name in settings if name == key)
    own = sorted(name for known, name in settings if known == section)
    if close := get_close_matches(key.replace("_", "-"), own, 1):
        wanted = f"{close[0]}"
    elif found:
        wanted = f"it in {' or '.join(f'[{name}]' for name in found)}"
    else:
        wanted = f"one of {', '.join(own)}" if own else f"sections {', '.join(f'[{name}]' for name in sections)}"
    return f"got the key {key!r} {'in ' if section else ''}{place}, want {wanted}"
