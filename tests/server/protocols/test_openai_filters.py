"""Filters in OpenAI's form mean what filters over metadata mean, or are refused with their place."""

from typing import Any

import pytest

from reka._protocol.filters import matches
from reka.errors import InvalidArgumentError
from reka.server.protocols.openai.filters import parse_openai_filter

OWL: dict[str, Any] = {"$and": 1, "kind": "bird", "year": 2020, "wild": True}


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
        (compare("eq", "$and", 1), True),
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
        ("bird", "filters: got a string, want an object"),
        ({}, "filters: got no type, want an object such as"),
        ({"year": 2019}, "filters: got no type, want an object such as"),
        (compare("like", "kind", "b"), "filters.type: got 'like', want one of eq"),
        ({"type": ["eq"], "key": "a", "value": 1}, "filters.type: got a list, want one of eq"),
        ({"type": "eq", "key": "kind"}, "filters: got no value, want type, key, value, and nothing else"),
        ({"type": "eq", "key": 1, "value": 1}, "filters.key: got a number, want a text"),
        ({**compare("eq", "kind", "b"), "more": 1}, "filters: got the field 'more', want type, key, value, and"),
        ({"type": "or"}, "filters: got no filters, want type, filters, and nothing else"),
        ({"type": "and", "filters": compare("eq", "a", 1)}, "filters.filters: got an object, want a list of"),
        ({"type": "or", "filters": []}, "filters.filters: got an empty list, want a list of one filter or more"),
        ({"type": "and", "filters": [compare("eq", "a", 1), 3]}, "filters.filters[1]: got a number, want an object"),
        (compare("gt", "year", True), "filters.value: got a boolean, want a number or a text"),
        (compare("in", "year", 2020), "filters.value: got a number, want a list"),
        ({"type": "and", "filters": [compare("in", "a", [1, {}])]}, "filters.filters[0].value[1]: got an object"),
        ({"type": "or", "filters": [compare("eq", "a", 1)] * 300}, "filters.filters: got more conditions"),
        (deep(17), f"filters{'.filters[0]' * 16}.filters: got 17 combinations inside each other, want at most 16"),
    ],
)
def test_what_is_no_filter_is_refused(condition: object, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^filters") as refused:
        parse_openai_filter(condition, "filters")

    assert refused.value.message.startswith(said)
