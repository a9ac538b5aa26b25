"""Whether a folder is a server's own: nothing is written to, or deleted from, a folder before it is proven to be."""

import json
import logging
import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from reka._protocol.files.litter import LITTER
from reka.server.errors import StartError
from reka.server.storage.migrations import DATABASE, version_after
from reka.server.store.private_files import ownership_problem, write_private

logger: Final = logging.getLogger(__name__)

MARKER: Final = "reka-data.json"
"""File that marks a folder as a server's, with the version of its data."""

RESERVE: Final = "reserve"
"""File that keeps room on the disk for deletions."""

_FORMAT: Final = "reka server data"
_TABLES: Final = frozenset({"keys", "datasets", "jobs"})
_FILES: Final = frozenset(
    {MARKER, DATABASE, *(f"{DATABASE}-{part}" for part in ("wal", "shm", "journal")), "lock", "starting", RESERVE}
    | {"key", "server.json", "worker"}
)
_TEMPORARY: Final = re.compile(rf"(?:{re.escape(MARKER)}|key|server\.json)\.[0-9a-f]{{16}}")
_CONTENTS: Final = {
    "staging": re.compile(r"[0-9a-f]{32}"),
    "datasets": re.compile(r"[0-9a-f]{32}"),
    "index": re.compile(r"chunks_[0-9a-f]{32}_\d+\.lance"),
    "processes": re.compile(r"loads|counts\.sqlite(?:-wal|-shm|-journal)?|(?:counter|histogram|gauge_livesum)_\d+\.db"),
    "cache": re.compile(r"\d+"),
}
"""The names that a server gives to what is in its folders."""

_UNCOUNTED: Final = LITTER | {"lost+found"}

_EXAMPLES: Final = 3
"""Names that an error shows."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What the marker of a folder says."""

    version: int
    """Version of the folder's data."""
    id: str | None = None
    """Id of the folder, which it keeps when it is moved; None if it has none yet."""
    database: str | None = None
    """Id of the database that has the rows of the folder's files; None if it has none yet."""


def is_ours(folder: str, name: str) -> bool:
    """Whether a server gives such a name to what it stores in one of its folders, such as `staging`."""
    return _CONTENTS[folder].fullmatch(name) is not None


def check_folder(root: Path) -> None:
    """Check that an existing folder is the user's own, and a server's or empty.

    Raises:
        OSError: It cannot be read.
        StartError: It belongs to another user, others may write to it, or it holds anything else.
    """
    _check_owner(root)
    for entry in _scan(root):
        if entry.is_symlink() and (entry.name in _FILES or entry.name in _CONTENTS):
            raise StartError(f"data_dir: {entry.path} is a link, which a server does not follow: {_way_out(root)}")
    if read_marker(root) is None:
        _check_contents(root)


def is_used(root: Path) -> bool:
    """Tell whether a server has used a folder, or its database is there."""
    return (root / MARKER).exists() or (root / DATABASE).exists()


def has_contents(root: Path) -> bool:
    """Tell whether a server has stored files or tables in a folder."""
    return any(_has_contents(root / name) for name in ("datasets", "index"))


def read_marker(root: Path) -> Marker | None:
    """Return what the marker of a folder says; None if the folder has none.

    Raises:
        StartError: The marker is not one, or of a newer version.
    """
    try:
        marker = json.loads((root / MARKER).read_text(encoding="utf-8"))
        version = int(marker["version"]) if marker["format"] == _FORMAT else None
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError):
        marker, version = {}, None
    if version is None:
        raise StartError(f"data_dir: {root / MARKER} is no marker of a server's data: {_way_out(root)}")
    if not 1 <= version <= version_after():
        raise StartError(
            f"data_dir: the data in {root} are of version {version}, and this release of reka reads up to version "
            f"{version_after()}: install the release that wrote them, or choose another folder"
        )
    return Marker(version, marker.get("id"), marker.get("database"))


def write_marker(root: Path, marker: Marker) -> None:
    """Mark a folder as a server's."""
    write_private(root / MARKER, json.dumps({"format": _FORMAT, **asdict(marker)}) + "\n")


def _check_owner(root: Path) -> None:
    status = root.stat()
    if problem := ownership_problem(status, stat.S_IWOTH):
        raise StartError(
            f"data_dir: {root} is not safe to store data in, as {problem}: choose a folder of your own that no other "
            "user may write to"
        )
    if os.name != "nt" and status.st_mode & stat.S_IWGRP:
        logger.warning("the group of %s may write to it, and so change what this server stores: chmod g-w it", root)


def _check_contents(root: Path) -> None:
    """Take an unmarked folder only if it is empty, or has data of the version before markers and nothing else."""
    strangers = list(_foreign(root))
    tables = _tables(root / DATABASE)
    if tables and not tables >= _TABLES:
        strangers.append(DATABASE)
    if not tables:  # Without its rows no file is known to be a dataset's.
        strangers += [f"{name}/" for name in _CONTENTS if _has_contents(root / name)]
    if strangers:
        shown = ", ".join(map(repr, strangers[:_EXAMPLES])) + (" and more" if len(strangers) > _EXAMPLES else "")
        raise StartError(f"data_dir: {root} holds what is not a server's data ({shown}): {_way_out(root)}")


def _foreign(root: Path) -> Iterator[str]:
    """Yield the names of a folder's entries that are not a server's; what systems leave behind does not count."""
    for entry in _scan(root):
        if entry.name in _UNCOUNTED or _is_known_file(entry) or _is_empty_folder(entry):
            continue
        if entry.name not in _CONTENTS or not entry.is_dir(follow_symlinks=False):
            yield entry.name
            continue
        for inner in _scan(Path(entry.path)):
            is_right = inner.is_dir if entry.name in ("index", "cache") else inner.is_file
            if not ((is_ours(entry.name, inner.name) and is_right(follow_symlinks=False)) or _is_empty_folder(inner)):
                yield f"{entry.name}/{inner.name}"


def _is_known_file(entry: "os.DirEntry[str]") -> bool:
    is_known = entry.name in _FILES or _TEMPORARY.fullmatch(entry.name) is not None
    return is_known and entry.is_file(follow_symlinks=False)


def _is_empty_folder(entry: "os.DirEntry[str]") -> bool:
    return entry.is_dir(follow_symlinks=False) and not _scan(Path(entry.path))


def _has_contents(folder: Path) -> bool:
    return folder.is_dir() and not all(map(_is_empty_folder, _scan(folder)))


def _scan(folder: Path) -> "list[os.DirEntry[str]]":
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _tables(path: Path) -> set[str]:
    """Return the names of a database's tables; none if there is no database, one of no server's if it is damaged."""
    if not path.exists():
        return set()
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error:
        return {"no database"}


def _way_out(root: Path) -> str:
    return f"choose a folder that is empty or does not exist yet, such as {root / 'reka-data'}"
