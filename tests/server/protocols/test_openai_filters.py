"""Filters in OpenAI's form mean what filters over metadata mean, or are refused with their place."""

from typing import Any

import pytest

from reka._protocol.filters import matches
from reka.errors import InvalidArgumentError
from reka.server.protocols.openai.filters import parse_openai_filter

OWL: dict[str, Any] = {"kind": "bird", "year": 2020, "wild": True}


def compare(kind: str, key: str, value: object) -> dict[str, object]:
    return {"type": kind, "key": key, "value": value}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (compare("eq", "kind", "bird"), True),
        (compare("eq", "kind", "fish"), False),
        (compare("eq", "wild", True), True),
        (compare("ne", "kind", "fish"), True),
        (compare("ne", "colour", "red"), True),
        (compare("gt", "year", 2020), False),
        (compare("gte", "year", 2020), True),
        (compare("lt", "year", 2021.5), True),
        (compare("lte", "year", 2019), False),
        (compare("in", "kind", ["bird", "fish"]), True),
        (compare("nin", "kind", ["bird", "fish"]), False),
        ({"type": "and", "filters": [compare("eq", "kind", "bird"), compare("gt", "year", 2020)]}, False),
        ({"type": "or", "filters": [compare("eq", "kind", "bird"), compare("gt", "year", 2020)]}, True),
        ({"type": "and", "filters": [{"type": "or", "filters": [compare("eq", "wild", True)]}]}, True),
    ],
)
def test_a_filter_holds_for_attributes(condition: dict[str, object], *, holds: bool) -> None:
    assert matches(parse_openai_filter(condition, "filters"), OWL) is holds


def deep(levels: int) -> dict[str, object]:
    inside: dict[str, object] = compare("eq", "a", 1)
    for _ in range(levels):
        inside = {"type": "and", "filters": [inside]}
    return inside


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("bird", "filters: want an object"),
        ({}, "got the type 'None', want one of eq"),
        (compare("like", "kind", "b"), "got the type 'like'"),
        ({"type": ["eq"], "key": "a", "value": 1}, "got the type"),
        ({"type": "eq", "key": "kind"}, "a `value`"),
        ({"type": "eq", "key": 1, "value": 1}, "a text in `key`"),
        ({**compare("eq", "kind", "b"), "more": 1}, "nothing else"),
        ({"type": "and", "filters": compare("eq", "a", 1)}, "a list of filters"),
        ({"type": "and", "filters": []}, "an empty list"),
        ({"type": "and", "filters": [compare("eq", "a", 1), 3]}, "filters.filters[1]: want an object"),
        (compare("gt", "year", True), "want a number or a text"),
        (compare("in", "year", 2020), "want a list"),
        (compare("eq", "$and", 1), "$and"),
        (deep(17), "inside each other"),
    ],
)
def test_what_is_no_filter_is_refused(condition: object, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^filters") as refused:
        parse_openai_filter(condition, "filters")

    assert said in refused.value.message
