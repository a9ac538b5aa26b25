"""Texts as streams."""

from collections.abc import Iterator


def in_parts(text: str, size: int) -> Iterator[str]:
    """Yield a text in parts of a size."""
    return (text[start : start + size] for start in range(0, len(text), size))
