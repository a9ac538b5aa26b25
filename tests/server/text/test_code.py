import pytest

from reka.server.text.stage import chunks_of_file
from tests.support.texts import in_parts

PYTHON = '''"""A module."""

import os

LIMIT = 5


def first(a):
    """Do it."""
    b = a

    return b


@decorator
def second(a):
    return a


class Thing:
    """A thing."""

    def third(self):
        return 3

    def fourth(self):
        return 4
'''
C = """#include <stdio.h>

/* Adds. */
int add(int a, int b)
{
    int sum = a;

    sum += b;
    return sum;
}

int main(void) {
    return add(1, 2);
}
"""
JAVA = """package a;

public class Thing {
    private int size = 1;

    /** Adds. */
    public int add(int a) {
        return a + size;
    }

    public int sub(int a) {
        return a - size;
    }
}
"""


@pytest.mark.parametrize(
    ("name", "text", "whole"),
    [
        ("a.py", PYTHON, ["def first(a):", "    b = a\n\n    return b"]),
        ("a.py", PYTHON, ["@decorator\ndef second(a):\n    return a"]),
        ("a.py", PYTHON, ["def fourth(self):\n        return 4"]),
        ("a.c", C, ["/* Adds. */\nint add", "    int sum = a;\n\n    sum += b;\n    return sum;\n}"]),
        ("a.java", JAVA, ["/** Adds. */", "return a + size;\n    }"]),
    ],
)
def test_a_function_that_fits_is_whole(name: str, text: str, whole: list[str]) -> None:
    found = [chunk.text for chunk in chunks_of_file(in_parts(text, 50), name, 110)]

    assert any(all(piece in chunk for piece in whole) for chunk in found), found


@pytest.mark.parametrize(("name", "text"), [("a.py", PYTHON), ("a.c", C), ("a.java", JAVA)])
@pytest.mark.parametrize("size", [40, 110, 2000])
def test_nothing_of_a_program_is_lost_and_all_stands_where_it_says(name: str, text: str, size: int) -> None:
    found = list(chunks_of_file([text], name, size))

    assert "".join("".join(chunk.text.split()) for chunk in found) == "".join(text.split())
    assert all(text.startswith(chunk.text, chunk.position) and len(chunk.text) <= size for chunk in found)


@pytest.mark.parametrize(
    ("name", "text", "context"), [("a.py", PYTHON, "class Thing:"), ("a.java", JAVA, "public class Thing")]
)
def test_a_method_stands_under_its_class_if_they_are_apart(name: str, text: str, context: str) -> None:
    last = list(chunks_of_file([text], name, 80))[-1]

    assert last.context == context


def test_a_function_longer_than_a_chunk_stands_under_its_first_line_in_each() -> None:
    text = "x = 1\n\n\ndef long(a):\n" + "".join(f"    a = call(a, {number})\n" for number in range(100))

    first, *rest = chunks_of_file([text], "a.py", 300)

    assert (first.text, first.context) == ("x = 1", "")
    assert len(rest) > 5
    assert {chunk.context for chunk in rest} == {"def long(a):"}
