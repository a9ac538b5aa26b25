"""Token usage in responses of any API family."""

from collections.abc import Mapping
from typing import Final

from reka.types import Usage

_INPUT: Final = ("prompt_tokens", "input_tokens")
_OUTPUT: Final = ("completion_tokens", "output_tokens")


def read_usage(usage: object) -> Usage | None:
    """Read token counts under either pair of names; None if one of them is missing."""
    if not isinstance(usage, Mapping):
        return None
    input_tokens, output_tokens = _count(usage, _INPUT), _count(usage, _OUTPUT)
    return None if input_tokens is None or output_tokens is None else Usage(input_tokens, output_tokens)


def _count(usage: Mapping[str, object], names: tuple[str, str]) -> int | None:
    value = usage.get(names[0])
    if value is None:
        value = usage.get(names[1])
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
