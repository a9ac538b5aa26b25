"""Filters over metadata: what is one, what each comparison means, and what an error says."""

from typing import Any

import pytest

from reka import InvalidArgumentError
from reka._protocol.filters import MAX_FILTER_CONDITIONS, MAX_FILTER_DEPTH, MAX_FILTER_VALUES, matches, parse_filter

DOCUMENT = {"lang": "de", "year": 2021, "draft": False, "tags": ["news", 7, True], "author": None, "none": []}


def holds(condition: dict[str, Any], metadata: dict[str, Any] = DOCUMENT) -> bool:
    return matches(parse_filter(condition, "filter"), metadata)


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"lang": "de"},
        {"lang": {"$eq": "de"}},
        {"year": 2021.0},
        {"draft": False},
        {"author": None},
        {"tags": ["news", 7, True]},
        {"none": []},
        {"lang": {"$ne": "DE"}},
        {"year": {"$ne": "2021"}},
        {"lang": {"$in": ["fr", "de"]}},
        {"lang": {"$nin": ["fr"]}},
        {"year": {"$gt": 2020, "$lt": 2021.5}},
        {"year": {"$gte": 2021, "$lte": 2021}},
        {"lang": {"$gt": "Z", "$lt": "df"}},
        {"tags": {"$contains": "news"}},
        {"lang": {"$contains": "e"}},
        {"$and": [{"lang": "de"}, {"year": 2021}]},
        {"$or": [{"lang": "fr"}, {"year": 2021}]},
        {"$not": {"lang": "fr"}},
        {"year": {"$not": {"$gt": 2021}}},
        {"$or": [{"lang": "de", "year": 1}, {"$and": [{"year": 2021}, {"$not": {"draft": True}}]}]},
    ],
)
def test_a_filter_holds(condition: dict[str, Any]) -> None:
    assert holds(condition)


@pytest.mark.parametrize(
    "condition",
    [
        {"lang": "DE"},
        {"lang": "de", "year": 2020},
        {"year": "2021"},
        {"tags": ["news"]},
        {"tags": "news"},
        {"lang": {"$in": []}},
        {"lang": {"$nin": ["de"]}},
        {"year": {"$gt": "2020"}},
        {"lang": {"$gt": 0}},
        {"tags": {"$contains": "new"}},
        {"lang": {"$contains": "E"}},
        {"year": {"$contains": 2021}},
        {"$not": {}},
        {"$or": [{"lang": "fr"}, {"year": 1}]},
    ],
)
def test_a_filter_does_not_hold(condition: dict[str, Any]) -> None:
    assert not holds(condition)


@pytest.mark.parametrize("comparison", [None, "x", {"$in": ["x", None]}, {"$gte": 0}, {"$lt": "x"}, {"$contains": "x"}])
def test_a_key_that_is_missing_fails_what_asks_for_a_value(comparison: Any) -> None:
    assert not holds({"other": comparison})
    assert holds({"$not": {"other": comparison}})


@pytest.mark.parametrize("comparison", [{"$ne": "x"}, {"$nin": ["x", None]}, {"$not": {"$gt": 1}}])
def test_a_key_that_is_missing_is_unequal_to_any_value(comparison: Any) -> None:
    assert holds({"other": comparison})


def test_a_boolean_is_no_number() -> None:
    flags = {"yes": True, "one": 1}

    assert not holds({"yes": 1}, flags)
    assert not holds({"one": True}, flags)
    assert not holds({"yes": {"$gte": 0}}, flags)
    assert not holds({"yes": {"$in": [1]}}, flags)
    assert not holds({"list": {"$contains": 1}}, {"list": [True]})


@pytest.mark.parametrize("key", ["a.b", "a'] OR ['b", "", "%", "select * from x"])
def test_keys_and_values_are_taken_literally(key: str) -> None:
    assert holds({key: key}, {key: key})
    assert not holds({key: key}, {"a": {"b": key}})


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("lang = 'de'", "filter: got a string, want an object such as"),
        ([{"lang": "de"}], "filter: got a list, want an object such as"),
        ({1: "de"}, "filter: got the key 1, want keys that are texts"),
        ({"$where": "1"}, r"filter: got the key '\$where', want a key of the metadata, or one of \$and, \$or, \$not"),
        ({"year": {"$gtt": 1}}, r"filter\['year'\]: got the operator '\$gtt', want one of \$eq, \$ne, \$in"),
        ({"year": {"from": 1}}, r"filter\['year'\]: got the operator 'from', want one of \$eq"),
        ({"year": {}}, r"filter\['year'\]: got an empty object, want operators: \$eq"),
        ({"year": {"$in": "de"}}, r"filter\['year'\]\['\$in'\]: got a string, want a list"),
        ({"year": {"$in": [1, {}]}}, r"filter\['year'\]\['\$in'\]\[1\]: got an object, want a text, a number"),
        ({"year": {"$gt": True}}, r"filter\['year'\]\['\$gt'\]: got a boolean, want a number or a text"),
        ({"year": {"$gt": [1]}}, r"filter\['year'\]\['\$gt'\]: got a list, want a number or a text"),
        ({"year": float("nan")}, r"filter\['year'\]: got nan, want a number that JSON has"),
        ({"year": {"$contains": [1]}}, r"filter\['year'\]\['\$contains'\]: got a list, want a text"),
        ({"year": {"$not": 1}}, r"filter\['year'\]\['\$not'\]: got a number, want operators"),
        ({"$or": []}, r"filter\['\$or'\]: got an empty list, want a list of one filter or more"),
        ({"$and": {"a": 1}}, r"filter\['\$and'\]: got an object, want a list of one filter or more"),
        ({"$or": [{"a": 1}, 2]}, r"filter\['\$or'\]\[1\]: got a number, want an object such as"),
        ({"$not": [{"a": 1}]}, r"filter\['\$not'\]: got a list, want an object such as"),
        ({"a": {"$in": [0]}, "b": {"$nin": [0] * MAX_FILTER_VALUES}}, "got more values than a filter may list"),
        ({"$or": [{}] * MAX_FILTER_CONDITIONS}, "got more conditions than a filter may have"),
    ],
)
def test_an_error_has_the_place_and_what_is_wanted(condition: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        parse_filter(condition, "filter")


@pytest.mark.parametrize("combine", [lambda inner: {"$not": inner}, lambda inner: {"$and": [inner]}])
def test_a_filter_may_be_so_deep_and_no_deeper(combine: Any) -> None:
    condition: dict[str, Any] = {"lang": "de"}
    for _ in range(MAX_FILTER_DEPTH):
        condition = combine(condition)

    assert holds(condition)
    with pytest.raises(InvalidArgumentError, match="got 17 combinations inside each other, want at most 16"):
        parse_filter(combine(condition), "filter")


def test_a_key_denied_over_and_over_is_too_deep() -> None:
    condition: dict[str, Any] = {"$gt": 1}
    for _ in range(10_000):
        condition = {"$not": condition}

    with pytest.raises(InvalidArgumentError, match="combinations inside each other"):
        parse_filter({"year": condition}, "filter")


def test_filters_side_by_side_are_not_deep() -> None:
    assert holds({"year": {"$not": {"$gt": 2021}}, "$and": [{"$not": {"a": 1}}] * (MAX_FILTER_DEPTH + 4)})
