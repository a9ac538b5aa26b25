"""Validation of names sent by clients, and their conversion to names that are safe in a path, a URL and a log."""

import re
import unicodedata
from typing import Final

from reka._protocol.datasets import KEPT_END
from reka.server.errors import RefusedError

_SAFE_PUNCTUATION: Final = frozenset("-_.+@")
"""Characters that a safe name may have besides letters, digits and combining marks."""

_FALLBACK: Final = "dataset"
"""The safe form of a name without any letter or digit."""


def secure_name(name: str, max_chars: int) -> str:
    """Convert a dataset's name to a safe one: `../../etc/shadow` becomes `etc_shadow`.

    A safe name is returned unchanged, so that the name in a response can be used in the next request.

    Args:
        name: The name as a client sent it.
        max_chars: Maximum length of the result in characters, at least 1.

    Returns:
        Letters and digits of any script in Unicode's composed form (NFC), and `-_.+@`, none of which but `+` comes
        first or last; never empty.

    Raises:
        RefusedError: The name is empty or white space, or has control characters.
    """
    if not name.strip():
        raise RefusedError("dataset_name is empty: give the dataset a name with at least one letter or digit")
    if any(unicodedata.category(char) == "Cc" for char in name):
        raise RefusedError("dataset_name has control characters (line breaks, tabs, NUL or the like): leave them out")
    return _shortened(_safe(name), max_chars).strip("-_.@") or _FALLBACK[:max_chars]


def secure_source(filename: str, max_chars: int) -> str:
    """Convert the name of an uploaded file to one that is safe to display; it is never used to open a file.

    Returns:
        The last part of a POSIX or Windows path, converted as a dataset's name is.
    """
    last = re.split(r"[/\\]", filename)[-1]
    return _safe(last)[:max_chars].strip("-_.@") or _FALLBACK


def _shortened(name: str, max_chars: int) -> str:
    """Cut a safe name in its middle: names of datasets that differ at the end, such as by a hash, stay different."""
    if len(name) <= max_chars:
        return name
    kept = min(KEPT_END, max_chars - 1)
    return _safe(name[: max_chars - kept] + name[len(name) - kept :])


def _safe(name: str) -> str:
    replaced = "".join(char if _is_safe(char) else "_" for char in unicodedata.normalize("NFC", name))
    return re.sub(r"_*(?:\.\.+_*)+|__+", "_", replaced).strip("-_.@")


def _is_safe(char: str) -> bool:
    return char in _SAFE_PUNCTUATION or unicodedata.category(char)[0] in "LMN"
