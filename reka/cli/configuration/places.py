"""Where the value of an option is from: the command line, the environment, or the configuration file."""

from collections.abc import Iterator
from typing import Any, Final

import typer

from reka.cli.configuration.catalogue import GLOBAL, SERVER, Setting, section_of
from reka.cli.configuration.file import ConfigFile
from reka.cli.terms import Places

CONFIG: Final = "reka.config"
"""Where a run's context has the configuration file."""


class RunPlaces(Places):
    """Names options of a command by where their values are from, in one run of it."""

    def __init__(self, context: Any) -> None:
        """Look at the context of a command."""
        self._contexts: list[Any] = list(_up(context))
        self._config: ConfigFile | None = context.meta.get(CONFIG)

    def of(self, option: str) -> str:
        """Name an option, or the environment variable or the line of the file that is in effect in its place."""
        typed = ("--local", option) if option == "--base-url" else (option,)
        if (found := next(filter(self._is_typed, typed), None)) is not None:
            return found
        setting = self._setting(option.lstrip("-"))
        if self._config is None or setting is None:
            return option
        if (variable := setting.variable()) is not None:
            return variable
        return f"{self._config.path}: {setting.name}" if self._is_in_file(setting) else option

    def option(self, field: str) -> str:
        """Name the option of a setting of the server; its environment variable where nothing else can set it."""
        settings = () if self._config is None else self._config.settings.values()
        for setting in settings:
            if setting.section == SERVER and any(parameter == field for _, parameter in setting.places):
                option = f"--{setting.key}"
                has_option = any(option in parameter.opts for parameter in self._contexts[0].command.params)
                return option if has_option or self._is_in_file(setting) else super().option(field)
        return super().option(field)

    def _is_in_file(self, setting: Setting) -> bool:
        return self._config is not None and any(entry.setting is setting for entry in self._config.entries)

    def _setting(self, key: str) -> Setting | None:
        if self._config is None:
            return None
        path = self._contexts[0].command_path.split()[1:]
        sections = (section_of(path) if path else GLOBAL, GLOBAL, SERVER)
        return next((found for name in sections if (found := self._config.settings.get((name, key)))), None)

    def _is_typed(self, option: str) -> bool:
        return any(
            option in parameter.opts and is_typed(context, parameter.name)
            for context in self._contexts
            for parameter in context.command.params
        )


def is_typed(context: typer.Context, name: str) -> bool:
    """Whether a parameter of a command is on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _up(context: Any) -> Iterator[Any]:
    while context is not None:
        yield context
        context = context.parent
