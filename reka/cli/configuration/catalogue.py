"""What a configuration file may set: options of the commands, each in the section of its command."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Final

from typer.core import TyperGroup, TyperOption

from reka import config
from reka._protocol.constants import API_URL

if TYPE_CHECKING:
    from typer.core import TyperCommand

GLOBAL: Final = "global"
"""Section of the options that every command has, and of the key."""

SERVER: Final = "server"
"""Section of the commands of your own server: they share its settings, so that all of them work on the same one."""

API_KEY: Final = "api-key"

_SERVER_COMMANDS: Final = {"serve", "worker", "backup", "restore", "keys"}
_GLOBAL_PARAMETERS: Final = {"base_url", "local", "datasets", "form", "as_json", "debug", "version"}
_DELETING: Final = {"delete", "rm"}
"""Commands that no file sets an option of: what is deleted is written on the command line."""
_COMMAND_LINE_ONLY: Final = {"continued"}

_WANTED: Final[Mapping[object, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: 'a list of texts, such as ["a", "b"]',
}
_TEXT: Final = "a text in quotes"


@dataclass(frozen=True, slots=True)
class Setting:
    """A key that a file may have.

    Attributes:
        section: Name of its section.
        key: The option's name without the dashes.
        kind: Type of its value: bool, int, float, list (of texts), or str.
        variables: Environment variables that win over the file, the first one over the others.
        default: What holds if nothing sets it; None if that is not shown.
        least: Least value of a number; None for any.
        most: Greatest value of a number; None for any.
        places: The commands that have the option, as their names, and its parameter's name in each.
    """

    section: str
    key: str
    kind: object = str
    variables: tuple[str, ...] = ()
    default: str | None = None
    least: float | None = None
    most: float | None = None
    places: tuple[tuple[tuple[str, ...], str], ...] = ()

    @property
    def name(self) -> str:
        """Name for messages."""
        return f"[{self.section}] {self.key}"

    @property
    def is_secret(self) -> bool:
        """Whether its value is shown nowhere."""
        return self.key == API_KEY

    def variable(self) -> str | None:
        """Name of the environment variable that is set in its place, if one is."""
        return next((name for name in self.variables if os.environ.get(name)), None)

    def problem(self, value: object) -> str | None:
        """Say what is wrong with a value; None if nothing is."""
        if not _is_of_kind(value, self.kind):
            return f"got {self._shown(value)}, want {_WANTED.get(self.kind, _TEXT)}"
        if isinstance(value, float) and not isfinite(value):
            return f"got {value}, want {_WANTED[float]}"
        if isinstance(value, int | float) and self.least is not None and value < self.least:
            return f"got {value}, want {self.least:g} or more"
        if isinstance(value, int | float) and self.most is not None and value > self.most:
            return f"got {value}, want {self.most:g} or less"
        return None

    def _shown(self, value: object) -> str:
        return type(value).__name__ if self.is_secret else json.dumps(value, default=str)


GLOBAL_SETTINGS: Final = (
    Setting(GLOBAL, "base-url", variables=("REKA_BASE_URL", "REKA_SERVER"), default=API_URL),
    Setting(GLOBAL, API_KEY, variables=("REKA_API_KEY",), default="not set"),
    Setting(GLOBAL, "datasets", variables=("REKA_DATASETS",), default="auto"),
    Setting(GLOBAL, "form", variables=("REKA_FORM",), default="auto"),
)


def catalogue(commands: "TyperGroup") -> dict[tuple[str, str], Setting]:
    """Build the settings of a file, by section and key, from the commands and their options."""
    settings = {(setting.section, setting.key): setting for setting in GLOBAL_SETTINGS}
    for path, option in _options(commands, ()):
        section = section_of(path)
        key = max(option.opts, key=len).lstrip("-")
        known = settings.get((section, key))
        settings[section, key] = Setting(
            section,
            key,
            kind=list if option.multiple else option.type_descriptor.annotation,
            variables=_variables(section, key, option.name),
            default=config.MODEL if (section, key) == ("chat", "model") else None,
            least=option.min,
            most=option.max,
            places=(*(known.places if known else ()), (path, option.name)),
        )
    return settings


def section_of(path: Sequence[str]) -> str:
    """Name the section of a command, given by the names that lead to it."""
    return SERVER if path[0] in _SERVER_COMMANDS else ".".join(path)


def _options(
    command: "TyperCommand | TyperGroup", path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], TyperOption]]:
    """Find the options of a command and of those below it."""
    for option in command.params:
        own = option.name not in _GLOBAL_PARAMETERS | _COMMAND_LINE_ONLY
        if path and own and isinstance(option, TyperOption) and path[-1] not in _DELETING:
            yield path, option
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from _options(below, (*path, name))  # type: ignore[arg-type]  # Typer makes them all


def _variables(section: str, key: str, parameter: str) -> tuple[str, ...]:
    if section == SERVER:
        return (f"REKA_SERVER_{parameter.upper()}",)
    return ("REKA_MODEL",) if (section, key) == ("chat", "model") else ()


def _is_of_kind(value: object, kind: object) -> bool:
    if kind is list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if kind in {bool, int}:
        return type(value) is kind
    return type(value) in {int, float} if kind is float else isinstance(value, str)
