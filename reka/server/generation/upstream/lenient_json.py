"""Lenient parsing of JSON from other servers into values that every JSON parser accepts. Pure."""

import json
import math
from typing import Any, Final

__all__ = ["read_json"]

# Prefixes of an escaped surrogate.
_SURROGATE_ESCAPES: Final = ("\\ud", "\\uD")


def read_json(data: bytes | str) -> Any:
    """Parse a JSON text.

    Values that Python's parser accepts and others reject are replaced, so that they do not fail an otherwise good
    response: lone surrogates become U+FFFD, non-finite numbers (`NaN`, `1e999`) become None.

    Raises:
        ValueError: The text is not JSON, or is nested too deep.
    """
    text = data.decode("utf-8-sig", "replace") if isinstance(data, bytes) else data
    try:
        value = json.loads(text, parse_constant=_none, parse_float=_finite)
        if any(escape in text for escape in _SURROGATE_ESCAPES):
            # Decoding UTF-16 joins surrogate pairs, and replaces lone surrogates.
            encoded = json.dumps(value, ensure_ascii=False)
            value = json.loads(encoded.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except RecursionError as error:
        raise ValueError("the JSON is nested too deep") from error
    return value


def _none(_: str) -> None:
    return None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
