"""Types of columns that mean the same in every database that a server takes."""

from typing import Any, Final

from sqlalchemy import BigInteger, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

_ESCAPE: Final = "\x1a"
_ESCAPED: Final = (("\x00", f"{_ESCAPE}0"), (_ESCAPE, f"{_ESCAPE}1"))


def escape(text: str) -> str:
    """Write a text without NUL, which PostgreSQL does not take; different texts stay different."""
    if "\x00" not in text and _ESCAPE not in text:
        return text
    return text.replace(_ESCAPE, f"{_ESCAPE}1").replace("\x00", f"{_ESCAPE}0")


def unescape(text: str) -> str:
    """Return the text that `escape` wrote."""
    if _ESCAPE not in text:
        return text
    for char, written in _ESCAPED:
        text = text.replace(written, char)
    return text


class _PostgresText(TypeDecorator[str]):
    """Text that PostgreSQL stores, compares and sorts as SQLite does: with NUL, and by code points."""

    impl = Text
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(collation="C")

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Convert a text to what is stored."""
        return None if value is None else escape(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        """Convert what is stored to the text."""
        return None if value is None else unescape(value)


ANY_TEXT: Final = Text().with_variant(_PostgresText(), "postgresql")
"""Any text. Its length is checked where it comes from, as SQLite checks none."""

ROW_NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")
"""A number that the database gives to a row; SQLite does so for this type alone."""
