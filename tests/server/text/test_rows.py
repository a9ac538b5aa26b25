"""Tables, lists of objects and logs as chunks of whole rows."""

import json

import pytest

from reka.server.text.stage import chunks_of_file
from tests.support.texts import in_parts

TABLE = "id,name,price\n" + "".join(f"{row},Bolt {row},{row * 3}\n" for row in range(400))

ROWS = [
    ("a.csv", "id,name\n1,Ann\n2,Bob\n", [("id,name", "1,Ann\n2,Bob")]),
    ("a.csv", "id;name\r\n1;Ann\r\n", [("id;name", "1;Ann")]),
    ("a.tsv", "id\tname\n1\tAnn, Lee\n", [("id\tname", "1\tAnn, Lee")]),
    ("a.csv", 'id,text\n1,"two\nlines, a cell"\n2,"5"" pipe"\n', [("id,text", '1,"two\nlines, a cell"\n2,"5"" pipe"')]),
    ("a.csv", "1,2\n3,4\n", [("", "1,2\n3,4")]),
    ("a.csv", "name,mail\nAnn,a@x\n", [("name,mail", "name,mail\nAnn,a@x")]),
    ("a.csv", '"first name",age\nAnn,5\n', [("first name,age", "Ann,5")]),
    ("a.csv", "id,size\n1,5\n\n2,6\n", [("id,size", "1,5\n2,6")]),
    ("a.jsonl", '{"id": 1, "name": "Ann"}\n{"id": 2, "name": "Bob"}\n',
     [("id, name", '{"id": 1, "name": "Ann"}\n{"id": 2, "name": "Bob"}')]),
    ("a.json", '[\n  {\n    "id": 1,\n    "name": "Ann"\n  },\n  {"x": "}]"}\n]\n',
     [("id, name", '{"id": 1, "name": "Ann"}'), ("x", '{"x": "}]"}')]),
    ("a.jsonl", '{"name": "Caf\\u00e9"}\n', [("name", '{"name": "Caf\u00e9"}')]),
    ("a.jsonl", '{"a": 1}\nno object\n{"a": 2', [("a", '{"a": 1}'), ("", 'no object\n{"a": 2')]),
    ("a.jsonl", '{"a": 1, }\n{"a": "\\ud800"}\n', [("", '{"a": 1, }'), ("a", '{"a": "?"}')]),
    ("a.log", "2026-11-26 08:00:01 INFO up\n2026-11-26 08:00:02 INFO down\n",
     [("", "2026-11-26 08:00:01 INFO up\n2026-11-26 08:00:02 INFO down")]),
    ("a.log", "#Version: 1.0\n#Fields: date time status\n2026-11-26 08:00:01 404\n",
     [("", "#Version: 1.0"), ("date time status", "2026-11-26 08:00:01 404")]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "wanted"), ROWS)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_rows_keep_the_names_of_their_columns(name: str, text: str, wanted: list[tuple[str, str]], size: int) -> None:
    found = list(chunks_of_file(in_parts(text, size), name, 800))

    assert [(chunk.context, chunk.text) for chunk in found] == wanted
    assert all(text.startswith(chunk.text[0], chunk.position) for chunk in found)


def test_a_chunk_has_whole_rows_which_stand_where_it_says() -> None:
    found = list(chunks_of_file(in_parts(TABLE, 999), "bolts.csv", 300))

    assert {chunk.context for chunk in found} == {"id,name,price"}
    assert all(TABLE.startswith(chunk.text, chunk.position) and len(chunk.text) <= 300 for chunk in found)
    assert "\n".join(chunk.text for chunk in found) == TABLE.partition("\n")[2].rstrip()


def test_a_row_longer_than_a_chunk_is_divided_under_the_names_of_its_cells() -> None:
    names = [f"column{number}" for number in range(200)]
    text = ",".join(names) + "\n" + "".join(f"{','.join(f'{row}value{n}' for n in range(200))}\n" for row in range(3))

    found = list(chunks_of_file([text], "wide.csv", 200))

    (cell,) = [chunk for chunk in found if "2value150" in chunk.text.split(",")]
    assert "column150" in cell.context.split(",")
    assert all(text.startswith(chunk.text, chunk.position) for chunk in found)
    assert all(len(chunk.text) <= 200 and len(chunk.context) <= 300 for chunk in found)


def test_an_object_longer_than_a_chunk_is_divided_and_its_text_stands_under_its_short_fields() -> None:
    story = "Once upon a time.\n\n" + "There was a sentence. " * 60
    text = json.dumps({"id": 7, "title": "A story", "text": story}) + "\n"

    first, *rest = chunks_of_file([text], "a.jsonl", 300)

    assert (first.text, first.context) == ('{"id": 7, "title": "A story"}', "id, title")
    assert rest[0].text.startswith("Once upon a time.")
    assert {chunk.context for chunk in rest} == {"id: 7, title: A story > text"}
    assert text[rest[0].position :].startswith("Once upon")


def test_a_stack_trace_stays_with_its_entry() -> None:
    entries = [f"2026-11-26 08:00:{second:02} ERROR failed\n  at main\n  at start\n" for second in range(60)]

    found = list(chunks_of_file(["".join(entries)], "a.log", 300))

    assert all(chunk.text.startswith("2026") and chunk.text.endswith("at start") for chunk in found)
    assert sum(chunk.text.count("ERROR") for chunk in found) == 60
