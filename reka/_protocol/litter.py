"""Files that systems and programs leave beside a user's own: no part of a dataset, and no sign of a folder's use."""

from typing import Final

LITTER: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Names of files that macOS and Windows leave in folders."""

_LITTER_FOLDERS: Final = frozenset({"__MACOSX", ".git"})


def is_litter(path: str) -> bool:
    """Whether a file is what a system or a version control system left behind.

    Args:
        path: Path inside a folder or an archive, with / between its parts.
    """
    *folders, name = path.split("/")
    return name in LITTER or name.startswith("._") or not _LITTER_FOLDERS.isdisjoint(folders)
