"""Why a server does not begin to prepare a dataset, as it says and as its clients understand it.

The statuses of jobs are `reka.types.JobStatus`.
"""

from collections.abc import Mapping
from typing import Final

ALREADY_PREPARED: Final = "already_prepared"
"""Code of the error of `prepare-retrieval` for a dataset that is prepared: it can be used."""

BEING_PREPARED: Final = "being_prepared"
"""Code of the error of `prepare-retrieval` for a dataset that another job prepares now."""

_PHRASES: Final[Mapping[str, str]] = {
    ALREADY_PREPARED: "has already been prepared",
    BEING_PREPARED: "is already being prepared",
}
"""What the errors say; the first is documented."""


def refusal_text(code: str, dataset: str) -> str:
    """What a server says with one of the codes."""
    return f"Retrieval {_PHRASES[code]} for dataset {dataset!r}"


def refusal_code(code: str | None, message: str) -> str | None:
    """Which of the codes an error has; of a host that sends neither, by what it says. None: it is another error."""
    if code in _PHRASES:
        return code
    return next((known for known, phrase in _PHRASES.items() if phrase in message), None)
