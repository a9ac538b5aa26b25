"""Lenient parsing of JSON from other servers into values that every JSON parser accepts. Pure."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from reka._protocol.answers.json_text import parse_json

__all__ = ["SurrogateJoiner", "read_chunk", "read_json", "without_surrogates"]

Path: TypeAlias = tuple[object, ...]


def read_json(data: bytes | str) -> Any:
    """Parse a JSON text.

    Values that Python's parser accepts and others reject are replaced, so that they do not fail an otherwise good
    response: lone surrogates become U+FFFD, non-finite numbers (`NaN`, `1e999`) become None.

    Raises:
        ValueError: The text is not JSON, or is nested too deep.
    """
    value, may_have_surrogates = read_chunk(data.decode("utf-8-sig", "replace") if isinstance(data, bytes) else data)
    return without_surrogates(value) if may_have_surrogates else value


def read_chunk(text: str) -> tuple[Any, bool]:
    """Parse a JSON text as `read_json` does, but keep lone surrogates: another chunk may have the other half.

    Returns:
        The value, and whether it may contain lone surrogates.

    Raises:
        ValueError: The text is not JSON, or is nested too deep.
    """
    value = parse_json(text, _JSON.decode)
    return value, "\\ud" in text or "\\uD" in text  # as a surrogate's escape begins


def without_surrogates(value: Any) -> Any:
    """Join the surrogate pairs in the strings of a JSON value, and replace lone surrogates by U+FFFD.

    Raises:
        ValueError: The value is nested too deep.
    """
    try:
        return json.loads(_decoded(json.dumps(value, ensure_ascii=False)))
    except RecursionError as error:
        raise ValueError("the JSON is nested too deep") from error


class SurrogateJoiner:
    """Joins characters whose two halves a stream sends in two deltas, each escaped by itself.

    A half at the end of a string waits for the string at the same place of the next delta.
    """

    def __init__(self) -> None:
        self._halves: dict[Path, str] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether a half waits for its other half."""
        return bool(self._halves)

    def join(self, delta: Mapping[str, Any]) -> dict[str, Any]:
        """Return a delta with the halves that waited for it, and without those that wait for the next one."""
        return {name: self._join(value, (name,)) for name, value in delta.items()}

    def rest(self) -> dict[str, str]:
        """Return a delta that ends the texts whose last half never came."""
        texts = {str(path[0]): _decoded(half) for path, half in self._halves.items() if len(path) == 1}
        self._halves.clear()
        return texts

    def _join(self, value: Any, path: Path) -> Any:
        if isinstance(value, str):
            return self._join_text(value, path)
        if isinstance(value, list):
            # The number of a tool call, rather than its place in a delta, tells which one it is.
            places = [item.get("index", place) if isinstance(item, dict) else place for place, item in enumerate(value)]
            return [self._join(item, (*path, place)) for place, item in zip(places, value, strict=True)]
        if isinstance(value, dict):
            return {_decoded(name): self._join(item, (*path, name)) for name, item in value.items()}
        return value

    def _join_text(self, text: str, path: Path) -> str:
        text = self._halves.pop(path, "") + text
        if "\ud800" <= text[-1:] <= "\udbff":
            self._halves[path] = text[-1]
            text = text[:-1]
        return _decoded(text)


def _decoded(text: str) -> str:
    """Decode a text from UTF-16, which joins surrogate pairs and replaces lone surrogates."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _none(_: str) -> None:
    return None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


_JSON: Final = json.JSONDecoder(parse_constant=_none, parse_float=_finite)
