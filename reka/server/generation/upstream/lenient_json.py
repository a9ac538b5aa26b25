"""JSON that a stranger wrote -> values that every JSON reader takes. Pure."""

import json
import math
from typing import Any, Final

__all__ = ["read_json"]

# How a surrogate begins that is written as an escape.
_SURROGATE: Final = ("\\ud", "\\uD")


def read_json(data: bytes | str) -> Any:
    """Read a JSON text.

    What Python's reader lets through and nobody else does is mended, for it must not stop an answer that is good
    otherwise: lone surrogates become U+FFFD, numbers that are none (`NaN`, `1e999`) become None.

    Raises:
        ValueError: It is no JSON, or nested too deep.
    """
    text = data.decode("utf-8-sig", "replace") if isinstance(data, bytes) else data
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        if any(start in text for start in _SURROGATE):
            # As UTF-16, two halves of a character become one, and a half that stands alone is an error.
            written = json.dumps(value, ensure_ascii=False)
            value = json.loads(written.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    return value


def _no_number(_: str) -> None:
    return None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
