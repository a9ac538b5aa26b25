"""Filters over metadata: of one document, and of the columns of all."""

from typing import Any

import pytest

from reka._protocol.filters import matches, parse_filter
from reka.server.retrieval.metadata import MetadataColumns

DOCUMENTS: list[dict[str, Any]] = [
    {"lang": "de", "year": 2019, "tags": ["a", "b"], "ok": True},
    {"lang": "en", "year": 2021.5, "tags": [], "ok": False},
    {"lang": "de-CH", "year": "2021", "tags": "abc", "ok": 1},
    {"lang": None, "$odd": 1, "a.b": "x' OR 1=1 --"},
    {},
]

TABLE: list[tuple[dict[str, Any], set[int]]] = [
    ({}, {0, 1, 2, 3, 4}),
    ({"lang": "de"}, {0}),
    ({"lang": {"$eq": "de"}, "year": 2019}, {0}),
    ({"lang": {"$ne": "de"}}, {1, 2, 3, 4}),
    ({"lang": None}, {3}),
    ({"lang": {"$ne": None}}, {0, 1, 2, 4}),
    ({"lang": {"$in": ["de", "en"]}}, {0, 1}),
    ({"lang": {"$nin": ["de", "en"]}}, {2, 3, 4}),
    ({"lang": {"$in": []}}, set()),
    ({"year": {"$gte": 2019, "$lt": 2021}}, {0}),
    ({"year": {"$gt": 2019}}, {1}),
    ({"year": {"$lte": "2021"}}, {2}),
    ({"year": 2019.0}, {0}),
    ({"ok": True}, {0}),
    ({"ok": 1}, {2}),
    ({"ok": {"$gte": 0}}, {2}),
    ({"tags": ["a", "b"]}, {0}),
    ({"tags": {"$contains": "a"}}, {0, 2}),
    ({"lang": {"$contains": "de"}}, {0, 2}),
    ({"lang": {"$not": {"$contains": "de"}}}, {1, 3, 4}),
    ({"$or": [{"lang": "en"}, {"year": {"$lt": 2020}}]}, {0, 1}),
    ({"$and": [{"lang": {"$contains": "de"}}, {"$not": {"year": 2019}}]}, {2}),
    ({"$not": {"lang": {"$ne": None}}}, {3}),
    ({"a.b": "x' OR 1=1 --"}, {3}),
    ({"lang' OR '1'='1": "x"}, set()),
]


@pytest.mark.parametrize(("value", "wanted"), TABLE, ids=[str(row[0]) for row in TABLE])
def test_a_filter_holds_of_the_same_documents_one_by_one_and_by_column(value: dict[str, Any], wanted: set[int]) -> None:
    columns = MetadataColumns()
    columns.add(enumerate(DOCUMENTS[:2], 1))
    columns.add(enumerate(DOCUMENTS, 1))

    condition = parse_filter(value, "filter")
    selection = columns.select(condition)

    assert {place for place, metadata in enumerate(DOCUMENTS) if matches(condition, metadata)} == wanted
    assert {number - 1 for number in selection.documents.tolist()} == wanted
    assert selection.share == len(wanted) / len(DOCUMENTS)


def test_a_selection_has_the_documents_that_are_added_later() -> None:
    columns = MetadataColumns()
    columns.add([(1, {"lang": "de"})])
    before = columns.select(parse_filter({"lang": "de"}, "filter")).documents.tolist()

    columns.add([(1, {"lang": "de"}), (5, {"lang": "de"}), (6, {"year": 1})])

    assert before == [1]
    assert columns.select(parse_filter({"lang": "de"}, "filter")).documents.tolist() == [1, 5]
