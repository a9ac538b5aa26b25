"""Names of datasets that carry a hash of what is in them: the API keeps no hash, and lists names."""

from typing import Final

_DIGEST_CHARACTERS: Final = 16

KEPT_END: Final = 1 + _DIGEST_CHARACTERS
"""Characters at the end of a name that a server keeps where it shortens one: the hash, and the sign before it."""

_LONGEST: Final = 63
"""Characters of a name that is asked for: what the strictest of common stores take (ours)."""


def name_with_digest(name: str, digest: str) -> str:
    """The name to ask for, for a dataset whose content and own name have this hash (hexadecimal)."""
    return f"{name[: _LONGEST - KEPT_END]}-{digest[:_DIGEST_CHARACTERS]}"


def has_digest(stored: str, digest: str) -> bool:
    """Whether a stored name is that of the dataset with this hash, whatever else a server has made of the name."""
    return digest[:_DIGEST_CHARACTERS] in stored
