"""`reka config`: the configuration file, and what is in effect."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.text import Text

from reka.cli import show
from reka.cli.configuration.catalogue import Setting
from reka.cli.configuration.file import ConfigFile, Entry, without_password
from reka.cli.errors import UsageError
from reka.cli.session import Session

_FILE: Final = "file"

_STARS: Final = "***"
_EXAMPLE: Final = """\
[global]
base-url = "local"

[chat]
model = "reka-core"
system = "Be brief."
"""


@dataclass(frozen=True, slots=True)
class Row:
    """An option: what the file says, and what is in effect."""

    section: str
    option: str
    file: Any
    effective: Any
    source: str
    """`file`, `default`, `command line`, or the name of the environment variable."""


def config(session: Session) -> None:
    """Show the configuration file: where it is, what it says, and what is in effect.

    The command line wins over environment variables, and they win over the file. Each command has a section for its
    options, such as chat; global is for api-key and the global options, server for the commands of your own server.
    REKA_CONFIG names another file.
    """
    file = session.config
    rows = [] if file.problem else list(_rows(session))
    if session.as_json:
        session.write_json({"path": str(file.path), "exists": file.is_there, "options": [asdict(row) for row in rows]})
    else:
        _print(file, rows)
    if file.problem is not None:
        raise UsageError(file.problem)
    if (warning := file.warning()) is not None:
        show.warn(warning)


def _rows(session: Session) -> Iterator[Row]:
    entries = {(entry.setting.section, entry.setting.key): entry for entry in session.config.entries}
    typed = {"base-url": session.base_url, "datasets": session.datasets, "form": session.form}
    for place, setting in session.config.settings.items():
        entry = entries.get(place)
        if entry is not None or setting.default is not None or setting.variable() is not None:
            effective, source = _effective(setting, entry, typed)
            says = None if entry is None else _public(setting, entry.value)
            yield Row(setting.section, setting.key, says, effective, source)


def _effective(setting: Setting, entry: Entry | None, typed: dict[str, str | None]) -> tuple[Any, str]:
    if setting.places == () and (value := typed.get(setting.key)):
        return _public(setting, value), "command line"
    variable = setting.variable()
    if variable is not None:
        return _public(setting, os.environ[variable]), variable
    if entry is not None:
        return _public(setting, entry.value), _FILE
    return setting.default, "default"


def _public(setting: Setting, value: Any) -> Any:
    if setting.is_secret:
        return _STARS
    return without_password(value) if isinstance(value, str) else value


def _print(file: ConfigFile, rows: list[Row]) -> None:
    show.results().print(Text(str(file.path), style="bold"), soft_wrap=True)
    if not file.is_there and file.problem is None:
        show.notes().print(Text(f"It does not exist yet. It could be, for example:\n\n{_EXAMPLE}", style="dim"))
    if not rows:
        return
    table = show.plain_table()
    table.add_column("option", style="green", overflow="fold")
    table.add_column("in effect", overflow="fold")
    table.add_column("from", overflow="fold")
    for row in rows:
        over = "" if row.file is None or row.source == _FILE else f", over {_shown(row.file)} of the file"
        table.add_row(f"[{row.section}] {row.option}", Text(_shown(row.effective)), Text(row.source + over))
    show.results().print(table)


def _shown(value: Any) -> str:
    return show.one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
