"""Files of any size and any shape are read as streams, in bounded memory."""

from collections.abc import Iterator

import pytest

from reka.server.text.json_rows import MAX_OBJECT_CHARS
from reka.server.text.stage import chunks_of_file

PART_CHARS = 64 * 1024
LEAD_CHARS = 6 * PART_CHARS
"""Characters that may be read before a chunk of them comes out."""

LEAD_OF_OBJECTS = MAX_OBJECT_CHARS + 4 * PART_CHARS

ENDLESS = {
    "one-line.txt": "x",
    "one-line.md": "x",
    "one-line.html": "x",
    "one-line.py": "x",
    "one-line.rst": "x",
    "one-line.log": "x",
    "prose.txt": "Some words here, and so on. ",
    "sections.md": f"# A\n\n{'words ' * 50}\n\n",
    "fence.md": "words\n",
    "brackets.md": "[![",
    "quotes.md": ">a",
    "bars.md": "|",
    "items.md": "- a ",
    "nested.html": "<div>a",
    "angles.html": "<",
    "tags.html": f"<a b='>{'words ' * 20}",
    "comments.html": "<!x",
    "entities.html": "&amp",
    "headings.html": "<h1>a",
    "headers.html": "<th>a",
    "quotes.csv": '"x,y\n',
    "cells.csv": "x,",
    "rows.csv": "1,2\n",
    "string.json": "words ",
    "nested.json": '{"a":',
    "escapes.json": "\\\\",
    "objects.json": '{"a": 1},\n',
    "closed.json": "}\n",
    "trace.log": "  at main\n",
    "functions.py": "    def f():\n\n",
    "backquotes.rst": "`a",
    "rules.rst": f"a\n===\n\n{'words ' * 50}\n\n",
}
HEADS = {
    "fence.md": "```\n",
    "one-line.html": "<p>",
    "nested.html": "<p>",
    "quotes.csv": "a,b\n1,2\n",
    "cells.csv": "a,b\n1,2\n",
    "rows.csv": "a,b\n",
    "string.json": '{"a": "',
    "escapes.json": '{"a": "',
    "nested.json": '{"a":',
    "closed.json": '{"a": 1}',
    "one-line.log": "2026-11-26 08:00:01 ",
    "trace.log": "2026-11-26 08:00:01 INFO\n",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_chunks_come_while_a_file_is_read(name: str) -> None:
    most = LEAD_OF_OBJECTS if name.endswith("json") else LEAD_CHARS
    read = 0

    def parts() -> Iterator[str]:
        nonlocal read
        unit = ENDLESS[name]
        part = unit * (PART_CHARS // len(unit))
        yield HEADS.get(name, "<p>" if name.endswith("html") else "")
        for _ in range(most // PART_CHARS + 4):
            read += len(part)
            yield part

    lead = 0
    for chunk in chunks_of_file(parts(), name, 800):
        lead = max(lead, read - chunk.position)
        assert 0 < len(chunk.text) <= 800
        assert len(chunk.context) <= 600

    assert 0 < lead <= most


def test_a_page_nested_a_hundred_thousand_deep_has_its_text() -> None:
    page = "<div>" * 100_000 + "deep text" + "</div>" * 100_000

    assert [chunk.text for chunk in chunks_of_file([page], "a.html", 800)] == ["deep text"]


def test_markdown_whose_rows_would_be_filled_up_is_no_table() -> None:
    text = f"|{'a|' * 3000}\n|{'-|' * 3000}\n" + "|x\n" * 3000

    assert sum(len(chunk.text) for chunk in chunks_of_file([text], "a.md", 800)) < 2 * len(text)
