"""Parts of a URL's path that come from a caller."""

from urllib.parse import quote

from reka._protocol.checks import require_utf8
from reka.errors import InvalidArgumentError


def path_part(value: object, argument: str) -> str:
    """Percent-encode one part of a path.

    Quoting alone is not enough: it leaves `.` and `..`, which HTTP libraries resolve, so that deleting the dataset
    `..` would become `DELETE /`.

    Raises:
        InvalidArgumentError: It is no string, empty, `.` or `..`, or has control characters or lone surrogates.
    """
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{argument}: got {type(value).__name__}, want a string")
    if value in {"", ".", ".."}:
        raise InvalidArgumentError(f"{argument}: got {value!r}, want a name")
    refuse_control_characters(value, argument)
    require_utf8(value, argument)
    return quote(value, safe="")


def refuse_control_characters(value: str, argument: str) -> None:
    """Raise InvalidArgumentError if a name has characters that no name can have (Unicode category Cc)."""
    bad = next((char for char in value if ord(char) < 32 or 127 <= ord(char) < 160), None)
    if bad is not None:
        raise InvalidArgumentError(f"{argument}: got {value!r}, which has the control character {bad!r}")
