"""Counting what a JSON body costs besides its bytes, as it arrives: many values, and text of wide characters."""

from typing import Final

_SEPARATORS: Final = (b",", b"[", b"{")

_QUOTES_PER_VALUE: Final = 4
"""Quotes of a value that is a string, and of its key."""

_BYTES_PER_VALUE: Final = 160
"""Bytes outside of strings that count as a value: of numbers with thousands of digits, or of white space (ours)."""


class JsonItems:
    """Counts the values and the wide text of a JSON body, a block at a time, without parsing it.

    A body that is no JSON is counted somehow.
    """

    def __init__(self) -> None:
        self._separators = self._quotes = self._outside_bytes = 0
        self._is_in_string = False
        self._begun_escape = b""
        self._wide_bytes = 0
        self._string_bytes = 0
        self._is_string_wide = False

    @property
    def count(self) -> int:
        """Values so far: commas and opening brackets outside of strings, or what so many other bytes cost."""
        others = max(self._quotes // _QUOTES_PER_VALUE, self._outside_bytes // _BYTES_PER_VALUE)
        return max(self._separators, others)

    @property
    def wide_bytes(self) -> int:
        """Bytes so far of strings with other characters than ASCII: one of them widens all of a string in memory."""
        return self._wide_bytes + (self._string_bytes if self._is_string_wide else 0)

    def feed(self, block: bytes) -> None:
        """Count the values of the next bytes."""
        plain = (self._begun_escape + block).replace(b"\\\\", b"")
        self._begun_escape = b"\\" if plain.endswith(b"\\") else b""
        pieces = plain.replace(b'\\"', b"").split(b'"')
        outside = b'"'.join(pieces[1 if self._is_in_string else 0 :: 2])
        self._separators += sum(map(outside.count, _SEPARATORS))
        self._outside_bytes += len(outside)
        self._quotes += len(pieces) - 1
        self._count_wide(pieces)
        self._is_in_string ^= len(pieces) % 2 == 0

    def _count_wide(self, pieces: list[bytes]) -> None:
        """Count the string that began in an earlier block, those of this block as one, and the one that goes on."""
        first, *middle = pieces
        if self._is_in_string:
            self._string_bytes += len(first)
            self._is_string_wide |= _is_wide(first)
        if not middle:
            return
        *middle, last = middle
        self._wide_bytes = self.wide_bytes
        between = b"".join(middle)
        self._wide_bytes += len(between) if _is_wide(between) else 0
        is_in_last = self._is_in_string ^ (len(pieces) % 2 == 0)
        self._string_bytes = len(last) if is_in_last else 0
        self._is_string_wide = is_in_last and _is_wide(last)


def _is_wide(text: bytes) -> bool:
    return not text.isascii() or b"\\u" in text
