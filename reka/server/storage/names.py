"""Names from outside: which are refused, and how any other becomes one that is safe in a path, a URL and a log."""

import re
import unicodedata
from typing import Final

from reka._protocol.names import KEPT_END
from reka.server.errors import RefusedError

_KEPT: Final = frozenset("-_.+@")
"""Signs that a name keeps besides letters, digits and their marks."""

_FALLBACK: Final = "dataset"
"""The name of what has no letter or digit at all."""


def secure_name(name: str, max_chars: int) -> str:
    """Make a dataset's name safe: `../../etc/shadow` becomes `etc_shadow`.

    A safe name stays as it is, so that a name that was given out can be used as one that is asked for.

    Args:
        name: The name as a client sent it.
        max_chars: The most characters of the result, at least 1.

    Returns:
        Letters and digits of any script in Unicode's composed form (NFC), and `-_.+@`, which stand neither first nor
        last (but for `+`); never empty.

    Raises:
        RefusedError: The name is empty, white space, or has control characters.
    """
    if not name.strip():
        raise RefusedError("dataset_name is empty: give the dataset a name with at least one letter or digit")
    if any(unicodedata.category(char) == "Cc" for char in name):
        raise RefusedError("dataset_name has control characters (line breaks, tabs, NUL or the like): leave them out")
    return _shortened(_safe(name), max_chars).strip("-_.@") or _FALLBACK[:max_chars]


def secure_source(filename: str, max_chars: int) -> str:
    """Make the name of an uploaded file fit to be shown beside its text; only ever shown, never opened.

    Returns:
        The last part of a path in either notation, made safe as a dataset's name is.
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
    kept = "".join(char if _is_kept(char) else "_" for char in unicodedata.normalize("NFC", name))
    return re.sub(r"_*(?:\.\.+_*)+|__+", "_", kept).strip("-_.@")


def _is_kept(char: str) -> bool:
    return char in _KEPT or unicodedata.category(char)[0] in "LMN"
