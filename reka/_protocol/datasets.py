"""Datasets: names that carry a hash of the content, and why a server refuses to prepare one.

The API keeps no hash of a dataset and lists names, so the client puts the hash into the name. Statuses of jobs are
`reka.types.JobStatus`.
"""

from collections.abc import Mapping
from typing import Final

_DIGEST_CHARACTERS: Final = 16

KEPT_END: Final = 1 + _DIGEST_CHARACTERS
"""Characters that a server keeps at the end of a name that it shortens: the hash and its separator."""

_LONGEST: Final = 63
"""Maximum length of a requested name: what the strictest of common stores accept (ours)."""

MAX_DOCUMENT_ID: Final = 512
"""Maximum length of a document's id, and of its source, in characters (ours)."""

ALREADY_PREPARED: Final = "already_prepared"
"""Error code of `prepare-retrieval` for a dataset that is prepared and can be used."""

BEING_PREPARED: Final = "being_prepared"
"""Error code of `prepare-retrieval` for a dataset that another job is preparing."""

_PHRASES: Final[Mapping[str, str]] = {
    ALREADY_PREPARED: "has already been prepared",
    BEING_PREPARED: "is already being prepared",
}
"""Phrases of the error messages; the first is documented."""


def name_with_digest(name: str, digest: str) -> str:
    """Build the name to request for a dataset; `digest` is the hexadecimal hash of its content and name."""
    return f"{name[: _LONGEST - KEPT_END]}-{digest[:_DIGEST_CHARACTERS]}"


def has_digest(stored: str, digest: str) -> bool:
    """Whether a stored name carries this hash, however the server changed the rest of the name."""
    return digest[:_DIGEST_CHARACTERS] in stored


def refusal_text(code: str, dataset: str) -> str:
    """Message of an error with one of the codes."""
    return f"Retrieval {_PHRASES[code]} for dataset {dataset!r}"


def refusal_code(code: str | None, message: str) -> str | None:
    """Code of a refusal; from the message for hosts that send no code. None for any other error."""
    if code in _PHRASES:
        return code
    return next((candidate for candidate, phrase in _PHRASES.items() if phrase in message), None)
