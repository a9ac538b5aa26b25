import pytest

from reka.server.text.kinds import Kind, kind_of

PROSE = "It was a fine day, and nobody thought of rain.\nThe sea was calm, the boats were out.\n" * 3
MARKDOWN = "# Ports\n\nWords.\n\n## Bergen\n\nMore words.\n"
PAGE = "<!DOCTYPE html>\n<html><body><p>Words.</p></body></html>"
TABLE = "id,name,price\n" + "".join(f"{row},Bolt,{row}\n" for row in range(8))
LINES = '{"id": 1}\n{"id": 2}\n'
LOG = "2026-11-26 08:00:01 INFO started\n2026-11-26 08:00:02 ERROR failed\n  at main\n" * 4


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.md", MARKDOWN, "markdown"),
        ("A.MARKDOWN", PROSE, "markdown"),
        ("a.rst", PROSE, "restructuredtext"),
        ("a.htm", "<p>Words.</p>", "html"),
        ("a.csv", "a,b\n1,2\n", "table"),
        ("a.csv", "a;b\n1,5;2,5\n", "table"),
        ("a.tsv", "a\tb\n1\t2\n", "table"),
        ("a.json", '[\n  {"id": 1}\n]', "json"),
        ("a.jsonl", LINES, "json"),
        ("a.log", LOG, "log"),
        ("a.py", "x = 1\n", "code"),
        ("a.yaml", "a: 1\n", "prose"),
        ("a.txt", PROSE, "prose"),
        ("", "", "prose"),
    ],
)
def test_the_name_of_a_file_tells_its_kind(name: str, head: str, kind: Kind) -> None:
    assert kind_of(name, head) == kind


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (MARKDOWN, "markdown"),
        (MARKDOWN.replace("\n", "\r\n"), "markdown"),
        (PAGE, "html"),
        ("<?xml version='1.0'?>\n" + PAGE, "html"),
        (TABLE, "table"),
        (LINES, "json"),
        ("[" + LINES.replace("\n", ",\n"), "json"),
        (LOG, "log"),
        ('127.0.0.1 - - [10/Oct/2026:13:55:36 -0700] "GET / HTTP/1.0" 200 2326\n' * 6, "log"),
        ("Nov 26 08:00:01 host sshd[1]: session opened\n" * 6, "log"),
        ("#!/bin/sh\necho 1\n", "code"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "README", "notes.2026-11-26", "a.unknown"])
def test_the_content_of_a_file_tells_its_kind_if_its_name_does_not(name: str, head: str, kind: Kind) -> None:
    assert kind_of(name, head) == kind


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.json", "a.jsonl", "a.html", "a.log"])
def test_a_file_that_pretends_to_be_something_else_is_what_it_is(name: str) -> None:
    assert kind_of(name, "Words without end.\nAnd more.\n") == "prose"
    assert kind_of(name, MARKDOWN) == "markdown"
    assert kind_of(name, PAGE) == "html"


@pytest.mark.parametrize(
    "head",
    [
        PROSE,
        "# a comment\nkey = 1\n\n# another\nother = 2\n",
        "#1 of the list\n\n## \n",
        "Apples, pears, plums\nwere in the basket, and nuts.\n",
        "one\ttwo\n",
        "[1] See there.\n{not} an object\n",
        "if a < b and c > d: say <so>\n",
        "At 12:30 we left.\nNobody came.\n",
        "a, b, c\n" * 2,
    ],
)
def test_a_text_that_only_resembles_another_kind_is_prose(head: str) -> None:
    assert kind_of("a.txt", head) == "prose"
