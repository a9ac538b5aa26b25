"""Files that systems and programs leave beside a user's own: no part of a dataset, and no sign of a folder's use."""

from collections.abc import Sequence
from typing import Final

LITTER: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Names of files that macOS and Windows leave in folders."""

_LITTER_FOLDERS: Final = frozenset({"__MACOSX", ".git"})

_SHOWN: Final = 10
_SHOWN_CHARS: Final = 100


def is_litter(path: str) -> bool:
    """Whether a file is what a system or a version control system left behind.

    Args:
        path: Path inside a folder or an archive, with / between its parts.
    """
    *folders, name = path.split("/")
    return name in LITTER or name.startswith("._") or not _LITTER_FOLDERS.isdisjoint(folders)


def note_on_skipped(names: Sequence[str]) -> str:
    """Name what was left out of a dataset, to follow a sentence; nothing if nothing was."""
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"; left out: {', '.join(name[:_SHOWN_CHARS] for name in names[:_SHOWN])}{more}"
