"""A hook of mkdocs: each cell of a table says which column it is in, so that a phone can show rows as lists."""

import re
from html import escape, unescape
from typing import Any, Final

_TABLE: Final = re.compile(r"<table>.*?</table>", re.S)
_HEAD: Final = re.compile(r"<th\b[^>]*>(.*?)</th>", re.S)
_ROW: Final = re.compile(r"<tr>.*?</tr>", re.S)
_CELL: Final = re.compile(r"<td(?P<attributes>[^>]*)>(?P<content>.+?)</td>", re.S)
_TAG: Final = re.compile(r"<[^>]+>")
_FITS: Final = 2
"""Columns that a phone has room for."""


def on_page_content(html: str, **_: Any) -> str:
    """Write the labels into the tables of a page."""
    return _TABLE.sub(lambda found: label_cells(found[0]), html)


def label_cells(table: str) -> str:
    """Write the head of its column into each cell that has something, and put that into one element beside it."""
    heads = [unescape(_TAG.sub("", head)) for head in _HEAD.findall(table)]
    if len(heads) <= _FITS:
        return table
    rows = _ROW.sub(lambda row: _row(row[0], heads), table)
    return rows.replace("<table>", f'<table data-columns="{len(heads)}">', 1)


def _row(row: str, heads: list[str]) -> str:
    columns = iter(heads)
    parts = re.split(r"(<td\b.*?</td>)", row, flags=re.S)
    return "".join(_cell(part, next(columns, "")) if part.startswith("<td") else part for part in parts)


def _cell(cell: str, head: str) -> str:
    label = f'data-label="{escape(head)}"'
    return _CELL.sub(lambda found: f"<td{found['attributes']} {label}><span>{found['content']}</span></td>", cell)
